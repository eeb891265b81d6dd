"""The pages "Tasks" and "Calendar" over HTTP and websocket: filters in the address, the lane, changes, masks."""

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
from app.domain.calling_week import HOURS, HourCount, week_hours
from app.domain.people import Role
from app.domain.task import CallTask, TaskState
from app.ids import new_id
from app.store import answer_hours, audit, campaigns, leases, tasks
from app.store.campaigns import NewCampaign
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.store_world import TENANT, add_agent, begun_call, new_task
from web.app import create_app
from web.calendar.heat import heat
from web.task_pages.view import read_filter

HOST = "http://127.0.0.1:8000"
ORIGIN = {"origin": HOST}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}"
HOUR_MS = 3_600_000
NUMBER = "+12025550147"


class Desk:
    """The application with a few tasks, and a cookie for each role."""

    def __init__(self, client: TestClient[Litestar], db: SqliteDatabase, bus: MemoryBus) -> None:
        self.client, self.db, self.bus = client, db, bus
        self.cookies: dict[Role, str] = {}

    def do(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return self.client.blocking_portal.call(lambda: function(*arguments, **named))

    def get(self, path: str, role: Role = Role.OPERATOR) -> Any:
        self.client.cookies.set("opendeep", self.cookies[role])
        return self.client.get(path)

    def change(self, task: CallTask, role: Role = Role.OPERATOR, **form: str) -> Any:
        self.client.cookies.set("opendeep", self.cookies[role])
        return self.client.post(f"/tasks/{task.id}", data=form, headers=ORIGIN, follow_redirects=False)

    def add(self, number: str = NUMBER, **fields: Any) -> CallTask:
        now_ms = SystemClock().unix_ms()
        new = new_task(number, **{"id": new_id(now_ms), "next_action_time": now_ms + 3 * HOUR_MS, **fields})
        return self.do(tasks.create, self.db, TENANT, new, now_ms)

    def now(self, task: CallTask) -> CallTask:
        return self.do(tasks.get, self.db, TENANT, task.id)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    db, bus = SqliteDatabase(fresh_sqlite(tmp_path / "test.db")), MemoryBus()

    async def prepare() -> dict[Role, str]:
        await db.open()
        await add_agent(db)
        return {role: await session(db, role) for role in (Role.OPERATOR, Role.VIEWER)}

    cookies = asyncio.run(prepare())
    settings = Settings.model_validate({"simulate": True, "ari_app": "x"})
    try:
        with TestClient(create_app(settings, db, bus, SystemClock(), QUICK), base_url=HOST) as client:
            made = Desk(client, db, bus)
            made.cookies = cookies
            yield made
    finally:
        asyncio.run(db.close())


def shown(page: str) -> list[str]:
    return re.findall(r'<tr data-task="(\w+)"', page)


def test_an_empty_list_teaches_how_tasks_come_to_be(desk: Desk) -> None:
    page = desk.get("/tasks").text
    assert "There are no tasks yet." in page
    assert "opendeep call" in page
    assert "No task fits this filter." in desk.get("/tasks?state=failed").text


def test_the_address_is_the_filter(desk: Desk) -> None:
    other = desk.add("+12025550190", callee_name="Luigi")
    task = desk.add(callee_name="Ada")
    assert shown(desk.get("/tasks").text) == [task.id, other.id]
    for query, ids in (
        ("q=0190", [other.id]),
        ("q=%2B1+202+555+0147", [task.id]),
        ("q=lui", [other.id]),
        ("due=day&state=open", [task.id, other.id]),
        ("due=later", []),
        ("state=settled", []),
        ("state=nonsense&campaign=x&due=y", [task.id, other.id]),
    ):
        page = desk.get(f"/tasks?{query}")
        assert page.status_code == 200
        assert sorted(shown(page.text)) == sorted(ids), query
    page = desk.get("/tasks?q=12&state=open").text
    assert "at least the last 4 digits" in page
    assert '<option value="open" selected>' in page


def test_campaigns_are_offered_and_pages_follow_each_other(desk: Desk) -> None:
    async def batch() -> str:
        now_ms = SystemClock().unix_ms()
        new = NewCampaign(id=new_id(now_ms), name="Recall <b>")
        many = [new_task(id=new_id(now_ms + at)) for at in range(120)]
        async with desk.db.tx() as tx:
            await campaigns.create(tx, TENANT, new, many, now_ms)
        return new.id

    campaign = desk.do(batch)
    path, seen = f"/tasks?campaign={campaign}", []
    for _ in range(3):
        page = desk.get(path).text
        assert "Recall &lt;b&gt;" in page
        seen += shown(page)
        following = re.search(r'<a href="([^"]+)" rel="next"', page)
        path = html.unescape(following[1]) if following else ""
    assert not path
    assert len(seen) == len(set(seen)) == 120


def test_numbers_are_masked_for_whoever_may_not_see_them(desk: Desk) -> None:
    task = desk.add()
    for path in ("/tasks", f"/tasks/{task.id}"):
        assert NUMBER in desk.get(path).text
        masked = desk.get(path, Role.VIEWER).text
        assert NUMBER not in masked
        assert "0147" in masked
    full = read_filter("", "", "", NUMBER, full_numbers=True)
    assert (full.asked.digits, read_filter("", "", "", NUMBER, full_numbers=False).asked.digits) == (
        NUMBER[1:],
        "0147",
    ), "nobody finds out by searching what he may not see"


def test_numbers_in_texts_are_masked_too(desk: Desk) -> None:
    task = desk.add(callee_name="Ann +12025550171", objective="Ask about +12025550172")
    desk.do(desk.db.execute, "UPDATE tasks SET overall_conclusion = 'Call +1 202 555 0173.'")
    soon = re.search(r'id="hold-at"[^>]*value="([^"]+)"', desk.get(f"/tasks/{task.id}").text)
    assert soon
    held = desk.change(task, change="hold", at=soon[1], reason="until +12025550174 is asked")
    assert held.status_code == 303
    numbers = ("+12025550171", "+12025550172", "+1 202 555 0173", "+12025550174")
    paths = (("/tasks", 3), (f"/tasks/{task.id}", 4), (f"/api/v1/tasks/{task.id}/why", 1))
    for path, told in paths:
        whole, masked = desk.get(path).text, desk.get(path, Role.VIEWER).text
        assert sum(number in whole for number in numbers) == told
        assert not [number for number in numbers if number in masked]
        assert "0172" in masked or "0174" in masked


def test_a_page_says_why_nobody_is_called_and_what_happened(desk: Desk) -> None:
    task = desk.add(callee_name="Ada", objective="Move the check-up")
    page = desk.get(f"/tasks/{task.id}").text
    assert "Why is this not being called now?" in page
    assert "planned for later" in page
    assert 'data-kind="created"' in page
    assert 'data-kind="next"' in page
    assert desk.get(f"/tasks/{new_id(1)}").status_code == 404
    assert desk.get("/tasks/x").status_code == 404


def test_people_change_a_task_and_it_is_written_down(desk: Desk) -> None:
    task = desk.add()
    assert desk.change(task, change="set_priority", priority="80").status_code == 303
    assert desk.now(task).priority == 80
    held = desk.change(task, change="hold", at="2099-01-01T10:00", reason="x")
    assert (held.status_code, "more than a year" in held.text) == (422, True)
    assert re.search(r'id="hold-at"[^>]*value="2099-01-01T10:00" data-typed', held.text), "as it was sent"
    assert re.search(r'id="hold-why"[^>]*value="x"', held.text)
    assert re.search(r'id="cancel-why"[^>]*value=""', held.text)
    soon = re.search(r'id="hold-at"[^>]*value="([^"]+)"', desk.get(f"/tasks/{task.id}").text)
    assert soon is not None
    assert desk.change(task, change="hold", at=soon[1], reason="  ").status_code == 422
    assert desk.change(task, change="hold", at=soon[1], reason=HOSTILE).status_code == 303
    page = desk.get(f"/tasks/{task.id}").text
    assert "<script>alert" not in page
    assert "The task is on hold until" in page
    assert "operator of default" in page, "who did it"
    assert desk.change(task, change="release").status_code == 303
    assert desk.now(task).next_action_time == task.next_action_time
    assert desk.change(task, change="cancel", reason="sold").status_code == 303
    assert desk.now(task).state is TaskState.CANCELLED
    late = desk.change(task, change="set_priority", priority="1")
    assert (late.status_code, "settled" in late.text) == (409, True)
    rows = [row for row in desk.do(audit.newest, desk.db, TENANT) if row.action.startswith("task_")]
    assert [row.action for row in rows] == ["task_cancel", "task_release", "task_hold", "task_set_priority"]
    assert {row.object for row in rows} == {f"task:{task.id}"}
    assert desk.do(audit.verify, desk.db, TENANT)[1] is None


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"change": "delete"},
        {"change": "set_priority", "priority": "9x"},
        {"change": "set_priority", "priority": "٣"},
        {"change": "hold", "at": "now", "reason": "x"},
        {"change": "reschedule", "at": "2001-01-01T10:00"},
        {"change": "release"},
    ],
)
def test_what_makes_no_sense_is_refused_on_the_page(desk: Desk, form: dict[str, str]) -> None:
    task = desk.add()
    answer = desk.change(task, **form)
    assert answer.status_code in {409, 422}
    assert 'role="alert"' in answer.text
    assert desk.now(task) == task


