"""Sounds that are not speech, made from a seed: beeps, network tones, fax, hold music of several styles, noises.

All return float32 at `RATE_HZ` with a peak near 1; `line` sets levels.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 16_000
Sound = NDArray[np.float32]
Rng = np.random.Generator

STYLES: Final = ("piano", "pad", "strings", "beat", "musicbox", "flute")
NOISES: Final = ("none", "white", "pink", "hum", "clicks")


def silence(ms: float) -> Sound:
    return np.zeros(int(ms * RATE_HZ / 1000), np.float32)


def tone(ms: float, *hz: float) -> Sound:
    """One or several sines at once, with edges of 4 ms."""
    time = np.arange(int(ms * RATE_HZ / 1000)) / RATE_HZ
    wave = np.sum([np.sin(2 * np.pi * one * time) for one in hz], axis=0) / len(hz)
    edge = min(64, time.size // 2)
    wave[:edge] *= np.linspace(0, 1, edge)
    wave[time.size - edge :] *= np.linspace(1, 0, edge)
    return wave.astype(np.float32)


def beep(rng: Rng) -> Sound:
    """A voicemail beep: 350-2050 Hz, 170-900 ms, single, two tones at once, or two tones in a row."""
    ms, hz = rng.uniform(170, 900), rng.uniform(360, 2050)
    kind = rng.choice(["single", "single", "single", "pair", "row"])
    if kind == "pair":
        return tone(ms, hz, min(2050.0, hz * rng.choice([1.25, 1.5])))
    if kind == "row":
        return np.concatenate((tone(ms / 2 + 90, hz), tone(ms / 2 + 90, min(2050.0, hz * 1.33))))
    return tone(ms, hz)


def sit() -> Sound:
    """Special information tone, ITU-T E.180: three tones of 330 ms."""
    return np.concatenate([tone(330, hz) for hz in (950, 1400, 1800)])


def cadence(ms: float, on_ms: float, off_ms: float, *hz: float) -> Sound:
    """A tone switched on and off: busy, reorder, ringback, fax calling tone."""
    one = np.concatenate((tone(on_ms, *hz), silence(off_ms)))
    return np.tile(one, int(ms / (on_ms + off_ms)) + 1)[: int(ms * RATE_HZ / 1000)]


def noise(kind: str, ms: float, rng: Rng) -> Sound:
    """Line noise of one kind."""
    size = int(ms * RATE_HZ / 1000)
    white = rng.standard_normal(size).astype(np.float32) / np.float32(4)  # by numpy's stubs `/ 4` gives float64
    if kind == "pink":
        spectrum = np.fft.rfft(white)
        spectrum /= np.sqrt(np.maximum(np.arange(spectrum.size), 1))
        pink = np.fft.irfft(spectrum, size)
        return (pink / (np.abs(pink).max() + 1e-9)).astype(np.float32)
    if kind == "hum":
        time = np.arange(size) / RATE_HZ
        return (sum(np.sin(2 * np.pi * 50 * k * time) / k for k in range(1, 9)) / 2 + white / 10).astype(
            np.float32
        )
    if kind == "clicks":
        clicks = np.zeros(size, np.float32)
        for at in rng.integers(0, max(1, size - 200), max(1, int(ms / 700))):
            clicks[at : at + 60] = rng.uniform(-1, 1, 60) * np.linspace(1, 0, 60)
        return (clicks + white / 50).astype(np.float32)
    return white if kind == "white" else silence(ms)


def music(style: str, ms: float, rng: Rng) -> Sound:
    """Hold music: a chord progression or melody on a scale, one of `STYLES`."""
    out = np.zeros(int(ms * RATE_HZ / 1000) + 3 * RATE_HZ, np.float32)
    beat_s = 60 / rng.uniform(66, 138)
    root = rng.uniform(130, 262)
    scale = [0, 2, 4, 5, 7, 9, 11]
    at, degree = 0.0, 0
    while at < ms / 1000:
        degree = (
            int(rng.choice([0, 3, 4, 5])) if style in {"pad", "strings"} else int(degree + rng.integers(-2, 3)) % 7
        )
        length_s = beat_s * (4 if style in {"pad", "strings"} else float(rng.choice([0.5, 1, 1, 2])))
        degrees = (degree, degree + 2, degree + 4) if style in {"pad", "strings", "piano"} else (degree,)
        for one in degrees:
            hz = root * 2 ** ((scale[one % 7] + 12 * (one // 7)) / 12)
            _mix(out, at, _note(style, hz, length_s, rng))
        if style == "beat":
            _mix(out, at, _note("bass", root / 2, length_s, rng))
            _mix(out, at, rng.standard_normal(800).astype(np.float32) * np.linspace(0.5, 0, 800, dtype=np.float32))
        at += length_s
    out = out[: int(ms * RATE_HZ / 1000)]
    return (out / (np.abs(out).max() + 1e-9)).astype(np.float32)


def _note(style: str, hz: float, length_s: float, rng: Rng) -> Sound:
    ring_s = {"piano": 1.4, "musicbox": 1.0, "beat": 0.5, "bass": 0.4}.get(style, length_s * 1.05)
    time = np.arange(int(min(ring_s, 2.9) * RATE_HZ)) / RATE_HZ
    vibrato = (
        0.004 * np.sin(2 * np.pi * 5.5 * time) / (2 * np.pi * 5.5) * hz if style in {"strings", "flute"} else 0
    )
    hz = hz * (2 if style in {"musicbox", "flute"} else 1)
    partials = {"pad": 4, "strings": 9, "musicbox": 2, "flute": 3}.get(style, 6)
    wave = sum(
        np.sin(2 * np.pi * hz * k * (time + vibrato / hz)) / k**1.2
        for k in range(1, partials + 1)
        if hz * k < 7000
    )
    struck = style in {"piano", "musicbox", "beat", "bass"}
    shape = (
        np.exp(-time * (3.5 / max(ring_s, 0.1)))
        if struck
        else np.minimum(1, np.minimum(time, time[-1] - time) / 0.08)
    )
    return np.asarray(wave * shape * rng.uniform(0.7, 1.0), np.float32)


def _mix(out: Sound, at_s: float, sound: Sound) -> None:
    start = int(at_s * RATE_HZ)
    room = out[start : start + sound.size]
    room += sound[: room.size]
