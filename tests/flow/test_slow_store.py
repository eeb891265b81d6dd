"""A store that is slow or locked costs rows their time, never the callee the first word."""

from pathlib import Path

import pytest

from app.domain.call import CallState
from app.domain.task import TaskState
from app.sim.asterisk import Answer, CalleeScript, HangUp, Ring, WaitForAgent
from app.sim.realtime.brain import Step
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
