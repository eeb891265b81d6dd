"""Real processes: control or media worker are killed in the middle of calls; a house is left while calls live."""

import asyncio
import fcntl
import os
import signal
import threading
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from app.domain import command as cmd
from app.domain.task import CallTask, TaskState
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForAgent
from app.sim.asterisk.callee import Callee
from app.sim.realtime.brain import Step
from app.sim.realtime.faults import Fault, FaultKind
from tests.flow.control import control_process
from tests.flow.ordering import HELLO, LISTENS, ONE_KEY, obedient, told
from tests.flow.processes import kill, worker_gone, worker_pid
from tests.flow.rig import BYE, STALL_S, Rig, beside, rig, until, world
from tests.flow.single import PAUSE
from tests.flow.stages import pick_up

pytestmark = pytest.mark.anyio
LONG = "this is said while a control process dies and another comes"
COMPLETED = (TaskState.COMPLETED, "completed", "agent")
PROCESS = {"media_mode": "process", "ring_timeout_s": 20}


def control(house: Rig, crash_at: str = "") -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """A control process for this house; `crash_at`: it dies at that crash point."""
    return control_process(house.settings, crash_at)


@contextmanager
def worker_directory_held(house: Rig) -> Generator[None]:
    """No worker can be started: the directory is taken as soon as the living one has let go of it."""
    lock = os.open(house.settings.runtime_dir / "worker.lock", os.O_RDWR)
    taker = threading.Thread(target=fcntl.flock, args=(lock, fcntl.LOCK_EX))
    taker.start()
    try:
        yield
    finally:
        taker.join()
        os.close(lock)


def longest_pause_ms(callee: Callee) -> float:
    """Between two packets of the agent."""
    return max((after.at_s - before.at_s) * 1000 for before, after in pairwise(callee.arrivals))


async def in_state(house: Rig, task: CallTask, state: str) -> None:
    async def there() -> bool:
        found = await house.calls(task)
        return bool(found) and found[-1].state == state

    await until(there)


async def waiting_for_the_model(house: Rig) -> None:
    """Its session hangs: everything else of a call may be there, but the phone cannot ring."""

    async def struck() -> bool:
        return any(fault.kind is FaultKind.HANG for fault in house.realtime.faults.struck)

    await until(struck)


ANSWERS = (PAUSE, Say("hey"), WaitForAgent(), Say("more"), WaitForAgent())


async def a_killed_control_process_is_replaced_in_the_middle_of_calls(tmp_path: Path) -> None:
    talks, rings = "+15551003001", "+15551003002"
    callees = {
        talks: CalleeScript((Ring(0.05), Answer(0.05), *ANSWERS)),
        rings: CalleeScript((Ring(0.05), Answer(60.0), *ANSWERS)),
    }
    async with world(tmp_path, callees=callees, **PROCESS) as house:
        said = {talks: LONG, rings: "hi there"}
        house.think("talk", Step(say=said[talks]), BYE)
        house.think("ring", Step(say=said[rings]), BYE)
        async with control(house) as first:
            talk = await house.add(talks, "talk on", opening="wait_for_hello")
            ring = await house.add(rings, "ring on", opening="wait_for_hello")
            callee = await house.talking(talk)
            await in_state(house, talk, "bridged")
            await in_state(house, ring, "ringing")
            await kill(first)
        pid = worker_pid(house)
        async with control(house):
            pick_up(house.asterisk.callee(rings))
            for task in (talk, ring):
                ended = await house.settled(task)
                call = await house.call(task)
                assert (ended.state, call.outcome, call.ended_by) == COMPLETED, repr(call)
                words = ("callee", "hey"), ("agent", said[task.number]), ("callee", "more"), ("agent", "bye")
                await house.expect_turns(call, *words)
                assert house.asterisk.callee(task.number).heard_texts == [said[task.number], "bye"]
                assert house.invited(task.number) == 1
                assert worker_pid(house) == pid
            if house.watch.longest_stall_s < STALL_S:
                assert longest_pause_ms(callee) <= 60
            assert len(await house.events(await house.call(talk), "adopted")) == 1
        await worker_gone(pid)


