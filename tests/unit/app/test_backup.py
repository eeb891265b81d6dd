"""A copy made while somebody writes is one committed state; what is damaged is named; a restore dials nobody."""

import asyncio
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.clock import SystemClock
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import ConflictError, NotFoundError, ValidationFailed
from app.store import backup, holds, nodes, users
from app.store.backup import MANIFEST, RESTORED, Installation
from app.store.nodes import Node
from app.store.postgres import PostgresDatabase
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.test_cli import Done, run

pytestmark = pytest.mark.anyio


def installation(folder: Path) -> Installation:
    return Installation(
        database=folder / "opendeep.db", recordings=folder / "recordings", documents=folder / "documents"
    )


def filled(folder: Path) -> Installation:
    there = installation(folder)
    fresh_sqlite(there.database)
    (there.documents / "default").mkdir(parents=True)
    (there.documents / "default" / "prices.txt").write_text("two euros")
    there.recordings.mkdir()
    return there


def copy(source: Installation, target: Path) -> backup.Manifest:
    return backup.copy(source, target, made_ms=1_000, program="0")


async def test_a_copy_made_while_somebody_writes_is_one_committed_state(tmp_path: Path) -> None:
    source = filled(tmp_path / "a")
    async with SqliteDatabase(source.database) as db:
        done, some = asyncio.Event(), asyncio.Event()

        async def write() -> None:
            number = 0
            while not done.is_set():
                if number == 10:
                    some.set()
                async with db.tx() as tx:  # always in pairs
                    await users.add_tenant(tx, f"t{number}", "one", 0)
                    await users.add_tenant(tx, f"u{number}", "two", 0)
                number += 1

        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            await some.wait()
            await asyncio.to_thread(copy, source, tmp_path / "copy")
            done.set()
    backup.check(tmp_path / "copy")
    backup.restore(tmp_path / "copy", installation(tmp_path / "b"), now_ms=5)
    async with SqliteDatabase(tmp_path / "b" / "opendeep.db") as db:
        ids = {key for key, _ in await users.list_tenants(db)} - {DEFAULT_TENANT_ID}
    assert len(ids) >= 20
    assert {f"t{key[1:]}" in ids and f"u{key[1:]}" in ids for key in ids} == {True}, "half of a transaction"


async def test_nobody_is_dialed_after_a_restore_until_a_person_says_so(tmp_path: Path) -> None:
    source = filled(tmp_path / "a")
    async with SqliteDatabase(source.database) as db:
        await users.add_tenant(db, "other", "Other", 0)
    copy(source, tmp_path / "copy")
    target = installation(tmp_path / "b")
    backup.restore(tmp_path / "copy", target, now_ms=5)
    assert (target.documents / "default" / "prices.txt").read_text() == "two euros"
    assert oct(target.database.stat().st_mode & 0o777) == "0o600"
    async with SqliteDatabase(target.database) as db:
        for tenant in (DEFAULT_TENANT_ID, "other"):
            hold = await holds.active(db, tenant)
            assert hold is not None
            assert hold.code == RESTORED
    with pytest.raises(ConflictError, match="nothing is written over it"):
        backup.restore(tmp_path / "copy", target, now_ms=6)


def test_what_is_damaged_missing_or_in_the_way_is_named(tmp_path: Path) -> None:
    source = filled(tmp_path / "a")
    copy(source, tmp_path / "copy")
    with pytest.raises(ConflictError, match="exists already"):
        copy(source, tmp_path / "copy")
    with pytest.raises(NotFoundError, match="no database"):
        copy(installation(tmp_path / "nowhere"), tmp_path / "other")
    assert not (tmp_path / "other").exists()
    database = tmp_path / "copy" / "opendeep.db"
    content = bytearray(database.read_bytes())
    content[-1] ^= 1
    database.write_bytes(content)
    with pytest.raises(ValidationFailed, match=r"opendeep\.db is damaged"):
        backup.check(tmp_path / "copy")
    os.unlink(database)
    with pytest.raises(ValidationFailed, match=r"opendeep\.db is missing"):
        backup.restore(tmp_path / "copy", installation(tmp_path / "b"), now_ms=5)
    assert not (tmp_path / "b").exists(), "nothing is put back of a copy that is not whole"
    (tmp_path / "copy" / MANIFEST).write_text("{")
    with pytest.raises(ValidationFailed, match="is damaged"):
        backup.check(tmp_path / "copy")
    with pytest.raises(NotFoundError, match="is no backup"):
        backup.check(tmp_path / "a")


def test_a_manifest_leads_nowhere_else(tmp_path: Path) -> None:
    source = filled(tmp_path / "a")
    copy(source, tmp_path / "copy")
    (tmp_path / "secret").write_text("mine")
    manifest = tmp_path / "copy" / MANIFEST
    manifest.write_text(manifest.read_text().replace("documents/default/prices.txt", "documents/../../secret"))
    with pytest.raises(ValidationFailed, match="names a file outside"):
        backup.restore(tmp_path / "copy", installation(tmp_path / "b"), now_ms=5)


def test_a_recording_that_is_gone_is_told_and_others_are_copied(tmp_path: Path) -> None:
    source = filled(tmp_path / "a")
    for name in ("there.wav", "of nobody.wav"):
        (source.recordings / name).write_bytes(b"RIFF")
    with (
        closing(sqlite3.connect(source.database)) as db,
        db,
    ):  # rows without their calls: they are not checked here
        rows = [(name, f"/elsewhere/{name}") for name in ("there.wav", "gone.wav")]
        db.executemany("INSERT INTO recordings VALUES (?, ?, 'default', 1, 1)", rows)
    made = copy(source, tmp_path / "copy")
    assert made.missing == ("gone.wav",)
    assert [one.name for one in made.files if one.name.startswith("recordings/")] == ["recordings/there.wav"]


@pytest.mark.postgres
async def test_a_restored_postgres_dials_nobody_until_a_person_says_so(
    tmp_path: Path, fresh_database: str
) -> None:
    alive = Node(
        name="b", installation="i", instance="1", version="0", ari_url="", ari_app="a", longest_call_ms=1,
        started_ms=1, beat=1, beat_ms=SystemClock().unix_ms() + 3_600_000,
    )  # fmt: skip

    def restored(*more: str) -> Done:
        return run(tmp_path, "restore", *more, SIMULATE="True", DATABASE_URL=fresh_database)

    async with PostgresDatabase(fresh_database, schema="opendeep_simulated") as db:
        await users.add_tenant(db, "other", "Other", 0)
        async with db.tx() as tx:
            await nodes.register(tx, alive, 30_000)
        refused = await asyncio.to_thread(restored, "--hold-only")
        assert "An engine uses this database (b)" in refused.stderr
        assert await holds.active(db, "other") is None
        await nodes.stop(db, "b", "1", alive.beat_ms)
        done = await asyncio.to_thread(restored, "--hold-only", "--json")
        assert (done.returncode, json.loads(done.stdout)["results"][0]["n"]) == (0, 2)
        for tenant in (DEFAULT_TENANT_ID, "other"):
            hold = await holds.active(db, tenant)
            assert hold is not None
            assert hold.code == RESTORED
        assert "restore --hold-only" in (await asyncio.to_thread(restored, "copy")).stderr


def test_restore_wants_a_folder_or_the_hold_alone(tmp_path: Path) -> None:
    for arguments in ((), ("copy", "--hold-only")):
        done = run(tmp_path, "restore", *arguments, SIMULATE="True")
        assert (done.returncode, "--hold-only after pg_restore" in done.stderr) == (2, True)
