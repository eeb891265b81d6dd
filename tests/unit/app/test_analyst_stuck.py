"""A call whose examination fails by itself goes to a person, and none does because the model is away."""

from collections.abc import AsyncGenerator

import pytest

from app.domain.task import TaskState
from app.llm.analyst import ALONE_TRIES, MOST_TRIES
from app.llm.errors import BadReply, TextModelError, TextModelUnavailable
from app.llm.model import Ask, Reply, TextDelta, TextModel
from app.store import analyses
from tests.unit.app import test_analyst
from tests.unit.app.test_analyst import World, judgement

pytestmark = pytest.mark.anyio
world = test_analyst.world


class Choosy:
    """A model that fails at whatever speaks of poison, and answers everything else."""

    def __init__(self, model: TextModel, error: TextModelError) -> None:
        self.model, self.error = model, error

    async def ask(self, ask: Ask) -> Reply:
        if any("poison" in getattr(item, "text", "") for item in ask.items):
            raise self.error
        return await self.model.ask(ask)

    def stream(self, ask: Ask) -> AsyncGenerator[TextDelta | Reply]:
        return self.model.stream(ask)


async def tried(world: World, times: int) -> None:
    """The next so many tries, each when it is due."""
    for _ in range(times):
        due = await analyses.next_try_ms(world.db)
        assert due is not None
        world.clock.advance(max(0.0, (due - world.clock.unix_ms()) / 1000))
        assert await world.analyst.look() == 1


@pytest.mark.parametrize("error", [TextModelUnavailable("HTTP 500."), BadReply("No JSON.")])
@pytest.mark.parametrize(
    ("words", "state"),
    [("It was poison.", TaskState.WAITING_USER), ("It was poison. Stop calling me!", TaskState.SUPPRESSED)],
)
async def test_a_call_that_fails_by_itself_goes_to_a_person_and_not_round_for_ever(
    world: World, error: TextModelError, words: str, state: TaskState
) -> None:
    task, call = await world.talked(words)
    assert world.analyst._model is not None
    world.analyst._model = Choosy(world.analyst._model, error)
    world.thinks(judgement())
    await tried(world, MOST_TRIES + 3)
    assert (await world.task(task)).state is TaskState.ANALYZING, "nothing shows that the model is there"
    rounds = ALONE_TRIES if isinstance(error, TextModelUnavailable) else 1
    for n in range(rounds):
        assert (await world.task(task)).state is TaskState.ANALYZING
        other, _ = await world.talked(number=f"+1212555018{n}")
        await world.analyst.look()
        assert (await world.task(other)).state is TaskState.COMPLETED
        await tried(world, 1)
    assert (await world.task(task)).state is state
    row = await world.row(call)
    assert (row.state, row.tries) == ("done", MOST_TRIES + 2 + rounds)
    assert row.decided is not None
    assert state is TaskState.SUPPRESSED or "no usable judgement" in row.decided.conclusion.reason


async def test_a_model_that_went_away_later_is_no_reason_to_give_up(world: World) -> None:
    world.thinks(judgement())
    await world.talked(number="+12125550177")
    task, _ = await world.talked("It was poison.")
    assert world.analyst._model is not None
    world.analyst._model = Choosy(world.analyst._model, TextModelUnavailable("HTTP 500."))
    await world.analyst.look()
    assert world.analyst._judged_ms > 0
    await tried(world, MOST_TRIES + 3)
    assert (await world.task(task)).state is TaskState.ANALYZING
