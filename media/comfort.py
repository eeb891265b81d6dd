"""Comfort noise: what is sent while nobody speaks, so that the callee does not take the line for dead.

A pool of frames is made once per codec and shared by all legs; each leg walks it by its slot number, so the pool
costs nothing per frame. G.722 legs should send `noise` through their own encoder, as an adaptive decoder clicks
when the bytes of two encoders alternate.
"""

from functools import cache
from typing import Final

import numpy as np

from media.errors import MediaUsageError
from media.g711 import LAWS, Int16Array

LEVEL_DBOV: Final = -65.0
POOL_FRAMES: Final = 251
"""About five seconds, and prime, so that legs that start apart stay apart."""

_SEED: Final = 0x0D
_PASSBAND_HZ: Final = (200.0, 3400.0)


@cache
def noise(rate_hz: int, level_dbov: float = LEVEL_DBOV) -> Int16Array:
    """Telephone-band noise that loops without a seam: `POOL_FRAMES` rows of 20 ms, read-only."""
    samples = POOL_FRAMES * rate_hz // 50
    generator = np.random.default_rng(_SEED)
    spectrum = np.fft.rfft(generator.standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / rate_hz)
    spectrum[(frequency < _PASSBAND_HZ[0]) | (frequency > _PASSBAND_HZ[1])] = 0
    wave = np.fft.irfft(spectrum, samples)
    wave *= 32768 * 10 ** (level_dbov / 20) / np.sqrt(np.mean(wave**2))
    pool = np.clip(np.rint(wave), -32768, 32767).astype(np.int16).reshape(POOL_FRAMES, -1)
    pool.flags.writeable = False
    return pool


class ComfortNoise:
    """Encoded 20 ms frames of one G.711 law."""

    def __init__(self, codec: str, level_dbov: float = LEVEL_DBOV) -> None:
        law = LAWS.get(codec)
        if law is None:
            raise MediaUsageError(f"no pre-encoded comfort noise for {codec!r}")
        self._frames = tuple(law.encode_bytes(row) for row in noise(8000, level_dbov))

    def frame(self, slot: int) -> bytes:
        """The frame for a leg's slot number; follow-up slots give follow-up noise."""
        return self._frames[slot % POOL_FRAMES]


@cache
def comfort_noise(codec: str) -> ComfortNoise:
    """The shared pool of "ulaw" or "alaw" at the usual level."""
    return ComfortNoise(codec)
