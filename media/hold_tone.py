"""What the callee hears while a dead media worker's successor gets ready: two soft beeps every second and a half.

Anything is better than a line that seems dead, and a tone needs no model and no voice. Used by `media.leg_audio`.
"""

from functools import cache
from typing import Final

import numpy as np

from media.g711 import Int16Array

TONE_HZ: Final = 425.0
LEVEL_DBOV: Final = -27.0
PERIOD_SLOTS: Final = 75
BEEPS: Final = ((0, 6), (10, 16))
"""First and past-the-last slot (20 ms) of each beep."""
_EDGE_S: Final = 0.01


@cache
def hold_tone(rate_hz: int) -> tuple[Int16Array | None, ...]:
    """One period as frames of 20 ms; None where nothing sounds."""
    frames: list[Int16Array | None] = [None] * PERIOD_SLOTS
    size = rate_hz // 50
    for first, last in BEEPS:
        at_s = np.arange((last - first) * size) / rate_hz
        edge = np.clip(np.minimum(at_s, at_s[-1] - at_s) / _EDGE_S, 0.0, 1.0)
        peak = 32768 * 10 ** (LEVEL_DBOV / 20) * np.sqrt(2)
        wave = np.rint(peak * edge * np.sin(2 * np.pi * TONE_HZ * at_s)).astype(np.int16)
        frames[first:last] = list(wave.reshape(last - first, size))
    return tuple(frames)
