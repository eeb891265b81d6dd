"""Rehearsals in the console: who may ask, what is shown meanwhile and afterwards, what a campaign tells."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.agent import Agent
from app.domain.messages import ListChanged
from app.domain.people import Role
from app.domain.rehearsal import (
    AN_HOUR_MS,
    LIMIT_S,
    MOST_PER_HOUR,
    PersonaResult,
    Rehearsal,
    RehearsalSaid,
    RehearsalState,
)
from app.domain.task import NewTask
from app.errors import ConflictError
from app.ids import new_id
from app.store import agents, campaigns, rehearsals, users
from app.store.campaigns import NewCampaign
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.store_world import NOW, TENANT
from web.app import create_app
from web.rehearsals.view import shown, verdict

HOST = "http://127.0.0.1:8000"
OTHER = "other"
HOSTILE = "<script>alert(1)</script>"


def result(name: str, *wrong: str) -> PersonaResult:
    return PersonaResult(
        persona=name,
        wrong=wrong,
        outcome="completed/agent",
        answered_by="human",
        task="completed",
        tools=("end_call",),
        seconds=4.2,
        said=(("agent", "good day"), ("callee", HOSTILE)),
    )


class Console:
    def __init__(self, client: Any, db: SqliteDatabase, bus: MemoryBus) -> None:
        self.client, self.db, self.bus = client, db, bus
        self.agent: Agent = self.do(self._agent)

    async def _agent(self) -> Agent:
        agent = Agent(id=new_id(NOW), tenant_id=TENANT, name="Tried", prompt="first words")
        await agents.create(self.db, agent, NOW)
        return await agents.update(self.db, msgspec.structs.replace(agent, prompt="second words"), NOW)

    def do(self, function: Any, *arguments: object) -> Any:
        return self.client.blocking_portal.call(function, *arguments)

    def sign_in(self, role: Role, tenant: str = TENANT) -> None:
        async def secret() -> str:
            return await session(self.db, role, tenant=tenant)

        self.client.cookies.set("opendeep", self.do(secret))

    def ask(self, version: int = 0) -> Any:
        path = f"/agents/{self.agent.id}/rehearsals"
        form = {"version": str(version)}
        return self.client.post(path, data=form, headers={"origin": HOST}, follow_redirects=False)

    def asked(self, version: int = 0) -> Rehearsal:
        answer = self.ask(version)
        assert answer.status_code == 303, answer.text
        return self.do(rehearsals.get, self.db, TENANT, answer.headers["location"].rpartition("/")[2])

    def finish(self, one: Rehearsal, *results: PersonaResult) -> None:
        said = RehearsalSaid(over=2, total=2, left_out=("Documents are left out.",), results=results)

        async def write() -> None:
            assert await rehearsals.take(self.db, one, "node", NOW)
            await rehearsals.tell(self.db, one, RehearsalSaid(over=1, total=2))
            await rehearsals.finish(self.db, one, said, msgspec.json.encode(said).decode(), NOW + 60_000)

        self.do(write)

    def page(self, path: str) -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    db, bus = SqliteDatabase(fresh_sqlite(tmp_path / "test.db")), MemoryBus()

    async def prepare() -> None:
        await db.open()
        await users.add_tenant(db, OTHER, "Other", 0)

    asyncio.run(prepare())
    settings = Settings.model_validate({"simulate": True, "ari_app": "x"})
    try:
        with TestClient(create_app(settings, db, bus, SystemClock(), QUICK), base_url=HOST) as client:
            made = Console(client, db, bus)
            made.sign_in(Role.OPERATOR)
            yield made
    finally:
        asyncio.run(db.close())


def test_one_is_asked_for_followed_and_kept_with_its_version(console: Console) -> None:
    assert "Not rehearsed yet" in console.page(f"/agents/{console.agent.id}")
    with console.bus.subscribe("lists") as nudges:
        one = console.asked(version=1)
        nudge = console.do(nudges.__anext__)
    assert isinstance(nudge, ListChanged)
    assert nudge.kind == "rehearsals"
    assert (one.agent_version, one.state, one.model) == (1, RehearsalState.WAITING, "simulated")
    page = console.page(f"/rehearsals/{one.id}")
    assert "It waits for its turn." in page
    assert 'data-living="yes"' in page
    assert "<strong>simulated</strong>" in page
    console.finish(one, result("polite"), result("silent", f"no event {HOSTILE}"))
    page = console.page(f"/rehearsals/{one.id}")
    assert "Failed: 1 of 2 did not come as expected." in page
    assert page.index("silent") < page.index("polite"), "what failed stands first"
    for text in ("no event", "Documents are left out.", "good day", "Rehearse again", 'data-living="no"'):
        assert text in page, text
    assert HOSTILE not in page
    assert "Failed: 1 of 2" in console.page(f"/agents/{console.agent.id}")


def test_a_version_is_rehearsed_once_at_a_time_and_not_without_end(console: Console) -> None:
    one = console.asked()
    again = console.ask()
    assert again.status_code == 409
    assert "is under way" in again.text
    console.finish(one, result("polite"))

    async def many() -> str:
        now_ms = SystemClock().unix_ms()
        for at in range(MOST_PER_HOUR):
            async with console.db.tx() as tx:
                try:
                    await rehearsals.ask(tx, console.agent, new_id(now_ms + at), "user:1", now_ms)
                except ConflictError as refused:
                    return refused.message
            waiting = await rehearsals.waiting(console.db)
            assert waiting is not None
            await rehearsals.fail(console.db, waiting, "x", now_ms)
        return ""

    assert f"{MOST_PER_HOUR} rehearsals were asked for within an hour" in console.do(many)


def test_few_wait_at_once(console: Console) -> None:
    async def others() -> None:
        for at in range(3):
            other = Agent(id=new_id(NOW + at), tenant_id=TENANT, name=f"Other {at}")
            await agents.create(console.db, other, NOW)
            async with console.db.tx() as tx:
                await rehearsals.ask(tx, other, new_id(NOW + at), "user:1", SystemClock().unix_ms())

    console.do(others)
    assert "at most 3 may" in console.ask().text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
def test_who_plans_nothing_may_look(console: Console, role: Role) -> None:
    one = console.asked()
    console.sign_in(role)
    assert console.ask().status_code == 403
    assert "It waits for its turn." in console.page(f"/rehearsals/{one.id}")
    assert "Rehearse against personas" not in console.page(f"/agents/{console.agent.id}")


def test_another_tenant_has_no_such_rehearsal(console: Console) -> None:
    one = console.asked()
    console.sign_in(Role.OWNER, tenant=OTHER)
    assert console.client.get(f"/rehearsals/{one.id}").status_code == 404
    assert console.ask().status_code == 404


def test_a_campaign_tells_how_its_agent_did_in_its_newest_version(console: Console) -> None:
    campaign_id = new_id(NOW)

    async def campaign() -> None:
        new = NewTask(
            id=new_id(NOW), agent_id=console.agent.id, number="+12025550123", objective="x", next_action_time=NOW
        )
        async with console.db.tx() as tx:
            await campaigns.create(tx, TENANT, NewCampaign(id=campaign_id, name="Reminders"), [new], NOW)

    console.do(campaign)
    path = f"/campaigns/{campaign_id}"
    console.finish(console.asked(version=1), result("polite"))
    assert "not rehearsed yet" in console.page(path), "the rehearsal of an older version does not count"
    console.finish(console.asked(version=2), result("polite"), result("silent"))
    assert "Passed: all 2 came as expected." in console.page(path)


def test_what_nobody_is_at_any_more_has_failed(console: Console) -> None:
    one = console.asked()

    async def lost(node: str, now_ms: int) -> int:
        return await rehearsals.lost(console.db, node, now_ms)

    console.do(rehearsals.take, console.db, one, "a", NOW)
    assert console.do(lost, "b", NOW + LIMIT_S * 1000) == 0
    assert console.do(lost, "b", NOW + 2 * LIMIT_S * 1000 + 1) == 1
    assert "No verdict. The engine was stopped meanwhile" in console.page(f"/rehearsals/{one.id}")
    again = console.asked()
    console.do(rehearsals.take, console.db, again, "a", NOW)
    assert console.do(lost, "a", NOW) == 1


def row(state: RehearsalState, **fields: Any) -> Rehearsal:
    values: dict[str, Any] = {
        "id": "r",
        "tenant_id": TENANT,
        "agent_id": "a",
        "agent_version": 1,
        "asked_by": "user:1",
        "state": state,
        "model": "simulated",
        "over": 3,
        "total": 8,
        "passed": 0,
        "failed": 0,
        "result": "{}",
        "problem": "It broke.",
        "created_ms": 0,
        "started_ms": None,
        "done_ms": None,
    }
    return Rehearsal(**(values | fields))


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (row(RehearsalState.WAITING), "It waits for its turn."),
        (row(RehearsalState.RUNNING), "Under way: 3 of 8 callees are done."),
        (row(RehearsalState.RUNNING, total=0, over=0), "Under way: 0 of all callees are done."),
        (row(RehearsalState.FAILED), "No verdict. It broke."),
        (row(RehearsalState.DONE, passed=9), "Passed: all 9 came as expected."),
        (row(RehearsalState.DONE, passed=7, failed=2), "Failed: 2 of 9 did not come as expected."),
    ],
)
def test_verdicts_in_words(one: Rehearsal, words: str) -> None:
    assert verdict(one) == words


def test_nothing_is_shown_of_what_is_not_over() -> None:
    assert shown(row(RehearsalState.RUNNING)).results == ()
    assert AN_HOUR_MS == 3_600_000
