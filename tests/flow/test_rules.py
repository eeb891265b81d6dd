"""Who may be called, how many at once, and when: caps, test mode, do-not-call, numbers, limits, the wall clock."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain.messages import TaskChanged
from app.domain.task import CallTask, TaskState
from app.ids import new_id
from app.sim.asterisk import Answer, CalleeScript, HangUp, Ring, WaitForAgent
from app.sim.asterisk.server import SimAsterisk
from app.sim.realtime.brain import Step
from app.store import decisions, dnd
from tests.flow.rig import BYE, TENANT, Rig, beside, rig

pytestmark = pytest.mark.anyio
BRIEF = CalleeScript((Ring(0.02), Answer(0.02), HangUp(0.1)))
LISTENS = CalleeScript((Ring(0.02), Answer(0.02), WaitForAgent()))
REDIRECT = "+15551009999"


def most_alive(asterisk: SimAsterisk) -> int:
    """How many callee channels were alive at most, by the exchange's own events."""
    alive: set[str] = set()
    most = 0
    for event, _ in asterisk.events:
        channel = event.get("peer") or event.get("channel")
        channel_id = str(channel["id"]) if isinstance(channel, dict) else ""
        if not channel_id.endswith("-c"):
            continue
        if event["type"] == "ChannelDestroyed":
            alive.discard(channel_id)
        else:
            alive.add(channel_id)
            most = max(most, len(alive))
    return most


async def all_settled(house: Rig, waiting: list[CallTask]) -> list[CallTask]:
    return [await house.settled(task) for task in waiting]


async def never_more_calls_than_the_cap(tmp_path: Path) -> None:
    numbers = [f"+155510003{at:02}" for at in range(20)]
    async with rig(tmp_path, callees=dict.fromkeys(numbers, BRIEF), max_concurrent_calls=4) as house:
        done = await all_settled(house, [await house.add(number) for number in numbers])
        assert {task.state for task in done} == {TaskState.COMPLETED}
        assert sorted(invite.number for invite in house.asterisk.invites) == numbers
        assert 2 <= most_alive(house.asterisk) <= 4


async def mode_rings_one_phone_only(tmp_path: Path) -> None:
    numbers = [f"+155510004{at:02}" for at in range(4)]
    callees = {**dict.fromkeys(numbers, BRIEF), REDIRECT: BRIEF}
    mode = {"app_test_mode": True, "app_test_mode_redirect_number": REDIRECT}
    async with rig(tmp_path, callees=callees, **mode) as house:
        done = await all_settled(house, [await house.add(number) for number in numbers])
        assert {invite.number for invite in house.asterisk.invites} == {REDIRECT}
        assert house.invited(REDIRECT) == 4
        assert most_alive(house.asterisk) == 1
        for task in done:
            call = await house.call(task)
            assert (call.number_requested, call.number_dialed) == (task.number, REDIRECT)


async def mode_without_a_redirect_number_rings_nobody(tmp_path: Path) -> None:
    async with rig(tmp_path, app_test_mode=True) as house:
        task = await house.add("+15551000400")
        (decision,) = await house.until(lambda: decisions.of_task(house.db, TENANT, task.id))
        assert (decision.result, decision.rule) == ("defer", "test_mode")
        assert "nothing is dialed" in decision.sentence
        assert (await house.task(task)).state is TaskState.PENDING
        assert house.asterisk.invites == []
        assert house.realtime.sessions == []


async def a_listed_number_is_never_invited(tmp_path: Path) -> None:
    listed, late, fine = "+15551000501", "+15551000502", "+15551000503"
    async with rig(tmp_path, callees=dict.fromkeys((listed, late, fine), BRIEF)) as house:
        await _list(house, listed)
        first = await house.settled(await house.add(listed))
        assert first.state is TaskState.SUPPRESSED
        assert "do-not-call" in first.overall_conclusion
        assert await house.calls(first) == []  # refused before anything was prepared
        assert house.realtime.sessions == []

        # While it is being prepared: the model hangs until the number is listed.
        house.asterisk.delay_events(0.2)
        task = await house.add(late)
        await house.live(task)
        assert await _list(house, late) == [task.id]
        house.asterisk.delay_events(0.0)
        assert (await house.settled(task)).state is TaskState.SUPPRESSED

        assert (await house.settled(await house.add(fine))).state is TaskState.COMPLETED
        assert [invite.number for invite in house.asterisk.invites] == [fine]


async def _list(house: Rig, number: str) -> list[str]:
    now_ms = house.clock.unix_ms()
    entry = dnd.DoNotCall(id=new_id(now_ms), tenant_id=TENANT, number=number, reason="asked", source="operator")
    async with house.db.tx() as tx:
        return await dnd.add(tx, entry, now_ms)


async def numbers_that_may_not_be_dialed_fail_with_a_sentence(tmp_path: Path) -> None:
    sentences = {"+8821612345678": "satellite", "+155512": "short", "+155500000000000": "too long"}
    async with rig(tmp_path) as house:
        for number, sentence in sentences.items():
            task = await house.settled(await house.add(number))
            assert task.state is TaskState.FAILED
            assert sentence in task.overall_conclusion
            assert await house.calls(task) == []
        assert house.asterisk.invites == []


