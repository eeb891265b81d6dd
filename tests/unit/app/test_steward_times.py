"""Which times the lifecycle agent keeps: those that somebody planned, as long as no decision of its own stands."""

import pytest

from app.domain import command
from app.domain.analysis import judgement as talk
from app.domain.lifecycle.model import Action
from app.domain.retry import Conclusion
from app.domain.task import CallTask, TaskEvent
from app.ids import new_id
from app.llm.record import examined_by, record
from app.store import analyses, attempts, calls, commands, leases
from tests.unit.app import test_steward
from tests.unit.app.lifecycle_world import HOUR_MS
from tests.unit.app.store_world import LEASE_MS, TENANT, begun_call, ended
from tests.unit.app.test_steward import World, says

pytestmark = pytest.mark.anyio
world = test_steward.world


@pytest.mark.parametrize("first", [Action.SET_PRIORITY, Action.SET_PHASE])
async def test_a_planned_time_is_kept_after_a_decision_that_left_it_alone(world: World, first: Action) -> None:
    task = await world.add(next_action_time=world.now_ms + 6 * HOUR_MS)
    world.thinks(says(("T1", first, {})))
    await world.round()
    await world.put(task, priority=7)  # something happened: the agent looks again
    mind = world.thinks(says(("T1", Action.MOVE, {})))
    await world.round()
    assert len(mind.asked) == 1
    assert world.now_ms < task.next_action_time, "the planned time is still ahead"
    assert [one.action for one in await world.decided()] == [first]
    assert (await world.task(task)).next_action_time == task.next_action_time


async def test_a_time_that_the_agent_chose_is_no_planned_one_until_that_is_taken_back(world: World) -> None:
    chosen, taken_back = [
        await world.add(number=f"+120255501{at:02}", next_action_time=world.now_ms) for at in (1, 2)
    ]
    world.thinks(says(("T1", Action.MOVE, {}), ("T2", Action.MOVE, {})))
    await world.round()
    first = await world.decided()
    assert len(first) == 2
    await world.undo(next(one.id for one in first if one.task_id == taken_back.id))
    await world.put(taken_back, next_action_time=(await world.task(chosen)).next_action_time)
    later = "2027-01-17T17:00:00Z"
    world.thinks(says(("T1", Action.HOLD, {"at": later}), ("T2", Action.HOLD, {"at": later})))
    await world.round()
    assert [one.task_id for one in await world.decided() if one.action is Action.HOLD] == [chosen.id]


async def retried(
    world: World,
    *,
    named: bool = False,
    outcome: talk.Outcome = "not_available",
    order: command.Reschedule | None = None,
) -> CallTask:
    """A task that waits for its second attempt: in two hours, `named` by the callee, or as `order` says."""
    await world.add(next_action_time=world.now_ms, max_attempts=3)
    (claim,) = await leases.claim_due(world.db, world.now_ms, "me", LEASE_MS, 1)
    call = await begun_call(world.db, claim, world.now_ms)
    if order is not None:
        await ordered(world, claim, call.id, order)
    async with world.db.tx() as tx:
        end = ended(call, "completed", answered_ms=world.now_ms)
        task = await attempts.finish_call(tx, TENANT, end, world.now_ms, token=claim.lease_token)
        task = await analyses.queue(tx, task, call.id, world.now_ms)
    (task,) = await analyses.claim_due(world.db, world.now_ms, "me", LEASE_MS, 1)
    wish = talk.RetryWish(local_time="2027-01-15T10:00", zone="America/New_York", turn=1, quote="at ten")
    claimed = talk.Judgement(
        action=talk.Action.RETRY, outcome=outcome, summary="", confidence="high", retry=wish if named else None
    )
    again = Conclusion(event=TaskEvent.RETRY, reason="Again.", retry_at_ms=world.now_ms + 2 * HOUR_MS)
    decision = talk.Decision(action=talk.Action.RETRY, outcome=outcome, conclusion=again, summary="")
    async with world.db.tx() as tx:
        done = (await calls.of_task(tx, TENANT, task.id))[-1]
        return await record(tx, task, done, decision, examined_by("", (), claimed), now_ms=world.now_ms)


async def ordered(world: World, task: CallTask, call_id: str, order: command.Reschedule) -> None:
    new = command.NewCommand(
        id=new_id(world.now_ms),
        call_id=call_id,
        kind=command.CommandKind.RESCHEDULE,
        payload=order,
        issued_by="operator",
        expires_ms=world.now_ms + 60_000,
    )
    async with world.db.tx() as tx:
        await commands.enqueue(tx, TENANT, new, world.now_ms)
        taken = await commands.take_next(tx, TENANT, call_id, task.lease_token, world.now_ms)
        assert taken is not None
        await commands.finish(tx, TENANT, taken.id, command.CommandState.DONE, "done", now_ms=world.now_ms)


async def test_a_time_that_the_callee_named_is_kept_whatever_the_talk_came_to(world: World) -> None:
    """Whoever answered said when the other one is there: nobody asked for a call back."""
    named = await retried(world, named=True)
    free = await retried(world)
    asked = await retried(world, outcome="callback_requested")  # "call me later": no time
    world.thinks(says(*((f"T{n}", Action.MOVE, {}) for n in (1, 2, 3))))
    await world.round()
    assert {one.task_id for one in await world.decided()} == {free.id, asked.id}
    assert (await world.task(named)).next_action_time == named.next_action_time


async def test_a_time_that_was_ordered_during_the_call_is_kept_and_its_rule_is_not(world: World) -> None:
    at_ms = world.now_ms + 3 * HOUR_MS
    timed = await retried(world, order=command.Reschedule(wished_ms=at_ms))
    untimed = await retried(world, named=True, order=command.Reschedule())
    assert timed.next_action_time == at_ms
    world.thinks(says(("T1", Action.MOVE, {}), ("T2", Action.MOVE, {})))
    await world.round()
    assert [one.task_id for one in await world.decided()] == [untimed.id]
    assert (await world.task(timed)).next_action_time == at_ms
