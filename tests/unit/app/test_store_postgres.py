"""PostgreSQL alone: what its errors become, what a crash leaves, how it migrates; no password is shown."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.errors import DatabaseBusy, SchemaError, StoreError, ValidationFailed
from app.store import leases, tasks
from app.store.migrate import POSTGRES_MIGRATIONS
from app.store.postgres import PostgresDatabase, connect_once
from app.store.postgres_errors import as_store_errors
from app.store.postgres_migrate import migrate
from scripts.lib.faults.tcp import tcp_relay
from scripts.lib.postgres_server import PostgresServer, postgres_server
from tests.lone_postgres import skip_without_postgres
from tests.unit.app.store_world import LEASE_MS, NOW, TENANT, add_agent, new_task

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]
ADD = "INSERT INTO tenants (id, name, created_ms) VALUES (:id, :id, 0)"


@pytest.fixture
async def db(fresh_schema: Any) -> AsyncIterator[PostgresDatabase]:
    url, schema = fresh_schema()
    async with PostgresDatabase(url, schema=schema, lock_timeout_ms=200) as opened:
        yield opened


@pytest.fixture
def durable() -> Iterator[PostgresServer]:
    """With fsync, and free to be killed."""
    skip_without_postgres()
    with postgres_server() as server:
        yield server


async def raised(error: Exception, *, committing: bool = False) -> StoreError:
    with pytest.raises(StoreError) as caught:
        async with as_store_errors(committing=committing):
            raise error
    return caught.value


@pytest.mark.parametrize(
    ("kind", "code", "retryable"),
    [
        (asyncpg.UniqueViolationError, "constraint", False),
        (asyncpg.SerializationError, "store_busy", True),
        (asyncpg.DeadlockDetectedError, "store_busy", True),
        (asyncpg.LockNotAvailableError, "store_busy", True),
        (asyncpg.QueryCanceledError, "store_busy", True),
        (asyncpg.TooManyConnectionsError, "store_busy", True),
        (asyncpg.DiskFullError, "store", False),
        (asyncpg.ReadOnlySQLTransactionError, "store", False),
        (asyncpg.AdminShutdownError, "store_lost", False),
        (asyncpg.ConnectionDoesNotExistError, "store_lost", False),
        (ConnectionRefusedError, "store_lost", False),
        (TimeoutError, "store_lost", False),
        (asyncpg.InterfaceError, "store_lost", False),
    ],
)
async def test_errors_are_named(kind: type[Exception], code: str, retryable: bool) -> None:
    error = await raised(kind("postgresql://u:secret@h"))
    assert (error.code, error.retryable) == (code, retryable)
    if code == "store_lost":
        assert "secret" not in error.message


async def test_a_connection_lost_during_commit_leaves_it_open() -> None:
    for kind in (asyncpg.ConnectionDoesNotExistError, ConnectionResetError, asyncpg.AdminShutdownError):
        assert (await raised(kind("x"), committing=True)).code == "store_unknown"
    assert (await raised(asyncpg.SerializationError("x"), committing=True)).code == "store_busy"


async def test_no_statement_waits_for_a_compiler(db: PostgresDatabase) -> None:
    """An estimate that is off by much would have one of a millisecond compiled for forty."""
    assert await db.one("SELECT current_setting('jit')") == ("off",)
    async with db.tx() as tx:
        assert await tx.one("SELECT current_setting('jit')") == ("off",)


async def test_a_row_held_elsewhere_is_busy_and_can_be_tried_again(db: PostgresDatabase) -> None:
    rename = "UPDATE tenants SET name = 'N' WHERE id = 'default'"

    async def other() -> None:
        with pytest.raises(DatabaseBusy) as caught:
            await db.execute(rename)
        assert caught.value.retryable

    async with db.tx() as tx:
        await tx.execute(rename)
        await asyncio.create_task(other())  # noqa: TID251 - awaited at once; a task of its own may open a transaction
    assert await db.execute(rename) == 1


async def test_exclusive_lets_one_in_at_a_time(db: PostgresDatabase) -> None:
    async def other(name: str) -> None:
        async with db.tx() as tx:
            await tx.exclusive(name)

    async with db.tx() as tx:
        await tx.exclusive("it")
        await asyncio.create_task(other("another"))  # noqa: TID251 - awaited at once, as above
        with pytest.raises(DatabaseBusy):
            await asyncio.create_task(other("it"))  # noqa: TID251
    await other("it")


async def test_a_claim_passes_by_what_others_hold(db: PostgresDatabase) -> None:
    await add_agent(db)
    held, free = [await tasks.create(db, TENANT, new_task(priority=p), NOW) for p in (90, 10)]
    async with asyncio.TaskGroup() as group, db.tx() as tx:
        await tasks.get(tx, TENANT, held.id)
        async with asyncio.timeout(5):  # lock_timeout is shorter: waiting would have failed
            claimed = await group.create_task(leases.claim_due(db, NOW, "me", LEASE_MS, 2))
    assert [task.id for task in claimed] == [free.id]


async def test_the_pool_is_bounded(fresh_schema: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.store.postgres.ACQUIRE_TIMEOUT_S", 0.1)
    url, schema = fresh_schema()
    async with PostgresDatabase(url, schema=schema, writers=1) as db, db.tx():

        async def one_more() -> None:
            with pytest.raises(DatabaseBusy, match="in use"):
                await db.execute(ADD, {"id": "x"})

        async with asyncio.TaskGroup() as group:
            group.create_task(one_more())


async def test_text_with_a_zero_byte_is_refused_with_a_sentence(db: PostgresDatabase) -> None:
    with pytest.raises(ValidationFailed, match="cannot be stored"):
        await db.execute(ADD, {"id": "x\x00"})


async def test_closed_is_closed_and_nobody_there_is_said(db: PostgresDatabase, postgres_cluster: Any) -> None:
    await db.close()
    with pytest.raises(StoreError, match="not open"):
        await db.fetch("SELECT 1")
    password = postgres_cluster.password
    for url, what in (
        (postgres_cluster.url.replace(f":{postgres_cluster.port}/", ":1/"), "cannot be reached"),
        (postgres_cluster.url.replace(password, password + "x"), "refused user or password"),
        (postgres_cluster.url + "-nothing", "no such database"),
    ):
        with pytest.raises(StoreError, match=what) as caught:
            await PostgresDatabase(url).open()
        assert password not in caught.value.message


async def test_committed_rows_survive_a_crash_and_the_pool_comes_back(durable: PostgresServer) -> None:
    async with PostgresDatabase(durable.url) as db:
        await db.execute(ADD, {"id": "x-committed"})

        async def doomed() -> None:
            async with db.tx() as tx:
                await tx.execute(ADD, {"id": "x-open"})
                await asyncio.to_thread(durable.crash)
                await tx.execute(ADD, {"id": "x-never"})

        with pytest.raises(StoreError):
            await doomed()
        with pytest.raises(StoreError):
            await db.execute(ADD, {"id": "x-down"})
        await asyncio.to_thread(durable.start)
        assert await db.fetch("SELECT id FROM tenants WHERE id LIKE 'x%'") == [("x-committed",)]
        await db.execute(ADD, {"id": "x-again"})


async def test_a_connection_that_breaks_at_commit_is_unknown_and_the_next_one_works(
    fresh_schema: Any, postgres_cluster: PostgresServer
) -> None:
    url, schema = fresh_schema()
    async with (
        PostgresDatabase(url, schema=schema) as direct,
        tcp_relay(postgres_cluster.port) as between,
        PostgresDatabase(postgres_cluster.url_through(between.port), schema=schema) as db,
    ):

        async def cut() -> None:
            async with db.tx() as tx:
                await tx.execute(ADD, {"id": "x"})
                between.cut()

        with pytest.raises(StoreError) as caught:
            await cut()
        assert caught.value.code == "store_unknown"
        assert await direct.fetch("SELECT id FROM tenants WHERE id = 'x'") == []
        await db.execute(ADD, {"id": "x"})


# --- migrations ------------------------------------------------------------------------------------------------
def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name.removeprefix('m')}.sql").write_text(text)
    return folder


async def run(url: str, schema: str, folder: Path) -> list[str]:
    connection = await connect_once(url)
    try:
        return await migrate(connection, schema, folder)
    finally:
        await connection.close()


async def test_engines_that_start_together_migrate_once(fresh_schema: Any) -> None:
    url, schema = fresh_schema()
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(run(url, schema, POSTGRES_MIGRATIONS)) for _ in range(4)]
    ran = [task.result() for task in running]
    assert sorted(map(len, ran)) == [0, 0, 0, len(list(POSTGRES_MIGRATIONS.glob("*.sql")))]


async def test_a_failing_migration_leaves_nothing_and_an_edited_or_newer_one_refuses(
    fresh_schema: Any, tmp_path: Path
) -> None:
    url, schema = fresh_schema()
    folder = write(tmp_path / "m", m0001_init="CREATE TABLE a (x bigint);")
    assert await run(url, schema, folder) == ["0001_init.sql"]
    write(folder, m0002_more="CREATE TABLE b (x bigint); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(asyncpg.UndefinedTableError):
        await run(url, schema, folder)
    connection = await connect_once(url)
    try:
        assert await connection.fetchval("SELECT to_regclass($1) IS NULL", f"{schema}.b")
    finally:
        await connection.close()
    write(folder, m0002_more="CREATE TABLE b (x bigint);")
    assert await run(url, schema, folder) == ["0002_more.sql"]
    write(folder, m0001_init="CREATE TABLE a (x bigint, y bigint);")
    with pytest.raises(SchemaError, match="changed after"):
        await run(url, schema, folder)
    write(folder, m0001_init="CREATE TABLE a (x bigint);")
    (folder / "0002_more.sql").unlink()
    with pytest.raises(SchemaError, match="schema 2, this program knows 1"):
        await run(url, schema, folder)
