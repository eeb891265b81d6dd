"""A console with calls in it, and short ways to ask it as somebody."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.call import Call, CallEnd, Turn
from app.domain.people import Role
from app.store import attempts, calls, transcripts, users
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.store_world import NOW, TENANT, add_agent, begun_call, claimed_task
from web.app import create_app

HOST = "http://127.0.0.1:8000"
OTHER = "other"


class CallHouse:
    """The application over a store; `ask` as a role of the first tenant, or of another one."""

    def __init__(self, client: TestClient[Litestar], db: SqliteDatabase, settings: Settings) -> None:
        self.client, self.db, self.settings = client, db, settings
        self._cookies: dict[tuple[str, Role], str] = {}

    def do(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Run something in the application's own loop."""
        return self.client.blocking_portal.call(function, *arguments)

    def ask(self, path: str, role: Role = Role.OWNER, tenant: str = TENANT, **more: Any) -> Any:
        key = (tenant, role)
        if key not in self._cookies:

            async def sign_in() -> str:
                return await session(self.db, role, tenant=tenant)

            self._cookies[key] = self.do(sign_in)
        self.client.cookies.clear()
        self.client.cookies.set("opendeep", self._cookies[key])
        return self.client.get(path, **more)

    def begin(self, number: str = "+12025550123", now_ms: int = NOW, **task: object) -> Call:
        async def make() -> Call:
            return await begun_call(self.db, await claimed_task(self.db, number, **task), now_ms)

        return self.do(make)

    def answer(self, call: Call, now_ms: int = NOW) -> None:
        self.do(calls.set_state, self.db, TENANT, call.id, "bridged", now_ms)

    def say(self, call: Call, *turns: Turn) -> None:
        async def store() -> None:
            async with self.db.tx() as tx:
                for turn in turns:
                    await transcripts.add(tx, TENANT, call.id, turn, NOW)

        self.do(store)

    def end(self, call: Call, outcome: str = "completed", ended_by: str = "callee", **changes: Any) -> None:
        finished = {"dialed": True, "ended_ms": NOW + 60_000, "hangup_cause": 16} | changes

        async def store() -> None:
            async with self.db.tx() as tx:
                made = CallEnd(call_id=call.id, outcome=outcome, ended_by=ended_by, **finished)
                await attempts.finish_call(tx, TENANT, made, NOW + 60_000)

        self.do(store)


@contextmanager
def call_house(folder: Path) -> Iterator[CallHouse]:
    """Opened with an agent and a second tenant."""
    db = SqliteDatabase(fresh_sqlite(folder / "test.db"))
    settings = Settings.model_validate({"simulate": True, "ari_app": "x", "data_dir": folder})

    async def prepare() -> None:
        await db.open()
        await add_agent(db)
        await users.add_tenant(db, OTHER, "Other", 0)

    asyncio.run(prepare())
    try:
        with TestClient(create_app(settings, db, MemoryBus(), SystemClock(), QUICK), base_url=HOST) as client:
            yield CallHouse(client, db, settings)
    finally:
        asyncio.run(db.close())
