"""The ear of the product lane itself: what it must notice, it notices. Needs no Asterisk."""

import numpy as np
import pytest

from tests.real.listening import Samples, assert_carried, trace

RATE_HZ = 8000


def speech(seconds: float, seed: int = 1) -> Samples:
    """Noise with the loudness of syllables: as little alike from second to second as speech."""
    noise = np.random.default_rng(seed)
    samples = noise.standard_normal(int(seconds * RATE_HZ))
    syllables = np.repeat(noise.uniform(200, 4000, int(seconds * 5) + 1), RATE_HZ // 5)[: len(samples)]
    return (samples * syllables).astype(np.int16)


def heard(*parts: Samples) -> Samples:
    silence = np.zeros(RATE_HZ, np.int16)
    return np.concatenate([silence, *parts, silence])


def test_what_arrives_whole_is_carried() -> None:
    source = speech(4)
    found = assert_carried(source, heard(source), RATE_HZ, 0.999)
    assert (found.offset_s, found.spread_ms) == (1.0, 0.0)


@pytest.mark.parametrize("samples", [-160, -8, 8, 160, 400])
def test_a_loss_or_a_gap_in_the_middle_is_noticed(samples: int) -> None:
    """One frame of 20 ms, and even one millisecond too much or too little."""
    source = speech(4)
    middle = len(source) // 2
    silence = np.zeros(max(0, samples), np.int16)
    broken = heard(source[: middle + min(0, samples)], silence, source[middle:])
    assert trace(source, broken, RATE_HZ).spread_ms == pytest.approx(abs(samples) / 8, abs=0.2)
    with pytest.raises(AssertionError):
        assert_carried(source, broken, RATE_HZ, 0.5)


def test_drift_is_noticed() -> None:
    source = speech(4)
    slow = np.interp(np.arange(0, len(source), 0.9995), np.arange(len(source)), source).astype(np.int16)
    with pytest.raises(AssertionError):
        assert_carried(source, heard(slow), RATE_HZ, 0.3)


def test_somebody_else_is_noticed() -> None:
    with pytest.raises(AssertionError):
        assert_carried(speech(4), heard(speech(4, seed=2)), RATE_HZ, 0.5)


def test_a_machine_that_stood_still_excuses_no_more_than_that() -> None:
    source = speech(4)
    late = heard(source[:16_000], np.zeros(480, np.int16), source[16_000:])
    assert_carried(source, late, RATE_HZ, 0.999, stalled_ms=60)
    with pytest.raises(AssertionError):
        assert_carried(source, late, RATE_HZ, 0.999, stalled_ms=30)
