"""What is owed to the clock of a callee's audio when silence was fed and the audio came after all.

A network that stalls for 200 ms delivers in a burst what it held back. All of it goes on to the model, so nothing
that was said is lost; the silence fed in the meantime makes the time line too long by as much. That is made up for
where nobody speaks: silence that would be fed next is not, and in a long pause quiet packets are left out. Until
then it is a reserve: the next stall of this length needs no silence. Pure; kept by `media.jitter`.
"""

from collections.abc import Callable
from typing import Final

PAUSE_S: Final = 1.0
"""Quiet this long, quiet packets are left out: no turn detection waits longer, so none decides later for it."""


class SilenceDebt:
    """`owed_samples` of one leg, never negative; `is_quiet` tells whether a payload holds no speech."""

    def __init__(self, is_quiet: Callable[[bytes], bool], clock_rate_hz: int) -> None:
        self.owed_samples = 0
        self._is_quiet = is_quiet
        self._rate_hz = clock_rate_hz
        self._pause_samples = int(PAUSE_S * clock_rate_hz)
        self._quiet_samples = 0
        self._suspected_samples = 0
        self._first_samples: int | None = None  # of a burst, perhaps: the second packet tells

    def owe(self, samples: int) -> None:
        """Audio came for `samples` of time that silence stands for already."""
        if samples > 0:
            self.owed_samples += samples
            self._quiet_samples = 0

    def suspect(self, samples: int) -> None:
        """As `owe`, after a pause so long that the peer's clock may have stood still in it: how the next packets
        come (`came`) tells whether they had been held back.
        """
        self._suspected_samples, self._first_samples = samples, None

    def came(self, samples: int, after_s: float) -> None:
        """A packet came `after_s` after the one before it: at once, in a burst, or when it was due."""
        if not self._suspected_samples:
            return
        if self._first_samples is None:
            self._first_samples = samples
            return
        if after_s * self._rate_hz > samples / 2:
            self._suspected_samples = 0
            return
        late = min(self._first_samples + samples, self._suspected_samples)
        self._first_samples = 0
        self._suspected_samples -= late
        self.owe(late)

    def settle(self, samples: int) -> int:
        """How much of a silence of `samples` remains to be fed."""
        settled = min(samples, self.owed_samples)
        self.owed_samples -= settled
        return samples - settled

    def leaves_out(self, payload: bytes) -> bool:
        """Whether this packet is dropped to make up for what is owed."""
        if not self.owed_samples:
            return False
        if not self._is_quiet(payload):
            self._quiet_samples = 0
            return False
        self._quiet_samples += len(payload)
        if self._quiet_samples <= self._pause_samples or len(payload) > self.owed_samples:
            return False
        self.owed_samples -= len(payload)
        return True