def test_a_viewer_has_no_buttons_and_changes_nothing(desk: Desk) -> None:
    task = desk.add()
    assert 'id="actions"' not in desk.get(f"/tasks/{task.id}", Role.VIEWER).text
    assert desk.change(task, Role.VIEWER, change="cancel").status_code == 403
    assert desk.now(task) == task


def test_a_task_in_a_call_is_left_alone(desk: Desk) -> None:
    task = desk.add(next_action_time=SystemClock().unix_ms() - 1)

    async def call() -> None:
        now_ms = SystemClock().unix_ms()
        (claimed,) = await leases.claim_due(desk.db, now_ms, "me", 60_000, 1)
        await begun_call(desk.db, claimed, now_ms)

    desk.do(call)
    page = desk.get(f"/tasks/{task.id}").text
    assert "can be changed again when its call" in page
    assert "/?call=" in page
    before = desk.now(task)
    assert desk.change(task, change="cancel").status_code == 409
    assert desk.now(task) == before


def test_hostile_words_come_out_as_text(desk: Desk) -> None:
    task = desk.add(callee_name=HOSTILE, objective=HOSTILE)
    for path in ("/tasks", f"/tasks/{task.id}", f"/tasks?q={HOSTILE}&after={HOSTILE}"):
        page = desk.get(path).text
        assert "<script>alert" not in page
        assert "onerror=alert(2)>" not in page.replace("onerror=alert(2)&gt;", "")


