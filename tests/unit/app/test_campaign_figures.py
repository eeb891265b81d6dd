"""Figures of campaigns: tables for the pure part; what is counted as it happens equals a plain count later."""

from collections import Counter
from collections.abc import AsyncIterator
from random import Random

import pytest

from app.domain.campaign_figures import CallFacts, Figures, Stage, percent, read_counts, stage_after, stage_of
from app.domain.task import SETTLED, TaskState
from app.errors import ConflictError
from app.store import callbacks, campaign_ends, campaign_figures, campaign_pages, campaigns, dnd, tasks
from app.store.campaigns import NewCampaign
from app.store.db import Database
from app.store.dnd import DoNotCall
from tests.unit.app.campaign_world import MACHINES, MadeCampaign, make_campaign
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import NOW, TENANT, add_agent, new_task

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


def facts(who: str = "", *, dialed: bool = True, answered: bool = True, both: bool = True) -> CallFacts:
    return CallFacts(dialed=dialed, answered=answered, answered_by=who, both_spoke=both)


@pytest.mark.parametrize(
    ("call", "stage"),
    [
        (facts(answered=False, dialed=False, both=False), Stage.NONE),
        (facts(answered=False, both=False), Stage.DIALED),
        (facts("machine"), Stage.ANSWERED),
        (facts("ivr"), Stage.ANSWERED),
        (facts("human", both=False), Stage.HUMAN),
        (facts("human"), Stage.CONVERSATION),
        (facts(""), Stage.CONVERSATION),
        (facts("uncertain"), Stage.CONVERSATION),
        (facts("", both=False), Stage.ANSWERED),
        (facts("human", dialed=False), Stage.CONVERSATION),
    ],
)
def test_how_far_a_call_came(call: CallFacts, stage: Stage) -> None:
    assert stage_of(call) is stage


@pytest.mark.parametrize(
    ("reached", "call", "state", "after"),
    [
        (Stage.NONE, facts(answered=False), TaskState.PENDING, Stage.DIALED),
        (Stage.HUMAN, facts("machine"), TaskState.PENDING, Stage.HUMAN),
        (Stage.NONE, facts("ivr"), TaskState.COMPLETED, Stage.CONVERSATION),
        (Stage.NONE, facts(answered=False), TaskState.COMPLETED, Stage.DIALED),
    ],
)
def test_a_task_keeps_the_furthest_stage(reached: Stage, call: CallFacts, state: TaskState, after: Stage) -> None:
    assert stage_after(reached, call, state) is after


