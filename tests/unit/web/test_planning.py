"""The planner's routes: a chat to its campaign, streamed and whole, the plain-text road, and problem details."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from litestar import Litestar
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.people import Role
from app.llm.orchestrator import FUNCTION
from app.sim.text import Route, ScriptedMind, SimText, TextAnswer, TextFault, TextFaultKind
from app.sim.text.orchestrator import BatchMind
from app.store import budgets, consents, tasks, users
from app.store.sqlite import SqliteDatabase
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.planner_world import asks, call, planned, reply
from tests.unit.app.store_world import TENANT
from web.app import create_app

HOST = "http://127.0.0.1:8000"
NUMBER = "+15551000123"
CHAT, CONFIRM, PROMPT, TASK = (
    "/api/chat_interaction", "/api/execute_campaign", "/api/generate_agent_prompt", "/api/schedule_task",
)  # fmt: skip


class House:
    def __init__(
        self, client: TestClient[Litestar], db: SqliteDatabase, sim: SimText, cookies: dict[str, str]
    ) -> None:
        self.client, self.db, self.sim, self.cookies = client, db, sim, cookies

    def thinks(self, *answers: TextAnswer) -> None:
        self.sim.routes[:] = [
            Route(tool=FUNCTION, mind=BatchMind()),
            Route(schema="PlannerReply", mind=ScriptedMind(answers)),
            Route(mind=ScriptedMind(answers)),
        ]

    def post(self, path: str, body: Any, who: str = "ann", **headers: str) -> Any:
        self.client.cookies.clear()
        self.client.cookies.set("opendeep", self.cookies[who])
        return self.client.post(path, json=body, headers={"origin": HOST, **headers})

    def ask(self, what: Any, *arguments: Any, **more: Any) -> Any:
        async def run() -> Any:
            return await what(self.db, TENANT, *arguments, **more)

        return self.client.blocking_portal.call(run)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    db = SqliteDatabase(tmp_path / "test.db")
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
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(SimText()) as sim:
            settings = Settings.model_validate({"simulate": True, "ari_app": "x", "text_base_url": sim.base_url})
            app = create_app(settings, db, MemoryBus(), SystemClock(), QUICK)
            with TestClient(app, base_url=HOST) as client:
                yield House(client, db, sim, cookies)
    finally:
        asyncio.run(db.close())


def test_from_a_message_to_a_campaign(house: House) -> None:
    house.thinks(asks({"name": "phone", "type": "phone", "label": "Number"}), planned(calls=[call(NUMBER)]))
    asked = house.post(CHAT, {"message": "Ask Bob whether Friday suits.", "display_name": "Annie"})
    assert asked.status_code == 200, asked.text
    chat = asked.json()["conversation_id"]
    assert asked.json()["turn"]["content"]["questions"][0]["name"] == "phone"
    wrong = house.post(CHAT, {"conversation_id": chat, "answers": {"phone": "12"}})
    assert (wrong.status_code, wrong.headers["content-type"]) == (422, "application/problem+json")
    assert list(wrong.json()["fields"]) == ["phone"]
    made = house.post(CHAT, {"conversation_id": chat, "answers": {"phone": NUMBER}}).json()["turn"]
    assert made["kind"] == "plan"
    assert made["content"]["forecast"]["calls"] == 1
    confirm = {"conversation_id": chat, "plan_id": made["content"]["plan_id"]}
    for who, status in (("bob", 404), ("other", 404), ("viewer", 403)):
        assert house.post(CONFIRM, confirm, who).status_code == status
        assert house.post(CHAT, {"conversation_id": chat, "message": "x"}, who).status_code == status
    first, again = house.post(CONFIRM, confirm), house.post(CONFIRM, confirm)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert [one.number for one in house.ask(tasks.list_tasks)] == [NUMBER]


def test_a_reply_streams_as_lines(house: House) -> None:
    house.thinks(
        TextAnswer(text="not json"), reply("message", "A sentence that comes in more than one piece, for sure.")
    )
    answer = house.post(CHAT, {"message": "Hello"}, accept="application/x-ndjson")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    kinds = [line["event"] for line in lines]
    assert kinds[:3] == ["conversation", "taken", "withdrawn"]
    assert kinds[-1] == "reply"
    said = "".join(line["text"] for line in lines if line["event"] == "text")
    assert said == lines[-1]["turn"]["text"]
    assert house.post(CHAT, {"message": ""}, accept="application/x-ndjson").status_code == 422


@pytest.mark.parametrize("path", [CHAT, CONFIRM, PROMPT, TASK])
@pytest.mark.parametrize("body", [[], {"what": 1}, "x", {"conversation_id": 5}])
def test_bodies_that_do_not_fit_are_problems(house: House, path: str, body: Any) -> None:
    answer = house.post(path, body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert "JSON" in answer.json()["detail"]


def test_ids_that_are_none(house: House) -> None:
    assert house.post(CHAT, {"conversation_id": "../x", "message": "x"}).status_code == 404
    assert house.post(CONFIRM, {"conversation_id": "x", "plan_id": "y"}).status_code == 404
    assert house.post(CONFIRM, {"conversation_id": "0" * 32, "plan_id": "0" * 32}).status_code == 404


def spent(house: House) -> int:
    """What the tenant's month has paid for by now, micro USD."""
    month = budgets.tenant_month(TENANT, None, SystemClock().unix_ms())

    async def run() -> int:
        return (await budgets.facts(house.db, [month], 0))[0].spent_micro_usd

    return house.client.blocking_portal.call(run)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[QUESTIONS_FOR_USER]\n- Which day?\n- How many?", "questions"),
        ("Sure!\n[AGENT_INSTRUCTIONS]\nAsk for Friday.", "instructions"),
    ],
)
def test_the_plain_text_form(house: House, text: str, kind: str) -> None:
    house.thinks(
        TextAnswer(text="no marker"),
        TextAnswer(text="[QUESTIONS_FOR_USER] [AGENT_INSTRUCTIONS]"),
        TextAnswer(text=text),
    )
    answer = house.post(PROMPT, {"details": "Book a table."})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["kind"], found["asked"]) == (kind, 3)
    assert found["text"].startswith("[QUESTIONS_FOR_USER]" if kind == "questions" else "[AGENT_INSTRUCTIONS]")
    assert found["questions"] == (["Which day?", "How many?"] if kind == "questions" else [])
    assert spent(house) == found["cost_micro_usd"] > 0


