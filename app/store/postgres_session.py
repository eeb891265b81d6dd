"""Statements on one PostgreSQL session, and a transaction of it; `app.store.postgres` pools the sessions."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

from app.errors import StoreError
from app.store.db import Params, Row
from app.store.parameters import positional
from app.store.postgres_errors import as_store_errors
from app.store.postgres_types import Connection, Transaction


class PostgresTx:
    """The open transaction; unusable after its block, and after a statement that failed outside `savepoint`."""

    in_transaction: Literal[True] = True

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._broken = False
        self.open = True

    async def fetch(self, sql: str, params: Params | None = None) -> list[Row]:
        async with self._whole() as connection:
            return await rows(connection, sql, params)

    async def one(self, sql: str, params: Params | None = None) -> Row | None:
        rows = await self.fetch(sql, params)
        return rows[0] if rows else None

    async def execute(self, sql: str, params: Params | None = None) -> int:
        async with self._whole() as connection:
            return await execute(connection, sql, params)

    async def change(self, sql: str, params: Params | None = None) -> list[Row]:
        return await self.fetch(sql, params)

    async def many(self, sql: str, rows: Sequence[Params]) -> None:
        async with self._whole() as connection:
            await many(connection, sql, rows)

    async def exclusive(self, name: str) -> None:
        """Taken per schema; waits at most `lock_timeout`."""
        await self.fetch(
            "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || :name, 0))", {"name": name}
        )

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        self.check_whole()
        inner = self._connection.transaction()
        async with as_store_errors():
            await inner.start()
        try:
            yield
            self.check_whole()
        except BaseException:
            self._broken = not await roll_back(inner)
            raise
        async with as_store_errors():
            await inner.commit()

    def check_whole(self) -> None:
        """Raises StoreError when a statement has failed: PostgreSQL would answer COMMIT with a rollback."""
        if not self.open:
            raise RuntimeError("this transaction is over")
        if self._broken:
            raise StoreError("A statement of this transaction failed; nothing of it is stored.")

    @asynccontextmanager
    async def _whole(self) -> AsyncGenerator[Connection]:
        self.check_whole()
        try:
            yield self._connection
        except BaseException:
            self._broken = True
            raise


async def roll_back(transaction: Transaction) -> bool:
    """False: the connection is gone, and with it the transaction."""
    try:
        async with as_store_errors():
            await transaction.rollback()
    except StoreError:
        return False
    return True


async def rows(connection: Connection, sql: str, params: Params | None) -> list[Row]:
    """All rows of a statement."""
    statement, values = _bound(sql, params)
    async with as_store_errors():
        return [tuple(record) for record in await connection.fetch(statement, *values)]


async def execute(connection: Connection, sql: str, params: Params | None) -> int:
    """How many rows it changed; -1 for a statement that changes none by its nature."""
    statement, values = _bound(sql, params)
    async with as_store_errors():
        status = await connection.execute(statement, *values)
    changed = status.rpartition(" ")[2]
    return int(changed) if changed.isdigit() else -1


async def many(connection: Connection, sql: str, rows: Sequence[Params]) -> None:
    """For every row of parameters, all or nothing."""
    statement = positional(sql)
    async with as_store_errors():
        await connection.executemany(statement.text, [statement.values(row) for row in rows])


def _bound(sql: str, params: Params | None) -> tuple[str, list[Any]]:
    statement = positional(sql)
    return statement.text, statement.values(params or {})
