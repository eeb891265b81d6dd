"""Loudness in dBov, batched over calls: 0 is a full-scale square wave, -127 is silence (RFC 6464, RFC 6465).

G.711 legs read mean squares straight from a table (`G711Law.mean_square`), PCM legs from samples. `Meter`
holds the running mean of one direction until the once-a-second report takes it.
"""

from typing import Final

import numpy as np

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


class Meter:
    """Mean loudness since it was last taken."""

    def __init__(self) -> None:
        self._energy = 0.0
        self._bytes = 0

    def add(self, square: float, size: int) -> None:
        """Count audio of `size` bytes with this mean square."""
        self._energy += square * size
        self._bytes += size

    def take(self) -> float:
        """Level in dBov, -127 when nothing was counted."""
        if not self._bytes:
            return SILENCE_DBOV
        level = float(dbov(self._energy / self._bytes))
        self._energy, self._bytes = 0.0, 0
        return level
