"""The page "Decisions" and `opendeep decisions`: shown with reasons, undone once, hostile words as text."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from litestar import Litestar
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.cli.decisions import decisions_command
from app.clock import SystemClock
from app.config import Settings
from app.domain.lifecycle.judge import judge
from app.domain.lifecycle.model import Action, OpenTask
from app.domain.people import Role
from app.domain.task import CallTask, TaskState
from app.ids import new_id
from app.store import audit, inbox, lifecycle, lifecycle_turns, tasks
from app.store.lifecycle import Asked
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.lifecycle_world import HOUR_MS, REACH, wants
from tests.unit.app.store_world import NUMBER, TENANT, add_agent, new_task
from web.app import create_app

HOST = "http://127.0.0.1:8000"
ORIGIN = {"origin": HOST}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}"
ASKED = Asked(
    model="gpt-6-luna",
    prompt_version="lifecycle-1",
    asked=1,
    input_tokens=1,
    cached_tokens=0,
    output_tokens=1,
    cost_micro_usd=1_200,
    price_table="t",
    shown=1,
    summary=HOSTILE,
)


async def decide(db: SqliteDatabase, action: Action, **changes: Any) -> CallTask:
    """A decision about a new task, as a round writes it."""
    now_ms = SystemClock().unix_ms()
    new = new_task(id=new_id(now_ms), callee_name="Ada", next_action_time=now_ms + HOUR_MS)
    task = await tasks.create(db, TENANT, new, now_ms)
    await lifecycle_turns.open_all(db, now_ms - 1)
    await db.execute("UPDATE lifecycle_turns SET next_ms = 0")
    (turn,) = await lifecycle_turns.claim_due(db, now_ms, "me", 60_000, 1)
    known = {"T1": OpenTask(task=task, reach=REACH)}
    judged = judge([wants("T1", action, **changes), wants("T7", Action.CLOSE)], known, now_ms)
    assert len(judged.grants) == 1
    ended = msgspec.structs.replace(turn, next_ms=now_ms + HOUR_MS)
    async with db.tx() as tx:
        await lifecycle.carry_out(tx, ended, ASKED, judged.grants, judged.refusals, now_ms=now_ms)
    return task


class Desk:
    """The application, and a cookie for each role."""

    def __init__(self, client: TestClient[Litestar], db: SqliteDatabase, cookies: dict[Role, str]) -> None:
        self.client, self.db, self.cookies = client, db, cookies

    def do(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return self.client.blocking_portal.call(lambda: function(*arguments, **named))

    def ask(self, method: str, path: str, role: Role = Role.OPERATOR) -> Any:
        self.client.cookies.set("opendeep", self.cookies[role])
        headers = ORIGIN if method == "POST" else {}
        return self.client.request(method, path, headers=headers, follow_redirects=False)

    def decisions(self) -> list[lifecycle.StoredDecision]:
        return self.do(lifecycle.newest, self.db, TENANT)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    db = SqliteDatabase(fresh_sqlite(tmp_path / "test.db"))

    async def prepare() -> dict[Role, str]:
        await db.open()
        await add_agent(db)
        return {role: await session(db, role) for role in (Role.OPERATOR, Role.VIEWER)}

    cookies = asyncio.run(prepare())
    settings = Settings.model_validate({"simulate": True, "ari_app": "x"})
    try:
        with TestClient(create_app(settings, db, MemoryBus(), SystemClock(), QUICK), base_url=HOST) as client:
            yield Desk(client, db, cookies)
    finally:
        asyncio.run(db.close())


def test_an_empty_page_says_what_would_come(desk: Desk) -> None:
    page = desk.ask("GET", "/decisions").text
    assert "It has decided nothing yet." in page
    assert "LIFECYCLE_USD_PER_DAY" in page


def test_a_decision_is_shown_and_undone_once(desk: Desk) -> None:
    task = desk.do(decide, desk.db, Action.SET_PRIORITY, reason=HOSTILE)
    page = desk.ask("GET", "/decisions").text
    for words in ("Priority 50 → 80", "lifecycle-1", "$0.0012", "Ada", NUMBER, "There is no task"):
        assert words in page, words
    assert "<script>alert" not in page
    assert NUMBER not in desk.ask("GET", "/decisions", Role.VIEWER).text
    (one,) = desk.decisions()
    path = f"/decisions/{one.id}/undo"
    assert desk.ask("POST", path, Role.VIEWER).status_code == 403
    assert desk.do(tasks.get, desk.db, TENANT, task.id).priority == 80
    assert desk.ask("POST", path).status_code == 303
    assert desk.do(tasks.get, desk.db, TENANT, task.id).priority == 50
    again = desk.ask("POST", path)
    assert (again.status_code, "undone already" in again.text) == (409, True)
    assert "Undone by operator of default" in desk.ask("GET", "/decisions").text
    assert desk.ask("POST", "/decisions/x/undo").status_code == 404
    (row,) = [row for row in desk.do(audit.newest, desk.db, TENANT) if row.action == "decision_undone"]
    assert row.object == f"task:{task.id}"
    lane = desk.ask("GET", f"/tasks/{task.id}").text
    assert 'data-kind="lifecycle"' in lane
    assert "Undone: Priority 50 → 80" in lane


def test_a_check_in_question_waits_in_the_inbox(desk: Desk) -> None:
    task = desk.do(decide, desk.db, Action.ASK_USER, question="Is it still wanted?")
    assert "Is it still wanted?" in desk.ask("GET", "/questions").text
    assert desk.do(tasks.get, desk.db, TENANT, task.id).state is TaskState.WAITING_USER
    (one,) = desk.decisions()
    assert desk.ask("POST", f"/decisions/{one.id}/undo").status_code == 303
    assert desk.do(inbox.page, desk.db, TENANT) == []


def test_what_cannot_be_undone_says_why_instead_of_a_button(desk: Desk) -> None:
    task = desk.do(decide, desk.db, Action.SET_PRIORITY)
    desk.do(desk.db.execute, "UPDATE tasks SET priority = 3 WHERE id = :id", {"id": task.id})
    page = desk.ask("GET", "/decisions").text
    assert "priority was changed since then" in page.replace("&#39;", "'")
    assert "/undo" not in page


def test_many_decisions_come_in_pages(desk: Desk) -> None:
    for _ in range(53):
        desk.do(decide, desk.db, Action.SET_PHASE)
    first = desk.ask("GET", "/decisions").text
    assert first.count("data-decision=") == 50
    path = first.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
    assert desk.ask("GET", path).text.count("data-decision=") == 3
    assert desk.ask("GET", "/decisions?after='; DROP").text.count("data-decision=") == 50


def test_the_command_line_lists_and_undoes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SIMULATE", "True")
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    empty = runner.invoke(decisions_command, ["--simulate"])
    assert (empty.exit_code, empty.output.strip()) == (0, "Nothing was decided yet."), empty.output
    (path,) = tmp_path.rglob("*.db")

    async def fill() -> CallTask:
        async with SqliteDatabase(path) as db:
            await add_agent(db)
            return await decide(db, Action.SET_PRIORITY)

    task = asyncio.run(fill())
    listed = runner.invoke(decisions_command, ["--simulate", "--json"])
    (one,) = msgspec.json.decode(listed.stdout.splitlines()[-1])["decisions"]
    assert (one["task_id"], one["action"]) == (task.id, "set_priority")
    assert "Priority 50 → 80" in runner.invoke(decisions_command, ["--simulate"]).output
    done = runner.invoke(decisions_command, ["--simulate", "--undo", one["id"]])
    assert done.exit_code == 0
    assert f"undone: {one['id']}" in done.output
    assert runner.invoke(decisions_command, ["--simulate", "--undo", one["id"]]).exit_code != 0
    assert runner.invoke(decisions_command, ["--simulate", "--undo", "x"]).exit_code != 0
