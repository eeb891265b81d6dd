"""Sounds for tests of answer supervision: features of tones, speech-like bursts, silence, in 20 ms frames."""

import numpy as np

from media.answer.features import FRAME_MS, FRAME_SAMPLES, FeatureBank, FrameFeatures, frames_of
from media.answer.model import AnswerSettings, Effect, Heard
from media.answer.supervision import Supervision


def silence(ms: int) -> np.ndarray:
    return np.zeros(ms * 8)


def tone(ms: int, *hz: float) -> np.ndarray:
    time = np.arange(ms * 8) / 8000
    return sum(np.sin(2 * np.pi * one * time) for one in hz) * 6000 / len(hz)


def speech(ms: int, seed: int = 1) -> np.ndarray:
    """Syllables: a gliding buzz through moving bands, falling silent in between as speech does."""
    rng = np.random.default_rng(seed)
    time = np.arange(ms * 8) / 8000
    pitch = 110 + 50 * np.sin(2 * np.pi * 1.7 * time) + 20 * np.sin(2 * np.pi * 5.1 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / 8000
    glide = 900 + 600 * np.sin(2 * np.pi * 3.3 * time + rng.uniform(0, 6))
    buzz = sum(np.sin(k * phase) * np.exp(-(((k * pitch - glide) / 350) ** 2)) for k in range(2, 24))
    syllables = np.clip(np.sin(2 * np.pi * 4.2 * time), 0, 1) ** 0.6
    return buzz * syllables * 5000 + rng.normal(0, 8, time.size)


def melody(ms: int) -> np.ndarray:
    notes = [262, 330, 392, 523, 440, 349]
    parts = [tone(500, hz, hz * 2, hz * 3) for hz in notes]
    return np.resize(np.concatenate(parts), ms * 8)


def frames(*sounds: np.ndarray) -> list[FrameFeatures]:
    pcm = np.clip(np.concatenate(sounds), -32000, 32000).astype(np.int16)
    whole = pcm.size // FRAME_SAMPLES * FRAME_SAMPLES
    return frames_of(FeatureBank(1).process(np.zeros(1, np.intp), pcm[None, :whole])[0])


def play(supervision: Supervision, *sounds: np.ndarray, start_ms: int = 0) -> list[Effect]:
    effects: list[Effect] = []
    for number, frame in enumerate(frames(*sounds)):
        effects += supervision.handle(Heard(frame), start_ms + (number + 1) * FRAME_MS)
    return effects


def course(*sounds: np.ndarray, settings: AnswerSettings | None = None) -> list[Effect]:
    return play(Supervision(settings or AnswerSettings()), *sounds)
