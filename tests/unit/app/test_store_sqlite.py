"""SQLite alone: pragmas, locks, crashes and migrations. What both databases promise: `test_store_transactions`."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.errors import DatabaseBusy, SchemaError, StoreError
from app.store.migrate import MIGRATIONS, migrate, read_migrations, statements
from app.store.sqlite import SqliteDatabase

pytestmark = pytest.mark.anyio
ADD = "INSERT INTO tenants (id, name, created_ms) VALUES (:id, :id, 0)"
COUNT = "SELECT count(*) FROM tenants WHERE id LIKE 'x%'"


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase(tmp_path / "sub" / "test.db", busy_timeout_ms=50) as opened:
        yield opened


async def count(db: SqliteDatabase) -> int:
    row = await db.one(COUNT)
    assert row is not None
    return row[0]


async def test_pragmas_are_what_durability_needs(db: SqliteDatabase) -> None:
    async with db.tx() as tx:
        assert await tx.one("PRAGMA journal_mode") == ("wal",)
        assert await tx.one("PRAGMA synchronous") == (2,)
        assert await tx.one("PRAGMA foreign_keys") == (1,)
    assert db.path.stat().st_mode & 0o077 == 0


async def test_two_coroutines_cannot_interleave(db: SqliteDatabase) -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def failing() -> None:
        async with db.tx() as tx:
            await tx.execute(ADD, {"id": "x-lost"})
            inside.set()
            await go_on.wait()
            raise LookupError

    async def other() -> None:
        await inside.wait()
        asyncio.get_running_loop().call_soon(go_on.set)
        async with db.tx() as tx:
            assert await tx.one(COUNT) == (0,), "the other transaction's row must be gone before ours begins"
            await tx.execute(ADD, {"id": "x-kept"})

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        kept = group.create_task(other())
        with pytest.raises(LookupError):
            await failing()
        await kept
    assert await db.fetch("SELECT id FROM tenants WHERE id LIKE 'x%'") == [("x-kept",)]


async def test_a_cancelled_transaction_is_rolled_back_before_the_lock_is_free(db: SqliteDatabase) -> None:
    for steps in range(12):  # cancel at every await of the transaction in turn

        async def doomed() -> None:
            async with db.tx() as tx:
                await tx.execute(ADD, {"id": "x-doomed"})
                await tx.execute(ADD, {"id": "x-doomed-2"})
                await asyncio.Event().wait()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(doomed())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            async with asyncio.timeout(5), db.tx() as tx:
                assert await tx.one(COUNT) == (0,)
    assert await count(db) == 0


async def test_a_lock_held_elsewhere_is_busy_and_can_be_tried_again(db: SqliteDatabase) -> None:
    other = sqlite3.connect(db.path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy) as caught:
            await db.execute(ADD, {"id": "x"})
        assert caught.value.retryable
        other.execute("ROLLBACK")
    finally:
        other.close()
    await db.execute(ADD, {"id": "x"})


async def test_closed_is_closed(tmp_path: Path) -> None:
    db = SqliteDatabase(tmp_path / "a.db")
    await db.open()
    await db.close()
    with pytest.raises(StoreError, match="not open"):
        await db.fetch("SELECT 1")
    with pytest.raises(StoreError, match="not open"):
        await db.execute("SELECT 1")
    assert not (tmp_path / "a.db-wal").exists(), "the last close folds the log in"


async def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="not a database"):
        await SqliteDatabase(tmp_path / "a.db").open()


async def test_committed_rows_survive_a_kill(tmp_path: Path) -> None:
    script = f"""
import asyncio, os
from pathlib import Path
from app.store.sqlite import SqliteDatabase
async def main():
    db = SqliteDatabase(Path({str(tmp_path / "a.db")!r}))
    await db.open()
    await db.execute({ADD!r}, {{"id": "x-committed"}})
    async with db.tx() as tx:
        await tx.execute({ADD!r}, {{"id": "x-open"}})
        os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    died = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], check=False, env=dict(os.environ), timeout=30
    )
    assert died.returncode == -signal.SIGKILL
    async with SqliteDatabase(tmp_path / "a.db") as db:
        assert await db.fetch("SELECT id FROM tenants WHERE id LIKE 'x%'") == [("x-committed",)]


# --- migrations ------------------------------------------------------------------------------------------------
def write(directory: Path, **files: str) -> Path:
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / f"{name.removeprefix('m')}.sql").write_text(text)
    return directory


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    assert migrate(path) == [file.name for file in sorted(MIGRATIONS.glob("*.sql"))]
    assert migrate(path) == []
    assert sorted(p.name for p in tmp_path.iterdir() if "before" in p.name) == []


def test_a_second_migration_runs_after_a_backup_and_a_failing_one_leaves_nothing(tmp_path: Path) -> None:
    path, folder = (
        tmp_path / "a.db",
        write(tmp_path / "m", m0001_init="CREATE TABLE a (x); INSERT INTO a VALUES (1);"),
    )
    migrate(path, folder)
    write(folder, m0002_more="CREATE TABLE b (x);\nINSERT INTO nowhere VALUES (1);")
    with pytest.raises(sqlite3.OperationalError):
        migrate(path, folder)
    with sqlite3.connect(path) as look:
        assert look.execute("SELECT name FROM sqlite_master WHERE name = 'b'").fetchall() == []
    look.close()
    write(folder, m0002_more="CREATE TABLE b (x);")
    assert migrate(path, folder) == ["0002_more.sql"]
    copy = sqlite3.connect(tmp_path / "a.db.before-0002")
    assert copy.execute("SELECT x FROM a").fetchall() == [(1,)]
    assert copy.execute("SELECT max(version) FROM schema_migrations").fetchall() == [(1,)]
    copy.close()


def test_an_edited_or_newer_or_misnumbered_migration_refuses_to_start(tmp_path: Path) -> None:
    path, folder = tmp_path / "a.db", write(tmp_path / "m", m0001_init="CREATE TABLE a (x);")
    migrate(path, folder)
    write(folder, m0001_init="CREATE TABLE a (x, y);")
    with pytest.raises(SchemaError, match="changed after"):
        migrate(path, folder)
    write(folder, m0001_init="CREATE TABLE a (x);", m0002_b="CREATE TABLE b (x);")
    migrate(path, folder)
    (folder / "0002_b.sql").unlink()
    with pytest.raises(SchemaError, match="schema 2, this program knows 1"):
        migrate(path, folder)
    write(folder, m0003_c="")
    with pytest.raises(SchemaError, match="without gaps"):
        read_migrations(folder)
    write(folder, mnonsense="")
    with pytest.raises(SchemaError, match="named like"):
        read_migrations(folder)


def test_statements_keep_triggers_whole_and_refuse_halves() -> None:
    script = "CREATE TABLE a (x); -- end\n"
    script += "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n SELECT 1;\n SELECT 2;\nEND;\n-- c\n"
    assert len(list(statements(script))) == 2
    with pytest.raises(SchemaError, match="Unfinished"):
        list(statements("CREATE TABLE a (x"))


def test_a_cancelled_read_ends_and_leaves_its_connection_usable(tmp_path: Path) -> None:
    """A connection whose thread answers a loop that is closed already would never answer again."""
    db = SqliteDatabase(tmp_path / "test.db")
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"

    async def cancelled() -> None:
        await db.open()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await db.fetch(endless)
        assert await db.fetch("SELECT 2") == [(2,)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await db.fetch(endless)

    async def closed() -> None:
        async with asyncio.timeout(10):
            await db.close()

    asyncio.run(cancelled())
    asyncio.run(closed())
