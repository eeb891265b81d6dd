"""How a house is left while people talk: drained, with a goodbye, or handed over to the next process."""

import asyncio
import signal
from pathlib import Path

import msgspec
import pytest

from app.bus import MemoryBus
from app.calls.talk_model import SAY_GOODBYE_STOPPING
from app.cli.stop import StopSignals, until_stopped
from app.domain.task import TaskState
from app.engine import Engine
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForAgent
from app.sim.realtime.brain import Step
from tests.flow.rig import BYE, Rig, beside, gate_open, rig, until, world
from tests.flow.single import PAUSE
from tests.flow.stages import pick_up, swept
from tests.flow.test_processes import LONG, PROCESS, in_state, longest_pause_ms, worker_gone, worker_pid

pytestmark = pytest.mark.anyio
TALKS = CalleeScript((Ring(0.05), Answer(0.05), PAUSE, Say("hey"), WaitForAgent(), Say("more"), WaitForAgent()))
TALKED = ("completed", "done")
LISTENS = CalleeScript((Ring(0.05), Answer(0.05), PAUSE, Say("hey"), WaitForAgent(timeout_s=60)))


async def stopped(house: Rig, signals: StopSignals, said: list[str]) -> None:
    settings = house.settings.model_copy(update={"simulate": False})  # the exchange is another process to it
    await until_stopped(house.engine, settings, signals, said.append)


async def a_drained_house_lets_people_finish(tmp_path: Path) -> None:
    talks, waits = "+15551005001", "+15551005002"
    async with rig(tmp_path, callees={talks: TALKS, waits: TALKS}) as house:
        house.think("talk", Step(say=LONG), BYE)
        task = await house.add(talks, "talk on", opening="wait_for_hello")
        await house.talking(task)
        signals, said = StopSignals(), list[str]()
        async with asyncio.TaskGroup() as group:
            stopping = group.create_task(stopped(house, signals, said))
            signals.put(signal.SIGTERM)
            await until(lambda: _is(bool(said)))
            waiting = await house.add(waits, "talk later")
            ended = await house.settled(task)
            await stopping
        call = await house.call(task)
        assert (ended.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "agent")
        assert (await house.task(waiting)).state is TaskState.PENDING
        assert said[0].startswith("draining: nothing new is dialed, 1 call goes on")
        assert len(said) == 1


async def a_second_signal_says_goodbye(tmp_path: Path) -> None:
    number = "+15551005011"
    async with rig(tmp_path, callees={number: LISTENS}, max_call_duration_s=300, no_input_s=120) as house:
        mind = house.think("talk", Step(say="hi"), Step(say="farewell"))
        task = await house.add(number, "talk on", opening="wait_for_hello")
        callee = await house.talking(task, "hi")
        signals, said = StopSignals(), list[str]()
        async with asyncio.TaskGroup() as group:
            group.create_task(stopped(house, signals, said))
            signals.put(signal.SIGTERM)
            signals.put(signal.SIGTERM)
        call = await house.call(task)
        assert (call.outcome, call.ended_by) == ("completed", "system_complete")
        assert callee.heard_texts == ["hi", "farewell"], "the farewell was heard to its end"
        assert SAY_GOODBYE_STOPPING in mind.asked[-1][0].instructions
        assert [turn.text for turn in await house.turns(call)] == ["hey", "hi", "farewell"]


async def a_second_signal_is_heard_while_an_end_cannot_be_written_down(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={}) as house:
        house.engine.board.held.add("a call that is over, and the store is away")
        signals, said = StopSignals(), list[str]()
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(stopped(house, signals, said))
            signals.put(signal.SIGTERM)
            signals.put(signal.SIGTERM)
        house.engine.board.held.discard("a call that is over, and the store is away")


async def a_third_signal_hangs_up(tmp_path: Path) -> None:
    number = "+15551005021"
    patient = {"max_call_duration_s": 300, "no_input_s": 120}
    async with world(tmp_path, callees={number: LISTENS}, **patient) as house:
        house.think("talk", Step(say=LONG * 3))
        async with house.engine.running():
            await until(gate_open(house.engine))
            task = await house.add(number, "talk on", opening="wait_for_hello")
            await house.talking(task)
            signals, said = StopSignals(), list[str]()
            for _ in range(3):
                signals.put(signal.SIGINT)
            await stopped(house, signals, said)
            assert said[-1] == "hanging up 1 call"
        call = await house.call(task)
        assert (call.outcome, call.ended_by) == ("completed", "system_complete")


