"""SQLite behind the `Database` protocol: one locked writer, two readers, WAL, synchronous=FULL.

A shared connection would interleave coroutines inside one transaction, so writes own a lock from BEGIN IMMEDIATE
to COMMIT. aiosqlite runs the statements of a connection in one thread, first in first out: a ROLLBACK that was
asked for runs before anything a later holder of the lock asks for, even if the asker is cancelled meanwhile.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, cast

import aiosqlite

from app.errors import ConstraintFailed, DatabaseBusy, SchemaError, StoreError, ValidationFailed
from app.store.db import Params, Row
from app.store.migrate import MIGRATIONS, migrate
from app.store.parameters import without_locks

READERS = 2
SECURE = "PRAGMA secure_delete=ON"
WRITER_PRAGMAS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    SECURE,
    "PRAGMA cache_size=-32768",
    "PRAGMA wal_autocheckpoint=8000",
)
"""32 MiB hold the inner pages of all indexes of a million tasks. A claim writes 12 pages: with SQLite's own 1,000
pages one claim in eighty would also fold the log into the file, now one in six hundred. A thread that folds beside
the writer was slower in every figure: the disk is the same.
"""
BUSY_TIMEOUT_MS = 5_000
MIN_SQLITE = (3, 37, 0)
"""STRICT tables."""


class SqliteDatabase:
    """`async with SqliteDatabase(path) as db:` or `open` and `close`. Opening migrates the file first."""

    def __init__(
        self, path: Path, *, migrations: Path = MIGRATIONS, busy_timeout_ms: int = BUSY_TIMEOUT_MS
    ) -> None:
        self.path = path
        self._migrations = migrations
        self._busy_timeout_ms = busy_timeout_ms
        self.migrated: list[str] = []
        self._lock = asyncio.Lock()
        self._holder: asyncio.Task[object] | None = None
        self._writer: aiosqlite.Connection | None = None
        self._readers: list[aiosqlite.Connection] = []
        self._free: asyncio.Queue[aiosqlite.Connection] = asyncio.Queue()

    async def open(self) -> None:
        """Migrate and connect. Raises SchemaError for a newer or edited schema, StoreError when it cannot open."""
        if sqlite3.sqlite_version_info < MIN_SQLITE:
            raise SchemaError(f"SQLite {sqlite3.sqlite_version} is too old; 3.37 or newer is needed.")
        with _as_store_errors():
            self.migrated = await asyncio.to_thread(migrate, self.path, self._migrations)
            try:
                self._writer = await self._connect(*WRITER_PRAGMAS)
                for _ in range(READERS):
                    reader = await self._connect("PRAGMA query_only=ON")
                    self._readers.append(reader)
                    self._free.put_nowait(reader)
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        """Wait for the transaction in progress, then close every connection; the WAL file is folded in."""
        async with self._lock:
            readers, self._readers, writer, self._writer = self._readers, [], self._writer, None
            self._free = asyncio.Queue()
            for connection in [*readers, *([writer] if writer else [])]:
                await connection.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def tx(self) -> AsyncGenerator["SqliteTx"]:
        """The write transaction. Never nest: the inner one would wait for the outer one, so it raises instead."""
        if self._holder is not None and self._holder is asyncio.current_task():
            raise RuntimeError("a transaction inside a transaction of the same task; pass the outer one down")
        async with self._lock:
            writer = self._open_writer()
            self._holder = asyncio.current_task()
            tx = SqliteTx(writer)
            try:
                with _as_store_errors():
                    await writer.execute_fetchall("BEGIN IMMEDIATE")
                yield tx
                tx.check_whole()
                with _as_store_errors():
                    await writer.commit()
            except BaseException:
                await writer.rollback()
                raise
            finally:
                tx.open = False
                self._holder = None

    async def fetch(self, sql: str, params: Params | None = None) -> list[Row]:
        if not self._readers:
            raise StoreError("The database is not open.", code="store_closed")
        free = self._free
        reader = await free.get()
        try:
            return await _rows(reader, sql, params)
        except asyncio.CancelledError:
            # Its thread would go on, and end for good if it answered to a loop that is closed by then.
            with suppress(ValueError, sqlite3.Error):  # closed meanwhile, or interrupted as it should be
                await reader.interrupt()
                await reader.execute_fetchall("SELECT 1")
            raise
        finally:
            free.put_nowait(reader)

    async def one(self, sql: str, params: Params | None = None) -> Row | None:
        rows = await self.fetch(sql, params)
        return rows[0] if rows else None

    async def execute(self, sql: str, params: Params | None = None) -> int:
        async with self.tx() as tx:
            return await tx.execute(sql, params)

    async def change(self, sql: str, params: Params | None = None) -> list[Row]:
        async with self.tx() as tx:
            return await tx.change(sql, params)

    async def many(self, sql: str, rows: Sequence[Params]) -> None:
        async with self.tx() as tx:
            await tx.many(sql, rows)

    async def scour(self, tables: Sequence[str]) -> bool:
        """Empty the write-ahead log; deleted cells were overwritten when they were deleted (secure_delete).
        Waits for no reader of old rows: under the lock every writer would wait as well.
        """
        del tables
        async with self._lock:
            writer = self._open_writer()
            await _rows(writer, "PRAGMA busy_timeout=0", None)
            try:
                ((busy, _, _),) = await _rows(writer, "PRAGMA wal_checkpoint(TRUNCATE)", None)
            finally:  # on the connection's own thread, behind the checkpoint even if this task is cancelled
                await asyncio.shield(_rows(writer, f"PRAGMA busy_timeout={int(self._busy_timeout_ms)}", None))
            return not busy

    def _open_writer(self) -> aiosqlite.Connection:
        if self._writer is None:
            raise StoreError("The database is not open.", code="store_closed")
        return self._writer

    async def _connect(self, *pragmas: str) -> aiosqlite.Connection:
        connection = await aiosqlite.connect(self.path, isolation_level=None)
        for pragma in (f"PRAGMA busy_timeout={int(self._busy_timeout_ms)}", *pragmas):
            await connection.execute_fetchall(pragma)
        return connection


class SqliteTx:
    """The open transaction; unusable after its block, and after a statement that failed outside `savepoint`."""

    in_transaction: Literal[True] = True

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._broken = False
        self._depth = 0
        self.open = True

    async def fetch(self, sql: str, params: Params | None = None) -> list[Row]:
        with self._whole() as connection:
            return await _rows(connection, sql, params)

    async def one(self, sql: str, params: Params | None = None) -> Row | None:
        rows = await self.fetch(sql, params)
        return rows[0] if rows else None

    async def execute(self, sql: str, params: Params | None = None) -> int:
        with self._whole() as connection, _as_store_errors():
            async with connection.execute(without_locks(sql), cast("Iterable[object]", params or {})) as cursor:
                return cursor.rowcount

    async def change(self, sql: str, params: Params | None = None) -> list[Row]:
        return await self.fetch(sql, params)

    async def many(self, sql: str, rows: Sequence[Params]) -> None:
        with self._whole() as connection, _as_store_errors():
            async with connection.executemany(without_locks(sql), cast("Iterable[Iterable[object]]", rows)):
                pass

    async def exclusive(self, name: str) -> None:
        """Every write transaction is alone here."""
        del name
        self.check_whole()

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        self.check_whole()
        self._depth += 1
        name = f"part_{self._depth}"
        await self.execute(f"SAVEPOINT {name}")
        try:
            yield
            self.check_whole()
        except BaseException:
            self._broken = False
            with suppress(StoreError):  # SQLite itself rolled everything back (disk full): then it stays broken
                await self.execute(f"ROLLBACK TO {name}")
                await self.execute(f"RELEASE {name}")
            raise
        finally:
            self._depth -= 1
        await self.execute(f"RELEASE {name}")

    def check_whole(self) -> None:
        """Raises StoreError when a statement has failed, as every database does that is not SQLite."""
        if not self.open:
            raise RuntimeError("this transaction is over")
        if self._broken:
            raise StoreError("A statement of this transaction failed; nothing of it is stored.")

    @contextmanager
    def _whole(self) -> Generator[aiosqlite.Connection]:
        self.check_whole()
        try:
            yield self._connection
        except BaseException:
            self._broken = True
            raise


async def _rows(connection: aiosqlite.Connection, sql: str, params: Params | None) -> list[Row]:
    with _as_store_errors():
        values = cast("Iterable[object]", params or {})
        return cast("list[Row]", await connection.execute_fetchall(without_locks(sql), values))


_TRANSIENT = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_HINTS = {
    sqlite3.SQLITE_FULL: "The disk of the database is full. Make room; calls in progress go on.",
    sqlite3.SQLITE_IOERR: "The disk of the database fails.",
    sqlite3.SQLITE_READONLY: "The database file cannot be written. Check its owner and rights.",
    sqlite3.SQLITE_CANTOPEN: "The database file cannot be opened. Check DATA_DIR, its owner and rights.",
    sqlite3.SQLITE_CORRUPT: "The database file is damaged. Restore a backup.",
    sqlite3.SQLITE_NOTADB: "The file is not a database of ours. Check DATA_DIR.",
}


@contextmanager
def _as_store_errors() -> Generator[None]:
    """Driver errors become ours; the low byte of an extended SQLite code is the primary code."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise ConstraintFailed(f"The store refused the row: {error}.") from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _TRANSIENT:
            raise DatabaseBusy("The database is locked by another process. Try again.") from error
        raise StoreError(_HINTS.get(code, f"The database failed: {error}.")) from error
    except OSError as error:
        raise StoreError(f"The database file cannot be used: {error}.") from error
    except (UnicodeEncodeError, OverflowError) as error:
        raise ValidationFailed(f"A value cannot be stored: {error}.") from error
