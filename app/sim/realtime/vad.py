"""Energy voice activity detection on the input clock of a session (milliseconds of appended audio). Pure.

Speech starts after 60 ms above the threshold and stops after `stop_after_ms` below it; the threshold follows the
noise floor. `hearing` sets the numbers from `turn_detection`.
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

FRAME_MS = 20
START_MS = 60
_BASE_DBFS = -38.0
_NOISE_MARGIN = 3.0
_NOISE_ADAPTION = 0.05
_FULL_SCALE = 32_768.0
_BASE_LEVEL = _FULL_SCALE * 10 ** (_BASE_DBFS / 20)
_QUIETEST = _FULL_SCALE * 10 ** (-75 / 20)


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """Speech was confirmed at `at_ms`; its first loud frame began at `onset_ms`."""

    at_ms: int
    onset_ms: int


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """The silence was long enough at `at_ms`; the last loud frame ended at `offset_ms`."""

    at_ms: int
    offset_ms: int


class EnergyVad:
    """Feed samples, get starts and stops; never two of a kind in a row."""

    def __init__(self, rate_hz: int, *, threshold: float = 0.5, stop_after_ms: int = 500) -> None:
        self._frame_samples = rate_hz * FRAME_MS // 1_000
        self._rest = np.zeros(0, np.int16)
        self.threshold = threshold
        self._noise = _QUIETEST
        self._clock_ms = 0
        self._loud_ms = 0
        self._last_loud_ms = 0
        self.speaking = False
        self.stop_after_ms = stop_after_ms
        self.start_delay_ms = 0
        """Raised to act out a late `speech_started`."""

    @property
    def level(self) -> float:
        """RMS at which a frame counts as speech, in sample units."""
        return max(_BASE_LEVEL * max(self.threshold, 0.05) / 0.5, _NOISE_MARGIN * self._noise)

    def feed(self, samples: NDArray[np.int16]) -> list[Started | Stopped]:
        """Whole 20 ms frames are judged, the rest waits for the next call."""
        audio = np.concatenate([self._rest, samples])
        count = len(audio) // self._frame_samples
        used = count * self._frame_samples
        self._rest = audio[used:]
        frames = audio[:used].reshape(count, self._frame_samples).astype(np.float32)
        found: list[Started | Stopped] = []
        for mean_square in np.einsum("ij,ij->i", frames, frames) / self._frame_samples:
            found += self._frame(math.sqrt(float(mean_square)))
        return found

    def reset(self) -> None:
        """Forget the speech in progress; clock and noise floor stay."""
        self.speaking = False
        self._loud_ms = 0

    def _frame(self, rms: float) -> list[Started | Stopped]:
        loud = rms >= self.level
        self._clock_ms += FRAME_MS
        if loud:
            self._last_loud_ms = self._clock_ms
        if self.speaking:
            return [] if loud else self._silence()
        if not loud:
            self._noise += _NOISE_ADAPTION * (max(rms, _QUIETEST) - self._noise)
        return self._onset(loud=loud)

    def _onset(self, *, loud: bool) -> list[Started | Stopped]:
        if loud:
            self._loud_ms += FRAME_MS
            return self._confirm() if self._loud_ms >= START_MS + self.start_delay_ms else []
        if self._loud_ms >= START_MS:  # the speech is over before its late start
            return self._confirm()
        self._loud_ms = 0
        return []

    def _confirm(self) -> list[Started | Stopped]:
        self.speaking = True
        return [Started(at_ms=self._clock_ms, onset_ms=self._last_loud_ms - self._loud_ms)]

    def _silence(self) -> list[Started | Stopped]:
        if self._clock_ms - self._last_loud_ms < self.stop_after_ms:
            return []
        self.reset()
        return [Stopped(at_ms=self._clock_ms, offset_ms=self._last_loud_ms)]
