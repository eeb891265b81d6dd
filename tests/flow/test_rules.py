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
from app.store import dnd
from tests.flow.rig import BYE, TENANT, Rig, rig

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


async def test_never_more_calls_than_the_cap(tmp_path: Path) -> None:
    numbers = [f"+155510003{at:02}" for at in range(20)]
    async with rig(tmp_path, callees=dict.fromkeys(numbers, BRIEF), max_concurrent_calls=4) as house:
        done = await all_settled(house, [await house.add(number) for number in numbers])
        assert {task.state for task in done} == {TaskState.COMPLETED}
        assert sorted(invite.number for invite in house.asterisk.invites) == numbers
        assert most_alive(house.asterisk) == 4


async def test_test_mode_rings_one_phone_only(tmp_path: Path) -> None:
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


async def test_test_mode_without_a_redirect_number_rings_nobody(tmp_path: Path) -> None:
    async with rig(tmp_path, app_test_mode=True) as house:
        task = await house.settled(await house.add("+15551000400"))
        assert task.state is TaskState.FAILED
        assert "nothing is dialed" in task.overall_conclusion
        assert house.asterisk.invites == []


async def test_a_listed_number_is_never_invited(tmp_path: Path) -> None:
    listed, late, fine = "+15551000501", "+15551000502", "+15551000503"
    async with rig(tmp_path, callees=dict.fromkeys((listed, late, fine), BRIEF)) as house:
        await _list(house, listed)
        first = await house.settled(await house.add(listed))
        assert first.state is TaskState.SUPPRESSED
        assert "do-not-call" in first.overall_conclusion
        (call,) = await house.calls(first)
        assert (call.dialed, call.outcome) == (False, "failed")
        assert await house.events(call, "dial_refused")

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


@pytest.mark.parametrize(
    ("number", "sentence"),
    [("+8821612345678", "premium"), ("+15551", "short"), ("+155500000000000", "too long")],
)
async def test_a_number_that_may_not_be_dialed_fails_with_a_sentence(
    tmp_path: Path, number: str, sentence: str
) -> None:
    async with rig(tmp_path) as house:
        number = number if len(number) > 6 else number + "2"
        task = await house.settled(await house.add(number))
        assert task.state is TaskState.FAILED
        assert sentence in task.overall_conclusion
        assert house.asterisk.invites == []
        assert await house.calls(task) == []


async def test_two_tasks_for_one_number_are_two_calls(tmp_path: Path) -> None:
    number = "+15551000600"
    async with rig(tmp_path, callees={number: BRIEF}) as house:
        tasks = [await house.add(number), await house.add(number)]
        assert {task.state for task in await all_settled(house, tasks)} == {TaskState.COMPLETED}
        assert house.invited(number) == 2
        assert len({invite.channel_id for invite in house.asterisk.invites}) == 2


async def test_attempts_run_out(tmp_path: Path) -> None:
    number = "+15551000017"
    async with rig(tmp_path) as house:
        task = await house.settled(await house.add(number, max_attempts=2))
        assert (task.state, task.current_attempt_count) == (TaskState.PENDING, 1)
        house.clock.ahead_ms += 11 * 60_000
        await house.bus.publish("tasks", TaskChanged(task_id=task.id))

        async def failed() -> bool:
            return (await house.task(task)).state is TaskState.FAILED

        await house.until(failed)
        ended = await house.task(task)
        assert ended.overall_conclusion == "The line was busy; all 2 attempts are used."
        assert [call.attempt_number for call in await house.calls(task)] == [1, 2]
        assert house.invited(number) == 2


async def test_the_longest_talk_ends_with_a_goodbye(tmp_path: Path) -> None:
    number = "+15551000601"
    async with rig(tmp_path, callees={number: LISTENS}, max_call_duration_s=1) as house:
        house.think("endless", Step(say="hello there"), Step(say="time is up, bye"))
        task = await house.settled(await house.add(number, "endless talk"))
        call = await house.call(task)
        assert (call.outcome, call.ended_by, call.detail) == ("completed", "system_timeout", "maximum length reached")
        assert house.asterisk.callee(number).heard_texts == ["hello there", "time is up, bye"]


@pytest.mark.parametrize("jump_s", [3_600, -3_600])
async def test_a_clock_jump_ends_no_call(tmp_path: Path, jump_s: int) -> None:
    number = "+15551000602"
    async with rig(tmp_path, callees={number: LISTENS}) as house:
        go_on = asyncio.Event()
        house.think("jump", Step(say="hello there"), BYE)
        task = await house.add(number, "jump of the clock")
        callee = await house.talking(task)
        house.clock.ahead_ms += jump_s * 1000
        await house.bus.publish("tasks", TaskChanged(task_id=task.id))  # the scheduler looks now
        del go_on
        await house.asterisk.wait_until(lambda: callee.heard_texts == ["hello there"])
        assert (await house.task(task)).state is TaskState.IN_CALL
        assert not callee.over
        callee._line.pressed("1", 100)  # type: ignore[union-attr]  # the agent reacts, and says goodbye
        ended = await house.settled(task)
        call = await house.call(task)
        assert (ended.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "agent")
        assert len(await house.calls(task)) == 1


async def test_calls_that_are_being_prepared_do_not_begin_after_the_stop(tmp_path: Path) -> None:
    """The house is left in the moment in which tasks are claimed: nobody is rung any more."""
    numbers = [f"+155510007{at:02}" for at in range(6)]
    async with rig(tmp_path, callees=dict.fromkeys(numbers, LISTENS)) as house:
        tasks = [await house.add(number) for number in numbers]

        def claimed() -> bool:
            return bool(house.engine.scheduler.running)

        await _spin(claimed)
    invited = len(house.asterisk.invites)
    del tasks
    assert invited == 0


async def _spin(condition: Callable[[], bool]) -> None:
    """Wait without missing a single turn of the loop."""
    async with asyncio.timeout(5.0):
        while not condition():
            await asyncio.sleep(0)