async def killed_while_preparing_and_killed_before_concluding(tmp_path: Path) -> None:
    number = "+15551003011"
    script = CalleeScript((Ring(0.05), Answer(0.05), PAUSE, Say("hey"), WaitForAgent()))
    async with world(tmp_path, callees={number: script}, **PROCESS) as house:
        house.think("talk", BYE)
        house.realtime.faults.add(Fault(kind=FaultKind.HANG))
        async with control(house) as first:
            task = await house.add(number, "talk", opening="wait_for_hello")
            await waiting_for_the_model(house)
            await kill(first)
        assert house.invited(number) == 0
        held = "WHEN OLD.state = 'analyzing' BEGIN SELECT raise(ABORT, 'held'); END"
        await house.db.execute(f"CREATE TRIGGER hold BEFORE UPDATE ON tasks {held}")
        await _claim_runs_out(house, task)
        async with control(house) as second:

            async def analyzing() -> bool:
                return (await house.task(task)).state is TaskState.ANALYZING

            await until(analyzing)
            await kill(second)
        await house.db.execute("DROP TRIGGER hold")
        await _claim_runs_out(house, task)
        async with control(house):
            ended = await house.settled(task)
            assert ended.state is TaskState.COMPLETED
            assert house.invited(number) == 1
            assert [call.dialed for call in await house.calls(task)] == [False, True]
            pid = worker_pid(house)
        await worker_gone(pid)


async def _claim_runs_out(house: Rig, task: CallTask) -> None:
    statement = "UPDATE tasks SET lease_until = 1 WHERE id = :id AND lease_until IS NOT NULL"
    await house.db.execute(statement, {"id": task.id})


async def a_killed_media_worker(tmp_path: Path) -> None:
    """The talk goes on with another worker in the same bridge; what was said is not said again."""
    number, other = "+15551003101", "+15551003102"
    script = CalleeScript((Ring(0.05), Answer(0.05), *ANSWERS))
    once = CalleeScript((Ring(0.05), Answer(0.05), PAUSE, Say("hey"), WaitForAgent()))
    async with rig(tmp_path, callees={number: script, other: once}, **PROCESS) as house:
        mind = house.think("long", Step(say=LONG), Step(say="where was i"), BYE)
        house.think("talk", BYE)
        task = await house.add(number, "long talk", opening="wait_for_hello")
        callee = await house.talking(task)
        heard = len(callee.arrivals) + 50
        await house.asterisk.wait_until(lambda: len(callee.arrivals) >= heard, 40.0)
        first = worker_pid(house)
        os.kill(first, signal.SIGKILL)
        ended = await house.settled(task)
        call = await house.call(task)
        assert (ended.state, call.outcome, call.ended_by) == COMPLETED, repr(call)
        assert house.invited(number) == 1
        assert "where was i" in callee.heard_texts
        assert callee.heard_texts[-1] == "bye"
        turns = [(turn.speaker, turn.text, turn.interrupted) for turn in await house.turns(call)]
        assert turns[0] == ("callee", "hey", False)
        (speaker, cut, interrupted) = turns[1]
        assert (speaker, interrupted) == ("agent", True)
        assert LONG.startswith(cut)
        assert turns[2:] == [
            ("agent", "where was i", False),
            ("callee", "more", False),
            ("agent", "bye", False),
        ]
        told = mind.asked[1][1].transcript
        assert any(line.role == "user" and line.text == "hey" for line in told), told
        assert any(line.role == "assistant" and LONG.startswith(line.text) for line in told), told
        assert longest_pause_ms(callee) < 3_000
        following = await house.settled(await house.add(other, "talk", opening="wait_for_hello"))
        assert following.state is TaskState.COMPLETED
        second = worker_pid(house)
        assert second != first
    await worker_gone(second)


