"""What the store needs of a database: reads, single writes, and transactions. Five small protocols, no driver.

Parameters are named (`:name`) and given as mappings. Errors are `app.errors.StoreError` and its children; text
that is no valid Unicode and numbers beyond 64 bits raise `ValidationFailed`.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

SqlValue = str | int | float | bytes | None
Params = Mapping[str, SqlValue]
Row = tuple[Any, ...]
"""Columns in the order of the SELECT; the struct it becomes gives them their types."""


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
    """An open transaction that holds the write lock; only `Database.tx` makes one."""

    @property
    def in_transaction(self) -> Literal[True]:
        """What sets a `Tx` apart from a `Database`: functions of several statements ask for it by type."""
        ...


class Database(Writer, Protocol):
    """An opened database."""

    def tx(self) -> AbstractAsyncContextManager[Tx]:
        """Open a transaction; commits at the end of the block, rolls back on any exception or cancellation.

        A cancellation that arrives while COMMIT runs leaves open whether it was committed: read it again.
        """
        ...

    async def close(self) -> None:
        """Finish what runs and close every connection."""
        ...
