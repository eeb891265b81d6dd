"""Whole calls on the simulators, one per kind of callee: outcome, who ended it, transcript, audio, rows."""

import asyncio
from pathlib import Path

import pytest

from app.domain.task import TaskState
from app.sim.asterisk import (
    Answer,
    CalleeScript,
    HangUp,
    Ring,
    Say,
    WaitForAgent,
)
from app.sim.realtime.brain import Step
from tests.flow.rig import BYE, heard_in, rig

pytestmark = pytest.mark.anyio
QUICK = (Ring(0.05), Answer(0.05))


async def test_polite_conversation(tmp_path: Path) -> None:
    number = "+15551000100"
    callee = CalleeScript((*QUICK, WaitForAgent(), Say("yes"), WaitForAgent()), comfort=True)
    async with rig(tmp_path, callees={number: callee}, recording=True) as house:
        house.think("ask", Step(say="are you in?"), Step(say="fine, bye", call=BYE.call))
        task = await house.settled(await house.add(number, "ask whether they are in"))
        call = await house.call(task)
        assert (task.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "agent")
        turns = await house.turns(call)
        assert [(t.speaker, t.text) for t in turns] == [
            ("agent", "are you in?"), ("callee", "yes"), ("agent", "fine, bye"),
        ]
        assert house.asterisk.callee(number).heard_texts == ["are you in?", "fine, bye"]
        print(await house.events(call))
        assert call.recording_path
        assert heard_in(call.recording_path, 0) == ["yes"]
        assert heard_in(call.recording_path, 1) == ["are you in?", "fine, bye"]
