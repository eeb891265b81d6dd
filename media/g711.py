"""G.711 mu-law and A-law as lookup tables over numpy arrays of any shape (ITU-T G.711).

Bit exact with Asterisk and the former `audioop`: both quantise 14 (mu) or 13 (A) bits of a 16 bit sample, so the
tables are built on the shifted value and not on all 16 bits. A frame costs less the more frames are converted in
one call. G.711 legs to a G.711 model need none of this except levels and recordings.
"""

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Int16Array = npt.NDArray[np.int16]
UInt8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]

_ULAW_BIAS: Final = 0x21
_ULAW_CLIP: Final = 8159
_ULAW_SEGMENT_ENDS: Final = np.array([0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF, 0xFFF, 0x1FFF], np.int32)
_ALAW_SEGMENT_ENDS: Final = np.array([0x1F, 0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF, 0xFFF], np.int32)


def _all_samples() -> npt.NDArray[np.int32]:
    """Every 16 bit sample in the order of its bits read as unsigned: 0..32767, -32768..-1."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)


def _ulaw_encode_table() -> UInt8Array:
    sample = _all_samples() >> 2
    magnitude = np.minimum(np.abs(sample), _ULAW_CLIP) + _ULAW_BIAS
    segment = np.searchsorted(_ULAW_SEGMENT_ENDS, magnitude)
    code = np.minimum(segment << 4 | magnitude >> (segment + 1) & 0x0F, 0x7F)  # the clip value overflows by one
    return (code ^ np.where(sample < 0, 0x7F, 0xFF)).astype(np.uint8)


def _ulaw_decode_table() -> Int16Array:
    code = ~np.arange(256, dtype=np.int32)
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_encode_table() -> UInt8Array:
    sample = _all_samples() >> 3
    magnitude = np.where(sample < 0, -sample - 1, sample)
    segment = np.searchsorted(_ALAW_SEGMENT_ENDS, magnitude)
    code = segment << 4 | magnitude >> np.maximum(segment, 1) & 0x0F
    return (code ^ np.where(sample < 0, 0x55, 0xD5)).astype(np.uint8)


def _alaw_decode_table() -> Int16Array:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment = (code & 0x70) >> 4
    magnitude = ((code & 0x0F) << 4) + np.where(segment, 0x108, 8) << np.maximum(segment - 1, 0)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


class G711Law:
    """One of the two laws. `silence` is the byte of digital silence, `decode_table` maps byte to sample."""

    def __init__(self, name: Literal["ulaw", "alaw"], decode_table: Int16Array, encode_table: UInt8Array) -> None:
        self.name: Final = name
        self.decode_table: Final = decode_table
        self.silence: Final = bytes([int(encode_table[0])])
        self._encode_table = encode_table
        self._square_table = decode_table.astype(np.float32) ** 2

    def decode(self, encoded: UInt8Array) -> Int16Array:
        """Bytes to 16 bit samples, same shape."""
        return np.take(self.decode_table, encoded)

    def encode(self, samples: Int16Array) -> UInt8Array:
        """16 bit samples to bytes, same shape."""
        return np.take(self._encode_table, samples.view(np.uint16))

    def decode_bytes(self, encoded: bytes) -> Int16Array:
        """One frame from the wire to samples."""
        return np.take(self.decode_table, np.frombuffer(encoded, np.uint8))

    def encode_bytes(self, samples: Int16Array) -> bytes:
        """Samples of one frame to the wire."""
        return self.encode(samples).tobytes()

    def mean_square(self, encoded: UInt8Array) -> Float32Array:
        """Mean square of the samples over the last axis, read from a table without decoding."""
        return np.take(self._square_table, encoded).mean(axis=-1, dtype=np.float32)


ULAW: Final = G711Law("ulaw", _ulaw_decode_table(), _ulaw_encode_table())
ALAW: Final = G711Law("alaw", _alaw_decode_table(), _alaw_encode_table())
LAWS: Final = {"ulaw": ULAW, "alaw": ALAW}

ULAW_TO_ALAW: Final = ALAW.encode_bytes(ULAW.decode_table)
"""For `bytes.translate`: decode one law, encode the other."""
ALAW_TO_ULAW: Final = ULAW.encode_bytes(ALAW.decode_table)


def ulaw_to_alaw(encoded: bytes) -> bytes:
    """Recode a payload without leaving bytes."""
    return encoded.translate(ULAW_TO_ALAW)


def alaw_to_ulaw(encoded: bytes) -> bytes:
    """Recode a payload without leaving bytes."""
    return encoded.translate(ALAW_TO_ULAW)
