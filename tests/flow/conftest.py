"""After every flow test: no task, file descriptor or worker process is left of it."""

import asyncio
import gc
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from app.sim.realtime.hearing import Hearing
from tests.flow.rig import until
from tests.memory_folder import use_memory

use_memory()

FOLDER = Path("/proc/self/fd")
QUICK_TURN_MS = 160


def descriptors() -> dict[str, str]:
    """Open descriptors of this process and what they are."""
    found: dict[str, str] = {}
    for entry in os.listdir(FOLDER):
        try:
            found[entry] = os.readlink(FOLDER / entry)
        except FileNotFoundError:  # the one that lists the directory
            continue
    return found


@pytest.fixture(autouse=True)
def quick_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated model takes its turn after a shorter silence than it is told: half a second less per turn."""
    monkeypatch.setattr(Hearing, "_stop_after_ms", lambda *_: QUICK_TURN_MS)


def tasks() -> "set[asyncio.Task[object]]":
    """Tasks of this loop but those of the test runner."""
    return {task for task in asyncio.all_tasks() if "TestRunner" not in task.get_coro().__qualname__}


@pytest.fixture(autouse=True)
async def nothing_of_the_test_is_left(anyio_backend: str) -> AsyncGenerator[None]:
    """Fails a test that leaves tasks or descriptors behind."""
    del anyio_backend
    gc.collect()
    before, running = descriptors(), tasks()
    yield

    async def gone() -> bool:
        return len(descriptors()) <= len(before) and tasks() <= running

    try:
        await until(gone, 2.0)
    except TimeoutError:
        more = {key: what for key, what in descriptors().items() if before.get(key) != what}
        pytest.fail(f"left behind: descriptors {more}, tasks {tasks() - running}")
