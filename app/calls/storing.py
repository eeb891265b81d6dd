"""Writes that must not be lost because a database was busy: tried again until it takes them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from app.errors import AppError, ConstraintFailed, StoreError

log = structlog.get_logger()
T = TypeVar("T")

STORE_RETRY_S = (0.1, 0.5, 2.0)
"""Pauses between tries to store an end; the last one is repeated."""


async def until_stored(write: Callable[[], Awaitable[T]], call_id: str) -> T:
    """Repeat a write until the database takes it. Other errors of ours get out."""
    for number in range(1_000_000):
        try:
            return await write()
        except ConstraintFailed:
            raise  # it would be refused for ever
        except StoreError as error:
            log.error("end of call not stored yet", call_id=call_id, error=error.message)
            await asyncio.sleep(STORE_RETRY_S[min(number, len(STORE_RETRY_S) - 1)])
    raise AppError("the end of a call could not be stored")
