"""Whole calls that are handed to somebody else, on the simulators."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from app.calls.talk_model import TalkState
from app.domain import command as cmd
from app.domain.agent import Agent, TransferMode, TransferTarget
from app.domain.call import Call
from app.domain.messages import TaskChanged
from app.domain.task import CallTask, NewTask, TaskState
from app.domain.transfer import CallTransfer
from app.engine import Engine
from app.ids import new_id
from app.sim.asterisk import (
    Answer,
    Busy,
    CalleeScript,
    HangUp,
    NoAnswer,
    Press,
    Ring,
    Say,
    WaitForAgent,
)
from app.sim.asterisk.script import StaySilent
from app.sim.realtime.brain import Cause, Step, ToolCall
from app.store import agents, dnd, tasks, transfers
from app.store.dnd import DoNotCall
from stasis.outcome import EndedBy
from tests.flow.control import control_process
from tests.flow.ordering import ONE_KEY, told
from tests.flow.processes import kill, worker_gone, worker_pid
from tests.flow.rig import BYE, TENANT, Rig, beside, rig, world
from tests.flow.single import PAUSE
from tests.flow.stages import swept

pytestmark = pytest.mark.anyio
CALLEE, BILLING, OTHER = "+15551007001", "+15551007101", "+15551007102"
ONE_MOMENT, BACK, ANNOUNCED = "one moment please", "they are not free", "a caller about a refund"
WAITS = (Ring(0.02), Answer(0.02), StaySilent(0.5), Say("hi"), WaitForAgent(ONE_MOMENT))
TAKES = CalleeScript((Ring(0.1), Answer(0.2), PAUSE, Say("billing here"), WaitForAgent("thanks")))
TALKS = CalleeScript((*WAITS, WaitForAgent("billing here"), Say("thanks"), StaySilent(0.3), HangUp(1.2)))
RETURNS = CalleeScript((*WAITS, WaitForAgent(BACK), StaySilent(0.3), Say("fine"), WaitForAgent("bye")))


def transfer(target: str = "billing", mode: str = "cold") -> Step:
    """One sentence, and the function in the same response."""
    call = ToolCall(name="transfer_call", arguments={"target": target, "reason": "a refund", "mode": mode})
    return Step(say=ONE_MOMENT, call=(call,), on=Cause.TURN)


async def started(
    house: Rig, *, mode: TransferMode = "cold", number: str = BILLING, objective: str = "move on"
) -> CallTask:
    """A call of an agent that may transfer to one number."""
    now_ms = house.clock.unix_ms()
    agent = Agent(
        id=new_id(now_ms),
        tenant_id=TENANT,
        name=f"transfers {now_ms}",
        opening="wait_for_hello",
        tools=("transfer_call", "end_call"),
        transfer_targets=(TransferTarget(name="billing", number=number, mode=mode),),
    )
    await agents.create(house.db, agent, now_ms)
    new = NewTask(
        id=new_id(now_ms), agent_id=agent.id, number=CALLEE, objective=objective, next_action_time=now_ms
    )
    task = await tasks.create(house.db, TENANT, new, now_ms)
    await house.bus.publish("tasks", TaskChanged(tenant_id=TENANT, task_id=task.id))
    return task


async def rows(house: Rig, call: Call) -> list[CallTransfer]:
    return await transfers.of_call(house.db, TENANT, call.id)


async def story(house: Rig, call: Call) -> list[tuple[str, str | None]]:
    """(state, outcome) of the call's transfers."""
    return [(one.state, one.outcome) for one in await rows(house, call)]


async def ended(house: Rig, task: CallTask) -> tuple[CallTask, Call]:
    done = await house.settled(task, timeout_s=40.0)
    return done, await house.call(task)


async def until_moved(house: Rig, task: CallTask, state: str) -> Call:
    """The call, once its transfer is stored in this state."""

    async def there() -> Call | None:
        found = await house.calls(task)
        return found[-1] if found and [one.state for one in await rows(house, found[-1])] == [state] else None

    return await house.until(there, 20.0)


def gone(house: Rig, number: str) -> bool:
    return all(callee.over for callee in house.callees(number))


