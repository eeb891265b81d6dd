"""The clip set: made from one seed at run time, nothing of it is stored.

A clip starts at the moment of the answer. Phrases and voices are split by hash: a held-out clip uses a phrase and
a voice that no tuning clip uses. `turns` is what was said when, for the simulated transcripts.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scripts.benchmarks.answer import phrases, sounds
from scripts.benchmarks.answer.line import CODECS, levelled, through
from scripts.benchmarks.answer.sounds import Rng, Sound, cadence, silence, tone
from scripts.benchmarks.answer.voices import espeak, manner, recording, third, trimmed

SEED: Final = 20_26
TRUTHS: Final = ("human", "machine", "ivr", "call_screening", "hold_music", "silence", "fax", "network_tone")


class Turn(msgspec.Struct, frozen=True):
    """Words and when they were said, ms since the answer."""

    start_ms: int
    end_ms: int
    text: str


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """One labelled call of `samples` at 8 kHz; times are ms since the answer.

    `beep_end_ms` of a voicemail; of a hold `music_at_ms`, and `person_at_ms` when it ends with a person.
    """

    name: str
    truth: str
    held: bool
    samples: int
    turns: tuple[Turn, ...]
    beep_end_ms: int | None = None
    music_at_ms: int | None = None
    person_at_ms: int | None = None


Made = tuple[Clip, NDArray[np.int16]]
"""A clip and its audio."""


class Tape:
    """A clip being put together."""

    def __init__(self, rng: Rng, language: str, voice: str) -> None:
        self.rng = rng
        self.language = language
        self._voice = voice
        self._manner = manner(rng)
        self._pieces: list[Sound] = []
        self.turns: list[Turn] = []
        self.beep_end_ms: int | None = None
        self.music_at_ms: int | None = None
        self.person_at_ms: int | None = None

    @property
    def ms(self) -> int:
        return sum(piece.size for piece in self._pieces) * 1000 // sounds.RATE_HZ

    def add(self, sound: Sound) -> None:
        self._pieces.append(sound)

    def wait(self, low_ms: float, high_ms: float) -> None:
        self.add(silence(float(self.rng.uniform(low_ms, high_ms))))

    def say(self, text: str) -> None:
        self._spoken(espeak(text, self._voice, *self._manner), text)

    def play(self, name: str) -> None:
        sound = recording(name)
        if sound is not None:
            self._spoken(trimmed(sound), phrases.RECORDED_TEXTS[name])

    def _spoken(self, sound: Sound, text: str) -> None:
        start = self.ms
        self.add(levelled(sound, -20))
        self.turns.append(Turn(start, self.ms, text))

    def read(self, phrase: phrases.Phrase, low_ms: float = 180, high_ms: float = 750) -> None:
        for number, part in enumerate(phrase):
            if number:
                self.wait(low_ms, high_ms)
            self.say(part)

    def finish(self, name: str, truth: str, *, held: bool) -> Made:
        """Level, background, codec and loss, drawn from the clip's own seed."""
        rng = self.rng
        sound = levelled(np.concatenate(self._pieces), float(rng.uniform(-40, -10)))
        background = str(rng.choice(sounds.NOISES, p=[0.45, 0.15, 0.25, 0.1, 0.05]))
        below_db = rng.uniform(18, 40)
        if background != "none" and sound.any():
            level = 20 * np.log10(np.sqrt(np.mean(sound[sound != 0] ** 2)) + 1e-9) - below_db
            noise = sounds.noise(background, sound.size * 1000 / sounds.RATE_HZ + 20, rng)[: sound.size]
            sound = sound + levelled(noise, level)
        codec = str(rng.choice(CODECS))
        audio = through(sound, codec, float(rng.choice([0, 0, 0.01, 0.03, 0.05])), rng)
        clip = Clip(
            name=f"{name} {self._voice} {codec} {background}",
            truth=truth,
            held=held,
            samples=audio.size,
            turns=tuple(self.turns),
            beep_end_ms=self.beep_end_ms,
            music_at_ms=self.music_at_ms,
            person_at_ms=self.person_at_ms,
        )
        return clip, audio


Story = Callable[[Tape, phrases.Phrase], None]


def _human(tape: Tape, phrase: phrases.Phrase) -> None:
    tape.add(silence(float(np.clip(tape.rng.lognormal(np.log(420), 0.55), 80, 2200))))
    tape.read(phrase, 900, 2200)
    tape.wait(4000, 6000)


def _machine(tape: Tape, phrase: phrases.Phrase) -> None:
    tape.wait(150, 1600)
    tape.read(phrase)
    if tape.rng.random() < 0.85:
        tape.wait(*((150, 1500) if tape.rng.random() < 0.9 else (1500, 3200)))
        tape.add(levelled(sounds.beep(tape.rng), float(tape.rng.uniform(-26, -14))))
        tape.beep_end_ms = tape.ms
    tape.wait(3500, 6000)


def _ivr(tape: Tape, phrase: phrases.Phrase) -> None:
    tape.wait(100, 900)
    tape.read(phrase, 150, 900)
    tape.wait(2500, 5000)
    if tape.rng.random() < 0.5:
        tape.read(phrase, 150, 900)
        tape.wait(2000, 3000)


def _screening(tape: Tape, phrase: phrases.Phrase) -> None:
    tape.wait(100, 900)
    tape.read(phrase, 200, 600)
    tape.wait(4000, 6000)


