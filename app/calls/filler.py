"""The sounds a call makes without its model: "one moment", and "sorry, goodbye" when the model is gone for good.

A WAV file of one's own (16 bit mono, any rate), or two soft notes. Prepared before the call, in the model's audio
format. Called by `app.calls.plan`.
"""

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from app.errors import ConfigError
from media.dsp import FORMATS
from media.errors import MediaError
from media.g711 import Int16Array
from media.realtime.settings import AudioFormat
from media.resample import resample_file
from media.wav import HEADER_BYTES, decode_header

LONGEST_MS: Final = 5_000
_NOTE_MS: Final = 220
_LEVEL: Final = 1_500
RISING_HZ: Final = (440.0, 554.4)
FALLING_HZ: Final = (440.0, 349.2)


@cache
def sound(clip: str, notes_hz: tuple[float, ...], audio_format: AudioFormat) -> bytes:
    """The clip at this path, or the notes when there is none. Raises ConfigError for a file that is of no use."""
    rate_hz = FORMATS[audio_format].sample_rate_hz
    samples = _clip(Path(clip), rate_hz) if clip else _notes(notes_hz, rate_hz)
    law = FORMATS[audio_format].law
    return samples.tobytes() if law is None else law.encode_bytes(samples)


def _notes(notes_hz: tuple[float, ...], rate_hz: int) -> Int16Array:
    time = np.arange(rate_hz * _NOTE_MS // 1000) / rate_hz
    swell = np.sin(np.pi * time * 1000 / _NOTE_MS)
    return np.concatenate([_LEVEL * swell * np.sin(2 * np.pi * hz * time) for hz in notes_hz]).astype(np.int16)


def _clip(path: Path, rate_hz: int) -> Int16Array:
    try:
        data = path.read_bytes()
        header = decode_header(data)
    except (OSError, MediaError) as error:
        raise ConfigError([f"The clip {path} is no 16 bit mono WAV file that can be read: {error}"]) from error
    if header.channels != 1 or header.duration_ms > LONGEST_MS:
        raise ConfigError([f"The clip {path} must be mono and at most {LONGEST_MS // 1000} s long."])
    samples = np.frombuffer(data[HEADER_BYTES : HEADER_BYTES + header.data_bytes], np.int16)
    return samples if header.rate_hz == rate_hz else resample_file(samples, header.rate_hz, rate_hz)