async def a_cold_transfer(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={CALLEE: TALKS, BILLING: TAKES}) as house:
        house.think("move", transfer())
        task = await started(house)
        done, call = await ended(house, task)
        callee, target = house.asterisk.callee(CALLEE), house.asterisk.callee(BILLING)
        assert (done.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "callee"), call
        assert callee.heard_texts == [ONE_MOMENT, "billing here"]
        assert target.heard_texts == ["thanks"]
        assert callee.tones == ["ring"]
        assert await story(house, call) == [("over", "connected")]
        assert house.invited(BILLING) == house.invited(CALLEE) == 1
        session = await house.session("move on")
        assert session.closed.is_set()
        noted = [one.kind for one in await house.events(call) if one.kind.startswith("transfer_")]
        assert noted == [
            f"transfer_{state}" for state in ("dialing", "ringing", "answered", "joining", "joined", "over")
        ]
        (row,) = await rows(house, call)
        assert (row.target, row.number, row.reason, row.wanted_by) == ("billing", BILLING, "a refund", "agent")
        assert None not in (row.ringing_ms, row.answered_ms, row.joined_ms, row.ended_ms)


async def nobody_is_connected(tmp_path: Path, script: CalleeScript, outcome: str, why: str) -> None:
    """The callee is back with the agent, which is told why."""
    async with rig(tmp_path, callees={CALLEE: RETURNS, BILLING: script}, transfer_ring_timeout_s=1) as house:
        mind = house.think("move", transfer(), Step(say=BACK, on=Cause.TOOL_OUTPUT), BYE)
        task = await started(house)
        done, call = await ended(house, task)
        assert (done.state, call.ended_by) == (TaskState.COMPLETED, "agent"), call
        assert house.asterisk.callee(CALLEE).heard_texts == [ONE_MOMENT, BACK, "bye"]
        assert await story(house, call) == [("over", outcome)]
        told_why = [event.text for event, _ in mind.asked if event.cause is Cause.TOOL_OUTPUT]
        assert len(told_why) == 1
        assert f"billing {why}" in told_why[0]
        assert house.invited(BILLING) == 1


async def a_busy_target(tmp_path: Path) -> None:
    await nobody_is_connected(tmp_path, CalleeScript((Ring(0.02), Busy(0.2))), "busy", "is busy")


async def a_target_that_rings_out(tmp_path: Path) -> None:
    await nobody_is_connected(tmp_path, CalleeScript((Ring(0.02), NoAnswer())), "no_answer", "did not answer")


async def a_warm_transfer(tmp_path: Path) -> None:
    asked = (Ring(0.02), Answer(0.2), WaitForAgent(ANNOUNCED), Press("1"), StaySilent(0.5), Say("billing here"))
    async with rig(
        tmp_path, callees={CALLEE: TALKS, BILLING: CalleeScript((*asked, WaitForAgent("thanks")))}
    ) as house:
        mind = house.think("move", transfer(), Step(say=ANNOUNCED, on=Cause.RESPONSE_CREATE))
        task = await started(house, mode="warm")
        done, call = await ended(house, task)
        callee, target = house.asterisk.callee(CALLEE), house.asterisk.callee(BILLING)
        assert (done.state, call.ended_by) == (TaskState.COMPLETED, "callee"), call
        assert callee.heard_texts == [ONE_MOMENT, "billing here"]
        assert target.heard_texts == [ANNOUNCED, "thanks"]
        assert await story(house, call) == [("over", "connected")]
        (instructions,) = [e.instructions for e, _ in mind.asked if e.cause is Cause.RESPONSE_CREATE]
        assert "(reason: a refund)" in instructions
        assert ("callee", "billing here") not in [(turn.speaker, turn.text) for turn in await house.turns(call)]


async def refused_after_the_question(tmp_path: Path, *answer: Press | HangUp) -> None:
    asked = CalleeScript((Ring(0.02), Answer(0.2), WaitForAgent("a caller"), *answer))
    async with rig(tmp_path, callees={CALLEE: RETURNS, BILLING: asked}) as house:
        announced = Step(say="a caller about a refund", on=Cause.RESPONSE_CREATE)
        house.think("move", transfer(mode="warm"), announced, Step(say=BACK, on=Cause.TOOL_OUTPUT), BYE)
        task = await started(house)
        done, call = await ended(house, task)
        assert (done.state, call.ended_by) == (TaskState.COMPLETED, "agent"), call
        assert house.asterisk.callee(CALLEE).heard_texts == [ONE_MOMENT, BACK, "bye"]
        assert await story(house, call) == [("over", "declined")]
        assert gone(house, BILLING)


