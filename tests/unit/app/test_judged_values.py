"""What is kept of a judgement: values that the callee's words prove, and what was really concluded."""

import pytest

from app.domain.analysis.judgement import Action
from app.domain.task import TaskState
from tests.unit.app import test_analyst
from tests.unit.app.store_world import NOW, TENANT
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


@pytest.mark.parametrize(
    ("until_ms", "listed", "state", "action", "said"),
    [
        (NOW + 60_000, False, TaskState.FAILED, Action.FAILED, "so nobody calls again"),
        (None, True, TaskState.SUPPRESSED, Action.OPT_OUT, "do-not-call list"),
    ],
)
async def test_a_retry_that_is_not_made_is_not_told_as_one(
    world: World, until_ms: int | None, listed: bool, state: TaskState, action: Action, said: str
) -> None:
    task, call = await world.talked("Not now.")
    set_until = "UPDATE tasks SET until_ms = :until_ms WHERE id = :id"
    await world.db.execute(set_until, {"until_ms": until_ms, "id": task.id})
    if listed:
        await world.db.execute(
            "INSERT INTO dnd_list VALUES ('d', :tenant, :number, '', 'import', NULL, NULL, 0)",
            {"tenant": TENANT, "number": task.number},
        )
    evidence = [{"turn": 2, "quote": "Not now"}]
    world.thinks(judgement("SCHEDULE_JOB_RETRY", outcome="not_available", evidence=evidence))
    await world.analyst.look()
    done = await world.task(task)
    assert done.state is state
    decided = (await world.row(call)).decided
    assert decided is not None
    assert (decided.action, decided.conclusion.retry_at_ms) == (action, None)
    assert decided.conclusion.reason == done.overall_conclusion
    assert said in decided.conclusion.reason
