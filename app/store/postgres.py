"""PostgreSQL behind the `Database` protocol: two bounded pools (writers, readers), READ COMMITTED, row locks.

What SQLite has by its one writer, here needs words in the SQL: a row that is read to be written back is read with
`FOR UPDATE` (`app.store.tasks.get` does it in a transaction), claims take `FOR UPDATE SKIP LOCKED`, and a decision
over many rows (may this number be dialed) is taken under `Tx.exclusive`. The SQLite driver leaves these words out.

All tables lie in one schema of the database, so that simulated tasks can never be taken for real ones. Statements
are prepared, so a pooler in between must pool sessions, not transactions.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from app.errors import DatabaseBusy, StoreError
from app.store.db import Params, Row
from app.store.migrate import POSTGRES_MIGRATIONS
from app.store.postgres_errors import as_store_errors
from app.store.postgres_migrate import migrate
from app.store.postgres_session import PostgresTx, execute, many, roll_back, rows
from app.store.postgres_types import Connection, Pool, PoolConnection, connect, create_pool

WRITERS = 8
READERS = 4
CONNECT_TIMEOUT_S = 5.0
ACQUIRE_TIMEOUT_S = 5.0
LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 30_000
IDLE_IN_TRANSACTION_MS = 30_000
"""A transaction that waits longer for us is ended by the server: whoever holds its rows must not be us, frozen."""
CLIENT_MARGIN_S = 5.0
"""How much longer than the server we wait for a statement: then the connection is as good as gone."""
SCHEMA = "opendeep"


class PostgresDatabase:
    """`async with PostgresDatabase(url) as db:` or `open` and `close`. Opening migrates the schema first.

    `url` is postgresql://user:password@host:port/database and is never repeated in an error.
    """

    def __init__(
        self, url: str, *, schema: str = SCHEMA, writers: int = WRITERS, lock_timeout_ms: int = LOCK_TIMEOUT_MS
    ) -> None:
        self.schema = schema
        self.migrated: list[str] = []
        self._url = url
        self._sizes = (writers, READERS)
        self._lock_timeout_ms = lock_timeout_ms
        self._writers: Pool | None = None
        self._readers: Pool | None = None
        self._holders: set[asyncio.Task[object] | None] = set()

    async def open(self) -> None:
        """Migrate and connect. Raises SchemaError for a newer or edited schema, StoreError when it cannot open."""
        try:
            async with as_store_errors():
                connection = await connect_once(self._url)
                try:
                    self.migrated = await migrate(connection, self.schema, POSTGRES_MIGRATIONS)
                finally:
                    await connection.close()
                self._writers = await self._pool(self._sizes[0], read_only=False)
                self._readers = await self._pool(self._sizes[1], read_only=True)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Wait for the transactions in progress, then close every connection."""
        pools, self._writers, self._readers = (self._writers, self._readers), None, None
        for pool in pools:
            if pool is not None:
                await pool.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def tx(self) -> AsyncGenerator[PostgresTx]:
        """A transaction on a connection of its own. Never nest: two of one task would wait for each other's rows.

        A connection that breaks while COMMIT runs leaves open whether it was committed: StoreError with code
        `store_unknown`; read the attempt again by its id before anything is done about it.
        """
        self._refuse_nesting()
        me = asyncio.current_task()
        async with _acquired(self._open(self._writers)) as connection:
            self._holders.add(me)
            tx = PostgresTx(connection)
            transaction = connection.transaction()
            try:
                async with as_store_errors():
                    await transaction.start()
                try:
                    yield tx
                    tx.check_whole()
                except BaseException:
                    await roll_back(transaction)
                    raise
                async with as_store_errors(committing=True):
                    await transaction.commit()
            finally:
                tx.open = False
                self._holders.discard(me)

    async def fetch(self, sql: str, params: Params | None = None) -> list[Row]:
        async with _acquired(self._open(self._readers)) as connection:
            return await rows(connection, sql, params)

    async def one(self, sql: str, params: Params | None = None) -> Row | None:
        rows = await self.fetch(sql, params)
        return rows[0] if rows else None

    async def execute(self, sql: str, params: Params | None = None) -> int:
        self._refuse_nesting()
        async with _acquired(self._open(self._writers)) as connection:
            return await execute(connection, sql, params)

    async def change(self, sql: str, params: Params | None = None) -> list[Row]:
        self._refuse_nesting()
        async with _acquired(self._open(self._writers)) as connection:
            return await rows(connection, sql, params)

    async def many(self, sql: str, rows: Sequence[Params]) -> None:
        self._refuse_nesting()
        async with _acquired(self._open(self._writers)) as connection:
            await many(connection, sql, rows)

    async def scour(self, tables: Sequence[str]) -> bool:
        """Vacuum: dead rows leave their pages; the bytes stay until the space is used again, as does the log."""
        self._refuse_nesting()
        quoted = '"' + self.schema.replace('"', '""') + '"'
        async with as_store_errors():
            connection = await connect_once(self._url)  # outside the pools, whose statements may take 30 s at most
            try:
                for table in tables:
                    await connection.execute(f'VACUUM {quoted}."{table}"')
            finally:
                await connection.close()
        return True

    def _refuse_nesting(self) -> None:
        if asyncio.current_task() in self._holders:
            raise RuntimeError("a transaction inside a transaction of the same task; pass the outer one down")

    def _open(self, pool: Pool | None) -> Pool:
        if pool is None:
            raise StoreError("The database is not open.", code="store_closed")
        return pool

    async def _pool(self, size: int, *, read_only: bool) -> Pool:
        settings = {
            "search_path": self.schema,
            "application_name": "opendeep",
            "timezone": "UTC",
            "lock_timeout": str(self._lock_timeout_ms),
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
            "default_transaction_read_only": "on" if read_only else "off",
            "default_transaction_isolation": "read committed",
            "jit": "off",  # our statements take a millisecond, compiling one took 40
        }
        return await create_pool(
            self._url,
            min_size=1,
            max_size=size,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=STATEMENT_TIMEOUT_MS / 1000 + CLIENT_MARGIN_S,
            server_settings=settings,
            init=_whole_numbers,
            reset=_as_it_is,
        )


async def connect_once(url: str) -> Connection:
    """One connection outside the pools, for migrations and `opendeep doctor`. Raises driver errors."""
    settings = {"application_name": "opendeep", "timezone": "UTC"}
    return await connect(url, timeout=CONNECT_TIMEOUT_S, server_settings=settings)


async def _whole_numbers(connection: PoolConnection) -> None:
    """Sums of integers are numeric here and Decimal in Python; ours are counts and micro-USD."""
    await connection.set_type_codec("numeric", schema="pg_catalog", encoder=str, decoder=_number, format="text")


async def _as_it_is(connection: PoolConnection) -> None:
    """Nothing of ours outlives its transaction in a session, so the usual round trip to reset it is saved."""


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


@asynccontextmanager
async def _acquired(pool: Pool) -> AsyncGenerator[Connection]:
    async with as_store_errors():
        try:
            connection = await pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        except TimeoutError as error:
            raise DatabaseBusy("Every connection to the database is in use. Try again.") from error
    try:
        yield connection
    finally:
        await pool.release(connection)