async def two_tasks_for_one_number_are_two_calls_one_after_the_other(tmp_path: Path) -> None:
    number = "+15551000600"
    async with rig(tmp_path, callees={number: BRIEF}) as house:
        tasks = [await house.add(number), await house.add(number)]

        async def one_waits() -> CallTask | None:
            """The task that was put off while the other one was called."""
            now = [await house.task(task) for task in tasks]
            done = any(task.state is TaskState.COMPLETED for task in now)
            return next((task for task in now if done and task.state is TaskState.PENDING), None)

        second = await house.until(one_waits)
        (decision, *_) = await decisions.of_task(house.db, TENANT, second.id)
        assert (decision.rule, second.current_attempt_count) == ("caps", 0)
        assert decision.sentence.startswith("This number is on a call of ours.")
        assert house.invited(number) == 1
        house.clock.ahead_ms += 61_000
        await house.bus.publish("tasks", TaskChanged(tenant_id=TENANT, task_id=second.id))
        assert {task.state for task in await all_settled(house, tasks)} == {TaskState.COMPLETED}
        assert house.invited(number) == 2
        assert most_alive(house.asterisk) == 1


async def attempts_run_out(tmp_path: Path) -> None:
    number = "+15551000017"
    async with rig(tmp_path) as house:
        task = await house.settled(await house.add(number, max_attempts=2))
        assert (task.state, task.current_attempt_count) == (TaskState.PENDING, 1)
        house.clock.ahead_ms += 11 * 60_000
        await house.bus.publish("tasks", TaskChanged(tenant_id=TENANT, task_id=task.id))

        async def failed() -> bool:
            return (await house.task(task)).state is TaskState.FAILED

        await house.until(failed)
        ended = await house.task(task)
        assert ended.overall_conclusion == "The line was busy; all 2 attempts are used."
        assert [call.attempt_number for call in await house.calls(task)] == [1, 2]
        assert house.invited(number) == 2


async def the_longest_talk_ends_with_a_goodbye(tmp_path: Path) -> None:
    number = "+15551000601"
    async with rig(tmp_path, callees={number: LISTENS}, max_call_duration_s=1) as house:
        house.think("endless", Step(say="hello there"), Step(say="time is up, bye"))
        task = await house.settled(await house.add(number, "endless talk"))
        call = await house.call(task)
        assert (call.outcome, call.ended_by) == ("completed", "system_timeout")
        assert call.detail == "maximum length reached"
        assert house.asterisk.callee(number).heard_texts == ["hello there", "time is up, bye"]


async def a_clock_set_forward_ends_no_call(tmp_path: Path) -> None:
    await _clock_jump(tmp_path, 3_600)


async def a_clock_set_back_ends_no_call(tmp_path: Path) -> None:
    await _clock_jump(tmp_path, -3_600)


async def _clock_jump(tmp_path: Path, jump_s: int) -> None:
    number = "+15551000602"
    async with rig(tmp_path, callees={number: LISTENS}) as house:
        house.think("jump", Step(say="hello there"), BYE)
        task = await house.add(number, "jump of the clock")
        callee = await house.talking(task)
        house.clock.ahead_ms += jump_s * 1000
        await house.bus.publish("tasks", TaskChanged(tenant_id=TENANT, task_id=task.id))  # the scheduler looks now
        await house.asterisk.wait_until(lambda: callee.heard_texts == ["hello there"])
        assert (await house.task(task)).state is TaskState.IN_CALL
        assert not callee.over
        callee._line.pressed("1", 100)  # type: ignore[union-attr]  # the agent reacts, and says goodbye
        ended = await house.settled(task)
        call = await house.call(task)
        assert (ended.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "agent")
        assert len(await house.calls(task)) == 1


async def calls_that_are_being_prepared_do_not_begin_after_the_stop(tmp_path: Path) -> None:
    """The house is left in the moment in which tasks are claimed: nobody is rung any more."""
    numbers = [f"+155510007{at:02}" for at in range(6)]
    async with rig(tmp_path, callees=dict.fromkeys(numbers, LISTENS)) as house:
        async with house.db.tx() as tx:  # all due at the same moment
            tasks = [await house.add(number, into=tx) for number in numbers]
        await house.bus.publish("tasks", TaskChanged(tenant_id=TENANT, task_id=""))

        def claimed() -> bool:
            return bool(house.engine.scheduler.running)

        await _spin(claimed)
        stopped = house
    assert len(tasks) == 6
    assert stopped.asterisk.invites == []


async def _spin(condition: Callable[[], bool]) -> None:
    """Wait without missing a single turn of the loop."""
    async with asyncio.timeout(5.0):
        while not condition():  # noqa: ASYNC110 - a claim that was just made sets nothing
            await asyncio.sleep(0)


async def test_rules(tmp_path: Path) -> None:
    """Every case in a house of its own, beside each other."""
    await beside(
        tmp_path,
        never_more_calls_than_the_cap,
        mode_rings_one_phone_only,
        mode_without_a_redirect_number_rings_nobody,
        a_listed_number_is_never_invited,
        numbers_that_may_not_be_dialed_fail_with_a_sentence,
        two_tasks_for_one_number_are_two_calls_one_after_the_other,
        attempts_run_out,
        the_longest_talk_ends_with_a_goodbye,
        a_clock_set_forward_ends_no_call,
        a_clock_set_back_ends_no_call,
        calls_that_are_being_prepared_do_not_begin_after_the_stop,
        at_once=8,
    )