async def a_warm_target_that_presses_another_key(tmp_path: Path) -> None:
    await refused_after_the_question(tmp_path, Press("2"))


async def a_warm_target_that_hangs_up(tmp_path: Path) -> None:
    await refused_after_the_question(tmp_path, HangUp(0.1))


async def the_target_hangs_up_after_all(tmp_path: Path) -> None:
    target = CalleeScript((Ring(0.02), Answer(0.05), PAUSE, Say("billing here"), HangUp(0.3)))
    stays = CalleeScript((*WAITS, WaitForAgent("billing here"), StaySilent(60.0)))
    async with rig(tmp_path, callees={CALLEE: stays, BILLING: target}) as house:
        house.think("move", transfer())
        done, call = await ended(house, await started(house))
        assert (done.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "system_complete")
        assert call.detail == "the person the call was handed to hung up"
        assert await story(house, call) == [("over", "connected")]


async def the_callee_hangs_up_while_the_target_rings(tmp_path: Path) -> None:
    leaves = CalleeScript((*WAITS, HangUp(0.8)))
    async with rig(tmp_path, callees={CALLEE: leaves, BILLING: CalleeScript((Ring(0.02), NoAnswer()))}) as house:
        mind = house.think("move", transfer())
        task = await started(house)
        await until_moved(house, task, "ringing")
        _, call = await ended(house, task)
        assert (call.outcome, call.ended_by) == ("completed", "callee")
        assert await story(house, call) == [("over", "canceled")]
        await house.asterisk.wait_until(lambda: gone(house, BILLING), 5.0)
        assert len(mind.asked) == 1


async def in_test_mode_one_call(tmp_path: Path) -> None:
    redirect = "+15551007900"
    mode = {"app_test_mode": True, "app_test_mode_redirect_number": redirect}
    async with rig(tmp_path, callees={redirect: RETURNS}, **mode) as house:
        mind = house.think("move", transfer(), Step(say=BACK, on=Cause.TOOL_OUTPUT), BYE)
        _, call = await ended(house, await started(house))
        assert [(invite.number) for invite in house.asterisk.invites] == [redirect]
        assert await rows(house, call) == []
        assert house.asterisk.callee(redirect).heard_texts == [ONE_MOMENT, BACK, "bye"]
        assert "Test mode is on" in next(e.text for e, _ in mind.asked if e.cause is Cause.TOOL_OUTPUT)


async def a_talk_that_ends_meanwhile(tmp_path: Path) -> None:
    """The intent waits for the store, and when it is committed the agent is saying goodbye: nobody is rung."""
    farewell = "goodbye, and thank you very much for the time that you had for us"
    scripts = {CALLEE: CalleeScript((*WAITS, WaitForAgent(farewell))), BILLING: TAKES}
    async with rig(tmp_path, callees=scripts) as house:
        house.think("move", transfer(), otherwise=Step(say=farewell))
        task = await started(house)
        live = await house.live(task)
        await house.until(lambda: _is(live.talk.state is TalkState.TALKING))
        async with house.db.tx():
            await house.until(
                lambda: _is(live.talk.tools.transfer.is_wanted and live.talk.tools.transfer.due is None)
            )
            live.say_goodbye("the site closes")
            await house.until(lambda: _is(live.talk.state is TalkState.CLOSING))
        _, call = await ended(house, task)
        assert [(one.state, one.outcome) for one in await rows(house, call)] in ([("over", "canceled")], [])
        assert house.invited(BILLING) == 0
        assert house.asterisk.callee(CALLEE).heard_texts[-1] == farewell


async def _is(so: bool) -> bool:
    return so


