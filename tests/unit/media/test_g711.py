"""G.711 tables: every value of both laws against the standard written out, and against audioop where it exists."""

import warnings
from typing import Any

import numpy as np
import pytest

from media.g711 import ALAW, LAWS, ULAW, G711Law, alaw_to_ulaw, ulaw_to_alaw

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    try:
        import audioop as _audioop
    except ImportError:  # Python 3.13 has none
        _audioop = None
audioop: Any = _audioop
needs_audioop = pytest.mark.skipif(audioop is None, reason="audioop is gone since Python 3.13")

SAMPLES = np.arange(65536, dtype=np.uint16).view(np.int16)
CODES = np.arange(256, dtype=np.uint8)


def reference_ulaw_decode(code: int) -> int:
    """ITU-T G.711 table 2: bits are inverted, 4 bits step, 3 bits chord, sign; 14 bit value times 4."""
    code ^= 0xFF
    magnitude = ((2 * (code & 15) + 33) << (code >> 4 & 7)) - 33
    return -4 * magnitude if code & 0x80 else 4 * magnitude


def reference_alaw_decode(code: int) -> int:
    """ITU-T G.711 table 1: even bits are inverted; 13 bit value times 8."""
    code ^= 0x55
    chord, step = code >> 4 & 7, 2 * (code & 15) + 1
    magnitude = step if chord == 0 else (step + 32) << (chord - 1)
    return 8 * magnitude if code & 0x80 else -8 * magnitude


def reference_ulaw_encode(sample: int) -> int:
    """Table 2: a level reaches half a step of its chord upwards; a value on the decision belongs to the next."""
    levels = (reference_ulaw_decode(0xFF ^ code) // 4 + (1 << (code >> 4)) for code in range(127))
    code = sum(abs(sample >> 2) >= decision for decision in levels)
    return (0x7F if sample < 0 else 0xFF) ^ code


def reference_alaw_encode(sample: int) -> int:
    """Table 1: 13 bits, intervals closed below; chord by the highest bit above 4."""
    value = sample >> 3
    magnitude = value if value >= 0 else -value - 1
    chord = max(0, magnitude.bit_length() - 5)
    step = magnitude >> max(chord, 1) & 15
    return (0x55 if value < 0 else 0xD5) ^ (chord << 4 | step)


@pytest.mark.parametrize(
    ("law", "decode", "encode"),
    [(ULAW, reference_ulaw_decode, reference_ulaw_encode), (ALAW, reference_alaw_decode, reference_alaw_encode)],
)
def test_every_value_is_as_the_standard_says(law: G711Law, decode: Any, encode: Any) -> None:
    assert law.decode(CODES).tolist() == [decode(code) for code in range(256)]
    some = SAMPLES[::23]
    assert law.encode(some).tolist() == [encode(int(sample)) for sample in some]


@needs_audioop
def test_all_values_equal_audioop() -> None:
    pcm, codes = SAMPLES.tobytes(), CODES.tobytes()
    assert ULAW.encode_bytes(SAMPLES) == audioop.lin2ulaw(pcm, 2)
    assert ALAW.encode_bytes(SAMPLES) == audioop.lin2alaw(pcm, 2)
    assert ULAW.decode_bytes(codes).tobytes() == audioop.ulaw2lin(codes, 2)
    assert ALAW.decode_bytes(codes).tobytes() == audioop.alaw2lin(codes, 2)


def test_translation_is_decode_and_encode() -> None:
    codes = CODES.tobytes()
    assert ulaw_to_alaw(codes) == ALAW.encode_bytes(ULAW.decode_bytes(codes))
    assert alaw_to_ulaw(codes) == ULAW.encode_bytes(ALAW.decode_bytes(codes))


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_codes_survive_a_round_trip(law: G711Law) -> None:
    again = law.encode(law.decode(CODES))
    minus_zero = [0x7F] if law is ULAW else []  # mu-law has two zeros
    assert [int(code) for code in CODES if again[code] != code] == minus_zero


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_batches_of_rows_keep_their_shape(law: G711Law) -> None:
    encoded = np.random.default_rng(1).integers(0, 256, (5, 160)).astype(np.uint8)
    decoded = law.decode(encoded)
    assert (decoded.shape, decoded.dtype) == ((5, 160), np.int16)
    assert (law.encode(decoded).shape, law.encode(decoded).dtype) == ((5, 160), np.uint8)
    for row, samples in zip(encoded, decoded, strict=True):
        assert law.decode_bytes(row.tobytes()).tolist() == samples.tolist()
    squares = law.mean_square(encoded)
    assert (squares.shape, squares.dtype) == ((5,), np.float32)
    assert squares == pytest.approx((decoded.astype(np.float64) ** 2).mean(axis=1), rel=1e-5)


def test_silence_bytes() -> None:
    assert (ULAW.silence, ALAW.silence) == (b"\xff", b"\xd5")
    assert abs(int(ULAW.decode_bytes(b"\xff")[0])) == 0
    assert abs(int(ALAW.decode_bytes(b"\xd5")[0])) == 8
