"""Levels in dBov against RFC 6465: 0 is the loudest square wave, -127 is silence."""

import numpy as np
import pytest

from media.levels import SILENCE_DBOV, Meter, dbov, mean_square


def test_known_levels() -> None:
    square = np.full((1, 160), -32768, np.int16)
    sine = np.rint(32767 * np.sin(2 * np.pi * np.arange(160) / 16)).astype(np.int16)[None, :]
    silence = np.zeros((1, 160), np.int16)
    levels = dbov(mean_square(np.concatenate((square, sine, silence, sine // 10))))
    assert levels == pytest.approx([0.0, -3.01, SILENCE_DBOV, -23.01], abs=0.02)
    assert levels.dtype == np.float32


def test_an_empty_frame_is_silence() -> None:
    assert dbov(mean_square(np.zeros((2, 0), np.int16))).tolist() == [SILENCE_DBOV] * 2


def test_the_meter_is_the_mean_since_it_was_taken() -> None:
    meter, full = Meter(), 32768.0**2
    assert meter.take() == SILENCE_DBOV
    meter.add(full / 4, 160)
    meter.add(0.0, 480)
    assert meter.take() == pytest.approx(-12.04, abs=0.01)
    assert meter.take() == SILENCE_DBOV
    meter.add(full / 4, 160)
    assert meter.take() == pytest.approx(-6.02, abs=0.01)
