"""`opendeep sim rehearse`: one agent's version against the personas, in a process of its own.

A process of its own, and a modest one: calls to people on this machine come first. Reads the agent on stdin,
writes `RehearsalSaid` lines on stdout; what anything else prints goes to stderr. A machine that is too busy makes
callees deaf: who failed meanwhile is called once more, and the result says so. Started by `app.cli.rehearsals`.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence

import msgspec

from app.cli.memory_folder import memory_folder
from app.cli.sim_run import simulated_house
from app.domain.agent import Agent
from app.domain.rehearsal import LIMIT_S, PersonaResult, RehearsalSaid
from app.sim.realtime.options import SimOptions
from app.sim.rehearsal.cast import Persona
from app.sim.rehearsal.fitted import Fitted, fitted
from app.sim.rehearsal.stage import Judged

MODESTY = 5
LOOK_S, LATE_S = 0.02, 0.06
"""A pause longer than this makes a telephone lose sound."""
BUSY_S = 1.0
BUSY = (
    "This machine was busy: the rehearsal stood still for {late:.1f} s in all, so {names} were called twice. "
    "Believe a failure only when it comes again on a calm machine."
)
AT_ONCE = 3
JUDGING_S = 30
"""What is left of the time after the last call."""


class LateWatch:
    """How long this process was kept waiting by others, all pauses together."""

    def __init__(self) -> None:
        self.late_s = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(LOOK_S)
            late_s = loop.time() - before - LOOK_S
            if late_s > LATE_S:
                self.late_s += late_s


def rehearse() -> None:
    """The whole program."""
    os.nice(MODESTY)
    out, sys.stdout = sys.stdout, sys.stderr

    def say(said: RehearsalSaid) -> None:
        out.write(msgspec.json.encode(said).decode() + "\n")
        out.flush()

    agent = msgspec.json.decode(sys.stdin.buffer.read(), type=Agent)
    asyncio.run(rehearsed(fitted(agent), say))


async def rehearsed(plan: Fitted, say: Callable[[RehearsalSaid], None]) -> None:
    """Call everybody, tell how far it is, then what came of each."""
    total = len(plan.cast)
    say(RehearsalSaid(over=0, total=total))
    watch = LateWatch()
    judged = await _played(plan, plan.cast, watch, lambda over: say(RehearsalSaid(over=over, total=total)))
    failed = {one.persona for one in judged if one.wrong}
    again = [one for one in plan.cast if one.name in failed]
    left_out = plan.left_out
    if again and watch.late_s > BUSY_S:
        first_s, watch.late_s = watch.late_s, 0.0
        second = {one.persona: one for one in await _played(plan, again, watch, lambda _: None)}
        judged = [second.get(one.persona, one) for one in judged]
        left_out = (*left_out, BUSY.format(late=first_s + watch.late_s, names=", ".join(sorted(failed))))
    say(RehearsalSaid(over=total, total=total, left_out=left_out, results=tuple(map(_result, judged))))


async def _played(
    plan: Fitted, cast: Sequence[Persona], watch: LateWatch, told: Callable[[int], None]
) -> list[Judged]:
    options, limit_s = SimOptions(vocabulary=plan.vocabulary), (LIMIT_S - JUDGING_S) / 2
    with memory_folder() as folder:
        async with (
            simulated_house(
                folder,
                cast,
                media_mode="in_process",
                options=options,
                agent=plan.agent,
                max_concurrent_calls=AT_ONCE,
            ) as stage,
            asyncio.TaskGroup() as group,
        ):
            watching = group.create_task(watch.run())
            judged = await stage.play(limit_s, told)
            watching.cancel()
    return judged


def _result(one: Judged) -> PersonaResult:
    return PersonaResult(
        persona=one.persona,
        wrong=one.wrong,
        outcome=one.outcome,
        answered_by=one.answered_by,
        task=one.task,
        tools=one.tools,
        seconds=one.seconds,
        said=one.said,
    )
