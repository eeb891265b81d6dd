"""What a scheduler's round asks costs as much in a table of many tasks as in one of few, on both databases; and
what it leaves out for that could not have been claimed.

Counted, not timed: SQLite's virtual machine steps, PostgreSQL's buffers. Without statistics, as after an import,
and with them.
"""

import json
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from typing import Any, Literal

import pytest

from app.domain.lanes import Head, share_out
from app.domain.task import CallTask
from app.store import analyses, campaigns, lanes, leases, nodes, tasks
from app.store.campaigns import NewCampaign
from app.store.db import Database, Params, Row, Tx
from app.store.parameters import without_locks
from app.store.rows import with_columns
from app.store.sqlite import SqliteDatabase
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import LEASE_MS, NOW, TENANT, add_agent, new_task

pytestmark = pytest.mark.anyio
FEW, MANY = 1_500, 12_000
Statement = tuple[str, Params]
_COPIED = {"id": "t.id || n.i", "next_action_time": "t.next_action_time - n.i"}
_COPY = """
    WITH RECURSIVE n (i) AS (SELECT CAST(:first AS bigint) UNION ALL SELECT i + 1 FROM n WHERE i < :last)
    INSERT INTO tasks ($columns) SELECT $values FROM tasks t, n WHERE t.id = :id
""".replace("$values", ", ".join(_COPIED.get(name, f"t.{name}") for name in CallTask.__struct_fields__))


class Noting:
    """A transaction that notes what is asked of it."""

    in_transaction: Literal[True] = True

    def __init__(self, tx: Tx, noted: list[Statement]) -> None:
        self._tx, self._noted = tx, noted

    async def fetch(self, sql: str, params: Params | None = None) -> list[Row]:
        self._noted.append((sql, params or {}))
        return await self._tx.fetch(sql, params)

    async def one(self, sql: str, params: Params | None = None) -> Row | None:
        rows = await self.fetch(sql, params)
        return rows[0] if rows else None

    async def change(self, sql: str, params: Params | None = None) -> list[Row]:
        return await self.fetch(sql, params)

    async def execute(self, sql: str, params: Params | None = None) -> int:
        self._noted.append((sql, params or {}))
        return await self._tx.execute(sql, params)

    async def many(self, sql: str, rows: Sequence[Params]) -> None:
        await self._tx.many(sql, rows)

    async def exclusive(self, name: str) -> None:
        await self._tx.exclusive(name)

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        return self._tx.savepoint()

    @asynccontextmanager
    async def tx(self) -> AsyncIterator["Noting"]:
        """It stands for its database as well: nothing of a round is kept."""
        yield self


class _UndoneError(Exception):
    """Rolls a transaction back."""


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


async def begin(db: Database) -> None:
    """Work of every kind: a lane of this tenant's, campaigns that run, are paused, or have one task left."""
    async with db.tx() as tx:
        for name in ("later", "due", "ending", "paused"):
            new = NewCampaign(id=name, name=name, max_concurrent_calls=50)
            await campaigns.create(tx, TENANT, new, [new_task(id=f"{name}-", next_action_time=NOW)], NOW)
        await campaigns.set_state(tx, TENANT, "paused", "paused", NOW)
        await tx.execute("UPDATE tasks SET next_action_time = :at WHERE id = 'later-'", {"at": NOW + 60_000})
        await tx.execute("UPDATE tasks SET state = 'completed' WHERE id = 'ending-'")
        await tasks.create_many(tx, TENANT, [new_task(id=f"{at}x") for at in range(4)], NOW)
        await tx.execute(
            "UPDATE tasks SET state = 'in_call', lease_owner = 'me', lease_until = :at WHERE id = '0x'",
            {"at": NOW + LEASE_MS},
        )
        await tx.execute("UPDATE tasks SET state = 'analyzing' WHERE id = '1x'")
        await tasks.create(tx, TENANT, new_task(id="zlast", campaign_id="ending", next_action_time=NOW + 1), NOW)


async def grow(db: Database, first: int, last: int) -> None:
    """More tasks that are not due, are done, are due and are in a campaign that is paused."""
    for id_ in ("later-", "due-", "ending-", "paused-"):
        await db.execute(with_columns(_COPY, CallTask), {"first": first, "last": last, "id": id_})


async def round_of(sql: Any) -> None:
    """As a scheduler and its housekeeping ask."""
    for owner in ("me", None):
        await leases.recover_expired(sql, NOW, owner=owner)
    await leases.left_by(sql, "me")
    await leases.claim_analysis(sql, NOW, "me", LEASE_MS, 20)
    await analyses.claim_due(sql, NOW, "me", LEASE_MS, 20)
    await campaigns.complete_settled(sql, NOW)
    for limit in (1, 30):
        assert len(await leases.claim_due(sql, NOW, "me", LEASE_MS, limit, most_alive=90)) == limit
    await tasks.next_due_ms(sql, NOW)
    await nodes.note_unknown(sql, NOW)
    await nodes.left_by(sql, "me", NOW, 20)


