"""The store's fault injector: by table, method, rate and seed; before the effect, or after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.errors import DatabaseBusy, StoreError
from app.store.db import Database
from app.store.sqlite import SqliteDatabase
from scripts.lib.faults.store import FaultyDatabase, StoreFault, tables_of
from tests.fresh_sqlite import fresh_sqlite

pytestmark = pytest.mark.anyio
ADD = "INSERT INTO tenants (id, name, created_ms) VALUES (:id, :id, 0)"
COUNT = "SELECT count(*) FROM tenants WHERE id LIKE 'x%'"


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "test.db")) as opened:
        yield opened


def faulty(real: SqliteDatabase, seed: int, *faults: StoreFault) -> FaultyDatabase:
    db = FaultyDatabase(real, seed, faults)
    as_protocol: Database = db
    assert as_protocol is db
    return db


async def count(db: Database) -> int:
    row = await db.one(COUNT)
    assert row is not None
    return row[0]


async def test_without_faults_it_is_the_database(real: SqliteDatabase, seed: int) -> None:
    db = faulty(real, seed)
    assert await db.execute(ADD, {"id": "x1"}) == 1
    async with db.tx() as tx:
        await tx.many(ADD, [{"id": "x2"}, {"id": "x3"}])
        assert await tx.change("UPDATE tenants SET name = 'n' WHERE id = 'x2' RETURNING name") == [("n",)]
    assert await db.fetch("SELECT id FROM tenants WHERE id LIKE 'x%' ORDER BY id") == [("x1",), ("x2",), ("x3",)]
    assert not db.struck


async def test_whatever_a_transaction_can_do_it_can_do(real: SqliteDatabase, seed: int) -> None:
    db = faulty(real, seed)
    assert db.migrated == real.migrated
    async with db.tx() as tx:
        await tx.exclusive("dialing")
        await tx.execute(ADD, {"id": "x1"})
        with suppress(StoreError):
            async with tx.savepoint():
                await tx.execute(ADD, {"id": "x2"})
                db.faults = (StoreFault(method="execute"),)
                await tx.execute(ADD, {"id": "x3"})
    assert await count(real) == 1
    assert db.struck.total() == 1
    db.faults = (StoreFault(method="exclusive"),)
    async with db.tx() as tx:
        with pytest.raises(StoreError, match="before exclusive on nothing"):
            await tx.exclusive("dialing")


async def test_before_means_not_done_and_after_means_done(real: SqliteDatabase, seed: int) -> None:
    db = faulty(real, seed, StoreFault(method="execute"))
    with pytest.raises(StoreError, match="before execute on tenants"):
        await db.execute(ADD, {"id": "x1"})
    assert await count(real) == 0
    db.faults = (StoreFault(method="execute", when="after", error=DatabaseBusy),)
    with pytest.raises(DatabaseBusy, match="after execute on tenants"):
        await db.execute(ADD, {"id": "x1"})
    assert await count(real) == 1


async def test_a_commit_that_failed_and_one_that_only_seems_to_have(real: SqliteDatabase, seed: int) -> None:
    async def add(db: FaultyDatabase, name: str) -> None:
        async with db.tx() as tx:
            await tx.execute(ADD, {"id": name})

    db = faulty(real, seed, StoreFault(method="commit", store="tenants"))
    with pytest.raises(StoreError, match="before commit on tenants"):
        await add(db, "x1")
    assert await count(real) == 0
    db.faults = (StoreFault(method="commit", when="after"),)
    with pytest.raises(StoreError, match="after commit on tenants"):
        await add(db, "x2")
    assert await count(real) == 1
    db.faults = ()
    await add(db, "x3")
    assert await count(real) == 2, "the lock is free again"


async def test_only_the_table_and_the_method_that_are_named(real: SqliteDatabase, seed: int) -> None:
    db = faulty(real, seed, StoreFault(store="tasks"), StoreFault(store="tenants", method="fetch"))
    assert await db.execute(ADD, {"id": "x1"}) == 1
    assert await count(db) == 1
    for statement in ("SELECT id FROM tasks", "SELECT name FROM tenants"):
        with pytest.raises(StoreError):
            await db.fetch(statement)


async def test_rate_and_seed(real: SqliteDatabase, seed: int) -> None:
    async def pattern(with_seed: int) -> list[bool]:
        db, failed = faulty(real, with_seed, StoreFault(rate=0.2)), list[bool]()
        for _ in range(300):
            try:
                await db.fetch(COUNT)
                failed.append(False)
            except StoreError:
                failed.append(True)
        assert db.struck.total() == sum(failed)
        return failed

    first = await pattern(seed)
    assert 30 < sum(first) < 90
    assert await pattern(seed) == first
    assert await pattern(seed + 1) != first


async def test_so_often_and_no_more(real: SqliteDatabase, seed: int) -> None:
    db = faulty(real, seed, StoreFault(times=2))
    for _ in range(2):
        with pytest.raises(StoreError):
            await count(db)
    assert await count(db) == 0


async def test_delay_without_error(real: SqliteDatabase, seed: int) -> None:
    loop, db = asyncio.get_running_loop(), faulty(real, seed, StoreFault(error=None, delay_ms=50))
    began = loop.time()
    assert await count(db) == 0
    assert loop.time() - began >= 0.045


def test_tables_of_a_statement() -> None:
    claim = "UPDATE tasks SET x = 1 WHERE id IN (SELECT t.id FROM tasks t LEFT JOIN campaigns c ON c.id = t.id)"
    assert tables_of(claim) == {"tasks", "campaigns"}
    assert tables_of("insert into calls (id) values (1)") == {"calls"}
    assert tables_of("PRAGMA journal_mode") == frozenset()
