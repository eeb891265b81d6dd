"""Forward-only migrations of SQLite: `NNNN_name.sql`, numbered without gaps, each recorded with its checksum.

All missing ones run in one write transaction, so two processes that start together do not meet half a schema. An
existing file is copied beside itself first. A newer schema, or a migration edited after it ran, refuses to start.
Plain synchronous sqlite3: called once, in a thread, before any connection of `SqliteDatabase`.
"""

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from app.clock import SystemClock
from app.errors import SchemaError

MIGRATIONS = Path(__file__).parent / "migrations"
POSTGRES_MIGRATIONS = MIGRATIONS / "postgres"
"""The same numbers and names for PostgreSQL: see `app.store.postgres_migrate` for how to add one."""
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK_TIMEOUT_S = 30.0
_LEDGER = (
    "CREATE TABLE IF NOT EXISTS schema_migrations ("
    "version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_ms INTEGER NOT NULL) STRICT"
)


class Migration(NamedTuple):
    """One numbered file."""

    version: int
    name: str
    checksum: str
    sql: str


def read_migrations(directory: Path) -> list[Migration]:
    """The files in order. Raises SchemaError for a gap, a doubled number or a foreign name."""
    found: list[Migration] = []
    for file in sorted(directory.glob("*.sql")):
        match = _NAME.fullmatch(file.name)
        if match is None:
            raise SchemaError(f"{file.name} is not named like 0001_init.sql.")
        text = file.read_text(encoding="utf-8")
        found.append(Migration(int(match[1]), file.name, hashlib.sha256(text.encode()).hexdigest(), text))
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise SchemaError(f"Migrations in {directory} are not numbered 0001, 0002, ... without gaps.")
    return found


def migrate(path: Path, directory: Path = MIGRATIONS) -> list[str]:
    """Bring the file at `path` up to date; answers the names of the migrations that ran. Raises SchemaError."""
    known = read_migrations(directory)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)  # numbers and transcripts are nobody else's business
    with closing(sqlite3.connect(path, isolation_level=None, timeout=_LOCK_TIMEOUT_S)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            names = _apply(connection, known, path)
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise
    return names


def _apply(connection: sqlite3.Connection, known: list[Migration], path: Path) -> list[str]:
    connection.execute(_LEDGER)
    applied = dict(connection.execute("SELECT version, checksum FROM schema_migrations").fetchall())
    check(applied, known)
    missing = [migration for migration in known if migration.version not in applied]
    if missing and applied:
        _back_up(path, missing[0])
    for migration in missing:
        for statement in statements(migration.sql):
            connection.execute(statement)
        connection.execute(
            "INSERT INTO schema_migrations VALUES (?, ?, ?, ?)",
            (migration.version, migration.name, migration.checksum, SystemClock().unix_ms()),
        )
    if missing and (broken := connection.execute("PRAGMA foreign_key_check").fetchall()):
        raise SchemaError(f"A migration would leave rows without their parents: {broken[:3]}.")
    return [migration.name for migration in missing]


def check(applied: dict[int, str], known: list[Migration]) -> None:
    """Raises SchemaError when a newer program migrated this database, or a file was edited after it ran."""
    newest = max(applied, default=0)
    if newest > len(known):
        raise SchemaError(
            f"The database has schema {newest}, this program knows {len(known)}. Start the newer program, "
            "or restore a backup (SQLite: it was made beside the file)."
        )
    for migration in known:
        if migration.version in applied and applied[migration.version] != migration.checksum:
            raise SchemaError(
                f"{migration.name} was changed after it had run here. Put the original file back and write "
                "the change as a new migration."
            )


def _back_up(path: Path, first: Migration) -> None:
    """Copy the committed state to `<file>.before-NNNN`; an older copy of the same step is kept."""
    target = path.with_name(f"{path.name}.before-{first.version:04d}")
    if target.exists():
        return
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(partial)) as copy:
        source.backup(copy)
    partial.rename(target)


def statements(sql: str) -> Iterator[str]:
    """The single statements of a script; triggers stay whole. Raises SchemaError for an unfinished one."""
    pending = ""
    for piece in re.split(r"(?<=;)", sql):
        pending += piece
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if re.sub(r"--[^\n]*|\s", "", pending):
        raise SchemaError(f"Unfinished statement: {pending.strip()[:80]}")
