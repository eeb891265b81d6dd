"""WAV files of 16 bit PCM: the header and the interleaving of two channels, as bytes (RIFF, WAVE_FORMAT_PCM)."""

import struct
from typing import Final

import msgspec
import numpy as np

from media.errors import MediaError
from media.g711 import Int16Array

HEADER_BYTES: Final = 44
MAX_DATA_BYTES: Final = 0xFFFFFFFF - HEADER_BYTES
_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM: Final = 1
_SAMPLE_BYTES: Final = 2


class WavHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a 44 byte header says."""

    channels: int
    rate_hz: int
    data_bytes: int

    @property
    def duration_ms(self) -> int:
        """Length of the audio, whole ms."""
        return self.data_bytes * 1000 // (self.channels * _SAMPLE_BYTES * self.rate_hz)


def encode_header(header: WavHeader) -> bytes:
    """The 44 bytes before the samples; lengths beyond 4 GiB are written as the largest possible."""
    data_bytes = min(header.data_bytes, MAX_DATA_BYTES)
    frame_bytes = header.channels * _SAMPLE_BYTES
    return _HEADER.pack(
        b"RIFF",
        HEADER_BYTES - 8 + data_bytes,
        b"WAVE",
        b"fmt ",
        16,
        _PCM,
        header.channels,
        header.rate_hz,
        header.rate_hz * frame_bytes,
        frame_bytes,
        8 * _SAMPLE_BYTES,
        b"data",
        data_bytes,
    )


def decode_header(data: bytes) -> WavHeader:
    """Read a header as `encode_header` writes it. Raises `MediaError` for any other kind of file."""
    if len(data) < HEADER_BYTES:
        raise MediaError(f"{len(data)} bytes are less than a WAV header")
    riff, _, wave, fmt, size, form, channels, rate_hz, _, _, bits, tag, data_bytes = _HEADER.unpack_from(data)
    if (riff, wave, fmt, tag) != (b"RIFF", b"WAVE", b"fmt ", b"data") or (size, form, bits) != (16, _PCM, 16):
        raise MediaError("not a plain 16 bit PCM WAV file")
    return WavHeader(channels=channels, rate_hz=rate_hz, data_bytes=data_bytes)


def interleave(left: Int16Array, right: Int16Array) -> bytes:
    """Two channels of equal length as little-endian stereo samples."""
    stereo = np.empty((len(left), 2), np.dtype("<i2"))
    stereo[:, 0] = left
    stereo[:, 1] = right
    return stereo.tobytes()