async def numbers_that_may_not_be_called(tmp_path: Path) -> None:
    """Premium, listed, the callee's own: nobody is rung and the agent is told why."""
    for number, why in (("+19005551234", "premium"), (OTHER, "do-not-call"), (CALLEE, "on a call of ours")):
        async with rig(tmp_path / number, callees={CALLEE: RETURNS}) as house:
            now_ms = house.clock.unix_ms()
            entry = DoNotCall(id=new_id(now_ms), tenant_id=TENANT, number=OTHER, reason="asked", source="operator")
            async with house.db.tx() as tx:
                await dnd.add(tx, entry, now_ms)
            mind = house.think("move", transfer(), Step(say=BACK, on=Cause.TOOL_OUTPUT), BYE)
            _, call = await ended(house, await started(house, number=number))
            assert [invite.number for invite in house.asterisk.invites] == [CALLEE]
            assert await rows(house, call) == []
            assert why in next(e.text for e, _ in mind.asked if e.cause is Cause.TOOL_OUTPUT)


async def an_operator_transfers(tmp_path: Path) -> None:
    stays = CalleeScript(
        (Ring(0.02), Answer(0.02), StaySilent(0.5), Say("hi"), WaitForAgent(), WaitForAgent("billing here", 20.0))
    )
    async with rig(tmp_path, callees={CALLEE: stays, BILLING: TAKES}, **ONE_KEY) as house:
        house.think("move", Step(say=ONE_MOMENT))
        task = await started(house)
        await house.talking(task, ONE_MOMENT)
        call = await house.call(task)
        unknown = await told(house, call, cmd.Transfer(target="+12025550123"))
        assert unknown == ("refused", "Transfers are possible to: billing. Nothing was done.")
        assert await told(house, call, cmd.Transfer(target=BILLING)) == ("done", "billing is being called.")
        await until_moved(house, task, "joined")
        session = await house.session("move on")
        async with asyncio.timeout(5):
            await session.closed.wait()  # nothing is billed while the two talk
        state, sentence = await told(house, call, cmd.Say(text="too late"))
        assert (state, "with somebody else" in sentence) == ("refused", True)
        await house.talking(task, "billing here")
        assert await told(house, call, cmd.EndCall(reason="enough")) == ("done", "Hung up.")
        done, call = await ended(house, task)
        assert (done.state, call.ended_by) == (TaskState.COMPLETED, "operator")
        (row,) = await rows(house, call)
        assert (row.outcome, row.wanted_by) == ("connected", "operator")


async def the_process_is_stopped(tmp_path: Path) -> None:
    """A goodbye to everybody is none to two people who talk with each other: they are left to the next process."""
    stays = CalleeScript((*WAITS, StaySilent(60.0)))
    talks = CalleeScript((Ring(0.02), Answer(0.05), StaySilent(60.0)))
    async with world(tmp_path, callees={CALLEE: stays, BILLING: talks}) as house:
        house.think("move", transfer())
        async with house.engine.running():
            task = await started(house)
            call = await until_moved(house, task, "joined")
            living = await house.live(task)
            living.say_goodbye("stopping")
            await house.until(lambda: _gone(house, call.id))
            assert living.let_gone
            await swept(house)  # others still say goodbye
            assert house.engine.living == 0, "nobody takes them up again"
        assert not house.asterisk.callee(CALLEE).over
        assert not house.asterisk.callee(BILLING).over
        assert (await house.call(task)).state == "bridged"
        house.engine = Engine(house.settings, house.db, house.bus, house.clock)
        async with house.engine.running():
            next_one = await house.live(task)
            assert len(house.asterisk.invites) == 2
            next_one.hang_up(EndedBy.OPERATOR, "enough")
            _, call = await ended(house, task)
        assert (call.outcome, call.ended_by) == ("completed", "operator")
        assert await story(house, call) == [("over", "connected")]


async def _gone(house: Rig, call_id: str) -> bool:
    return call_id not in house.engine.board.calls


PROCESS: dict[str, Any] = {"media_mode": "process", "ring_timeout_s": 20}