def test_open_pages_are_told_to_read_again(desk: Desk) -> None:
    task = desk.add()
    desk.client.cookies.set("opendeep", desk.cookies[Role.OPERATOR])
    with desk.client.websocket_connect("/live", headers=ORIGIN) as socket:
        socket.receive_text(timeout=5)
        assert desk.change(task, change="set_priority", priority="9").status_code == 303
        frames = (msgspec.json.decode(socket.receive_text(timeout=5)) for _ in range(10))
        assert any("tasks" in frame["changed"] for frame in frames)


# --- the calendar ------------------------------------------------------------------------------------------------
def test_the_calendar_is_drawn_and_told_as_a_table(desk: Desk) -> None:
    assert "No call has rung in these weeks." in desk.get("/calendar").text

    async def ring() -> None:
        async with desk.db.tx() as tx:
            for at in range(8):
                await answer_hours.note(
                    tx,
                    TENANT,
                    NUMBER,
                    "",
                    rung_ms=SystemClock().unix_ms(),
                    answered=at < 6,
                    answered_by="human" if at < 4 else "machine",
                )

    desk.do(ring)
    page = desk.get("/calendar?country=%3Cb%3E&purpose=nonsense").text
    assert "50%" in page
    assert page.count("50 % of 8 reached a person; open") == 2, "in the drawing and in the table"
    assert "Best allowed hour so far" in page
    assert "style=" not in page


def test_squares_say_closed_hours_and_few_calls() -> None:
    counts = [HourCount(rung=2, answered=2, people=2), *[HourCount()] * (HOURS - 1)]
    drawn = heat(week_hours(counts, {"mon": ((30, 1440),), "tue": ()}))
    first, tuesday = drawn.squares[0], drawn.squares[24]
    assert (first.text, first.closed_height, first.told) == (
        "(100%)",
        10,
        "Monday 00:00: 100 % of 2 reached a person; open for 30 min",
    )
    assert (tuesday.closed_height, tuesday.told, tuesday.shade) == (20, "Tuesday 00:00: no calls; closed", 0)
    assert drawn.best == ""
    assert len({(one.x, one.y) for one in drawn.squares}) == 168
