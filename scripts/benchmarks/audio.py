"""First word, barge-in, added delay and pacing as a telephone sees them: real Asterisk, real engine, SIPp phones.

Every packet is stamped by the kernel when it reaches the phone. Engine, media worker and simulated model are
processes of their own. `run` is called by `scripts/bench audio`; about two minutes for 20 calls.
"""

import os
import tempfile
from pathlib import Path

from app.figures import Result
from scripts.benchmarks import audio_results as results
from scripts.benchmarks.audio_baseline import Baseline, measure
from scripts.benchmarks.audio_rounds import AREAS, Plan, Round, asterisk, perform
from scripts.benchmarks.audio_tone import tone
from scripts.benchmarks.audio_views import View
from tests.real.conftest import RealAsterisk, missing

TALK_MS, DELAY_MS = 14_000, 11_000
TALK = {"words": 45, "first_delta_ms": 400}
"""Nine seconds an answer, and a model that needs long to begin: the greeting must not be later for it."""
PIECES = {"words": 20, "speed": 0.247, "delta_ms": (60, 60)}
"""Slower than it is spoken, so that every delta meets an empty queue; not in step with the engine's slots."""


def run(calls: int) -> tuple[Result, ...]:
    """All rounds with `calls` calls at the same time."""
    reason = missing()
    if reason is None and not 1 <= calls <= 100 * len(AREAS):
        reason = f"between 1 and {100 * len(AREAS)} calls, not {calls}"
    if reason is not None:
        return (Result(name="audio", not_run=reason),)
    try:
        with (
            asterisk(f"bench-{os.getpid()}") as place,
            tempfile.TemporaryDirectory(prefix="od-") as folder,
        ):
            return measure_all(place, Path(folder), calls)
    except (OSError, RuntimeError) as error:
        return (Result(name="audio", not_run=str(error) or type(error).__name__),)


def measure_all(place: RealAsterisk, folder: Path, calls: int) -> tuple[Result, ...]:
    """Round after round on one Asterisk."""
    baselines = {codec: measure(place, codec, calls, folder / f"alone-{codec}") for codec in ("ulaw", "g722")}
    found: list[Result] = []
    for plan in plans(calls):
        try:
            done = perform(place, plan, folder / plan.name)
            found += (talk if plan.interrupts else pieces)(done, baselines[plan.codec])
        except (RuntimeError, TimeoutError) as error:
            found.append(results.failed(plan, error))
    return tuple(found)


def plans(calls: int) -> tuple[Plan, ...]:
    """Calls in which the callee interrupts, then calls in which known packets go both ways."""
    return (
        Plan("talk-ulaw", "ulaw", calls, TALK_MS, interrupts=True, model=TALK),
        Plan("talk-g722", "g722", calls, TALK_MS, interrupts=True, model=TALK),
        Plan("delay-ulaw", "ulaw", calls, DELAY_MS, interrupts=False, model=PIECES),
        Plan("delay-g722", "g722", calls, DELAY_MS, interrupts=False, model={**PIECES, "voice": "5khz"}),
        Plan("soxr-g722", "g722", calls, DELAY_MS, False, PIECES, {"resampler": "soxr"}),
    )


def talk(done: Round, alone: Baseline) -> tuple[Result, ...]:
    """First word, interruptions, pacing."""
    views = [View(call) for call in done.calls]
    return (
        results.first_word(done, views),
        results.barge_in(done, views),
        results.heard_position(done, views),
        results.pacing(done, views, alone),
    )


def pieces(done: Round, alone: Baseline) -> tuple[Result, ...]:
    """One-way delays, and the tone where there is one."""
    views = [View(call) for call in done.calls]
    found = results.delays(done, views, alone)
    return (*found, tone(views, round(done.seconds, 1))) if done.plan.model.get("voice") == "5khz" else found
