"""The ear of a simulated session: input clock, turns by voice activity, and what was said in them. Pure.

Words come from the tone language in the audio (`app.sim.tonevoice`) or, for other voices, from `hear`. Turn rules
are those of `turn_detection`: server_vad waits for `silence_duration_ms`, semantic_vad answers a finished sentence
soon and a broken one after its eagerness.
"""

from collections import deque

import msgspec

from app.sim import tonevoice
from app.sim.realtime import codec
from app.sim.realtime.protocol_check import Json
from app.sim.realtime.vad import EnergyVad, Started, Stopped

EAGERNESS_MS = {"low": 8_000, "medium": 4_000, "auto": 4_000, "high": 2_000}
SENTENCE_DONE_MS = 300
NO_WORDS_MS = 800
"""Semantic detection cannot read ordinary speech here, so it waits a little longer."""
MIN_COMMIT_MS = 100
_SLICE_MS = 100


class TurnStarted(msgspec.Struct, frozen=True, kw_only=True):
    """Speech began; `audio_start_ms` includes the prefix padding."""

    audio_start_ms: int


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Audio that becomes a user item."""

    text: str
    start_ms: int
    end_ms: int

    @property
    def audio_ms(self) -> int:
        """Length of the item's audio."""
        return self.end_ms - self.start_ms


class IdleTimeout(msgspec.Struct, frozen=True, kw_only=True):
    """`idle_timeout_ms` without speech after the last response; the silence becomes a user item."""

    turn: Turn


Signal = TurnStarted | Turn | IdleTimeout


class Hearing:
    """Feed appended audio, get turns."""

    def __init__(self, audio_format: str, turn_detection: Json | None) -> None:
        self._side: deque[str] = deque()
        self._heard: list[tonevoice.Heard] = []
        self.utterances: list[tonevoice.Heard] = []
        """Every utterance found, with times on the input clock."""
        self._samples = 0
        self._epoch_ms = 0
        self._turn_start_ms = 0
        self._buffer_start_ms = 0
        self._idle_due_ms: int | None = None
        self._start_delay_ms = 0
        self._format = ""
        self.configure(audio_format, turn_detection)

    @property
    def clock_ms(self) -> int:
        """Audio appended since the session began."""
        return self._epoch_ms + self._samples * 1_000 // codec.rate_hz(self._format)

    @property
    def speaking(self) -> bool:
        """Between a turn's start and its end."""
        return self._vad.speaking

    def configure(self, audio_format: str, turn_detection: Json | None) -> None:
        """Apply a session update; another format starts a new listener on the same clock."""
        rate_hz = codec.rate_hz(audio_format)
        if audio_format != self._format:
            self._epoch_ms = self.clock_ms if self._format else 0
            self._format, self._samples = audio_format, 0
            self._listener = tonevoice.Listener(rate_hz)
            self._vad = EnergyVad(rate_hz)
        self._detection = turn_detection
        self._vad.threshold = (turn_detection or {}).get("threshold", 0.5)
        if turn_detection is None:
            self._vad.reset()

    def hear(self, text: str) -> None:
        """The words of the next turn, for audio that is not in the tone language."""
        self._side.append(text)

    def delay_start(self, delay_ms: int) -> None:
        """Detect the next speech this much late."""
        self._start_delay_ms = delay_ms

    def arm_idle(self, due_ms: int | None) -> None:
        """Time out at `due_ms` of the input clock when no speech begins before; None disarms."""
        self._idle_due_ms = due_ms

    def append(self, audio: bytes) -> list[Signal]:
        """Hear the next audio; long appends are heard in slices so that words and silence stay in step."""
        step = codec.bytes_per_ms(self._format) * _SLICE_MS
        signals: list[Signal] = []
        for offset in range(0, len(audio), step):
            signals += self._slice(codec.decode(self._format, audio[offset : offset + step]))
        return signals

    def commit(self) -> Turn | None:
        """End the turn by hand; None when the buffer holds less than 100 ms."""
        if self.clock_ms - self._buffer_start_ms < MIN_COMMIT_MS:
            return None
        start_ms = self._turn_start_ms if self.speaking else self._buffer_start_ms
        self._vad.reset()
        return self._end_turn(start_ms, self.clock_ms)

    def clear(self) -> None:
        """Forget the uncommitted audio."""
        self._vad.reset()
        self._take_heard()
        self._buffer_start_ms = self.clock_ms

    def _slice(self, samples: codec.Samples) -> list[Signal]:
        self._samples += len(samples)
        self._remember(self._listener.feed(samples))
        if self._detection is None:
            return []
        self._vad.stop_after_ms = self._stop_after_ms(self._detection)
        self._vad.start_delay_ms = self._start_delay_ms
        signals = [self._signal(event) for event in self._vad.feed(samples)]
        return [*signals, *self._idle()]

    def _signal(self, event: Started | Stopped) -> Signal:
        detection = self._detection or {}
        if isinstance(event, Stopped):
            return self._end_turn(self._turn_start_ms, self._epoch_ms + event.at_ms)
        self._idle_due_ms = None
        self._start_delay_ms = 0
        onset_ms = self._epoch_ms + event.onset_ms - detection.get("prefix_padding_ms", 300)
        self._turn_start_ms = max(onset_ms, self._buffer_start_ms)
        return TurnStarted(audio_start_ms=self._turn_start_ms)

    def _idle(self) -> list[Signal]:
        if self._idle_due_ms is None or self.speaking or self.clock_ms < self._idle_due_ms:
            return []
        self._idle_due_ms = None
        return [IdleTimeout(turn=self._end_turn(self._buffer_start_ms, self.clock_ms))]

    def _stop_after_ms(self, detection: Json) -> int:
        if detection["type"] == "server_vad":
            return detection["silence_duration_ms"]
        if not self._side and not self._heard and not self._listener.partial:
            return NO_WORDS_MS
        words = self._side[0] if self._side else self._heard[-1].text if self._heard else ""
        complete = bool(self._side) or (bool(self._heard) and self._heard[-1].complete)
        finished = complete and not self._listener.partial and not words.endswith((",", "..."))
        return SENTENCE_DONE_MS if finished else EAGERNESS_MS[detection["eagerness"]]

    def _end_turn(self, start_ms: int, end_ms: int) -> Turn:
        self._buffer_start_ms = end_ms
        decoded = self._take_heard()
        return Turn(text=self._side.popleft() if self._side else decoded, start_ms=start_ms, end_ms=end_ms)

    def _take_heard(self) -> str:
        self._remember(self._listener.finish())
        text = " ".join(heard.text for heard in self._heard).strip()
        self._heard.clear()
        return text

    def _remember(self, found: list[tonevoice.Heard]) -> None:
        for heard in found:
            shifted = msgspec.structs.replace(
                heard, start_ms=heard.start_ms + self._epoch_ms, end_ms=heard.end_ms + self._epoch_ms
            )
            self._heard.append(shifted)
            self.utterances.append(shifted)
