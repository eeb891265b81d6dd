"""Waiting for what only looking can tell; apart from the rig, whose simulators take two seconds to import."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from app.engine import Engine

LOOK_S = 0.02
PATIENCE_S = 40.0
"""What comes at all has come by then, on a busy machine too; only a test that fails waits so long."""


def gate_open(engine: Engine) -> Callable[[], Awaitable[bool]]:
    """Whether the engine may dial."""

    async def is_open() -> bool:
        return engine.board.ari.gate.is_open

    return is_open


async def until(look: Callable[[], Awaitable[Any]], timeout_s: float = PATIENCE_S) -> Any:
    """Wait for a condition that only looking can tell."""
    async with asyncio.timeout(timeout_s):
        while not (found := await look()):  # noqa: ASYNC110 - a changed row wakes nobody
            await asyncio.sleep(LOOK_S)
    return found
