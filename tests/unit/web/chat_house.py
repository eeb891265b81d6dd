"""The console with four people, a text model that answers as told, and look-ups of one's choice."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal
from litestar import Litestar
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.people import Role
from app.llm.orchestrator import FUNCTION
from app.sim.text import Mind, Route, ScriptedMind, SimText, TextAnswer
from app.sim.text.lookups import SimLookups
from app.sim.text.orchestrator import BatchMind
from app.store import users
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.store_world import TENANT
from web.app import create_app

HOST = "http://127.0.0.1:8000"
CHAT, CONFIRM, THREADS = "/api/chat_interaction", "/api/execute_campaign", "/api/chat/threads"
LINES = {"accept": "application/x-ndjson"}


class House:
    """`post` and `get` as one of ann, bob (same tenant), viewer, other (another tenant)."""

    def __init__(
        self,
        client: TestClient[Litestar],
        db: SqliteDatabase,
        sim: SimText,
        found: SimLookups,
        cookies: dict[str, str],
    ) -> None:
        self.client, self.db, self.sim, self.found, self.cookies = client, db, sim, found, cookies
        self._browsers = ThreadPoolExecutor(4)

    def thinks(self, *answers: TextAnswer, looks: tuple[TextAnswer, ...] = (TextAnswer(text="none"),)) -> None:
        self.minds(ScriptedMind(answers), ScriptedMind(looks))

    def minds(self, planner: Mind, looking: Mind) -> None:
        self.sim.routes[:] = [
            Route(tool=FUNCTION, mind=BatchMind()),
            Route(schema="PlannerReply", mind=planner),
            Route(tool="search_internet", mind=looking),
        ]

    def post(self, path: str, body: Any = None, who: str = "ann", **headers: str) -> Any:
        return self.client.post(path, json=body, headers={"origin": HOST, **self._as(who), **headers})

    def get(self, path: str, who: str = "ann", **headers: str) -> Any:
        return self.client.get(path, headers={**self._as(who), **headers})

    def say(self, message: str, chat: str = "", **more: Any) -> Any:
        answer = self.post(CHAT, {"conversation_id": chat, "message": message, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ask(self, what: Any, *arguments: Any, **more: Any) -> Any:
        async def run() -> Any:
            return await what(self.db, TENANT, *arguments, **more)

        return self.client.blocking_portal.call(run)

    def later(self, body: dict[str, Any]) -> "Future[Any]":
        """A message sent from another browser, while the test goes on."""
        return self._browsers.submit(self.post, CHAT, body)

    def begun(self) -> str:
        """The thread of the message that was just sent, as soon as it is stored."""
        until = time.monotonic() + 10
        while time.monotonic() < until:
            if (there := self.get(THREADS).json()) and there[0]["first_words"]:
                return there[0]["id"]
        raise AssertionError("no message was stored")

    def _as(self, who: str) -> dict[str, str]:
        return {"cookie": f"opendeep={self.cookies[who]}"}


@contextmanager
def chat_house(folder: Path, **more: object) -> Iterator[House]:
    """Until the block ends; `more` are settings."""
    db = SqliteDatabase(fresh_sqlite(folder / "test.db"))
    cookies: dict[str, str] = {}

    async def prepare() -> None:
        await db.open()
        await users.add_tenant(db, "other", "Other", 0)
        cookies["ann"] = await session(db, Role.OPERATOR)
        cookies["bob"] = await session(db, Role.OPERATOR)
        cookies["viewer"] = await session(db, Role.VIEWER)
        cookies["other"] = await session(db, Role.OWNER, tenant="other")

    asyncio.run(prepare())
    try:
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(SimText()) as sim,
            portal.wrap_async_context_manager(SimLookups()) as found,
        ):
            settings = Settings.model_validate(
                {
                    "simulate": True,
                    "ari_app": "x",
                    "text_base_url": sim.base_url,
                    "search_provider": "searxng",
                    "searxng_url": found.url,
                }
                | more
            )
            app = create_app(settings, db, MemoryBus(), SystemClock(), QUICK)
            with TestClient(app, base_url=HOST) as client:
                yield House(client, db, sim, found, cookies)
    finally:
        asyncio.run(db.close())
