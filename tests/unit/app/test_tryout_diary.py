"""What a test call cost is counted once, also when nobody knows whether the store has it."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from app.bus import MemoryBus
from app.calls.tryout_diary import TryoutDiary
from app.calls.tryout_plan import Bench
from app.clock import SystemClock
from app.config import Settings
from app.domain.agent import Agent
from app.domain.tryout import NewTryout
from app.errors import StoreError
from app.ids import new_id
from app.store import agents, tryouts
from app.store.db import Database, Tx
from media import protocol as media
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import NOW, TENANT

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(opener: Opener, anyio_backend: str) -> AsyncIterator[Database]:
    del anyio_backend
    async with opener() as db:
        yield db


class Losing:
    """A store whose first transaction ends like this: `store_lost` before it, `store_unknown` after it."""

    def __init__(self, db: Database, code: str) -> None:
        self._db = db
        self._code = code

    @asynccontextmanager
    async def tx(self) -> AsyncGenerator[Tx]:
        code, self._code = self._code, ""
        if code == "store_lost":
            raise StoreError("The database cannot be reached.", code=code)
        async with self._db.tx() as tx:
            yield tx
        if code:
            raise StoreError("The connection broke during COMMIT.", code=code)


@pytest.mark.parametrize("code", ["store_lost", "store_unknown"])
async def test_a_cost_is_counted_once(db: Database, code: str) -> None:
    agent = await agents.create(db, Agent(id=new_id(NOW), tenant_id=TENANT, name="Tried", prompt="hello"), NOW)
    new = NewTryout(id=new_id(NOW), agent_id=agent.id, agent_version=1, body="{}", objective="", asked_by="user:1")
    async with db.tx() as tx:
        await tryouts.ask(tx, TENANT, new, NOW)
    unused: Any = None
    bench = Bench(
        settings=Settings.model_validate({"simulate": True, "ari_app": "x"}),
        clock=SystemClock(),
        db=cast("Database", Losing(db, code)),
        bus=MemoryBus(),
        media=unused,
        library=unused,
        toolbox=unused,
    )
    diary = TryoutDiary(bench, await tryouts.get(db, TENANT, new.id))
    used = media.TranscriptionUsed(
        seq=1,
        call_id=new.id,
        at_unix_ms=0,
        item_id="i",
        model="m",
        seconds=1.0,
        cost_micro_usd=30,
        price_table="p",
    )
    await diary.observe(used)
    assert (await tryouts.get(db, TENANT, new.id)).cost_micro_usd == 30
