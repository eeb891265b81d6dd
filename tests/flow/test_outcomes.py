"""Whole calls on the simulators, one per kind of callee: outcome, who ended it, words, audio, rows."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from app.domain.task import TaskState
from app.sim.asterisk import (
    Answer,
    Busy,
    CalleeScript,
    Congestion,
    DeadPeer,
    EarlyMedia,
    HangUp,
    Interrupt,
    NoAnswer,
    NotFound,
    Press,
    Reject,
    Ring,
    Say,
    WaitForAgent,
    WaitForAgentAudio,
    WaitForDigits,
)
from app.sim.realtime.brain import Cause, Step, ToolCall
from tests.flow.rig import BYE, STALL_S, Rig, beside, heard_in, rig
from tests.flow.single import PAUSE

pytestmark = pytest.mark.anyio
PICKS_UP = (Ring(0.05), Answer(0.05))
LONG = "this is a very long sentence that nobody wants to hear"


class Refusal(msgspec.Struct, frozen=True):
    """A callee nobody talks with, and what must be stored about it."""

    script: CalleeScript
    state: TaskState
    outcome: str
    ended_by: str
    cause: int | None
    sentence: str


REFUSALS = {
    "+15551000017": Refusal(
        CalleeScript((Ring(), Busy())), TaskState.PENDING, "busy", "callee", 17, "The line was busy; again in 10"
    ),
    "+15551000021": Refusal(
        CalleeScript((Ring(), Reject())), TaskState.FAILED, "rejected", "callee", 21, "The callee rejected"
    ),
    "+15551000019": Refusal(
        CalleeScript((Ring(), NoAnswer())),
        TaskState.PENDING,
        "no_answer",
        "system_timeout",
        None,
        "Nobody answered",
    ),
    "+15551000001": Refusal(
        CalleeScript((NotFound(),)), TaskState.FAILED, "bad_number", "network", 1, "does not exist"
    ),
    "+15551000018": Refusal(
        CalleeScript((DeadPeer(),)), TaskState.PENDING, "unreachable", "network", None, "could not be reached"
    ),
    "+15551000034": Refusal(
        CalleeScript((Congestion(),)), TaskState.PENDING, "network", "network", None, "failed on the way"
    ),
}


async def callees_who_do_not_answer(tmp_path: Path) -> None:
    scripts = {number: row.script for number, row in REFUSALS.items()}
    async with rig(tmp_path, callees=scripts, ring_timeout_s=1) as house:
        tasks = [await house.add(number) for number in REFUSALS]
        for task in tasks:
            row, ended = REFUSALS[task.number], await house.settled(task)
            call = await house.call(task)
            said = (ended.state, call.outcome, call.ended_by)
            assert said == (row.state, row.outcome, row.ended_by), task.number
            assert row.cause in {None, call.hangup_cause}, task.number
            assert row.sentence in ended.overall_conclusion
            assert call.dialed
            assert ended.current_attempt_count == 1
            assert (ended.next_action_time > ended.updated_ms) == (row.state is TaskState.PENDING)
            assert call.answered_ms is None
            assert house.invited(task.number) == 1
            assert await house.turns(call) == []
        rung = [(await house.call(task)).ringing_ms is not None for task in tasks]
        assert rung == [True, True, True, False, False, False]


async def talks(tmp_path: Path) -> None:
    """Every kind of talk at once, in one house."""
    talks = (_polite, _hangs_up, _early_media, _presses_keys, _agent_presses, _interrupts, _waits_for_hello)
    scripts: dict[str, CalleeScript] = {}
    for number, talk in enumerate(talks, start=15551000101):
        scripts[f"+{number}"] = SCRIPTS[talk.__name__]
    async with rig(tmp_path, callees=scripts, recording=True) as house, asyncio.TaskGroup() as group:
        for number, talk in zip(scripts, talks, strict=True):
            group.create_task(talk(house, number))


SCRIPTS = {
    "_polite": CalleeScript((*PICKS_UP, WaitForAgent(), Say("yes"), WaitForAgent())),
    "_hangs_up": CalleeScript((*PICKS_UP, WaitForAgentAudio(500), HangUp())),
    "_early_media": CalleeScript((EarlyMedia("please hold"), Answer(0.05), WaitForAgent(), Say("here"))),
    "_presses_keys": CalleeScript((*PICKS_UP, WaitForAgent(), Press("42"))),
    "_agent_presses": CalleeScript((*PICKS_UP, PAUSE, Say("menu"), WaitForDigits("12#"))),
    # longer than any "mm-hm": it interrupts whatever the words are taken for
    "_interrupts": CalleeScript((*PICKS_UP, Interrupt(500, "stop please wait"))),
    "_waits_for_hello": CalleeScript((*PICKS_UP, PAUSE, Say("hello"))),
}


async def _polite(house: Rig, number: str) -> None:
    house.think("ask", Step(say="are you in?"), msgspec.structs.replace(BYE, say="fine, bye"))
    task = await house.settled(await house.add(number, "ask whether they are in"))
    call = await house.call(task)
    assert (task.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "agent")
    assert call.detail == "done"
    await house.expect_turns(call, ("agent", "are you in?"), ("callee", "yes"), ("agent", "fine, bye"))
    assert house.asterisk.callee(number).heard_texts == ["are you in?", "fine, bye"]
    assert not any(turn.interrupted for turn in await house.turns(call))
    assert call.recording_path is not None
    if house.watch.longest_stall_s < STALL_S:
        assert heard_in(call.recording_path, 0) == ["yes"]
    assert heard_in(call.recording_path, 1) == ["are you in?", "fine, bye"]
    assert call.created_ms <= call.dialing_ms <= call.ringing_ms <= call.answered_ms <= call.ended_ms  # type: ignore[operator]
    assert call.cost_micro_usd > 0


async def _hangs_up(house: Rig, number: str) -> None:
    house.think("long", Step(say=LONG))
    task = await house.settled(await house.add(number, "long talk"))
    call = await house.call(task)
    assert (task.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "callee")
    assert call.hangup_cause == 16
    (turn,) = await house.turns(call)
    assert turn.interrupted
    assert 300 < turn.heard_ms < turn.generated_ms
    assert LONG.startswith(turn.text[:5])
    assert house.asterisk.callee(number).heard_texts == []


async def _early_media(house: Rig, number: str) -> None:
    house.think("early", Step(say="hi there"), BYE)
    task = await house.settled(await house.add(number, "early talk"))
    call = await house.call(task)
    assert (task.state, call.ended_by) == (TaskState.COMPLETED, "agent")
    session = await house.session("early talk")
    assert len(session.heard) == 1  # and nothing of what came before the answer
    await house.expect_turns(call, ("agent", "hi there"), ("callee", "here"), ("agent", "bye"))


async def _presses_keys(house: Rig, number: str) -> None:
    brain = house.think("keys", Step(say="press"), BYE)
    task = await house.settled(await house.add(number, "keys please"))
    call = await house.call(task)
    assert (task.state, call.ended_by) == (TaskState.COMPLETED, "agent")
    assert [event.data["detail"] for event in await house.events(call, "dtmf_in")] == ["4", "2"]
    assert "pressed 42" in brain.asked[1][0].instructions


async def _agent_presses(house: Rig, number: str) -> None:
    press = ToolCall(name="send_dtmf", arguments={"digits": "12#"})
    brain = house.think("press", Step(call=(press,)), msgspec.structs.replace(BYE, on=Cause.TOOL_OUTPUT))
    task = await house.settled(await house.add(number, "press the keys", opening="wait_for_hello"))
    call = await house.call(task)
    assert (task.state, call.ended_by) == (TaskState.COMPLETED, "agent")
    callee = house.asterisk.callee(number)
    assert callee.digits_heard == "12#"
    assert callee.heard_texts == ["bye"]
    assert [event.data["detail"] for event in await house.events(call, "dtmf_out")] == ["12#"]
    assert '"sent":"12#"' in brain.asked[1][0].text


async def _interrupts(house: Rig, number: str) -> None:
    house.think("talkative", Step(say=LONG), BYE)
    task = await house.settled(await house.add(number, "talkative agent"))
    call = await house.call(task)
    assert (task.state, call.ended_by) == (TaskState.COMPLETED, "agent")
    turns = await house.turns(call)
    assert [turn.speaker for turn in turns] == ["agent", "callee", "agent"]
    assert turns[0].interrupted
    assert 400 < turns[0].heard_ms < turns[0].generated_ms
    (barge,) = await house.events(call, "barge_in")
    assert barge.data["heard_ms"] == turns[0].heard_ms
    session = await house.session("talkative agent")
    (truncate,) = session.journal.find("conversation.item.truncate")
    assert truncate.summary == f"{turns[0].item_id} {turns[0].heard_ms} ms"
    assert turns[1].text
    assert house.asterisk.callee(number).heard_texts == ["bye"]


async def _waits_for_hello(house: Rig, number: str) -> None:
    brain = house.think("wait", BYE)
    task = await house.settled(await house.add(number, "wait for it", opening="wait_for_hello"))
    assert task.state is TaskState.COMPLETED
    assert brain.asked[0][0].cause is Cause.TURN
    await house.expect_turns(await house.call(task), ("callee", "hello"), ("agent", "bye"))


async def silent_callee(tmp_path: Path) -> None:
    number = "+15551000040"
    async with rig(tmp_path, callees={number: CalleeScript(PICKS_UP, comfort=True)}, no_input_s=0.4) as house:
        house.think("silence", Step(say="hi"), Step(say="you there?"), Step(say="still?"), Step(say="i end this"))
        task = await house.settled(await house.add(number, "silence awaits"))
        call = await house.call(task)
        assert (task.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "system_timeout")
        assert call.detail == "the callee stayed silent"
        assert house.asterisk.callee(number).heard_texts == ["hi", "you there?", "still?", "i end this"]
        notes = [event.data["detail"] for event in await house.events(call, "no_input")]
        assert notes == ["1", "2", "given up"]


async def test_outcomes(tmp_path: Path) -> None:
    """Every case in a house of its own, beside each other."""
    await beside(
        tmp_path,
        callees_who_do_not_answer,
        talks,
        silent_callee,
        at_once=3,
    )
