"""The callee's mouth: speech cut into RTP frames on absolute deadlines, and nothing at all in between.

Numbers its own stream: sequence +1 per packet, timestamp by wall time across silence (RFC 3550), marker on the
first packet of a talk spurt. The exchange carries these numbers to the media engine as they are.
"""

import msgspec
import numpy as np
import soxr

from app.sim import tonevoice
from app.sim.asterisk.script import Samples

TICKS_PER_MS = 8
"""The RTP clock is 8000 Hz for G.711 and for G.722 (RFC 3551 4.5.2)."""

_MAX_LATE_S = 0.2
_TICK_MASK = 0xFFFFFFFF


class Frame(msgspec.Struct, frozen=True):
    """One packet of the callee before encoding; `samples` at 16 kHz and 8 kHz hold the same audio."""

    sequence_number: int
    timestamp: int
    marker: bool
    samples_8k: Samples
    samples_16k: Samples


class Mouth:
    """`say` starts an utterance; `due(now)` returns the frames whose time has come."""

    def __init__(self, *, ptime_ms: int, comfort: bool, first_sequence: int, first_timestamp: int) -> None:
        self.next_due: float | None = None
        self._ptime_s = ptime_ms / 1_000
        self._ptime_ms = ptime_ms
        self._comfort = comfort
        self._open = False
        self._sequence = first_sequence
        self._timestamp = first_timestamp
        self._last_at: float | None = None
        self._speech_8k = np.zeros(0, np.int16)
        self._speech_16k = np.zeros(0, np.int16)
        self._offset = 0
        self._talking = False
        self._fresh = False

    @property
    def talking(self) -> bool:
        """Whether an utterance is under way."""
        return self._talking

    def open(self, now: float) -> None:
        """The call was answered: with comfort packets the stream starts here."""
        self._open = True
        if self._comfort and self.next_due is None:
            self.next_due = now

    def say(self, text: str, samples: Samples | None, now: float) -> None:
        """Start an utterance at once; one that is under way is dropped."""
        if samples is None:
            self._speech_8k, self._speech_16k = tonevoice.speak(text, 8_000), tonevoice.speak(text, 16_000)
        else:
            self._speech_8k = samples
            self._speech_16k = soxr.resample(samples, 8_000, 16_000)
        self._offset = 0
        self._talking = self._fresh = True
        if self.next_due is None:
            self.next_due = now

    def due(self, now: float) -> list[Frame]:
        """Frames to send now. After a stall of more than 200 ms the schedule moves instead of bursting."""
        if self.next_due is not None and now - self.next_due > _MAX_LATE_S:
            self.next_due = now
        frames: list[Frame] = []
        while self.next_due is not None and now >= self.next_due:
            frame = self._next_frame(self.next_due)
            if frame is None:
                self.next_due = None
            else:
                frames.append(frame)
                self.next_due += self._ptime_s
        return frames

    def _next_frame(self, at: float) -> Frame | None:
        length = self._ptime_ms * TICKS_PER_MS
        if self._talking and self._offset >= len(self._speech_8k):
            self._talking = False
        if not self._talking:
            if not (self._comfort and self._open):
                return None
            return self._number(at, np.zeros(length, np.int16), np.zeros(2 * length, np.int16))
        start, end = self._offset, self._offset + length
        self._offset = end
        return self._number(
            at,
            _padded(self._speech_8k[start:end], length),
            _padded(self._speech_16k[2 * start : 2 * end], 2 * length),
        )

    def _number(self, at: float, samples_8k: Samples, samples_16k: Samples) -> Frame:
        frame_ticks = self._ptime_ms * TICKS_PER_MS
        if self._last_at is not None:
            frames = max(1, round((at - self._last_at) / self._ptime_s))
            self._timestamp = (self._timestamp + frames * frame_ticks) & _TICK_MASK
        self._last_at = at
        frame = Frame(self._sequence, self._timestamp, self._fresh, samples_8k, samples_16k)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._fresh = False
        return frame


def _padded(samples: Samples, length: int) -> Samples:
    if len(samples) == length:
        return samples
    return np.concatenate([samples, np.zeros(length - len(samples), np.int16)])
