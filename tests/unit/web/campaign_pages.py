"""The application with campaigns in it, as one person sees it, for the tests of their pages."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import ManualClock
from app.config import Settings
from app.domain.people import Role
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.call_world import START
from tests.unit.app.campaign_world import MadeCampaign, make_campaign
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.store_world import add_agent
from web.app import create_app

HOST = "http://127.0.0.1:8000"
ORIGIN = {"origin": HOST}


class Console:
    """The application, its store and bus."""

    def __init__(
        self, client: TestClient[Litestar], db: SqliteDatabase, bus: MemoryBus, clock: ManualClock
    ) -> None:
        self.client, self.db, self.bus, self.clock = client, db, bus, clock
        self.cookies: dict[Role, str] = {}

    def do(self, function: Callable[..., Any], *arguments: object, **more: object) -> Any:
        async def call() -> Any:
            return await function(*arguments, **more)

        return self.client.blocking_portal.call(call)

    def become(self, role: Role) -> None:
        self.client.cookies.set("opendeep", self.cookies[role])

    def page(self, path: str) -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.text

    def post(self, path: str, **form: str) -> Any:
        return self.client.post(path, data=form, headers=ORIGIN, follow_redirects=False)

    def made(self, size: int = 12, seed: int = 1, **more: Any) -> MadeCampaign:
        return self.do(make_campaign, self.db, Random(seed), size, **more)


@contextmanager
def console(tmp_path: Path, **settings: object) -> Iterator[Console]:
    """An application whose clock stands still, signed in as an operator."""
    db, bus, clock = SqliteDatabase(fresh_sqlite(tmp_path / "test.db")), MemoryBus(), ManualClock(START)

    async def prepare() -> dict[Role, str]:
        await db.open()
        await add_agent(db)
        return {role: await session(db, role, clock=clock) for role in Role}

    cookies = asyncio.run(prepare())
    made = Settings.model_validate({"simulate": True, "ari_app": "x", **settings})
    try:
        with TestClient(create_app(made, db, bus, clock, QUICK), base_url=HOST) as client:
            shown = Console(client, db, bus, clock)
            shown.cookies = cookies
            shown.become(Role.OPERATOR)
            yield shown
    finally:
        asyncio.run(db.close())
