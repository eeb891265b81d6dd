"""A `Database` that fails by seed: before the real effect or after it, or late; per table and method.

The shape is Temporal's fault injector: (store, method, seed, rate, error). A failure *after* the effect is the
nasty one: the transaction is committed and the caller is told that it failed, as when a connection breaks then.
"""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal, TypeVar

import msgspec

from app.errors import DatabaseBusy, StoreError
from app.store.db import Database, Params, Row, Tx

Method = Literal["fetch", "one", "execute", "change", "many", "exclusive", "commit", "*"]
Occasion = Literal["before", "after"]
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+([a-z_]+)", re.IGNORECASE)
T = TypeVar("T")


class StoreFault(msgspec.Struct, frozen=True, kw_only=True):
    """One way of failing. `error` None only delays; StoreError stands for any, DatabaseBusy for a passing one."""

    store: str = "*"
    """A table: strikes statements that name it, and commits of transactions that touched it."""
    method: Method = "*"
    rate: float = 1.0
    error: type[StoreError] | None = StoreError
    when: Occasion = "before"
    """before: nothing was done; after: it was done, and the caller does not know."""
    delay_ms: float = 0.0
    times: int | None = None
    """At most so often; None: without end."""

    def concerns(self, method: str, tables: frozenset[str]) -> bool:
        """Whether it may strike this operation."""
        return self.method in {"*", method} and (self.store == "*" or self.store in tables)


class FaultyDatabase:
    """Wraps an opened database; satisfies the `Database` protocol. Without faults it changes nothing."""

    def __init__(self, inner: Database, seed: int, faults: Sequence[StoreFault] = ()) -> None:
        self.faults = tuple(faults)
        """May be replaced at any time."""
        self.migrated = inner.migrated
        self.struck: Counter[StoreFault] = Counter()
        self._inner = inner
        self._chance = random.Random(f"{seed} store")

    @asynccontextmanager
    async def tx(self) -> AsyncGenerator["FaultyTx"]:
        """The real transaction; faults of `commit` strike at its end."""
        tables: set[str] = set()
        after: StoreError | None = None
        async with self._inner.tx() as inner:
            yield FaultyTx(inner, self, tables)
            await self.strike("commit", frozenset(tables), "before")
        try:
            await self.strike("commit", frozenset(tables), "after")
        except StoreError as error:
            after = error
        if after is not None:
            raise after

    async def fetch(self, sql: str, params: Params | None = None) -> list[Row]:
        return await self.around("fetch", sql, lambda: self._inner.fetch(sql, params))

    async def one(self, sql: str, params: Params | None = None) -> Row | None:
        return await self.around("one", sql, lambda: self._inner.one(sql, params))

    async def execute(self, sql: str, params: Params | None = None) -> int:
        return await self.around("execute", sql, lambda: self._inner.execute(sql, params))

    async def change(self, sql: str, params: Params | None = None) -> list[Row]:
        return await self.around("change", sql, lambda: self._inner.change(sql, params))

    async def many(self, sql: str, rows: Sequence[Params]) -> None:
        await self.around("many", sql, lambda: self._inner.many(sql, rows))

    async def scour(self, tables: Sequence[str]) -> bool:
        return await self._inner.scour(tables)

    async def close(self) -> None:
        await self._inner.close()

    async def around(self, method: Method, sql: str, work: Callable[[], Awaitable[T]]) -> T:
        """The real operation, with what is to go wrong before and after it."""
        tables = tables_of(sql)
        await self.strike(method, tables, "before")
        done = await work()
        await self.strike(method, tables, "after")
        return done

    async def strike(self, method: Method, tables: frozenset[str], when: Occasion) -> None:
        """Raises what is due now, after the delay that is due now."""
        for fault in self.faults:
            if fault.when != when or not fault.concerns(method, tables):
                continue
            if fault.times is not None and self.struck[fault] >= fault.times:
                continue
            if self._chance.random() >= fault.rate:
                continue
            self.struck[fault] += 1
            if fault.delay_ms:
                await asyncio.sleep(fault.delay_ms / 1000)
            if fault.error is not None:
                raise fault.error(
                    f"Simulated failure {when} {method} on {', '.join(sorted(tables)) or 'nothing'}."
                )


class FaultyTx:
    """An open transaction whose statements may fail."""

    in_transaction: Literal[True] = True

    def __init__(self, inner: Tx, owner: FaultyDatabase, tables: set[str]) -> None:
        self._inner = inner
        self._owner = owner
        self._tables = tables

    async def fetch(self, sql: str, params: Params | None = None) -> list[Row]:
        return await self._around("fetch", sql, lambda: self._inner.fetch(sql, params))

    async def one(self, sql: str, params: Params | None = None) -> Row | None:
        return await self._around("one", sql, lambda: self._inner.one(sql, params))

    async def execute(self, sql: str, params: Params | None = None) -> int:
        return await self._around("execute", sql, lambda: self._inner.execute(sql, params))

    async def change(self, sql: str, params: Params | None = None) -> list[Row]:
        return await self._around("change", sql, lambda: self._inner.change(sql, params))

    async def many(self, sql: str, rows: Sequence[Params]) -> None:
        await self._around("many", sql, lambda: self._inner.many(sql, rows))

    async def exclusive(self, name: str) -> None:
        await self._around("exclusive", "", lambda: self._inner.exclusive(name))

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Never fails by itself; a statement inside may."""
        return self._inner.savepoint()

    async def _around(self, method: Method, sql: str, work: Callable[[], Awaitable[T]]) -> T:
        self._tables |= tables_of(sql)
        return await self._owner.around(method, sql, work)


def tables_of(sql: str) -> frozenset[str]:
    """Tables a statement names."""
    return frozenset(name.lower() for name in _TABLE.findall(sql))


BUSY = StoreFault(error=DatabaseBusy)
"""Every operation: locked by somebody else."""
