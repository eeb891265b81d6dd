"""`opendeep sim story`: from a brief in the chat to the report, and that a story gone wrong would be seen."""

import pytest

from app.cli.sim_story import PUT_OFF_MS, _late, _rests, tell  # pyright: ignore[reportPrivateUsage]
from app.domain.task import TaskState
from app.sim.rehearsal.story import ACTORS, START, TOLERANCE_MS, TOMORROW_AT_FOUR, Telephones
from tests.unit.app.lifecycle_world import a_task
from tests.unit.app.store_world import NOW

MINUTE_MS = 60_000
ANN, BOB, CLEO, DORA, EMIL = ACTORS
FOUR_MS = 1_800_133_200_000


@pytest.mark.anyio
async def test_the_whole_story_comes_out_as_it_must() -> None:
    told: list[str] = []
    results = await tell(told.append)
    wrong = {one.name: one.figures["first_violation"] for one in results if one.violations}
    assert wrong == {}
    figures = {one.name: one.figures for one in results}
    assert figures["brief, form, plan, one campaign"]["kinds"] == "questions plan"
    assert figures["nobody rung twice for an attempt"]["busy"] == 1
    assert figures["nobody rung twice for an attempt"]["completed"] == 7
    assert figures["every task settled"]["completed"] == 4
    assert figures["every task settled"]["suppressed"] == 1
    assert figures["report true to the store"]["written_by"] == "model"
    assert figures["report true to the store"]["quotes"] == 3
    assert told[0] == "Who comes on Friday (completed): 4 of 5 recipients agreed"
    assert "tasks that reached their goal" in "\n".join(told)


@pytest.mark.parametrize(
    ("actor", "due", "fits"),
    [
        (ANN, [NOW + 10 * MINUTE_MS], True),
        (ANN, [NOW + 10 * MINUTE_MS + TOLERANCE_MS], True),
        (ANN, [NOW + 10 * MINUTE_MS - 1], False),
        (ANN, [NOW + 10 * MINUTE_MS + TOLERANCE_MS + 1], False),
        (ANN, [], False),
        (ANN, [NOW + 10 * MINUTE_MS, NOW + 20 * MINUTE_MS], False),
        (BOB, [NOW + 240 * MINUTE_MS], True),
        (BOB, [NOW + 10 * MINUTE_MS], False),
        (CLEO, [FOUR_MS], True),
        (CLEO, [FOUR_MS + 1], False),
        (DORA, [NOW - 5], True),
        (DORA, [NOW + 10 * MINUTE_MS], False),
        (EMIL, [NOW + 1], False),
    ],
)
def test_a_retry_at_another_time_would_be_seen(actor: object, due: list[int], *, fits: bool) -> None:
    assert (_late(actor, NOW, due) == []) is fits  # type: ignore[arg-type]


def test_the_story_is_over_only_when_nobody_is_called_any_more() -> None:
    for state in TaskState:
        resting = _rests(a_task(state=state, next_action_time=NOW + PUT_OFF_MS), NOW)
        assert resting is (state not in {"pending", "claimed", "in_call", "analyzing"}), state
    assert _rests(a_task(next_action_time=NOW + PUT_OFF_MS + 1), NOW)


def test_every_telephone_behaves_call_by_call() -> None:
    phones = Telephones()
    assert [phones(ANN.number) for _ in range(3)] == [*ANN.calls, ANN.calls[-1]]
    assert phones("+12025550199") is None
    assert phones.rung == {ANN.number: 3, "+12025550199": 1}
    assert START < TOMORROW_AT_FOUR
