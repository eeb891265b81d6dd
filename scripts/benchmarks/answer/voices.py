"""Voices of the clips: espeak-ng with speed and pitch, and Asterisk's own prompts where they are installed.

The recordings are a real woman's voice in GSM files; they are decoded by the libgsm that Asterisk's root brings.
"""

import ctypes
import hashlib
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import soxr

from scripts.benchmarks.answer.sounds import RATE_HZ, Rng, Sound

ROOT = Path(__file__).resolve().parents[3] / ".cache/asterisk/root"
_FRAME_BYTES, _FRAME_SAMPLES = 33, 160


def third(keys: tuple[str, ...], *, held: bool) -> list[str]:
    """The third of these that is never used for tuning, or the other two thirds: every third by hash."""
    ordered = sorted(keys, key=lambda key: hashlib.sha256(key.encode()).digest())
    return [key for rank, key in enumerate(ordered) if (rank % 3 == 0) is held]


@cache
def espeak(text: str, voice: str, words_per_minute: int, pitch: int) -> Sound:
    """One part of a phrase, without the silence around it."""
    command = ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "-p", str(pitch), "--stdin", "--stdout"]
    wav = subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=30).stdout
    body = wav[wav.find(b"data") + 8 :]
    samples = np.frombuffer(body[: len(body) // 2 * 2], "<i2").astype(np.float32) / 32768
    return trimmed(soxr.resample(samples, 22_050, RATE_HZ))


def trimmed(sound: Sound) -> Sound:
    """Without leading and trailing silence."""
    loud = np.flatnonzero(np.abs(sound) > 0.01 * (np.abs(sound).max() + 1e-9))
    return sound[loud[0] : loud[-1] + 1] if loud.size else sound


def manner(rng: Rng) -> tuple[int, int]:
    """Words per minute and pitch."""
    return int(rng.integers(135, 205)), int(rng.integers(20, 85))


@cache
def recording(name: str) -> Sound | None:
    """One of Asterisk's own English prompts, None when there is no Asterisk here."""
    found = next(iter(ROOT.glob(f"usr/share/asterisk/sounds/en_US_f_Allison/{name}.gsm")), None)
    library = next(iter(ROOT.glob("usr/lib/*/libgsm.so.1")), None)
    if found is None or library is None:
        return None
    gsm = ctypes.CDLL(str(library))
    gsm.gsm_create.restype = ctypes.c_void_p
    state = ctypes.c_void_p(gsm.gsm_create())
    data, out = found.read_bytes(), []
    pcm = (ctypes.c_int16 * _FRAME_SAMPLES)()
    for start in range(0, len(data) - _FRAME_BYTES + 1, _FRAME_BYTES):
        gsm.gsm_decode(state, data[start : start + _FRAME_BYTES], pcm)
        out.append(np.array(pcm, np.float32))
    gsm.gsm_destroy(state)
    return soxr.resample(np.concatenate(out) / 32768, 8_000, RATE_HZ)