async def handed_over_calls_go_on_unheard(tmp_path: Path) -> None:
    number = "+15551005031"
    async with world(tmp_path, callees={number: TALKS}, **PROCESS) as house:
        house.think("talk", Step(say=LONG), BYE)
        async with house.engine.running():
            await until(gate_open(house.engine))
            task = await house.add(number, "talk on", opening="wait_for_hello")
            callee = await house.talking(task)
            signals, said = StopSignals(), list[str]()
            signals.put(signal.SIGUSR1)
            await stopped(house, signals, said)
            pid = worker_pid(house)
        assert said == ["handed over: 1 call goes on without this process; start the next one now"]
        assert not callee.over
        successor = Engine(house.settings, house.db, MemoryBus(), house.clock)
        async with successor.running():
            ended = await house.settled(task)
            call = await house.call(task)
            assert (ended.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "agent")
            assert callee.heard_texts == [LONG, "bye"]
            assert house.invited(number) == 1
            assert worker_pid(house) == pid
        if house.watch.longest_stall_s < 0.04:
            assert longest_pause_ms(callee) <= 60
        await worker_gone(pid)


async def what_was_let_go_is_left_alone_by_the_process_that_still_lives(tmp_path: Path) -> None:
    """One phone is picked up after its call was let go, while another call is not over yet; nobody is hung up."""
    talks, rings = "+15551005051", "+15551005052"
    callees = {
        talks: TALKS,
        rings: msgspec.structs.replace(TALKS, steps=(Ring(0.05), Answer(60.0), *TALKS.steps[2:])),
    }
    async with world(tmp_path, callees=callees, **PROCESS) as house:
        for key in ("talk", "ring"):
            house.think(key, Step(say=LONG), BYE)
        async with asyncio.timeout(60), house.engine.running():
            await until(gate_open(house.engine))
            talk = await house.add(talks, "talk on", opening="wait_for_hello")
            ring = await house.add(rings, "ring on", opening="wait_for_hello")
            await house.talking(talk)
            await in_state(house, ring, "ringing")
            house.engine.board.held.add(slow := "a call that is being taken back by a slow Asterisk")
            async with asyncio.TaskGroup() as group:
                group.create_task(house.engine.hand_over())
                await house.until(lambda: _is(house.engine.living == 0))
                pick_up(house.asterisk.callee(rings))
                await house.asterisk.wait_until(lambda: house.asterisk.callee(rings).answered_s is not None)
                await swept(house)
                assert house.engine.living == 0, "nobody takes up again what was let go"
                assert [path for verb, path in house.asterisk.requests if verb == "DELETE"] == []
                house.engine.board.held.discard(slow)
        for number in (talks, rings):
            assert not house.asterisk.callee(number).over
        async with Engine(house.settings, house.db, MemoryBus(), house.clock).running():
            for task, expected in ((talk, {TALKED}), (ring, {TALKED, ("canceled", "answered during outage")})):
                await house.settled(task)
                call = await house.call(task)
                assert (call.outcome, call.detail) in expected, repr(call)
                assert house.invited(task.number) == 1
            pid = worker_pid(house)
        await worker_gone(pid)


async def a_goodbye_goes_on_in_the_next_process(tmp_path: Path) -> None:
    number = "+15551005041"
    async with world(tmp_path, callees={number: LISTENS}, **PROCESS) as house:
        house.think("talk", msgspec.structs.replace(BYE, say=LONG), otherwise=Step(say="are you there"))
        async with house.engine.running():
            await until(gate_open(house.engine))
            task = await house.add(number, "talk on", opening="wait_for_hello")
            callee = await house.talking(task)
            call = await house.call(task)
            await house.until(lambda: house.events(call, "closing"))
            signals = StopSignals()
            signals.put(signal.SIGUSR1)
            await stopped(house, signals, [])
            pid = worker_pid(house)
        assert not callee.over
        async with Engine(house.settings, house.db, MemoryBus(), house.clock).running():
            ended = await house.settled(task)
            call = await house.call(task)
            assert (ended.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "agent")
            assert callee.heard_texts == [LONG], "nobody asks whether they are there after the goodbye"
        await worker_gone(pid)


async def _is(value: bool) -> bool:
    return value


async def test_stopping(tmp_path: Path) -> None:
    """Every case in a house of its own, beside each other."""
    await beside(
        tmp_path,
        a_drained_house_lets_people_finish,
        a_second_signal_says_goodbye,
        a_second_signal_is_heard_while_an_end_cannot_be_written_down,
        a_third_signal_hangs_up,
        handed_over_calls_go_on_unheard,
        what_was_let_go_is_left_alone_by_the_process_that_still_lives,
        a_goodbye_goes_on_in_the_next_process,
    )
