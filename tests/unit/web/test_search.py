"""The palette's search: what a text may mean, what it finds, of whom, and what it never tells."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.number import mask_number
from app.domain.people import Role
from app.store import campaigns, search, tasks, users
from app.store.campaigns import NewCampaign
from app.store.search import Sought
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.store_world import NOW, NUMBER, TENANT, add_agent, begun_call, claimed_task, new_task
from tests.unit.web.test_wallboard import Explained
from web.app import create_app
from web.search import sought

OTHER = "+4915123456789"
HOST = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("text", "numbers", "meant"),
    [
        ("Luigi", True, {}),
        ("01a2b3", True, {"id_begins": "01a2b3"}),
        ("01A2B3", False, {"id_begins": "01a2b3"}),
        ("01a2b", True, {}),
        ("+1 202-555", True, {"number_begins": "+1202555"}),
        ("+1 202-555", False, {}),
        ("+1", True, {}),
        ("0123", False, {"number_ends": "0123"}),
        ("550123", False, {"id_begins": "550123"}),
        ("550123", True, {"id_begins": "550123", "number_ends": "550123"}),
        ("(55) 01-23", True, {"number_ends": "550123"}),
        ("12a", True, {}),
    ],
)
def test_what_a_text_may_mean(text: str, numbers: bool, meant: dict[str, str]) -> None:
    assert sought(text, numbers=numbers) == Sought(text=text, **meant)


class World:
    def __init__(self, client: Any, cookies: dict[str, str], call: Any) -> None:
        self.client, self.cookies, self.call = client, cookies, call

    def find(self, text: str, who: str = "viewer") -> list[str]:
        self.client.cookies.set("opendeep", self.cookies[who])
        answer = self.client.get("/search", params={"q": text})
        assert answer.status_code == 200, answer.text
        assert NUMBER not in answer.text
        return [hit["href"].rpartition("/")[0].rpartition("/")[2] or "wall" for hit in answer.json()]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    db = SqliteDatabase(fresh_sqlite(tmp_path_factory.mktemp("search") / "t.db"))

    async def prepare() -> tuple[dict[str, str], Any]:
        await db.open()
        await users.add_tenant(db, "other", "Other", 0)
        await add_agent(db)
        call = await begun_call(db, await claimed_task(db, callee_name="Luigi 100%_sure"))
        async with db.tx() as tx:
            await campaigns.create(tx, TENANT, NewCampaign(id="c" * 32, name="Spring 50% off"), [], NOW)
            await campaigns.create(tx, TENANT, NewCampaign(id="d" * 32, name="Überblick"), [], NOW)
        for name in ("Özlem Kaya", f"Zoe, or {OTHER}"):
            await tasks.create(db, TENANT, new_task("+12025550188", callee_name=name), NOW)
        cookies = {
            "viewer": await session(db, Role.VIEWER),
            "owner": await session(db, Role.OWNER),
            "foreign": await session(db, Role.OWNER, tenant="other"),
        }
        return cookies, call

    cookies, call = asyncio.run(prepare())
    settings = Settings.model_validate({"simulate": True, "ari_app": "x"})
    try:
        with TestClient(create_app(settings, db, MemoryBus(), SystemClock(), QUICK), base_url=HOST) as client:
            yield World(client, cookies, call)
    finally:
        asyncio.run(db.close())


def test_calls_and_their_tasks_are_found_by_id_number_and_name(world: World) -> None:
    for text in (world.call.id, world.call.id[:10], world.call.id[:8].upper(), "luigi", "Luigi 100%", NUMBER[-4:]):
        assert world.find(text), text
    assert world.find(NUMBER[-7:]) == [], "more digits than a viewer sees"
    assert world.find(NUMBER[:9]) == [], "nor the beginning"
    assert world.find(NUMBER[-7:], "owner")
    assert world.find(NUMBER[:9], "owner")


@pytest.mark.parametrize("text", ["Özlem", "özlem", "özlem kaya", "Überblick", "überblick", "blick"])
def test_names_that_begin_with_another_letter_are_found(world: World, text: str) -> None:
    assert world.find(text), text


def test_a_number_in_a_name_is_masked(world: World) -> None:
    world.client.cookies.set("opendeep", world.cookies["viewer"])
    (found,) = world.client.get("/search", params={"q": "Zoe"}).json()
    assert found["title"].endswith(f"Zoe, or {mask_number(OTHER)}")


@pytest.mark.parametrize("text", ["", "lu", "%%%", "___", "x" * 81, "nobody", "f" * 32, "a\x00b", "' OR 1=1 --"])
def test_what_fits_nothing_finds_nothing(world: World, text: str) -> None:
    assert world.find(text, "owner") == []


def test_nobody_finds_what_is_another_tenants(world: World) -> None:
    for text in (world.call.id, "luigi", "spring", NUMBER, NUMBER[-4:], "c" * 32):
        assert world.find(text, "foreign") == []


@pytest.mark.anyio
async def test_no_search_looks_through_a_whole_table(tmp_path: Path) -> None:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "t.db")) as db:
        explained = Explained(db)
        wanted = Sought(text="ann", id_begins="01a2b3", number_begins="+1202", number_ends="0123")
        await search.find(explained, TENANT, wanted)
        assert len(explained.plans) == 7
        for plan in explained.plans:
            steps = [line for line in plan if line.startswith(("SCAN", "SEARCH"))]
            assert not any(line.startswith(("SCAN tasks", "SCAN calls", "SCAN c", "SCAN t")) for line in steps), (
                plan
            )
            assert not any("(tenant_id=?)" in line for line in steps if "campaigns" not in line), plan
