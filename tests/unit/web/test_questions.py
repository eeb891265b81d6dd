"""The inbox of questions over HTTP and websocket: who answers first, hostile words, who is woken."""

import asyncio
import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.call import Call
from app.domain.feedback import WAYS, FeedbackRequest, FeedbackState
from app.domain.messages import FeedbackChanged, Message, Resync
from app.domain.number import mask_number
from app.domain.people import Role
from app.domain.retry import Conclusion
from app.domain.task import TaskEvent, TaskState
from app.store import attempts, audit, calls, feedback, leases, tasks
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.store_world import NOW, TENANT, add_agent, ask_people, begun_call, claimed_task, ended
from web.app import create_app

HOST = "http://127.0.0.1:8000"
ORIGIN = {"origin": HOST}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}"


class Inbox:
    """The application with one living call, seen by an operator."""

    def __init__(self, client: TestClient[Litestar], db: SqliteDatabase, bus: MemoryBus, call: Call) -> None:
        self.client, self.db, self.bus, self.call = client, db, bus, call

    def do(self, function: Callable[..., Any], *arguments: object) -> Any:
        return self.client.blocking_portal.call(function, *arguments)

    def ask(self, question: str = "Tuesday?", *suggestions: str) -> FeedbackRequest:
        return self.do(ask_people, self.db, self.call, question, *suggestions)

    def answer(self, one: FeedbackRequest, text: str) -> Any:
        return self.client.post(
            f"/questions/{one.id}", data={"answer": text}, headers=ORIGIN, follow_redirects=False
        )

    def stored(self, one: FeedbackRequest) -> FeedbackRequest:
        return self.do(feedback.get, self.db, TENANT, one.id)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    db, bus = SqliteDatabase(fresh_sqlite(tmp_path / "test.db")), MemoryBus()

    async def prepare() -> tuple[str, Call]:
        await db.open()
        await add_agent(db)
        cookie = await session(db, Role.OPERATOR)
        return cookie, await begun_call(db, await claimed_task(db, callee_name="Luigi"))

    cookie, call = asyncio.run(prepare())
    settings = Settings.model_validate({"simulate": True, "ari_app": "x"})
    try:
        with TestClient(create_app(settings, db, bus, SystemClock(), QUICK), base_url=HOST) as client:
            client.cookies.set("opendeep", cookie)
            yield Inbox(client, db, bus, call)
    finally:
        asyncio.run(db.close())


def test_an_empty_inbox_teaches_how_agents_ask(inbox: Inbox) -> None:
    page = inbox.client.get("/questions")
    assert page.status_code == 200
    assert "Nobody asks anything now." in page.text
    assert "request_user_feedback" in page.text


def test_a_question_is_answered_once_and_written_down(inbox: Inbox) -> None:
    one = inbox.ask("May I offer Tuesday?", "Yes", "No")
    page = inbox.client.get("/questions").text
    assert "May I offer Tuesday?" in page
    assert "Luigi" in page
    assert inbox.call.number_requested not in page, "numbers are masked"
    first = inbox.answer(one, "Yes")
    assert (first.status_code, first.headers["location"]) == (303, "/questions")
    second = inbox.answer(one, "No")
    assert second.status_code == 409
    assert "answered already" in second.text
    assert "What you wrote: <bdi>No</bdi>" in second.text, "their words are not lost with the question"
    kept = inbox.stored(one)
    assert (kept.state, kept.answer) == (FeedbackState.ANSWERED, "Yes")
    assert kept.answered_by is not None
    (row,) = [row for row in inbox.do(audit.newest, inbox.db, TENANT) if row.action == "question_answered"]
    assert (row.object, "Yes" in row.detail) == (f"question:{one.id}", False)
    assert inbox.client.get("/api/v1/feedback").json()["items"] == []


def test_a_refused_answer_comes_back_in_its_form(inbox: Inbox) -> None:
    one, other = inbox.ask("Tuesday?"), inbox.ask("Wednesday?")
    page = inbox.answer(one, "  ").text
    assert re.search(rf'id="answer-{one.id}"[^>]*\svalue="  "', page)
    assert re.search(rf'id="answer-{other.id}"[^>]*\svalue=""', page)


@pytest.mark.parametrize("text", ["", "   ", "x" * 2_001])
def test_an_answer_without_words_or_too_long_is_told_on_the_page(inbox: Inbox, text: str) -> None:
    one = inbox.ask()
    assert inbox.answer(one, text).status_code in {400, 422}
    assert inbox.stored(one).state is FeedbackState.OPEN


def test_programs_answer_as_json(inbox: Inbox) -> None:
    one = inbox.ask("Tuesday?", "Yes")
    (told,) = inbox.client.get("/api/v1/feedback").json()["items"]
    assert (told["question"], told["suggestions"], told["parked"]) == ("Tuesday?", ["Yes"], False)
    path = f"/api/v1/feedback/{one.id}/answer"
    assert inbox.client.post(path, json={"answer": "Wednesday"}, headers=ORIGIN).json()["answer"] == "Wednesday"
    assert inbox.client.post(path, json={"answer": "x"}, headers=ORIGIN).status_code == 409
    unknown = inbox.client.post("/api/v1/feedback/nothing/answer", json={"answer": "x"}, headers=ORIGIN)
    assert unknown.status_code == 404


