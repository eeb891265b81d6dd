"""How much of a 5 kHz tone of the model is left at a G.722 phone: proof that the wide band is really carried."""

from collections.abc import Sequence

import numpy as np

from app.figures import Figure, Result
from scripts.benchmarks.audio_model import TONE_AMPLITUDE, TONE_HZ
from scripts.benchmarks.audio_views import View
from tests.real.rtp_phone import RATES_HZ

BEGIN, LENGTH = 200, 640
"""Samples inside three packets of tone: after the resampler's and the codec's attack, before their decay."""
LOSS_AIM_DB = 3.0


def tone(views: Sequence[View], seconds: float) -> Result:
    """Level of the tone at the phones by least squares, and of everything that is not the tone."""
    levels: list[float] = []
    rests: list[float] = []
    for view in views:
        for place in np.flatnonzero(view.loud[1:-2] & ~view.loud[:-3] & view.loud[2:-1] & view.loud[3:]) + 1:
            samples = view.heard[place : place + 3].reshape(-1)[BEGIN : BEGIN + LENGTH].astype(np.float64)
            level, rest = split(samples, RATES_HZ[view.call.codec])
            levels.append(level)
            rests.append(rest)
    if not levels:
        return Result(name="5 kHz tone at a g722 phone", not_run="no tone arrived", seconds=seconds)
    sent, heard, rest = decibel((32767 * TONE_AMPLITUDE) ** 2 / 2), np.median(levels), np.median(rests)
    figures: dict[str, Figure] = {
        "sent_dbfs": round(sent, 2),
        "heard_dbfs_p50": round(float(heard), 2),
        "heard_dbfs_min": round(min(levels), 2),
        "heard_dbfs_max": round(max(levels), 2),
        "other_than_tone_dbfs_p50": round(float(rest), 2),
        "aim_loss_db": LOSS_AIM_DB,
    }
    missed = int(abs(sent - float(heard)) > LOSS_AIM_DB)
    name = "5 kHz tone at a g722 phone"
    return Result(name=name, n=len(levels), violations=missed, seconds=seconds, figures=figures)


def split(samples: np.ndarray, rate_hz: int) -> tuple[float, float]:
    """dBFS of the tone and of the rest."""
    phase = 2 * np.pi * TONE_HZ * np.arange(samples.size) / rate_hz
    basis = np.stack([np.cos(phase), np.sin(phase)], axis=1)
    weights, *_ = np.linalg.lstsq(basis, samples, rcond=None)
    fitted = basis @ weights
    return decibel(float(np.mean(fitted**2))), decibel(float(np.mean((samples - fitted) ** 2)))


def decibel(mean_square: float) -> float:
    """Relative to full scale."""
    return float(10 * np.log10(max(mean_square, 1e-3) / 32768.0**2))
