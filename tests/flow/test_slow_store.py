"""A store that is slow or locked costs rows their time, never the callee the first word."""

from pathlib import Path

import pytest

from app.calls import run
from app.domain.call import CallState
from app.domain.task import TaskState
from app.errors import DatabaseBusy
from app.sim.asterisk import Answer, CalleeScript, HangUp, Ring, Say, WaitForAgent
from app.sim.realtime.brain import Step
from app.store.db import Database
from scripts.lib.faults.store import FaultyDatabase, StoreFault
from tests.flow.rig import rig

pytestmark = pytest.mark.anyio
NUMBER = "+15551000500"


async def test_the_greeting_does_not_wait_for_the_store(tmp_path: Path) -> None:
    callee = CalleeScript((Ring(), Answer(0.3), WaitForAgent(), HangUp()))
    async with rig(tmp_path, callees={NUMBER: callee}) as house:
        house.think("brief", Step(say="hello there"))
        task = await house.add(NUMBER, "brief talk")
        await house.until(lambda: _stored_state(house, task, CallState.RINGING))
        async with house.db.tx():  # whoever wants to write now waits
            await house.talking(task, "hello there")
            assert (await house.call(task)).state is CallState.RINGING, "nothing was written meanwhile"
        ended = await house.settled(task)
        call = await house.call(task)
        assert ended.state is not TaskState.IN_CALL
        assert call.outcome == "completed"
        assert call.answered_ms is not None


async def _stored_state(house, task, state: CallState) -> bool:
    found = await house.calls(task)
    return bool(found) and found[-1].state is state


async def test_a_talk_is_judged_with_its_last_turns_however_late_they_are_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "LEG_CLOSE_LIMIT_S", 0.1)
    busy = StoreFault(store="call_transcripts", method="execute", error=DatabaseBusy)
    made: list[FaultyDatabase] = []

    def through(db: Database) -> Database:
        made.append(FaultyDatabase(db, seed=1, faults=(busy,)))
        return made[0]

    callee = CalleeScript((Ring(), Answer(0.05), WaitForAgent(), Say("yes"), WaitForAgent(), HangUp()))
    async with rig(tmp_path, callees={NUMBER: callee}, through=through, analysis="model") as house:
        house.think("ask", Step(say="are you in?"), Step(say="fine, bye"))
        task = await house.add(NUMBER, "ask whether they are in")
        await house.until(lambda: _ended(house, task))
        made[0].faults = ()
        done = await house.settled(task)
        call = await house.call(task)
        assert made[0].struck[busy] > 0
        assert [turn.speaker for turn in await house.turns(call)] == ["agent", "callee", "agent"]
        assert (done.state, "Nobody said" in done.overall_conclusion) == (TaskState.COMPLETED, False)


async def _ended(house, task) -> bool:
    found = await house.calls(task)
    return bool(found) and found[-1].state is CallState.ENDED
