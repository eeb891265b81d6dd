"""One call in a house of its own, with something that goes wrong: shared by the fault tests."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.domain.call import Call, Turn
from app.domain.task import CallTask
from app.sim.asterisk import Answer, CalleeScript, HangUp, Ring, Say, WaitForAgent, WaitForLine
from tests.flow.rig import BYE, STALL_S, Rig, rig

NUMBER = "+15551000700"
PAUSE = WaitForLine()
"""Before the first word, which is lost when it comes before the bridge is made, as on a real line."""
SILENT = CalleeScript((Ring(0.05), Answer(0.15)))
SPEAKS = CalleeScript((Ring(0.05), Answer(0.15), PAUSE, Say("hey"), WaitForAgent()))
LEAVES = CalleeScript((Ring(0.05), Answer(0.15), WaitForAgent(), HangUp()))
"""It speaks only to an agent that greets."""

COMPLETED = ("completed", "completed", "agent")
CUT_OFF = ("failed", "completed", "system_failure")
NOT_PLACED = ("pending", "failed", "system_failure")

Prepare = Callable[[Rig], None]
Meddle = Callable[[Rig, CallTask], Awaitable[None]]


class Ended(msgspec.Struct, frozen=True):
    """What is known when it is over."""

    task: CallTask
    call: Call
    invites: int
    heard: list[str]
    turns: list[Turn]
    stalled: bool
    """The machine was too slow for the callee's words to be judged."""

    @property
    def story(self) -> tuple[str, str, str]:
        """Task state, outcome, who ended it."""
        return str(self.task.state), str(self.call.outcome), str(self.call.ended_by)


async def one_call(
    folder: Path,
    *,
    script: CalleeScript = SPEAKS,
    prepare: Prepare | None = None,
    meddle: Meddle | None = None,
    say: str = "hi there",
    **changes: Any,
) -> Ended:
    """The agent answers the callee's first words with `say` and ends the call. `meddle` runs beside it."""
    async with rig(
        folder, callees={NUMBER: script}, **{"ring_timeout_s": 2, "ari_timeout_s": 0.6, **changes}
    ) as house:
        house.think("talk", msgspec.structs.replace(BYE, say=say))
        if prepare is not None:
            prepare(house)
        task = await house.add(NUMBER, "talk to them", opening="wait_for_hello")
        if meddle is not None:
            await meddle(house, task)
        ended = await house.settled(task)
        call = await house.call(task)
        callees = house.callees(NUMBER)
        heard = callees[-1].heard_texts if callees else []
        turns, stalled = await house.turns(call), house.watch.longest_stall_s >= STALL_S
        return Ended(ended, call, house.invited(NUMBER), heard, turns, stalled)


def shorten_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The product's own patience with Asterisk, shortened for a whole test."""
    for name, value in {
        "stasis.deadlines.RING_GRACE_S": 0.5,
        "stasis.deadlines.HANGUP_S": 0.5,
        "stasis.callee_line.LOOK_UP_S": 0.2,
        "stasis.callee_line.LOOK_UP_AGAIN_S": 0.3,
        "stasis.teardown.RETRY_S": 0.1,
        "stasis.teardown.EVENT_WAIT_S": 0.3,
        "stasis.teardown.DOUBT_RETRY_S": 0.3,
        "stasis.stream.RECONCILE_RETRY_S": 0.1,
        "app.calls.ari_link.BLIND_LOOK_S": 0.2,
    }.items():
        monkeypatch.setattr(name, value)
