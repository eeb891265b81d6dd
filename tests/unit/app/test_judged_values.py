"""What the analysis finds out of a call: values that the callee's words prove."""

import pytest

from app.domain.task import TaskState
from tests.unit.app import test_analyst
from tests.unit.app.test_analyst import World, judgement

pytestmark = pytest.mark.anyio
world = test_analyst.world


async def test_a_value_is_proven_by_the_callee_alone(world: World) -> None:
    """The agent named the day; only the callee's answer to it says whether the callee took it."""
    task, call = await world.talked("Yes, that suits me.")
    named = {"field": "day", "value": "Friday", "turn": 1, "quote": "does Friday suit you"}
    agreed = {"field": "day", "value": "Friday", "turn": 2, "quote": "Yes, that suits me"}
    evidence = [{"turn": 2, "quote": "that suits me"}]
    mind = world.thinks(
        judgement(evidence=evidence, collected=[named]), judgement(evidence=evidence, collected=[agreed])
    )
    await world.analyst.look()
    again = mind.asked[1].history[-1][1]
    assert "collected[0] (day)" in again
    assert "not said by the callee" in again
    decided = (await world.row(call)).decided
    assert decided is not None
    assert [(one.value, one.proof.speaker, one.proof.turn) for one in decided.collected] == [
        ("Friday", "callee", 2)
    ]
    assert (await world.task(task)).state is TaskState.COMPLETED


async def test_what_only_the_agent_said_becomes_no_value(world: World) -> None:
    task, call = await world.talked("No, I will think about it.")
    named = {"field": "day", "value": "Friday", "turn": 1, "quote": "does Friday suit you"}
    world.thinks(judgement(evidence=[{"turn": 2, "quote": "I will think about it"}], collected=[named]))
    await world.analyst.look()
    decided = (await world.row(call)).decided
    assert decided is not None
    assert decided.collected == ()
    assert (await world.task(task)).state is TaskState.WAITING_USER
