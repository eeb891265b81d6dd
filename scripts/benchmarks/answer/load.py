"""What listening costs: one 20 ms frame of one call, with `calls` calls at once as the engine runs them."""

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from app.figures import Figure, Result
from media.answer.ear import RUN_EVERY_TICKS, Ear, EarBatch
from media.answer.model import AnswerSettings
from media.g711 import ULAW

TICK_MS, FRAME_MS = 5, 20
FRAMES, ROUNDS = 200, 5
MEDIA_US_PER_FRAME = 52.0
"""RTP both ways and the model's socket of one call, measured at 2.6 ms a second (media notes 2e, 3)."""


def load(calls: int) -> tuple[Result, ...]:
    """Microseconds of CPU per call and frame."""
    rng = np.random.default_rng(3)
    speech = rng.normal(0, 1, (FRAMES, 160)) * (1500 * (1 + np.sin(np.arange(FRAMES) / 3)))[:, None]
    frames = [ULAW.encode_bytes(np.clip(row, -32000, 32000).astype(np.int16)) for row in speech]

    def once() -> float:
        batch = EarBatch()
        ears = [Ear(AnswerSettings(), ULAW, act=lambda _: None, tell=lambda *_, **__: None) for _ in range(calls)]
        for ear in ears:
            batch.open(ear, _plain)
        begin = time.process_time()
        for number, frame in enumerate(frames):
            for ear in ears:
                ear.feed([frame], number * FRAME_MS)
            for _ in range(FRAME_MS // TICK_MS):
                batch.run()
        return (time.process_time() - begin) / calls / FRAMES * 1e6

    once()
    cost = median(once() for _ in range(ROUNDS))
    figures: dict[str, Figure] = {
        "us_per_frame": round(cost, 2),
        "share_of_media_path": round(cost / MEDIA_US_PER_FRAME, 3),
        "batch_every_ms": RUN_EVERY_TICKS * TICK_MS,
    }
    return (Result(name="answer: listening, all calls undecided", n=calls, seed=3, figures=figures),)


def _plain(step: Callable[..., None], *arguments: object) -> None:
    step(*arguments)