async def what_is_said_while_the_media_worker_is_replaced_is_said_afterwards(tmp_path: Path) -> None:
    number, words = "+15551003121", "the office is open"
    async with rig(tmp_path, callees={number: LISTENS}, **PROCESS, **ONE_KEY) as house:
        mind = obedient(house, "obey")
        task = await house.add(number, "obey")
        await house.talking(task, HELLO)
        call, first = await house.call(task), worker_pid(house)
        with worker_directory_held(house):
            os.kill(first, signal.SIGKILL)
            await house.until(lambda: house.events(call, "media_gone"))
            assert (await told(house, call, cmd.Whisper(text="they moved", respond=False)))[0] == "done"
            assert (await told(house, call, cmd.Say(text=words)))[0] == "done"
        await house.asterisk.wait_until(lambda: words in house.asterisk.callee(number).heard_texts, 40.0)
        assert "they moved" in mind.notes
        assert (await told(house, call, cmd.EndCall(polite=False)))[0] == "done"
        await house.settled(task)


async def a_media_worker_that_nobody_replaces(tmp_path: Path) -> None:
    """No other worker can be had: the call ends, and somebody is told to read what was said."""
    number = "+15551003111"
    script = CalleeScript((Ring(0.05), Answer(0.05), PAUSE, Say("hey"), WaitForAgent(timeout_s=60)))
    async with rig(tmp_path, callees={number: script}, **PROCESS) as house:
        house.think("long", Step(say=LONG))
        task = await house.add(number, "long talk", opening="wait_for_hello")
        await house.talking(task)
        first = worker_pid(house)
        with worker_directory_held(house):
            os.kill(first, signal.SIGKILL)
            ended = await house.settled(task, timeout_s=30.0)
        call = await house.call(task)
        assert (ended.state, call.outcome, call.ended_by) == (TaskState.FAILED, "completed", "system_failure")
        assert "no media again in time" in call.detail
        assert "read the transcript" in ended.overall_conclusion


async def a_house_that_is_left_hangs_up(tmp_path: Path) -> None:
    talks, rings, waits = "+15551003201", "+15551003202", "+15551003203"
    callees = {
        talks: CalleeScript((Ring(0.05), Answer(0.05), PAUSE, Say("hey"), WaitForAgent(timeout_s=60))),
        rings: CalleeScript((Ring(0.05), Answer(60.0))),
    }
    async with world(tmp_path, callees=callees, **PROCESS) as house:
        house.think("long", Step(say=LONG * 4))
        async with house.engine.running():
            talk = await house.add(talks, "long talk", opening="wait_for_hello")
            ring = await house.add(rings, "long ring")
            callee = await house.talking(talk)
            await in_state(house, ring, "ringing")
            house.realtime.faults.add(Fault(kind=FaultKind.HANG))
            wait = await house.add(waits, "long wait")
            await waiting_for_the_model(house)
            pid = worker_pid(house)
        assert await house.left_over() == []
        assert callee.over
        stories = [
            (call.outcome, call.ended_by, call.dialed) for call in [await house.call(talk), await house.call(ring)]
        ]
        assert stories == [("completed", "system_complete", True), ("canceled", "system_complete", True)]
        assert not (await house.call(wait)).dialed  # taken back, or given back when it had hardly begun
        assert (await house.task(wait)).state is TaskState.PENDING
        assert (await house.task(ring)).state is TaskState.PENDING
        assert (await house.task(wait)).current_attempt_count == 0
        await worker_gone(pid)


async def test_processes(tmp_path: Path) -> None:
    """Every case in a house of its own, beside each other."""
    await beside(
        tmp_path,
        a_killed_control_process_is_replaced_in_the_middle_of_calls,
        killed_while_preparing_and_killed_before_concluding,
        a_killed_media_worker,
        what_is_said_while_the_media_worker_is_replaced_is_said_afterwards,
        a_media_worker_that_nobody_replaces,
        a_house_that_is_left_hangs_up,
        at_once=8,
    )
