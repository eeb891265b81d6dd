"""WAV headers against the standard library's reader."""

import io
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.errors import MediaError
from media.wav import HEADER_BYTES, WavHeader, decode_header, encode_header, interleave


def test_the_standard_library_reads_what_is_written() -> None:
    left, right = np.arange(-500, 500, dtype=np.int16), np.arange(1000, dtype=np.int16)
    data = interleave(left, right)
    header = WavHeader(channels=2, rate_hz=8000, data_bytes=len(data))
    with wave.open(io.BytesIO(encode_header(header) + data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        samples = np.frombuffer(file.readframes(2000), "<i2").reshape(-1, 2)
    assert np.array_equal(samples[:, 0], left)
    assert np.array_equal(samples[:, 1], right)
    assert header.duration_ms == 125


@given(channels=st.integers(1, 2), rate_hz=st.integers(8000, 48000), data_bytes=st.integers(0, 2**31))
def test_headers_round_trip(channels: int, rate_hz: int, data_bytes: int) -> None:
    header = WavHeader(channels=channels, rate_hz=rate_hz, data_bytes=data_bytes)
    assert len(encode_header(header)) == HEADER_BYTES
    assert decode_header(encode_header(header)) == header


def test_a_length_beyond_the_format_is_capped() -> None:
    huge = encode_header(WavHeader(channels=2, rate_hz=24000, data_bytes=2**33))
    assert decode_header(huge).data_bytes == 0xFFFFFFFF - HEADER_BYTES


@given(st.binary(max_size=60))
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(MediaError):
        decode_header(data)
