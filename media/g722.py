"""G.722 at 64 kbit/s, one coder per direction and leg (ITU-T G.722), over the C codec of the `G722` package.

Both classes keep the state of an adaptive codec: every frame of a direction must pass through the same object in
order, comfort noise included. 20 ms are 160 bytes and 320 samples at 16 kHz.
"""

import array
from collections.abc import Callable
from typing import Final, Protocol, cast

import G722 as _package
import numpy as np

from media.errors import MediaUsageError
from media.g711 import Int16Array

SAMPLE_RATE_HZ: Final = 16000
BIT_RATE: Final = 64000
SAMPLES_PER_BYTE: Final = 2


class _Codec(Protocol):
    """What the package's untyped class offers; one object codes and decodes with separate states."""

    def encode(self, samples: Int16Array, /) -> bytes: ...

    def decode(self, encoded: bytes, /) -> "array.array[int]": ...


def _codec() -> _Codec:
    make = cast("Callable[[int, int], _Codec]", _package.G722)  # pyright: ignore[reportUnknownMemberType] # untyped C
    return make(SAMPLE_RATE_HZ, BIT_RATE)


class G722Encoder:
    """16 bit samples at 16 kHz to G.722 bytes."""

    def __init__(self) -> None:
        self._codec = _codec()

    def encode(self, samples: Int16Array) -> bytes:
        """Code the next samples of this direction; two samples make one byte, so their number must be even."""
        if samples.ndim != 1 or samples.size % SAMPLES_PER_BYTE:
            raise MediaUsageError(f"G.722 codes one row of an even number of samples, not {samples.shape}")
        return self._codec.encode(samples)


class G722Decoder:
    """G.722 bytes to 16 bit samples at 16 kHz."""

    def __init__(self) -> None:
        self._codec = _codec()

    def decode(self, encoded: bytes) -> Int16Array:
        """Decode the next bytes of this direction."""
        return np.frombuffer(self._codec.decode(encoded), np.int16)