async def costs(db: Database) -> dict[str, float]:
    """What each statement of a round costs now."""
    noted: list[Statement] = []
    with suppress(_UndoneError):
        async with db.tx() as tx:
            await round_of(Noting(tx, noted))
            raise _UndoneError
    assert len(noted) > 12
    of = steps if isinstance(db, SqliteDatabase) else buffers
    found: dict[str, float] = {}
    for at, (sql, params) in enumerate(noted):
        found[f"{at}: {' '.join(sql.split())}"] = await of(db, sql, params)
    return found


async def steps(db: Any, sql: str, params: Params) -> float:
    """Instructions of the virtual machine."""
    with closing(sqlite3.connect(db.path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        connection.set_progress_handler(step, 10)
        connection.execute(without_locks(sql), dict(params)).fetchall()
        connection.set_progress_handler(None, 0)
        connection.rollback()
    return count * 10


async def buffers(db: Any, sql: str, params: Params) -> float:
    """Pages that were looked at."""
    found: list[Row] = []
    with suppress(_UndoneError):
        async with db.tx() as tx:
            found = await tx.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
            raise _UndoneError
    plan = json.loads(found[0][0])[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


@pytest.mark.parametrize("statistics", [False, True])
async def test_a_round_does_not_cost_more_when_there_are_more_tasks(db: Database, *, statistics: bool) -> None:
    async def counted() -> dict[str, float]:
        if statistics:
            await db.execute("ANALYZE")
        return await costs(db)

    await begin(db)
    await grow(db, 1, FEW // 4)
    few = await counted()
    await grow(db, FEW // 4 + 1, MANY // 4)
    many = await counted()
    assert few.keys() == many.keys()
    grown = {sql: (few[sql], cost) for sql, cost in many.items() if cost > 1.5 * few[sql] + 60}
    assert grown == {}


async def test_the_count_sees_a_whole_table(db: Database) -> None:
    whole = "SELECT count(*) FROM tasks WHERE overall_conclusion = 'x'"
    of: Callable[..., Coroutine[Any, Any, float]] = steps if isinstance(db, SqliteDatabase) else buffers
    await begin(db)
    await grow(db, 1, FEW // 4)
    few = await of(db, whole, {})
    await grow(db, FEW // 4 + 1, MANY // 4)
    assert await of(db, whole, {}) > 1.5 * few + 60


async def test_nothing_is_left_out_that_could_get_a_place(db: Database, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"c{at}" for at in range(6)]
    async with db.tx() as tx:
        for name in names:
            await campaigns.create(tx, TENANT, NewCampaign(id=name, name=name), [], NOW)
        await campaigns.set_state(tx, TENANT, "c4", "paused", NOW)
        await lanes.hold(tx, "c5", "rule", "held", NOW + 1)
    for _ in range(30):
        await db.execute("DELETE FROM tasks")
        made = [
            new_task(
                id=f"{at:03}",
                campaign_id=chance.choice([None, *names]),
                priority=chance.choice((0, 1, 2, 50, 100)),
                next_action_time=NOW - at if chance.random() < 0.7 else NOW + 1 + at,
            )
            for at in range(chance.randrange(60))
        ]
        await tasks.create_many(db, TENANT, made, NOW)
        most = chance.choice((1, 2, 3, 7, 30))
        rooms = {name: chance.randrange(4) for name in names if chance.random() < 0.5}
        of_tenant = {TENANT: chance.randrange(20)} if chance.random() < 0.3 else {}
        expected = share_out(_all_heads(made, most), most, rooms, of_tenant)
        found = share_out((await lanes.heads(db, NOW, most))[0], most, rooms, of_tenant)
        assert {share.head: share.count for share in found} == {share.head: share.count for share in expected}


def _all_heads(made: Sequence[Any], most: int) -> list[Head]:
    """By reading every task."""
    due = [one for one in made if one.next_action_time <= NOW and one.campaign_id not in {"c4", "c5"}]
    count = Counter((one.campaign_id or TENANT, one.priority) for one in due)
    return [
        Head(
            lane=lane,
            tenant_id=TENANT,
            priority=priority,
            due_ms=min(
                one.next_action_time
                for one in due
                if (one.campaign_id or TENANT, one.priority) == (lane, priority)
            ),
            count=min(many, most),
        )
        for (lane, priority), many in count.items()
    ]
