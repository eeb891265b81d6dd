"""The telephone line between a clip and our ear: level, background, codec, lost packets."""

from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from media.g711 import LAWS
from media.g722 import G722Decoder, G722Encoder
from scripts.benchmarks.answer.sounds import RATE_HZ, Rng, Sound

CODECS: Final = ("ulaw", "alaw", "g722")
FRAME_MS: Final = 20


def levelled(sound: Sound, dbfs: float) -> Sound:
    """RMS over what is audible set to `dbfs`."""
    loud = sound[np.abs(sound) > 0.02 * (np.abs(sound).max() + 1e-9)]
    rms = float(np.sqrt(np.mean(loud**2))) if loud.size else 0.0
    return sound if rms == 0 else (sound * (10 ** (dbfs / 20) / rms)).astype(np.float32)


def through(sound: Sound, codec: str, loss: float, rng: Rng) -> NDArray[np.int16]:
    """What arrives at 8 kHz (G.722: 16 kHz, halved as the ear does): coded, lost frames filled as a leg does."""
    rate = 16_000 if codec == "g722" else 8_000
    wide = np.clip(sound, -0.99, 0.99)
    samples = (soxr.resample(wide, RATE_HZ, rate) if rate != RATE_HZ else wide) * 32767
    size = rate * FRAME_MS // 1000
    pcm = np.resize(np.rint(samples).astype(np.int16), (samples.size // size) * size)
    if codec == "g722":
        pcm = np.asarray(G722Decoder().decode(G722Encoder().encode(pcm)), np.int16)
    else:
        law = LAWS[codec]
        pcm = law.decode_bytes(law.encode_bytes(pcm)).astype(np.int16)
    frames = pcm.reshape(-1, size).copy()
    last, lost = frames[0] * 0, 0
    for index in np.flatnonzero(rng.random(len(frames)) < loss) if loss else ():
        lost = lost + 1 if index and np.array_equal(frames[index - 1], last) else 1
        last = frames[index - 1] >> 1 if index and lost <= 3 else np.zeros(size, np.int16)
        frames[index] = last
    flat = frames.reshape(-1)
    return flat if rate == 8_000 else halved(flat)


def halved(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    """16 kHz to 8 kHz by averaging pairs."""
    pairs = pcm.astype(np.int32).reshape(-1, 2)
    return (pairs.sum(axis=1) >> 1).astype(np.int16)
