"""Whether audio that was sent is the audio that was heard: by content, second by second, with offset and gaps.

A source is cut into windows, each is looked for in the whole recording by normalized cross-correlation (FFT).
Every window must be found, all at the same distance from the source: a later one would be a gap, an earlier one a
loss, and a steady change a drift. Used by the product lane; knows nothing of the code under test.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tests.real.rtp_phone import RtpPhone, Samples

WINDOW_S = 1.0
HOP_S = 0.5
QUIET_RMS = 120.0
"""A window softer than this (-49 dBFS) is a pause: nothing in it tells one place from another."""
Float = NDArray[np.float64]


@dataclass(frozen=True)
class Match:
    """Where one window of the source was found: `offset` samples later in the recording; quality 1 is identity."""

    at_s: float
    offset: int
    quality: float


@dataclass(frozen=True)
class Trace:
    """All windows of one source in one recording."""

    matches: list[Match]
    rate_hz: int

    @property
    def offset_s(self) -> float:
        """Where in the recording the source begins."""
        return float(np.median([one.offset for one in self.matches])) / self.rate_hz

    @property
    def quality(self) -> float:
        """Of the worst window."""
        return min(one.quality for one in self.matches)

    @property
    def spread_ms(self) -> float:
        """Between the earliest and the latest offset: gaps, losses and drift all show here."""
        offsets = [one.offset for one in self.matches]
        return (max(offsets) - min(offsets)) * 1000 / self.rate_hz

    @property
    def jumps_ms(self) -> list[float]:
        """Change of the offset from window to window: positive where something was put in between."""
        return [float(one) * 1000 / self.rate_hz for one in np.diff([one.offset for one in self.matches])]

    def __str__(self) -> str:
        return (
            f"{len(self.matches)} windows at {self.offset_s:.3f} s, quality >= {self.quality:.3f}, "
            f"spread {self.spread_ms:.2f} ms"
        )


def trace(source: Samples, recording: Samples, rate_hz: int) -> Trace:
    """Looks for every window of `source` that is not a pause."""
    size, hop = int(WINDOW_S * rate_hz), int(HOP_S * rate_hz)
    starts = sorted({*range(0, max(1, len(source) - size + 1), hop), max(0, len(source) - size)})
    windows = ((at, source[at : at + size].astype(np.float64)) for at in starts)
    heard = recording.astype(np.float64)
    matches = [
        Match(at / rate_hz, *_best(window, heard, at))
        for at, window in windows
        if len(window) and np.sqrt(np.mean(window**2)) > QUIET_RMS
    ]
    assert matches, "the source has no speech in it"
    return Trace(matches, rate_hz)


def assert_carried(
    source: Samples, recording: Samples, rate_hz: int, quality: float, stalled_ms: float = 0.0
) -> Trace:
    """All of `source` is in `recording`, in order, with no gap, loss or drift of a millisecond.

    A machine that stood still for `stalled_ms` (see `machine`) may have put that much into it, at most once.
    """
    found = trace(source, recording, rate_hz)
    assert found.quality >= (quality if stalled_ms < 20 else 0.5), found
    assert max(np.abs(found.jumps_ms), default=0.0) < 20.0 + stalled_ms, f"gaps: {found.jumps_ms}"
    assert found.spread_ms <= (0.5 if stalled_ms < 20 else 20.0 + stalled_ms), f"drift: {found}"
    return found


def _best(window: Float, heard: Float, at: int) -> tuple[int, float]:
    """Offset and quality of the best place for `window`, which stands at `at` in its source."""
    if len(heard) < len(window):
        return 0, 0.0
    size = 1 << int(len(heard) + len(window)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(window, size)), size)
    sums = np.concatenate([[0.0], np.cumsum(heard**2)])
    energy = sums[len(window) :] - sums[: -len(window)]
    floor = np.sum(window**2) * 1e-4  # where next to nothing is, nothing can be alike
    alike = product[: len(energy)] / np.sqrt(np.maximum(energy, floor) * np.sum(window**2))
    best = int(np.argmax(alike))
    return best - at, float(alike[best])


@dataclass(frozen=True)
class Recording:
    """What a phone heard: the payloads one after the other, and what their headers say about time."""

    samples: Samples
    rate_hz: int
    arrivals: list[float]
    """Monotonic seconds of each packet's arrival (kernel time), 20 ms of `samples` each."""
    lost: int
    """Sequence numbers that never came."""
    skipped: int
    """Slots of 20 ms that the timestamps leave out: the sender was too late for them."""

    @property
    def longest_gap_ms(self) -> float:
        """Between two arrivals."""
        return float(np.max(np.diff(self.arrivals), initial=0.0)) * 1000

    def arrival_of(self, offset_s: float) -> float:
        """When that place of `samples` arrived."""
        return self.arrivals[min(int(offset_s / 0.020 + 1e-6), len(self.arrivals) - 1)]


def record(phone: RtpPhone) -> Recording:
    """The phone's recording up to now."""
    packets = phone.audio()
    assert packets, "the phone heard nothing at all"
    assert len({one.ssrc for one in packets}) == 1, "one stream per call"
    assert {len(one.payload) for one in packets} == {160}, "20 ms in every packet"
    numbers = [one.sequence_number for one in packets]
    assert all((b - a) & 0xFFFF < 0x8000 for a, b in pairwise(numbers)), "packets in order"
    lost = ((numbers[-1] - numbers[0]) & 0xFFFF) + 1 - len(packets)
    slots = ((packets[-1].timestamp - packets[0].timestamp) & 0xFFFFFFFF) // 160 + 1
    arrivals = [one.arrival for one in packets]
    return Recording(phone.heard(), phone.rate_hz, arrivals, lost, slots - len(packets) - lost)


def loud(samples: Samples, rate_hz: int, rms: float = 300.0) -> NDArray[np.bool_]:
    """For each 20 ms whether somebody speaks there."""
    frame = rate_hz // 50
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame).astype(np.float64)
    return np.sqrt(np.mean(frames**2, axis=1)) > rms
