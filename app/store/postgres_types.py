"""The part of asyncpg that is used, with types: the package ships none."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, cast

import asyncpg


class Transaction(Protocol):
    """A transaction, or a savepoint inside one."""

    async def start(self) -> None: ...

    async def commit(self) -> None: ...

    async def rollback(self) -> None: ...


class Connection(Protocol):
    """One session."""

    async def fetch(self, query: str, *args: Any) -> list[Sequence[Any]]: ...

    async def fetchval(self, query: str, *args: Any) -> Any: ...

    async def execute(self, query: str, *args: Any) -> str: ...

    async def executemany(self, command: str, args: list[list[Any]]) -> None: ...

    def transaction(self) -> Transaction: ...

    async def close(self) -> None: ...


class PoolConnection(Protocol):
    """A new session, before it joins its pool."""

    async def set_type_codec(
        self, typename: str, *, schema: str, encoder: Callable[..., Any], decoder: Callable[..., Any], format: str
    ) -> None: ...


class Pool(Protocol):
    """Sessions to borrow."""

    async def acquire(self, *, timeout: float) -> Connection: ...

    async def release(self, connection: Connection) -> None: ...

    async def close(self) -> None: ...


connect = cast("Callable[..., Awaitable[Connection]]", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType]
create_pool = cast("Callable[..., Awaitable[Pool]]", asyncpg.create_pool)  # pyright: ignore[reportUnknownMemberType]
