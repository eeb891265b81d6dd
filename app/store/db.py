"""What the store needs of a database: reads, single writes, and transactions. Five small protocols, no driver.

Parameters are named (`:name`) and given as mappings. Errors are `app.errors.StoreError` and its children; text
that is no valid Unicode and numbers beyond 64 bits raise `ValidationFailed`.

One SQL text serves SQLite and PostgreSQL. It may say `FOR UPDATE [OF t] [SKIP LOCKED]` (SQLite has one writer and
needs none), `json_each(:text)` with its column `value`, and `json_valid`. A row that is read to be written back is
read with FOR UPDATE; a decision over rows that others may add meanwhile is taken under `Tx.exclusive`.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal, Protocol, cast

SqlValue = str | int | float | bytes | None
Params = Mapping[str, SqlValue]
Row = tuple[Any, ...]
"""Columns in the order of the SELECT; the struct it becomes gives them their types."""
DIALING = "dialing"
"""What `Tx.exclusive` holds while it is decided whether a phone may ring: do-not-call lists, caps, budgets."""


class Reader(Protocol):
    """Reads what is committed; inside a transaction also its own writes."""

    async def fetch(self, sql: str, params: Params | None = None) -> list[Row]:
        """All rows."""
        ...

    async def one(self, sql: str, params: Params | None = None) -> Row | None:
        """The first row, None when there is none."""
        ...


class Writer(Reader, Protocol):
    """A database (each statement commits alone) or a transaction."""

    async def execute(self, sql: str, params: Params | None = None) -> int:
        """Run one statement; answers how many rows it changed."""
        ...

    async def change(self, sql: str, params: Params | None = None) -> list[Row]:
        """Run one writing statement with RETURNING; answers its rows."""
        ...

    async def many(self, sql: str, rows: Sequence[Params]) -> None:
        """Run one statement for every row of parameters, all or nothing."""
        ...


class Tx(Writer, Protocol):
    """An open transaction; only `Database.tx` makes one.

    After a statement that raised StoreError it can only be rolled back, and says so, unless the statement ran
    inside `savepoint`.
    """

    @property
    def in_transaction(self) -> Literal[True]:
        """What sets a `Tx` apart from a `Database`: functions of several statements ask for it by type."""
        ...

    async def exclusive(self, name: str) -> None:
        """Wait until no other transaction holds `name`; held to the end of this one. Ask before locking rows."""
        ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """What runs in the block is undone alone when it raises; the transaction goes on."""
        ...


class Database(Writer, Protocol):
    """An opened database. `migrated`: the migrations that opening it ran."""

    migrated: list[str]

    def tx(self) -> AbstractAsyncContextManager[Tx]:
        """Open a transaction; commits at the end of the block, rolls back on any exception or cancellation.

        A cancellation that arrives while COMMIT runs leaves open whether it was committed: read it again.
        """
        ...

    async def scour(self, tables: Sequence[str]) -> bool:
        """Take what was deleted out of the files, as far as the database can: SQLite folds its write-ahead log in
        and empties it, PostgreSQL vacuums `tables`. False: somebody still reads the old rows; ask again.
        """
        ...

    async def close(self) -> None:
        """Finish what runs and close every connection."""
        ...


@asynccontextmanager
async def within(sql: Writer) -> AsyncGenerator[Tx]:
    """`sql` itself when it is a transaction, else a new one of that database."""
    if getattr(sql, "in_transaction", False):
        yield cast("Tx", sql)
        return
    async with cast("Database", sql).tx() as tx:
        yield tx
