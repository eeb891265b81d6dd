"""Promise `session`: a phone call outlives its model's connection. Whenever the socket dies, and whatever else
goes wrong with an answer, the talk goes on, nothing is said twice, nothing the callee said is lost, no answer is
left off.

Simulated calls, two cuts each at seeded random moments. The witness is the callee's telephone: what it heard, read
from the tones, and how long it heard nothing.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from app.errors import AppError
from app.figures import Result
from app.logs import set_up_logs
from media.realtime import conversation, takeover
from media.realtime.callee import CalleeTurns
from media.realtime.sequencer import Sequencer
from media.realtime.session_model import FlushPlayback
from tests.flow.cuts import SCRIPT, Aim, Cuts, Verdict, aimed, draw, one
from tests.flow.rig import rig

CUTS = 200
CUTS_PER_CALL = 2
AT_ONCE = 10
PATIENT: dict[str, Any] = {"no_input_s": 40, "max_call_duration_s": 150, "max_concurrent_calls": AT_ONCE}


def run(seed: int = 20261121, mutant: str = "", cuts: int = CUTS) -> Result:
    """All of it; about seven minutes for the 200 cuts of the product; half a minute for a mutant, whose one call
    is cut where it must show."""
    set_up_logs("error", as_json=False)
    began = time.monotonic()
    found: list[Verdict] = []
    broken: list[str] = []
    with MUTANTS[mutant][0]() if mutant else contextlib.nullcontext():
        try:
            asyncio.run(_try(found, _plans(Random(seed), cuts, mutant)))
        except* (TimeoutError, AppError) as failures:
            broken.append(f"could not go on: {failures.exceptions[0]!r}")
    wrong = [f"{what} ({verdict.struck})" for verdict in found for what in verdict.wrong] + broken
    silences = sorted(verdict.silence_ms for verdict in found) or [0]
    return Result(
        name="session",
        n=sum(verdict.cuts for verdict in found),
        violations=len(wrong),
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        figures={
            "calls": len(found),
            "continued_percent": round(100 * sum(v.continued for v in found) / max(1, len(found)), 1),
            "repeated_turns": sum(verdict.repeated for verdict in found),
            "turns_lost": sum(verdict.turns_lost for verdict in found),
            "silence_ms_p50": silences[len(silences) // 2],
            "silence_ms_max": silences[-1],
            "fillers": sum(verdict.fillers for verdict in found),
            "first": "; ".join(wrong[:3]),
        },
    )


def _plans(random: Random, cuts: int, mutant: str) -> list[Cuts]:
    """Any moment for the product, every other call with one more fault in an answer; for a wrong product the
    moment at which it is wrong."""
    if mutant:
        return [aimed(MUTANTS[mutant][1])]
    return [draw(random, CUTS_PER_CALL, faulty=at % 2 == 1) for at in range(-(-cuts // CUTS_PER_CALL))]


async def _try(found: list[Verdict], plans: list[Cuts]) -> None:
    """Rounds of calls at the same time."""
    for first in range(0, len(plans), AT_ONCE):
        some = plans[first : first + AT_ONCE]
        numbers = [f"+155510060{at:02}" for at in range(len(some))]
        with tempfile.TemporaryDirectory() as name:
            async with rig(Path(name) / "house", callees=dict.fromkeys(numbers, SCRIPT), **PATIENT) as house:
                async with asyncio.TaskGroup() as group:
                    made = [
                        group.create_task(one(house, number, f"keep{at}", plan))
                        for at, (number, plan) in enumerate(zip(numbers, some, strict=True))
                    ]
                found += [task.result() for task in made]


# --- deliberately wrong products --------------------------------------------------------------------------------
@contextmanager
def _changed(owner: Any, name: str, value: Any) -> Generator[None]:
    real = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, real)


_reset = Sequencer.reset
_ended = conversation.Conversation.ended


def _always_owed(sequencer: Sequencer) -> bool:
    return _reset(sequencer) or True


def _flushed(talk: conversation.Conversation, now: float) -> None:
    if talk.live and talk.speech.playing:
        talk._outbox.put(FlushPlayback(fade=False))
    _ended(talk, now)


MUTANTS: dict[str, tuple[Callable[[], contextlib.AbstractContextManager[None]], Aim]] = {
    "unprimed": (lambda: _changed(takeover, "resume_items", lambda *_: []), Aim.ANSWERING),
    "asked_twice": (lambda: _changed(Sequencer, "reset", _always_owed), Aim.ANSWERED),
    "flushed": (lambda: _changed(conversation.Conversation, "ended", _flushed), Aim.HEARING),
    "forgetful": (lambda: _changed(CalleeTurns, "lost", lambda turns: turns.abandon(0.0)), Aim.ASKED),
}
"""Each with the moment of a talk at which it is wrong."""
