"""The control process dies at each named point of the dial protocol; the next one finds out what happened.

Whatever the point: the phone rings once, and the task comes to its end. Between intent and originate nobody was
rung, and Asterisk's ledger proves it: the attempt is given back.
"""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from app.crash_points import Point
from app.domain.task import CallTask, TaskState
from app.sim.asterisk import Answer, CalleeScript, HangUp, Ring
from app.sim.realtime.faults import Fault, FaultKind
from tests.flow.rig import Rig, together, world
from tests.flow.test_processes import control, kill, waiting_for_the_model, worker_gone, worker_pid

pytestmark = pytest.mark.anyio
NUMBER = "+15551004001"
QUICK = {"media_mode": "process", "ring_timeout_s": 5, "scheduler_poll_s": 0.05}
LONG_AGO = "2026-01-01T00:00:00.000+0000"
NEVER_RUNG: tuple[Point, ...] = ("after_intent",)


def old_asterisk(house: Rig) -> None:
    """One that was there long before: its ledger counts."""
    house.asterisk.exchange.startup_time = LONG_AGO


async def dies_at(point: Point, folder: Path) -> None:
    script = CalleeScript((Ring(0.1), Answer(0.1), HangUp(0.4)))
    async with world(folder, callees={NUMBER: script}, **QUICK) as house:
        old_asterisk(house)
        task = await house.add(NUMBER, "talk", opening="wait_for_hello")
        async with control(house, point) as first:
            await first.wait()
        async with control(house):
            ended = await house.settled(task, timeout_s=40.0)
            calls = await house.calls(task)
            pid = worker_pid(house)
        if point in NEVER_RUNG:
            assert house.invited(NUMBER) == 0
            assert (ended.state, ended.current_attempt_count, ended.not_dialed_count) == (TaskState.PENDING, 0, 1)
            assert [(call.dialed, call.outcome) for call in calls] == [(False, "failed")]
            assert "never reached Asterisk" in ended.overall_conclusion
        else:
            assert house.invited(NUMBER) == 1, [call.detail for call in calls]
            assert [call.dialed for call in calls].count(True) == 1
            assert ended.current_attempt_count == 1
        await worker_gone(pid)


async def dies_while_reconciling(folder: Path) -> None:
    """The one that finds what is left dies as well; the third settles it."""
    script = CalleeScript((Ring(0.1), Answer(0.1), HangUp(0.4)))
    async with world(folder, callees={NUMBER: script}, **QUICK) as house:
        old_asterisk(house)
        house.realtime.faults.add(Fault(kind=FaultKind.HANG))
        task = await house.add(NUMBER, "talk", opening="wait_for_hello")
        async with control(house) as first:
            await waiting_for_the_model(house)
            await kill(first)
        async with control(house, "while_reconciling") as second:
            await second.wait()
        async with control(house):
            ended = await house.settled(task, timeout_s=40.0)
            pid = worker_pid(house)
        assert house.invited(NUMBER) == 1
        assert ended.current_attempt_count == 1
        await worker_gone(pid)


async def dies_alone(house: Rig) -> CallTask:
    """Between intent and dial, with its media worker, and for longer than a lease: no leg tells of the call."""
    task = await house.add(NUMBER, "talk", opening="wait_for_hello", max_attempts=1)
    async with control(house, "after_intent") as first:
        await first.wait()
    pid = worker_pid(house)
    os.kill(pid, signal.SIGKILL)
    await worker_gone(pid)
    await house.db.execute("UPDATE tasks SET lease_until = 1 WHERE id = :id", {"id": task.id})
    return task


async def an_attempt_that_rang_nobody_is_not_used_up(folder: Path) -> None:
    script = CalleeScript((Ring(0.1), Answer(0.1), HangUp(0.4)))
    async with world(folder, callees={NUMBER: script}, **QUICK) as house:
        old_asterisk(house)
        task = await dies_alone(house)
        async with control(house):
            put_back = await house.settled(task, timeout_s=40.0)
            assert (put_back.state, put_back.current_attempt_count) == (TaskState.PENDING, 0), put_back
            assert house.invited(NUMBER) == 0
            await house.db.execute("UPDATE tasks SET next_action_time = 1 WHERE id = :id", {"id": task.id})

            async def called() -> bool:
                return len(await house.calls(task)) == 2

            await house.until(called, 20.0)
            ended = await house.settled(task, timeout_s=40.0)
            assert (house.invited(NUMBER), ended.current_attempt_count) == (1, 1)
            pid = worker_pid(house)
        await worker_gone(pid)


async def nobody_can_say_whether_it_rang(folder: Path) -> None:
    """Asterisk was restarted after the dial: the call is over when none can be under way, and never made again."""
    async with world(folder, callees={}, **QUICK) as house:
        task = await dies_alone(house)
        async with control(house):
            ended = await house.settled(task, timeout_s=40.0)
            call = await house.call(task)
            assert (ended.state, ended.current_attempt_count) == (TaskState.FAILED, 1), ended
            assert (call.outcome, call.dialed) == ("lost", True)
            pid = worker_pid(house)
        await worker_gone(pid)


async def test_points(tmp_path: Path) -> None:
    """`scripts/prove dial` has them all, on a real Asterisk."""
    points: tuple[Point, ...] = (
        "after_open",
        "after_intent",
        "after_originate_sent",
        "answered",
        "after_end_stored",
    )
    cases = {point: partial(dies_at, point, tmp_path / point) for point in points}
    cases["while_reconciling"] = partial(dies_while_reconciling, tmp_path / "while_reconciling")
    cases["unused"] = partial(an_attempt_that_rang_nobody_is_not_used_up, tmp_path / "unused")
    cases["unclear"] = partial(nobody_can_say_whether_it_rang, tmp_path / "unclear")
    await together(cases, at_once=3)