def test_a_model_that_writes_no_marker_or_is_away(house: House) -> None:
    house.thinks(TextAnswer(text="no marker"))
    answer = house.post(PROMPT, {"details": "Book a table."})
    assert (answer.status_code, answer.json()["code"]) == (502, "bad_reply")
    assert spent(house) > 0, "three answers were paid for"
    assert house.post(PROMPT, {"details": " "}).status_code == 422
    house.sim.faults.always = TextFault(kind=TextFaultKind.STATUS, status=503, retry_after_ms=1)
    assert house.post(PROMPT, {"details": "Book a table."}).status_code == 503


def test_a_single_task_once_for_a_key(house: House) -> None:
    body = {"number": NUMBER, "objective": "Book a table.", "agent_instructions": "Be brief."}
    first = house.post(TASK, body, **{"idempotency-key": "k"})
    again = house.post(TASK, body, **{"idempotency-key": "k"})
    assert (first.status_code, again.status_code) == (201, 200), first.text
    assert first.json() == again.json()
    other = house.post(TASK, body | {"objective": "Something else."}, **{"idempotency-key": "k"})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    else_ = house.post(TASK, body | {"number": "+15551000124"}, **{"idempotency-key": "k"})
    assert else_.status_code == 409, "somebody else is not called by the task of the first"
    assert house.post(TASK, body).status_code == 201
    assert len(house.ask(tasks.list_tasks)) == 2
    assert house.ask(consents.of_callee, NUMBER, "service") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"number": "12"}, "cannot be planned"),
        ({"objective": " "}, "Say what"),
        ({"opening_line": "Hello, this is Ann."}, "automated"),
        ({"latest": "2020-01-01T00:00", "zone": "UTC"}, "past already"),
    ],
)
def test_a_single_task_is_checked_as_plans_are(house: House, change: dict[str, str], said: str) -> None:
    answer = house.post(TASK, {"number": NUMBER, "objective": "Book a table."} | change)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert house.ask(tasks.list_tasks) == []
