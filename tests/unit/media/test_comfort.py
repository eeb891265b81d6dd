"""Comfort noise: quiet, even, endless, made once."""

import numpy as np
import pytest

from media.comfort import LEVEL_DBOV, POOL_FRAMES, comfort_noise, noise
from media.errors import MediaUsageError
from media.g711 import LAWS
from media.levels import dbov, mean_square


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000])
def test_noise_has_its_level_in_every_stretch(rate_hz: int) -> None:
    pool = noise(rate_hz)
    assert (pool.shape, pool.dtype) == ((POOL_FRAMES, rate_hz // 50), np.int16)
    assert float(dbov(mean_square(pool.ravel()))) == pytest.approx(LEVEL_DBOV, abs=0.1)
    stretches = dbov(mean_square(pool[:250].reshape(25, -1)))
    assert np.abs(stretches - LEVEL_DBOV).max() < 2.0
    assert noise(rate_hz) is pool
    with pytest.raises(ValueError, match="read-only"):
        pool[0, 0] = 1


@pytest.mark.parametrize("codec", LAWS)
def test_encoded_frames_are_the_noise_in_order_and_go_round(codec: str) -> None:
    pool, law = comfort_noise(codec), LAWS[codec]
    assert comfort_noise(codec) is pool
    frames = [pool.frame(slot) for slot in range(POOL_FRAMES)]
    assert {len(frame) for frame in frames} == {160}
    assert pool.frame(POOL_FRAMES + 3) == frames[3]
    decoded = law.decode_bytes(b"".join(frames))
    assert float(dbov(mean_square(decoded))) == pytest.approx(LEVEL_DBOV, abs=1.0)
    assert len(set(frames)) == POOL_FRAMES


def test_a_stateful_codec_has_no_pool() -> None:
    with pytest.raises(MediaUsageError):
        comfort_noise("g722")