def test_counts_become_figures() -> None:
    named = {
        "tasks": 10,
        "completed": 4,
        "failed": 1,
        "reached:1": 9,
        "reached:2": 7,
        "attempt:1": 9,
        "attempt:2": 3,
    }
    figures = read_counts(named | {"of the future": 5}, {"busy": 2, "completed": 7})
    assert (figures.tasks, figures.done, figures.open, figures.goals, figures.calls) == (10, 5, 5, 4, 9)
    assert figures.reached == (9, 7, 0, 0)
    assert figures.attempts_exactly == (6, 3)
    assert list(figures.outcomes) == ["completed", "busy"]
    assert read_counts({}, {}) == Figures()


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, ""),
        (0, 7, "0 %"),
        (1, 3, "33 %"),
        (1, 2, "50 %"),
        (1, 1000, "<1 %"),
        (1, 200, "1 %"),
        (7, 7, "100 %"),
    ],
)
def test_shares(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text


async def plainly(db: Database, made: MadeCampaign) -> Figures:
    """The figures by the generator's own lists and the tasks as they are, one by one."""
    rows = [await tasks.get(db, TENANT, task_id) for task_id in made.task_ids]
    state_of = {row.id: row.state for row in rows}
    stages: dict[str, int] = {}
    for call in made.calls:
        spoke = bool(call.callee_words)
        stage = 1
        if call.answered:
            stage = 2
            if call.answered_by == "human":
                stage = 4 if spoke else 3
            elif call.answered_by not in MACHINES and spoke:
                stage = 4
        stages[call.task_id] = max(stages.get(call.task_id, 0), stage)
    for task_id, stage in stages.items():
        # what settled without a call of its own, by hand for instance, came no further
        if state_of[task_id] is TaskState.COMPLETED and stage >= 2:
            stages[task_id] = 4
    per_task = Counter(call.task_id for call in made.calls)
    return Figures(
        tasks=len(rows),
        settled={state: n for state, n in sorted(Counter(state_of.values()).items()) if state in SETTLED},
        reached=tuple(sum(stage >= n for stage in stages.values()) for n in (1, 2, 3, 4)),
        attempts=tuple(
            sum(n >= k for n in per_task.values()) for k in range(1, max(per_task.values(), default=0) + 1)
        ),
        outcomes=dict(Counter(call.outcome for call in made.calls)),
    )


@pytest.mark.parametrize("round_", range(3))
async def test_what_is_counted_as_it_happens_is_what_happened(db: Database, seed: int, round_: int) -> None:
    random = Random(seed + round_)
    first = await make_campaign(db, random, 25, settle=True)
    second = await make_campaign(db, random, 25)
    await tasks.create(db, TENANT, new_task(), NOW)  # belongs to no campaign
    found = await campaign_figures.of_campaigns(db, TENANT, [first.id, second.id])
    for made in (first, second):
        assert len(made.calls) > 3
        wanted = await plainly(db, made)
        assert {**found[made.id].outcomes} == {**wanted.outcomes}
        assert found[made.id] == Figures(
            tasks=wanted.tasks,
            settled=wanted.settled,
            reached=wanted.reached,
            attempts=wanted.attempts,
            outcomes=found[made.id].outcomes,
            talk_ms=sum(call.answered for call in made.calls) * 55_000,
        )
        hours = await campaign_figures.hours(db, TENANT, made.id)
        by_hour = Counter(call.hour for call in made.calls)
        assert {one.hour: one.calls for one in hours} == dict(by_hour)
        assert sum(one.answered for one in hours) == sum(call.answered for call in made.calls)
        assert [one.hour for one in hours] == sorted(by_hour)


async def test_every_road_that_settles_a_task_is_counted(db: Database) -> None:
    batch = [new_task(f"+1202555000{n}", id=f"t{n}") for n in range(4)]
    async with db.tx() as tx:
        await campaigns.create(tx, TENANT, NewCampaign(id="c", name="c"), batch, NOW)
        await tasks.cancel(tx, TENANT, "t0", "no", NOW)
    async with db.tx() as tx:
        entry = DoNotCall(id="d", tenant_id=TENANT, number="+12025550001", reason="r", source="operator")
        await dnd.add(tx, entry, NOW)
    await db.execute("UPDATE tasks SET state = 'failed' WHERE id = 't2'")
    await db.execute(callbacks._TALKED, {"tenant_id": TENANT, "task_id": "t2", "reason": "r", "now_ms": NOW})  # pyright: ignore[reportPrivateUsage]
    found = (await campaign_figures.of_campaigns(db, TENANT, ["c"]))["c"]
    assert found.settled == {
        TaskState.CANCELLED: 1,
        TaskState.SUPPRESSED: 1,
        TaskState.COMPLETED: 1,
    }
    assert (found.tasks, found.open) == (4, 1)


async def test_another_tenant_reads_nothing(db: Database, seed: int) -> None:
    made = await make_campaign(db, Random(seed), 5)
    assert (await campaign_figures.of_campaigns(db, "other", [made.id]))[made.id] == Figures()
    assert await campaign_figures.hours(db, "other", made.id) == []
    for states in ((TaskState.PENDING,), tuple(TaskState)):
        assert await campaign_pages.tasks_in(db, "other", made.id, states, before=None, limit=10) == []


async def test_the_lists_behind_the_numbers_hold_what_the_numbers_say(db: Database, seed: int) -> None:
    made = await make_campaign(db, Random(seed), 30)
    figures = (await campaign_figures.of_campaigns(db, TENANT, [made.id]))[made.id]
    for stage, n in zip(
        (Stage.DIALED, Stage.ANSWERED, Stage.HUMAN, Stage.CONVERSATION), figures.reached, strict=True
    ):
        seen: list[str] = []
        before = None
        while page := await campaign_pages.tasks_reached(db, TENANT, made.id, stage, before=before, limit=4):
            seen += [one.id for one in page]
            before = (page[-1].created_ms, page[-1].id)
        assert len(seen) == len(set(seen)) == n, stage
    for outcome, n in figures.outcomes.items():
        shown = await campaign_pages.calls_with(db, TENANT, made.id, outcome, before=None, limit=100)
        assert [one.outcome for one in shown] == [outcome] * n
    everything = await campaign_pages.tasks_in(db, TENANT, made.id, tuple(TaskState), before=None, limit=100)
    assert sorted(one.id for one in everything) == sorted(made.task_ids)


async def test_what_is_due_first_is_found_below_a_higher_priority(db: Database) -> None:
    batch = [
        new_task(id="later", priority=90, next_action_time=NOW + 9_000),
        new_task("+12025550124", id="first", priority=10, next_action_time=NOW + 1_000),
        new_task("+12025550125", id="between", priority=50, next_action_time=NOW + 5_000),
    ]
    async with db.tx() as tx:
        await campaigns.create(tx, TENANT, NewCampaign(id="c", name="c"), batch, NOW)
        await campaigns.create(tx, TENANT, NewCampaign(id="empty", name="empty"), [], NOW)
    assert await campaign_pages.first_due(db, "c") == ("first", NOW + 1_000)
    assert await campaign_pages.first_due(db, "empty") is None


async def test_campaigns_whose_last_calls_are_analyzed_keep_no_other_from_its_end(db: Database) -> None:
    for n in range(13):
        batch = [new_task(f"+1202555{n:04d}", id=f"t{n}")]
        async with db.tx() as tx:
            await campaigns.create(tx, TENANT, NewCampaign(id=f"c{n:02d}", name="c"), batch, NOW)
            await campaign_ends.take(tx, TENANT, f"c{n:02d}", "stop", NOW)
    await db.execute("UPDATE tasks SET state = 'analyzing' WHERE id NOT IN ('t11', 't12')")
    await campaign_ends.wind_up(db, NOW)
    over = "SELECT id FROM campaigns WHERE closing = 2 ORDER BY id"
    assert await db.fetch(over) == [("c11",), ("c12",)], "ten others wait for an analysis"
    await db.execute("UPDATE tasks SET state = 'pending' WHERE state = 'analyzing'")
    while await campaign_ends.wind_up(db, NOW):
        pass
    assert len(await db.fetch(over)) == 13


async def test_steps_follow_each_other_and_a_stopped_campaign_is_wound_up(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_ends, "BATCH", 3)
    batch = [new_task(f"+1202555{n:04d}", id=f"t{n}") for n in range(8)]
    async with db.tx() as tx:
        await campaigns.create(tx, TENANT, NewCampaign(id="c", name="c"), batch, NOW)
    for step, state in (("pause", "paused"), ("resume", "active"), ("stop", "cancelled")):
        async with db.tx() as tx:
            assert (await campaign_ends.take(tx, TENANT, "c", step, NOW, reason="r")).state == state
    with pytest.raises(ConflictError, match="cancelled"):
        async with db.tx() as tx:
            await campaign_ends.take(tx, TENANT, "c", "resume", NOW)
    await db.execute(
        "UPDATE tasks SET state = 'in_call', lease_owner = 'x', lease_until = :at WHERE id = 't7'", {"at": NOW}
    )
    assert [(await campaign_ends.wind_up(db, NOW)).total() for _ in range(4)] == [3, 3, 1, 0]
    assert await campaigns.counts(db, TENANT, "c") == {TaskState.CANCELLED: 7, TaskState.IN_CALL: 1}
    closing = "SELECT closing FROM campaigns WHERE id = 'c'"
    assert await db.one(closing) == (1,), "a call is still going on"
    await db.execute("UPDATE tasks SET state = 'pending', lease_owner = NULL, lease_until = NULL WHERE id = 't7'")
    assert await campaign_ends.wind_up(db, NOW) == {TENANT: 2}, "the last task, and the campaign"
    assert await db.one(closing) == (2,)
    assert not await campaign_ends.wind_up(db, NOW)
