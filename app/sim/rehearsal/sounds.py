"""What personas sound like when they do not speak clearly: hold music, a beep, somebody who mumbles. Pure."""

from typing import Final

import numpy as np

from app.sim import tonevoice
from app.sim.asterisk.script import Samples

RATE_HZ: Final = 8_000
SCALE: Final = (0, 2, 4, 5, 7, 9, 11)
ROOT_HZ: Final = 196.0
CHORD_S: Final = 1.8
PEAK: Final = 9_000
MUMBLE_DB: Final = -18.0
"""How much softer than a clear voice; still above what a detector takes for speech."""


def beep(ms: int = 400, hz: float = 1_000.0) -> Samples:
    """The tone after which a machine records."""
    wave = np.sin(2 * np.pi * hz * np.arange(RATE_HZ * ms // 1_000) / RATE_HZ)
    edge = np.linspace(0.0, 1.0, 40)
    wave[:40] *= edge
    wave[-40:] *= edge[::-1]
    return np.rint(wave * PEAK).astype(np.int16)


def music(seconds: float, seed: int = 7) -> Samples:
    """Soft chords that follow each other, the same for the same seed."""
    rng = np.random.default_rng(seed)
    size = int(seconds * RATE_HZ)
    out = np.zeros(size + 2 * RATE_HZ)
    for at in np.arange(0.0, seconds, CHORD_S):
        degree = int(rng.choice((0, 3, 4, 5)))
        time = np.arange(int((CHORD_S + 0.1) * RATE_HZ)) / RATE_HZ
        shape = np.minimum(1.0, np.minimum(time, time[-1] - time) / 0.08)
        start = int(at * RATE_HZ)
        for step in (degree, degree + 2, degree + 4):
            hz = ROOT_HZ * 2 ** ((SCALE[step % 7] + 12 * (step // 7)) / 12)
            wave = sum(np.sin(2 * np.pi * hz * k * time) / k**1.2 for k in range(1, 5))
            out[start : start + time.size] += wave * shape
    return np.rint(out[:size] / np.abs(out).max() * PEAK).astype(np.int16)


def mumbled(text: str) -> Samples:
    """`text` far too softly."""
    return np.rint(tonevoice.speak(text, RATE_HZ) * 10 ** (MUMBLE_DB / 20)).astype(np.int16)