async def killed_between_intent_and_dial(tmp_path: Path) -> None:
    """Nobody is rung by the dead process, and nobody by the next one: the agent goes on with the callee."""
    script = CalleeScript((*WAITS, StaySilent(2.5), Say("hello"), WaitForAgent("bye", 30.0)))
    async with world(tmp_path, callees={CALLEE: script, BILLING: TAKES}, **PROCESS) as house:
        house.think("move", transfer(), BYE, otherwise=Step(say="hm"))
        async with control_process(house.settings, "after_transfer_intent") as first:
            task = await started(house)
            await first.wait()
        call = await until_moved(house, task, "dialing")
        async with control_process(house.settings):
            done, call = await ended(house, task)
            assert (done.state, call.outcome) == (TaskState.COMPLETED, "completed"), call
            assert await story(house, call) == [("over", "canceled")]
            assert (house.invited(BILLING), house.invited(CALLEE)) == (0, 1)
            pid = worker_pid(house)
        await worker_gone(pid)


async def killed_while_the_target_rings(tmp_path: Path) -> None:
    """It is hung up, the callee is back with the agent, and nobody is rung a second time."""
    script = CalleeScript((*WAITS, WaitForAgent(BACK, 30.0), Say("hello"), WaitForAgent("bye", 30.0)))
    rings = CalleeScript((Ring(0.02), NoAnswer()))
    async with world(tmp_path, callees={CALLEE: script, BILLING: rings}, **PROCESS) as house:
        house.think("move", transfer(), Step(say=BACK, on=Cause.RESPONSE_CREATE), BYE)
        async with control_process(house.settings) as first:
            task = await started(house)
            await until_moved(house, task, "ringing")
            await kill(first)
        async with control_process(house.settings):
            done, call = await ended(house, task)
            assert (done.state, call.ended_by) == (TaskState.COMPLETED, "agent"), call
            assert house.asterisk.callee(CALLEE).heard_texts == [ONE_MOMENT, BACK, "bye"]
            assert await story(house, call) == [("over", "canceled")]
            assert (house.invited(BILLING), house.invited(CALLEE)) == (1, 1)
            assert gone(house, BILLING)
            pid = worker_pid(house)
        await worker_gone(pid)


async def killed_after_the_hand_over(tmp_path: Path, *, away_for_long: bool = False) -> None:
    """The two go on talking, the next process looks after them, and no agent comes back to them."""
    target = CalleeScript((Ring(0.02), Answer(0.05), StaySilent(15.0), Say("billing here"), StaySilent(60.0)))
    script = CalleeScript((*WAITS, WaitForAgent("billing here", 60.0), HangUp(0.5)))
    async with world(tmp_path, callees={CALLEE: script, BILLING: target}, **PROCESS) as house:
        house.think("move", transfer())
        async with control_process(house.settings) as first:
            task = await started(house)
            await until_moved(house, task, "joined")
            await kill(first)
        if away_for_long:
            await house.db.execute("UPDATE tasks SET lease_until = 1 WHERE id = :id", {"id": task.id})
        async with control_process(house.settings):
            done, call = await ended(house, task)
            assert (done.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "callee"), call
            assert house.asterisk.callee(CALLEE).heard_texts == [ONE_MOMENT, "billing here"]
            assert await story(house, call) == [("over", "connected")]
            assert (house.invited(BILLING), house.invited(CALLEE)) == (1, 1)
            assert len([one for one in house.realtime.sessions if "move on" in one.instructions]) == 1


async def killed_after_the_hand_over_for_longer_than_a_lease(tmp_path: Path) -> None:
    """Nobody closes the row before Asterisk was asked: the two would be cut off."""
    await killed_after_the_hand_over(tmp_path, away_for_long=True)


async def test_transfers(tmp_path: Path) -> None:
    """Every case in a house of its own, beside each other."""
    await beside(
        tmp_path,
        a_cold_transfer,
        a_busy_target,
        a_target_that_rings_out,
        a_warm_transfer,
        a_warm_target_that_presses_another_key,
        a_warm_target_that_hangs_up,
        the_target_hangs_up_after_all,
        the_callee_hangs_up_while_the_target_rings,
        in_test_mode_one_call,
        a_talk_that_ends_meanwhile,
        numbers_that_may_not_be_called,
        an_operator_transfers,
        the_process_is_stopped,
        at_once=4,
    )


async def test_processes_that_die(tmp_path: Path) -> None:
    """Every case in a house of its own, beside each other."""
    await beside(
        tmp_path,
        killed_between_intent_and_dial,
        killed_while_the_target_rings,
        killed_after_the_hand_over,
        killed_after_the_hand_over_for_longer_than_a_lease,
        at_once=3,
    )
