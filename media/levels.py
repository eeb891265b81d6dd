"""Loudness in dBov, batched over calls: 0 is a full-scale square wave, -127 is silence (RFC 6464, RFC 6465).

G.711 legs read mean squares straight from a table (`G711Law.mean_square`), PCM legs from samples. `LevelMeter`
holds one running mean per call and direction until the once-a-second report takes it.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from media.g711 import Float32Array, Int16Array

SILENCE_DBOV: Final = -127.0
_FULL_SCALE_SQUARE: Final = np.float32(32768.0**2)


def mean_square(samples: Int16Array) -> Float32Array:
    """Mean square over the last axis."""
    wide = samples.astype(np.float32)
    return np.einsum("...i,...i->...", wide, wide) / np.float32(max(1, samples.shape[-1]))


def dbov(square: Float32Array | float) -> Float32Array:
    """Mean squares as dBov, never below -127."""
    ratio = np.asarray(square, np.float32) / _FULL_SCALE_SQUARE
    floor = np.float32(10 ** (SILENCE_DBOV / 10))
    return np.asarray(10 * np.log10(np.maximum(ratio, floor)), np.float32)


class LevelMeter:
    """Mean loudness of each row since it was last taken, weighted by duration."""

    def __init__(self, rows: int) -> None:
        self._energy = np.zeros(rows, np.float64)
        self._samples = np.zeros(rows, np.int64)

    def add(self, rows: npt.NDArray[np.intp], squares: Float32Array, samples: int) -> None:
        """Count one frame of `samples` for each of `rows` (each row at most once per call)."""
        self._energy[rows] += squares.astype(np.float64) * samples
        self._samples[rows] += samples

    def take(self, row: int) -> float:
        """The row's level in dBov since the last take; -127 when nothing was counted."""
        samples = int(self._samples[row])
        square = float(self._energy[row]) / samples if samples else 0.0
        self._energy[row] = 0.0
        self._samples[row] = 0
        return float(dbov(square))
