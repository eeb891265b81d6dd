"""A reply that is stopped at once: whoever waits for it is told, and the message was not sent."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.errors import ConflictError
from app.llm.planner_message import Said
from app.store import conversations
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.planner_world import PROFILE, World, planner_world, reply
from tests.unit.app.store_world import TENANT
from web.chat.replies import Replies

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    db = SqliteDatabase(fresh_sqlite(tmp_path / "test.db"))
    await db.open()
    async with planner_world(db) as made:
        yield made
    await db.close()


@pytest.mark.parametrize("steps", [0, 1, 3])
async def test_stopped_before_it_is_stored(world: World, steps: int) -> None:
    """`steps` of the loop after it began; 0: before it has made its first one."""
    chat = await world.begin()
    world.thinks(reply("message", "first"))
    said = Said(text="Hello", client_key="k")
    replies = Replies()
    async with asyncio.TaskGroup() as group:
        with replies.running(group):
            running = replies.begin(world.planner, chat, PROFILE, said)
            for _ in range(steps):
                await asyncio.sleep(0)
            assert await replies.stop(chat.id)
            async with asyncio.timeout(10):
                with pytest.raises(ConflictError, match="was not sent"):
                    async for _ in running.follow():
                        pass
            assert await conversations.turns(world.db, TENANT, chat.id) == []
            again = [event async for event in replies.begin(world.planner, chat, PROFILE, said).follow()]
    assert again[-1].turn.text == "first"  # type: ignore[union-attr]
