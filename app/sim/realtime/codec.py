"""Audio of the Realtime wire formats as int16 samples and back; the tables are those of `media.g711`. Pure."""

import numpy as np
from numpy.typing import NDArray

from media.g711 import ALAW, ULAW

Samples = NDArray[np.int16]
_LAWS = {"audio/pcmu": ULAW, "audio/pcma": ALAW}
PCM_HZ = 24_000
G711_HZ = 8_000


def rate_hz(audio_format: str) -> int:
    """Sample rate of `audio/pcmu`, `audio/pcma` or `audio/pcm`."""
    return G711_HZ if audio_format in _LAWS else PCM_HZ


def bytes_per_ms(audio_format: str) -> int:
    """8 for G.711, 48 for PCM."""
    return G711_HZ // 1_000 if audio_format in _LAWS else PCM_HZ * 2 // 1_000


def decode(audio_format: str, audio: bytes) -> Samples:
    """Samples of `audio`; a PCM byte without its other half is dropped."""
    if law := _LAWS.get(audio_format):
        return law.decode_bytes(audio)
    return np.frombuffer(audio[: len(audio) // 2 * 2], "<i2").astype(np.int16)


def encode(audio_format: str, samples: Samples) -> bytes:
    """Bytes for the wire."""
    if law := _LAWS.get(audio_format):
        return law.encode_bytes(samples)
    return samples.astype("<i2").tobytes()
