"""Who answered, by sound, words and tools; and what is done about it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.answer.model import (
    ENDS,
    PROGRESS,
    AgentHeard,
    AmdSays,
    AnswerSettings,
    Deafen,
    Decided,
    Effect,
    HangUp,
    Heard,
    KeyHeard,
    LeaveMessage,
    ListenOnly,
    ModelSays,
    SayIdentity,
    Tick,
    Verdict,
    Words,
)
from media.answer.supervision import Supervision
from tests.unit.media.answer.line_sounds import course, frames, melody, play, silence, speech, tone

GREETING = "Please leave a message after the tone."


def verdicts(effects: list[Effect]) -> list[Verdict]:
    return [effect.verdict for effect in effects if isinstance(effect, Decided)]


def of(effects: list[Effect], kind: type) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, kind)]


SOUNDS = {
    "a short answer": ((silence(400), speech(600), silence(2000)), [Verdict.HUMAN]),
    "nobody": ((silence(5000),), [Verdict.SILENCE]),
    "a long greeting and a beep": (
        (silence(400), speech(9000), silence(400), tone(400, 1000), silence(2000)),
        [Verdict.UNCERTAIN, Verdict.BEEP],
    ),
    "a two-tone beep": (
        (silence(400), speech(9000), silence(400), tone(400, 800, 1100), silence(2000)),
        [Verdict.UNCERTAIN, Verdict.BEEP],
    ),
    "fax calling": ((silence(300), tone(500, 1100), silence(3000)), [Verdict.FAX]),
    "fax answering": ((silence(300), tone(3000, 2100)), [Verdict.FAX]),
    "special information": (
        (silence(300), tone(330, 950), tone(330, 1400), tone(330, 1800), silence(2000)),
        [Verdict.NETWORK_TONE],
    ),
    "busy": ((silence(300), *(tone(500, 425), silence(500)) * 4), [Verdict.NETWORK_TONE]),
    "hold music": ((melody(8000),), [Verdict.HOLD_MUSIC]),
    "a beep before any word": ((silence(500), tone(300, 1000), silence(1500)), []),
    "keys": ((silence(500), tone(300, 770, 1336), silence(1500)), []),
}


@pytest.mark.parametrize(("sounds", "expected"), SOUNDS.values(), ids=SOUNDS)
def test_verdicts_by_sound(sounds: tuple, expected: list[Verdict]) -> None:
    assert verdicts(course(*sounds)) == expected


def test_a_short_answer_is_known_soon_after_its_end() -> None:
    decided = of(course(silence(400), speech(600), silence(2000)), Decided)[0]
    assert isinstance(decided, Decided)
    assert not decided.final
    assert 1000 <= decided.at_ms <= 1500


def test_the_message_begins_300_ms_after_the_beep() -> None:
    supervision = Supervision(AnswerSettings())
    supervision.handle(Words(GREETING), 0)
    play(supervision, silence(1000), tone(400, 1000))
    effects: list[Effect] = []
    at_ms = 1400
    for frame in frames(silence(1000)):
        at_ms += 20
        effects = supervision.handle(Heard(frame), at_ms)
        if of(effects, LeaveMessage):
            break
    assert 1700 <= at_ms <= 1760
    assert of(effects, ListenOnly) == [ListenOnly(on=False)]


def test_a_machine_that_does_not_beep_gets_its_message_after_silence() -> None:
    supervision = Supervision(AnswerSettings())
    first = supervision.handle(Words(GREETING), 0)
    assert of(first, ListenOnly) == [ListenOnly(on=True)]
    effects = play(supervision, speech(1000), silence(5000))
    assert of(effects, LeaveMessage) == [LeaveMessage("silence after the greeting")]


@pytest.mark.parametrize("gap_ms", [0, 60])
def test_a_second_tone_is_part_of_the_beep_however_it_begins(gap_ms: int) -> None:
    """The message begins after the last of it: the line is quiet for 300 ms."""
    supervision = Supervision(AnswerSettings())
    supervision.handle(Words(GREETING), 0)
    began: list[int] = []
    second = lossy(tone(600, 1330), 3, 12, 21)
    for number, frame in enumerate(frames(silence(1000), tone(300, 1000), silence(gap_ms), second, silence(1000))):
        at_ms = (number + 1) * 20
        began += [at_ms for one in supervision.handle(Heard(frame), at_ms) if isinstance(one, LeaveMessage)]
    assert len(began) == 1
    assert 2_180 + gap_ms <= began[0] <= 2_280 + gap_ms


def vowel(kind: str) -> np.ndarray:
    """160 ms that are as pure as a tone and are none."""
    time = np.arange(160 * 8) / 8000
    if kind == "octave":
        return (np.sin(2 * np.pi * 376 * time) + 0.8 * np.sin(2 * np.pi * 188 * time)) * 4000
    if kind == "glides":
        return np.sin(2 * np.pi * (410 * time + 50 * time**2)) * 6000
    return np.sin(2 * np.pi * 410 * time) * 6000 * (1 - 0.12 * np.cos(2 * np.pi * 8 * time))


@pytest.mark.parametrize(("kind", "beeps"), [("octave", 0), ("glides", 0), ("swells", 0), ("tone", 1)])
def test_a_vowel_between_pauses_is_no_beep(kind: str, beeps: int) -> None:
    """A greeting goes on after it: nothing may be said into it."""
    supervision = Supervision(AnswerSettings())
    supervision.handle(Words(GREETING), 0)
    sound = tone(160, 410) if kind == "tone" else vowel(kind)
    effects = play(supervision, speech(900), silence(300), sound, silence(600), speech(900))
    assert len(of(effects, LeaveMessage)) == beeps


def song(ms: int, seed: int) -> np.ndarray:
    """A beat, a bass and a voice over chords: nothing of it stands still, and there are no pauses."""
    rng = np.random.default_rng(seed)
    time = np.arange(ms * 8) / 8000
    sung = 0.4 * speech(ms, seed) + sum(
        np.sin(2 * np.pi * hz * time + 0.8 * np.sin(2 * np.pi * 5 * time)) * 900 for hz in (262, 330, 392, 523)
    )
    chords = np.resize(np.concatenate([tone(480, *(hz * 2 ** (step / 12) for hz in (262, 330, 392, 1310)))
                                       for step in (0, 5, 7, 3)]), ms * 8)  # fmt: skip
    drums = rng.normal(0, 1, time.size) * np.exp(-((time * 4) % 1) * 9) * 1_300
    return sung + 0.8 * chords + drums


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_song_with_drums_and_a_voice_is_hold_music(seed: int) -> None:
    found = verdicts(course(song(9000, seed)))
    assert found[-1] is Verdict.HOLD_MUSIC
    assert Verdict.HUMAN not in found


@pytest.mark.parametrize("seed", range(8))
def test_talking_without_end_is_no_music(seed: int) -> None:
    spoken = [
        part for n in range(9) for part in (speech(1300 + 90 * n, seed * 10 + n), silence(120 + 60 * (n % 4)))
    ]
    assert Verdict.HOLD_MUSIC not in verdicts(course(silence(300), *spoken))


SOUNDS_OF_PEOPLE = st.one_of(
    st.tuples(st.just(silence), st.integers(100, 4000)),
    st.tuples(st.just(speech), st.integers(200, 9000)),
    st.tuples(st.just(melody), st.integers(200, 5000)),
)


@settings(max_examples=25, deadline=None)
@given(sounds=st.lists(SOUNDS_OF_PEOPLE, min_size=1, max_size=6), amd=st.booleans())
def test_without_words_or_a_beep_nobody_is_treated_as_a_machine(sounds: list[tuple], *, amd: bool) -> None:
    supervision = Supervision(AnswerSettings())
    effects = supervision.handle(AmdSays("MACHINE"), 0) if amd else []
    effects += play(supervision, *(sound(ms) for sound, ms in sounds), silence(4000))
    assert not {Verdict.MACHINE, Verdict.BEEP} & set(verdicts(effects))
    assert not of(effects, ListenOnly)
    assert not of(effects, LeaveMessage)


def lossy(sound: np.ndarray, *lost: int) -> np.ndarray:
    """Frames missing: the one before again, 6 dB lower, as a leg fills them in."""
    frames_ = sound.copy().reshape(-1, 160)
    for index in lost:
        frames_[index] = frames_[index - 1] / 2
    return frames_.reshape(-1)


def hum(ms: int) -> np.ndarray:
    return 0.03 * tone(ms, 188)


BEEPS = {
    "lost packets": lossy(tone(600, 1000), 8, 20),
    "two lost in a row": lossy(tone(300, 1445), 6, 7),
    "lost at its start": lossy(tone(300, 774), 2),
    "as long as a ringing tone": tone(920, 589),
    "in the hum of the line": hum(600) + tone(600, 1619),
    "one after the other": np.concatenate((tone(300, 800), tone(300, 1064))),
}


@pytest.mark.parametrize("beep", BEEPS.values(), ids=BEEPS)
def test_beeps_of_bad_lines_are_heard(beep: np.ndarray) -> None:
    supervision = Supervision(AnswerSettings())
    supervision.handle(Words(GREETING), 0)
    background = hum(3000) if beep is BEEPS["in the hum of the line"] else silence(3000)
    sounds = (background[: 500 * 8], beep, background[: 1500 * 8])
    effects = play(supervision, *sounds)
    assert verdicts(effects) == [Verdict.BEEP]
    end_ms = 500 + beep.size // 8
    decided = of(effects, Decided)[0]
    assert isinstance(decided, Decided)
    assert end_ms + 280 <= decided.at_ms <= end_ms + 360


def test_notes_are_nobodys_answer() -> None:
    struck = [part for hz in (262, 330, 392, 523) for part in (tone(420, hz, hz * 2, hz * 3), silence(300))]
    assert Verdict.HUMAN not in verdicts(course(silence(200), *struck))


def test_voicemail_none_hangs_up() -> None:
    supervision = Supervision(AnswerSettings(voicemail="none"))
    assert of(supervision.handle(Words(GREETING), 3000), HangUp) == [HangUp("voicemail")]
    assert not of(play(supervision, silence(5000), start_ms=3000), LeaveMessage)


def test_a_long_answer_in_a_conversation_is_no_greeting() -> None:
    supervision = Supervision(AnswerSettings())
    effects = play(supervision, speech(600), silence(1000))
    effects += supervision.handle(AgentHeard(), 1600)
    effects += play(supervision, speech(12_000), start_ms=1600)
    assert verdicts(effects) == [Verdict.HUMAN]


REPLY = "Yes this is the reception of Miller and Sons, go ahead please."


@pytest.mark.parametrize(
    ("reply", "expected"), [(REPLY, Verdict.HUMAN), (None, Verdict.BEEP), (GREETING, Verdict.BEEP)]
)
def test_a_beep_on_the_line_of_somebody_who_answers_us_is_no_voicemail(
    reply: str | None, expected: Verdict
) -> None:
    supervision = Supervision(AnswerSettings())
    effects = play(supervision, speech(900), silence(1000))
    effects += supervision.handle(Words("Miller and Sons good morning you are speaking with Anna Miller"), 1900)
    effects += supervision.handle(AgentHeard(), 2500)
    effects += play(supervision, speech(2500), silence(300), start_ms=2500)
    if reply is not None:
        effects += supervision.handle(Words(reply), 5300)
    effects += play(supervision, tone(250, 1400), silence(2000), start_ms=5300)
    assert verdicts(effects)[-1] == expected
    assert bool(of(effects, LeaveMessage)) == (expected is Verdict.BEEP)


def test_words_of_a_person_correct_a_provisional_machine() -> None:
    supervision = Supervision(AnswerSettings())
    effects = supervision.handle(Words(GREETING, final=False), 4000)
    effects += supervision.handle(Words("Good afternoon, Miller and Sons, how can I help you?"), 9600)
    assert verdicts(effects) == [Verdict.MACHINE, Verdict.HUMAN]
    assert of(effects, ListenOnly) == [ListenOnly(on=True), ListenOnly(on=False, owed=True)]


def test_the_models_tool_is_believed_until_a_person_is_certain() -> None:
    supervision = Supervision(AnswerSettings())
    assert verdicts(supervision.handle(ModelSays(), 2000)) == [Verdict.MACHINE]
    certain = Supervision(AnswerSettings())
    certain.handle(Words("Who is this?"), 1500)
    assert certain.final
    assert verdicts(certain.handle(ModelSays(), 2000)) == []


def test_a_greeting_half_heard_is_a_machine_only_until_the_whole_turn_is_known() -> None:
    supervision = Supervision(AnswerSettings())
    effects = supervision.handle(Words(GREETING, final=False), 2000)
    effects += supervision.handle(
        Words("please believe me that we found your passage after the stone", final=True), 2600
    )
    assert verdicts(effects) == [Verdict.MACHINE, Verdict.UNCERTAIN]
    assert of(effects, ListenOnly) == [ListenOnly(on=True), ListenOnly(on=False, owed=True)]


def test_two_hints_need_more_words() -> None:
    supervision = Supervision(AnswerSettings())
    first = supervision.handle(Words("we are closed at the moment"), 3000)
    assert verdicts(first) == [Verdict.UNCERTAIN]
    assert not of(first, ListenOnly)
    assert verdicts(supervision.handle(Words("in an emergency"), 5000)) == [Verdict.MACHINE]


@pytest.mark.parametrize(
    ("status", "expected"), [("MACHINE", [Verdict.UNCERTAIN]), ("NOTSURE", []), ("HUMAN", [])]
)
def test_of_amd_only_machine_counts(status: str, expected: list[Verdict]) -> None:
    assert verdicts(Supervision(AnswerSettings()).handle(AmdSays(status), 500)) == expected


def test_hold_music_is_not_heard_and_a_person_wakes() -> None:
    supervision = Supervision(AnswerSettings())
    asleep = play(supervision, melody(8000))
    assert of(asleep, Deafen) == [Deafen(on=True)]
    awake = play(supervision, speech(2500), silence(4000), start_ms=8000)
    assert of(awake, Deafen)[0] == Deafen(on=False)
    assert verdicts(awake) == [Verdict.HUMAN]


def test_patience_with_hold_is_limited() -> None:
    supervision = Supervision(AnswerSettings(hold_patience_ms=20_000))
    effects = play(supervision, melody(40_000))
    assert of(effects, HangUp) == [HangUp("hold lasted too long")]


def test_the_same_menu_three_times_ends_the_call() -> None:
    supervision = Supervision(AnswerSettings())
    menu = "For sales press one, for support press two"
    effects = [supervision.handle(Words(menu), at) for at in (3000, 9000)]
    assert not any(of(step, HangUp) for step in effects)
    assert of(supervision.handle(Words("for sails press one for support press two"), 15_000), HangUp)


def test_a_screening_robot_gets_one_sentence_once() -> None:
    supervision = Supervision(AnswerSettings())
    words = Words("Please state your name and why you are calling.")
    assert of(supervision.handle(words, 3000), SayIdentity) == [SayIdentity()]
    assert not of(supervision.handle(words, 9000), SayIdentity)


def test_fax_marks_the_number() -> None:
    assert of(course(tone(3000, 2100)), HangUp) == [HangUp("fax", mark_number="fax")]


def test_without_audio_time_alone_decides_silence() -> None:
    supervision = Supervision(AnswerSettings())
    assert supervision.next_deadline_ms == 3000
    assert verdicts(supervision.handle(Tick(), 3000)) == [Verdict.SILENCE]


INPUTS = st.one_of(
    st.sampled_from(frames(silence(100), speech(700), tone(200, 1000), melody(600), tone(200, 2100))).map(Heard),
    st.sampled_from(["hello", GREETING, "press one", "how can i help you", "please hold the line"]).map(Words),
    st.just(ModelSays()),
    st.sampled_from(["MACHINE", "HUMAN"]).map(AmdSays),
    st.just(KeyHeard("5")),
    st.just(AgentHeard()),
    st.just(Tick()),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(INPUTS, st.integers(-200, 4000)), max_size=120))
def test_no_final_verdict_flips_and_time_never_runs_back(steps: list[tuple]) -> None:
    supervision = Supervision(AnswerSettings())
    now_ms = last_ms = 0
    standing: Decided | None = None
    for event, step_ms in steps:
        now_ms += step_ms
        for effect in supervision.handle(event, now_ms):
            if not isinstance(effect, Decided):
                continue
            assert effect.at_ms >= last_ms
            last_ms = effect.at_ms
            if standing is not None:
                assert standing.verdict not in ENDS
                if standing.final and effect.verdict is not standing.verdict:
                    assert effect.verdict in PROGRESS[standing.verdict]
                assert effect.verdict is not standing.verdict or (effect.final and not standing.final)
            standing = effect


def test_only_the_tones_of_a_key_are_a_key() -> None:
    """A beep of two tones near those of a key is a beep."""
    for pair, expected in (((852, 1209), []), ((826, 1246), [Verdict.BEEP])):
        supervision = Supervision(AnswerSettings())
        supervision.handle(Words(GREETING), 0)
        assert verdicts(play(supervision, silence(500), tone(400, *pair), silence(1500))) == expected


def test_ringing_after_a_greeting_without_words_is_no_beep() -> None:
    effects = course(silence(300), speech(1500), silence(600), tone(1000, 425), silence(3000))
    assert Verdict.BEEP not in verdicts(effects)


def test_a_gliding_vowel_is_no_beep() -> None:
    """Recorded voices say "if" with a pure tone in it that falls and rises by 18 Hz."""
    hz = 405 + 9 * np.cos(np.arange(200 * 8) / 1600 * 2 * np.pi)
    vowel = 6000 * np.sin(2 * np.pi * np.cumsum(hz) / 8000)
    supervision = Supervision(AnswerSettings())
    supervision.handle(Words(GREETING), 0)
    assert Verdict.BEEP not in verdicts(play(supervision, silence(500), vowel, silence(1000)))


def test_a_voice_no_ear_takes_for_speech_has_spoken_when_its_words_arrive() -> None:
    """Silence after the greeting is counted from them, not from the answer: the beep is still to come."""
    supervision = Supervision(AnswerSettings())
    for at in range(20, 4_020, 20):
        assert of(supervision.handle(Tick(), at), LeaveMessage) == []
    assert of(supervision.handle(ModelSays(), 4_000), LeaveMessage) == []
    assert of(supervision.handle(Words(GREETING), 4_200), LeaveMessage) == []
    until_ms = 4_200 + AnswerSettings().message_after_silence_ms
    assert of(supervision.handle(Tick(), until_ms - 100), LeaveMessage) == []
    assert of(supervision.handle(Tick(), until_ms), LeaveMessage) == [LeaveMessage("silence after the greeting")]
