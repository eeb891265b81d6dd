"""What one 20 ms frame of the callee sounds like, for all calls at once: level, spectrum shape, pure tones.

Windows of 40 ms (the frame and the one before it, Hann) at 8 kHz, bins of 25 Hz, telephone band 200-3400 Hz. One
FFT for all frames of all calls handed in together; numbers only, no decisions (`media.answer.tones`, `.activity`).
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from media.g711 import Float32Array, Int16Array
from media.levels import dbov, mean_square

SAMPLE_RATE_HZ: Final = 8000
FRAME_SAMPLES: Final = 160
FRAME_MS: Final = 20
BIN_HZ: Final = 25.0

_WINDOW: Final = np.hanning(2 * FRAME_SAMPLES + 1)[:-1].astype(np.float32)
_LOW, _HIGH = 8, 136
"""Bins of 200 and 3400 Hz."""
_LOBE: Final = 2
"""A pure tone under a Hann window fills its bin and two on either side."""
_MASKED: Final = 3
_TINY: Final = np.float32(1.0)


class FrameFeatures(msgspec.Struct, frozen=True, gc=False):
    """One frame. Levels in dBov, frequencies in Hz, shares 0 to 1.

    `purity` is the share of the band's energy in its strongest tone, `pair_purity` in its two strongest;
    `flatness` is 1 for white noise and near 0 for tones; `flux` 0 to 2 is how much the spectrum's shape changed
    since the frame before.
    """

    level_dbov: float
    tone_hz: float
    second_hz: float
    purity: float
    pair_purity: float
    flatness: float
    flux: float


class FeatureBank:
    """The memory of `rows` calls: the frame before, and its spectrum."""

    def __init__(self, rows: int) -> None:
        self._before = np.zeros((rows, FRAME_SAMPLES), np.int16)
        self._shape = np.zeros((rows, _HIGH - _LOW), np.float32)

    def reset(self, row: int) -> None:
        """Forget the call that had this row."""
        self._before[row] = 0
        self._shape[row] = 0

    def process(self, rows: NDArray[np.intp], samples: Int16Array) -> Float32Array:
        """Features of `samples[n, k * 160]` for n distinct rows: [n, k, 7] in the order of `FrameFeatures`."""
        count, frames = samples.shape[0], samples.shape[1] // FRAME_SAMPLES
        joined = np.concatenate((self._before[rows], samples), axis=1)
        self._before[rows] = samples[:, -FRAME_SAMPLES:]
        windows = np.lib.stride_tricks.sliding_window_view(joined, 2 * FRAME_SAMPLES, axis=1)[:, ::FRAME_SAMPLES]
        spectrum = np.fft.rfft(windows * _WINDOW, axis=-1)[..., _LOW:_HIGH]
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) + _TINY
        total = power.sum(axis=-1)
        out = np.empty((count, frames, 7), np.float32)
        out[..., 0] = dbov(mean_square(samples.reshape(count, frames, FRAME_SAMPLES)))
        out[..., 1], first = _strongest(power)
        rest = power.copy()
        _mask(rest, power.argmax(axis=-1))
        out[..., 2], second = _strongest(rest)
        out[..., 3] = first / total
        out[..., 4] = np.minimum((first + second) / total, 1.0)
        out[..., 5] = np.exp(np.log(power).mean(axis=-1)) / (total / power.shape[-1])
        shape = power / total[..., None]
        earlier = np.concatenate((self._shape[rows][:, None], shape[:, :-1]), axis=1)
        out[..., 6] = np.abs(shape - earlier).sum(axis=-1)
        self._shape[rows] = shape[:, -1]
        return out


def frames_of(features: Float32Array) -> list[FrameFeatures]:
    """One call's features [k, 7] as values."""
    return [FrameFeatures(*row) for row in features.tolist()]


def _strongest(power: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Frequency (between bins, by a parabola through the logarithms) and energy of the strongest peak."""
    peak = power.argmax(axis=-1)[..., None]
    last = power.shape[-1] - 1
    near = np.clip(peak + np.arange(-_LOBE, _LOBE + 1), 0, last)
    lobe = np.take_along_axis(power, near, axis=-1)
    below, at, above = (np.log(lobe[..., _LOBE + step]) for step in (-1, 0, 1))
    bend = below - 2 * at + above
    shift = np.where(bend < 0, 0.5 * (below - above) / np.where(bend < 0, bend, 1), 0.0)
    hz = (peak[..., 0] + _LOW + np.clip(shift, -0.5, 0.5)) * BIN_HZ
    return hz.astype(np.float32), lobe.sum(axis=-1)


def _mask(power: Float32Array, peak: NDArray[np.intp]) -> None:
    """Take the peaks out of `power`."""
    near = np.clip(peak[..., None] + np.arange(-_MASKED, _MASKED + 1), 0, power.shape[-1] - 1)
    np.put_along_axis(power, near, _TINY, axis=-1)