def test_whoever_waits_for_the_answer_is_woken(inbox: Inbox) -> None:
    one = inbox.ask()

    async def listen() -> list[Message | Resync]:
        with inbox.bus.subscribe("feedback") as messages:
            heard.set()
            return [await anext(messages)]

    heard = asyncio.Event()
    listening = inbox.client.blocking_portal.start_task_soon(listen)
    inbox.do(heard.wait)
    inbox.answer(one, "Yes")
    assert listening.result(5) == [FeedbackChanged(tenant_id=TENANT, request_id=one.id)]


def test_a_parked_task_waits_in_the_inbox_and_is_due_once_it_is_answered(inbox: Inbox) -> None:
    one = inbox.ask("Tuesday?")

    async def park() -> None:
        async with inbox.db.tx() as tx:
            over = ended(inbox.call, "completed", ended_ms=SystemClock().unix_ms() - 1_000)
            task = await attempts.finish_call(tx, TENANT, over, NOW)
            conclusion = await feedback.unanswered(tx, task, await calls.get(tx, TENANT, inbox.call.id), NOW)
            assert conclusion is not None
            (task,) = await leases.claim_analysis(tx, NOW + 60_000, "x", 30_000, 1)
            await tasks.conclude(tx, TENANT, task.id, task.lease_token, conclusion, now_ms=NOW)

    inbox.do(park)
    assert inbox.do(tasks.get, inbox.db, TENANT, inbox.call.task_id).state is TaskState.WAITING_USER
    assert [told["parked"] for told in inbox.client.get("/api/v1/feedback").json()["items"]] == [True]
    assert inbox.answer(one, "Tuesday at ten").status_code == 303
    again = inbox.do(tasks.get, inbox.db, TENANT, inbox.call.task_id)
    assert again.state is TaskState.PENDING
    assert "Tuesday at ten" in again.overall_conclusion
    assert inbox.client.get("/api/v1/feedback").json()["items"] == []


def test_who_decides_how_a_task_goes_on_is_written_down(inbox: Inbox) -> None:
    async def judged() -> None:
        async with inbox.db.tx() as tx:
            await attempts.finish_call(tx, TENANT, ended(inbox.call, "completed", answered_ms=NOW), NOW)
            (task,) = await leases.claim_analysis(tx, NOW + 60_000, "x", 30_000, 1)
            await feedback.ask_way(tx, task, inbox.call.id, "Is the number right?", NOW)
            asks = Conclusion(event=TaskEvent.ASK_USER, reason="Is the number right?")
            await tasks.conclude(tx, TENANT, task.id, task.lease_token, asks, now_ms=NOW)

    inbox.do(judged)
    (told,) = inbox.client.get("/api/v1/feedback").json()["items"]
    assert (told["question"], told["suggestions"], told["parked"]) == ("Is the number right?", list(WAYS), True)
    assert "Give up" in inbox.client.get("/questions").text
    path = f"/api/v1/feedback/{told['id']}/answer"
    assert inbox.client.post(path, json={"answer": "Give up"}, headers=ORIGIN).status_code == 200
    assert inbox.do(tasks.get, inbox.db, TENANT, inbox.call.task_id).state is TaskState.FAILED
    (row,) = [row for row in inbox.do(audit.newest, inbox.db, TENANT) if row.action == "question_answered"]
    assert msgspec.json.decode(row.detail)["decided"] == "Give up"
    assert inbox.client.get("/api/v1/feedback").json()["items"] == []


def test_hostile_words_come_out_as_text(inbox: Inbox) -> None:
    inbox.ask(HOSTILE, HOSTILE)
    page = inbox.client.get("/questions").text
    assert HOSTILE not in page
    assert page.count(html.escape(HOSTILE, quote=False).split("&gt;")[0]) >= 2
    assert page.count("<script") == page.count("<script src=") + page.count('<script type="module" src=')


def test_open_pages_see_a_question_come_and_go(inbox: Inbox) -> None:
    with inbox.client.websocket_connect("/live", headers=ORIGIN) as socket:
        snapshot = msgspec.json.decode(socket.receive_text(timeout=5))
        assert snapshot["questions"] == []
        one = inbox.ask("Tuesday?", "Yes")
        inbox.do(inbox.bus.publish, "feedback", FeedbackChanged(tenant_id=TENANT, request_id=one.id))
        assert [told["id"] for told in _questions(socket)] == [one.id]
        inbox.answer(one, "Yes")
        assert _questions(socket) == []


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.VIEWER])
def test_open_pages_tell_numbers_to_those_who_may_see_them(inbox: Inbox, role: Role) -> None:
    inbox.client.cookies.set("opendeep", inbox.do(session, inbox.db, role))
    number = "+4915123456789"
    seen = number if role is Role.OPERATOR else mask_number(number)
    with inbox.client.websocket_connect("/live", headers=ORIGIN) as socket:
        socket.receive_text(timeout=5)
        one = inbox.ask(f"They give {number}. Right?", f"call {number}")
        inbox.do(inbox.bus.publish, "feedback", FeedbackChanged(tenant_id=TENANT, request_id=one.id))
        (in_frame,) = _questions(socket)
    with inbox.client.websocket_connect("/live", headers=ORIGIN) as socket:
        (in_snapshot,) = msgspec.json.decode(socket.receive_text(timeout=5))["questions"]
    for shown in (in_frame, in_snapshot):
        for text in (shown["question"], *shown["suggestions"]):
            assert seen in text
            assert (number in text) is (role is Role.OPERATOR)


def _questions(socket: Any) -> list[dict[str, Any]]:
    for _ in range(30):
        frame = msgspec.json.decode(socket.receive_text(timeout=5))
        if frame["questions"] is not None:
            return frame["questions"]
    raise AssertionError("the frame never came")
