"""Which times the lifecycle agent keeps: those that somebody planned, as long as no decision of its own stands."""

import pytest

from app.domain.lifecycle.model import Action
from tests.unit.app import test_steward
from tests.unit.app.lifecycle_world import HOUR_MS
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