def _hold(tape: Tape, phrase: phrases.Phrase) -> None:
    tape.wait(0, 600)
    if tape.rng.random() < 0.5:
        tape.read(phrase)
        tape.wait(150, 900)
    style = str(tape.rng.choice(sounds.STYLES))
    tape.music_at_ms = tape.ms
    tape.add(levelled(sounds.music(style, float(tape.rng.uniform(11_000, 16_000)), tape.rng), -20))
    if tape.rng.random() < 0.6:
        tape.wait(100, 500)
        tape.person_at_ms = tape.ms
        spoken = {"en": "Hello, thanks for waiting, how can I help?", "de": "Guten Tag, was kann ich für Sie tun?"}
        tape.say(
            spoken.get(
                tape.language, "Bonjour, je vous écoute." if tape.language == "fr" else "Hola, buenos días."
            )
        )
        tape.wait(3000, 4000)


def _network(tape: Tape, phrase: phrases.Phrase) -> None:
    tape.wait(100, 800)
    tape.add(levelled(sounds.sit(), -18))
    tape.wait(100, 300)
    tape.read(phrase)
    tape.wait(1000, 3000)


STORIES: Final[tuple[tuple[str, phrases.Texts, Story, int], ...]] = (
    ("human", phrases.HUMAN, _human, 600),
    ("human", phrases.HUMAN_LONG, _human, 90),
    ("machine", phrases.MACHINE, _machine, 240),
    ("ivr", phrases.IVR, _ivr, 66),
    ("call_screening", phrases.SCREENING, _screening, 48),
    ("hold_music", phrases.QUEUE, _hold, 90),
    ("network_tone", phrases.NETWORK, _network, 12),
)


def clips() -> Iterator[Made]:
    """All of them, always the same."""
    for truth, texts, story, count in STORIES:
        for held in (False, True):
            yield from _spoken(truth, texts, story, (count * 2 // 3, count // 3)[held], held=held)
    yield from _recorded()
    yield from _wordless()


def _spoken(truth: str, texts: phrases.Texts, story: Story, count: int, *, held: bool) -> Iterator[Made]:
    pairs = [
        (language, tuple(joined.split("|")))
        for language, some in texts.items()
        for joined in third(tuple("|".join(phrase) for phrase in some), held=held)
    ]
    for number in range(count):
        long = texts is phrases.HUMAN_LONG
        rng = np.random.default_rng((SEED + long, len(truth), sum(map(ord, truth)), held, number))
        language, phrase = pairs[number % len(pairs)]
        tape = Tape(rng, language, str(rng.choice(third(phrases.VOICES[language], held=held))))
        story(tape, phrase)
        yield tape.finish(f"{'long ' * long}{truth} {number} {phrase[0][:40]!r}", truth, held=held)


def _recorded() -> Iterator[Made]:
    """A recorded voice, never used for tuning: 2 of each."""
    for truth, programmes in phrases.PROGRAMMES.items():
        for number, names in enumerate(programme for programme in programmes for _ in range(2)):
            if any(recording(name) is None for name in names):
                continue
            tape = Tape(np.random.default_rng((SEED, 77, number, len(truth))), "en", "Allison")
            tape.wait(150, 900)
            if truth == "network_tone":
                tape.add(levelled(sounds.sit(), -18))
                tape.wait(100, 300)
            for name in names:
                tape.play(name)
                tape.wait(100, 400)
            if truth == "machine":
                tape.add(levelled(sounds.beep(tape.rng), -18))
                tape.beep_end_ms = tape.ms
            tape.wait(3500, 5000)
            yield tape.finish(f"recorded {truth} {number} {names[0]}", truth, held=True)


def _wordless() -> Iterator[Made]:
    kinds: list[tuple[str, str]] = [
        *(("silence", kind) for kind in ("none", "white", "pink", "hum", "clicks", "babble") for _ in range(6)),
        *(("fax", kind) for kind in ("cng", "ced") for _ in range(9)),
        *(("network_tone", kind) for kind in ("busy_eu", "busy_us", "reorder") for _ in range(6)),
        *(("human", "after_ringback") for _ in range(6)),
    ]
    for number, (truth, kind) in enumerate(kinds):
        held = number % 3 == 0
        rng = np.random.default_rng((SEED, 99, number))
        tape = Tape(rng, "en", third(phrases.VOICES["en"], held=held)[0])
        _wordless_sound(tape, kind)
        yield tape.finish(f"{truth} {number} {kind}", truth, held=held)


def _wordless_sound(tape: Tape, kind: str) -> None:
    rng = tape.rng
    tape.wait(50, 900)
    match kind:
        case "cng":
            tape.add(levelled(cadence(9000, 500, 3000, 1100 + rng.uniform(-30, 30)), -20))
        case "ced":
            tape.add(levelled(tone(float(rng.uniform(2600, 4000)), 2100 + rng.uniform(-12, 12)), -20))
            tape.wait(2000, 3000)
        case "busy_eu":
            tape.add(levelled(cadence(7000, 500, 500, 425), -20))
        case "busy_us":
            tape.add(levelled(cadence(7000, 500, 500, 480, 620), -20))
        case "reorder":
            tape.add(levelled(cadence(7000, 250, 250, 480, 620), -20))
        case "after_ringback":
            tape.add(levelled(cadence(float(rng.uniform(5000, 9000)), 1000, 4000, 425), -20))
            tape.add(silence(400))
            tape.say("Hello?")
            tape.wait(4000, 5000)
        case "babble":
            tape.add(_babble(rng))
        case _:
            tape.add(levelled(sounds.noise(kind, 9000, rng), -30))


def _babble(rng: Rng) -> Sound:
    """Six voices at once, backwards, far away."""
    mixed = silence(9000)
    for voice in phrases.VOICES["en"][:6]:
        words = (
            "the quick brown fox jumps over the lazy dog while many people talk about other things in a big room "
        )
        speech = np.resize(espeak(words, voice, *manner(rng))[::-1], mixed.size)
        mixed += np.roll(speech, int(rng.integers(0, mixed.size)))
    return levelled(mixed, -38)
