"""The list of tasks: every filter finds what a look at every row finds, page by page, and costs the same however
many tasks there are.
"""

import random
from collections.abc import AsyncIterator

import msgspec
import pytest

from app.domain.task import CallTask, TaskState
from app.store import tasks, users
from app.store.campaigns import NewCampaign, create
from app.store.db import Database
from app.store.sqlite import SqliteDatabase
from app.store.task_lists import DAY_MS, Cursor, TaskFilter, cursor_of, lowered, page
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import NOW, TENANT, add_agent, new_task
from tests.unit.app.test_store_growth import FEW, MANY, Noting, buffers, grow, steps

pytestmark = pytest.mark.anyio
C1, C2 = "1" * 32, "2" * 32
NAMES = ("", "Ada", "ada lovelace", "Ägidius", "Bob", "bo", "<b>bold", "Zoë", "%", "_")
STATES = tuple(TaskState)
LEASED = {TaskState.CLAIMED, TaskState.IN_CALL}


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


async def fill(db: Database, count: int, seed: int) -> list[CallTask]:
    """Tasks of every kind, some of another tenant."""
    chance = random.Random(seed)
    await users.add_tenant(db, "other", "Other", NOW)
    async with db.tx() as tx:
        for id_ in (C1, C2):
            await create(tx, TENANT, NewCampaign(id=id_, name=f"campaign {id_[0]}"), [], NOW)
    for at in range(count):
        tenant = "other" if at % 7 == 6 else TENANT
        new = new_task(
            f"+1202555{chance.randrange(30):04}",
            id=f"{at:032x}",
            callee_name=chance.choice(NAMES),
            campaign_id=None if tenant == "other" else chance.choice((None, C1, C2)),
            next_action_time=NOW + chance.choice((-3, -1, 0, 1, 2, 8, 9)) * DAY_MS + at,
        )
        await tasks.create(db, tenant, new, NOW + chance.randrange(5))
        state = chance.choice(STATES)
        await db.execute(
            "UPDATE tasks SET state = :state, lease_owner = :owner, lease_until = :until WHERE id = :id",
            {
                "state": state,
                "id": new.id,
                "owner": "me" if state in LEASED else None,
                "until": NOW if state in LEASED else None,
            },
        )
    return await tasks.list_tasks(db, TENANT, limit=10_000)


async def all_pages(db: Database, wanted: TaskFilter, limit: int) -> list[str]:
    found: list[str] = []
    after: Cursor | None = None
    for _ in range(400):
        one = await page(db, TENANT, wanted, NOW, after=after, limit=limit)
        found += [row.id for row in one.rows]
        if one.following is None:
            return found
        after = cursor_of(one.following.text)
        assert after == one.following, "an address carries it"
    raise AssertionError("the pages never end")


def by_looking(every: list[CallTask], wanted: TaskFilter) -> list[str]:
    """The same by reading every task."""

    def fits(task: CallTask) -> bool:
        ahead = task.next_action_time - NOW
        spans = {
            "overdue": ahead < 0,
            "day": 0 <= ahead < DAY_MS,
            "week": 0 <= ahead < 7 * DAY_MS,
            "later": ahead >= 7 * DAY_MS,
        }
        states = (TaskState.PENDING,) if wanted.due else wanted.states
        return (
            (not states or task.state in states)
            and (not wanted.campaign_id or task.campaign_id == wanted.campaign_id)
            and (wanted.due is None or spans[wanted.due])
            and task.number.endswith(wanted.digits)
            and lowered(task.callee_name).startswith(lowered(wanted.name))
            and (not wanted.name or bool(task.callee_name))
        )

    found = [task for task in every if fits(task)]
    if wanted.name:
        found.sort(key=lambda task: (lowered(task.callee_name).encode(), task.id))
    elif wanted.due and not wanted.digits:
        found.sort(key=lambda task: (task.next_action_time, task.id))
    else:
        found.sort(key=lambda task: (task.created_ms, task.id), reverse=True)
    return [task.id for task in found]


async def test_every_filter_finds_what_a_look_at_every_task_finds(db: Database, seed: int) -> None:
    every = await fill(db, 140, seed)
    filters = [
        TaskFilter(states=states, campaign_id=campaign, due=due, digits=digits, name=name)
        for states in ((), (TaskState.PENDING,), (TaskState.FAILED, TaskState.WAITING_USER))
        for campaign in ("", C1)
        for due in (None, "overdue", "day", "week", "later")
        for digits, name in (
            ("", ""),
            ("0007", ""),
            ("2025550011", ""),
            ("", "ad"),
            ("", "ä"),
            ("", "<B"),
            ("", "%"),
        )
    ]
    hits = 0
    for wanted in filters:
        expected = by_looking(every, wanted)
        hits += bool(expected)
        assert await all_pages(db, wanted, 3) == expected, wanted
    assert hits > len(filters) // 4, "the filters are about something"


@pytest.mark.parametrize(
    "text", ["", ".", "x", "x.y", f"{'a' * 32}.99999999999999999999", "'; DROP TABLE tasks;--.1"]
)
async def test_any_address_is_a_page(db: Database, text: str) -> None:
    await tasks.create(db, TENANT, new_task(), NOW)
    after = cursor_of(text)
    for wanted in (TaskFilter(), TaskFilter(due="later"), TaskFilter(name="ad"), TaskFilter(digits="0123")):
        await page(db, TENANT, wanted, NOW, after=after)


FILTERS = (
    TaskFilter(),
    TaskFilter(states=(TaskState.WAITING_USER,)),
    TaskFilter(states=(TaskState.PENDING,)),
    TaskFilter(campaign_id="later"),
    TaskFilter(campaign_id="later", states=(TaskState.FAILED,)),
    TaskFilter(due="overdue"),
    TaskFilter(due="week"),
    TaskFilter(due="later", campaign_id="ending"),
    TaskFilter(name="rare"),
    TaskFilter(digits="9999"),
)


@pytest.mark.parametrize("statistics", [False, True])
async def test_a_page_costs_the_same_among_many_tasks(db: Database, *, statistics: bool) -> None:
    async with db.tx() as tx:
        for name in ("later", "due", "ending", "paused"):
            new = [new_task(id=f"{name}-", next_action_time=NOW + 60_000, callee_name="Often")]
            await create(tx, TENANT, NewCampaign(id=name, name=name), new, NOW)
        await tx.execute("UPDATE tasks SET state = 'completed' WHERE id = 'ending-'")
        await tasks.create(tx, TENANT, new_task("+12025559999", id="y", callee_name="Rare one"), NOW)
        await tx.execute("UPDATE tasks SET state = 'waiting_user' WHERE id = 'y'")

    async def costs() -> dict[str, float]:
        if statistics or not isinstance(db, SqliteDatabase):  # PostgreSQL analyzes by itself what has grown
            await db.execute("ANALYZE")
        found: dict[str, float] = {}
        of = steps if isinstance(db, SqliteDatabase) else buffers
        for at, wanted in enumerate(FILTERS):
            noted: list[tuple[str, object]] = []
            async with db.tx() as tx:
                await page(Noting(tx, noted), TENANT, wanted, NOW)  # type: ignore[arg-type]
            assert noted
            found[f"{at} {msgspec.json.encode(wanted).decode()}"] = sum(
                [await of(db, sql, params) for sql, params in noted]  # type: ignore[arg-type]
            )
        return found

    await grow(db, 1, FEW // 4)
    few = await costs()
    await grow(db, FEW // 4 + 1, MANY // 4)
    many = await costs()
    assert {name: (few[name], cost) for name, cost in many.items() if cost > 1.5 * few[name] + 80} == {}
