"""The page "Data" and `/api/v1/erasures`: days, holds, forgetting somebody, and who may what."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.people import Role
from app.erasure.runner import Eraser
from app.store import audit, dnd, erasures, legal_holds, retention, tasks
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.store_world import TENANT, add_agent, new_task
from web.app import create_app

HOST = "http://127.0.0.1:8000"
NUMBER = "+12025550147"
HOSTILE = "<script>alert(1)</script>{{ 7*7 }}"


class Console:
    def __init__(
        self, client: TestClient[Litestar], db: SqliteDatabase, cookies: dict[Role, str], settings: Settings
    ) -> None:
        self.client, self.db, self.cookies, self.settings = client, db, cookies, settings

    def do(self, function: Any, *arguments: object) -> Any:
        return self.client.blocking_portal.call(function, *arguments)

    def ask(self, method: str, path: str, role: Role = Role.MANAGER, **more: Any) -> Any:
        self.client.cookies.clear()
        self.client.cookies.set("opendeep", self.cookies[role])
        headers = ({} if method == "GET" else {"origin": HOST}) | more.pop("headers", {})
        return self.client.request(method, path, headers=headers, follow_redirects=False, **more)

    def works(self) -> None:
        """What an engine does every few seconds."""
        self.do(Eraser(self.settings, self.db, SystemClock()).look)

    def actions(self) -> list[str]:
        signing_in = ("link_made", "entered_by_link")
        rows = self.do(audit.newest, self.db, TENANT)
        return [row.action for row in rows if row.action not in signing_in]


@pytest.fixture
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    folder = tmp_path_factory.mktemp("data")
    db = SqliteDatabase(fresh_sqlite(folder / "test.db"))
    days = {"retention_talks_days": 365, "retention_chats_days": 365}
    settings = Settings(_env_file=None).model_copy(update={"data_dir": folder, **days})  # type: ignore[call-arg]
    app = create_app(settings, db, MemoryBus(), SystemClock(), QUICK)
    with TestClient(app, base_url=HOST) as client:
        client.blocking_portal.call(db.open)
        client.blocking_portal.call(add_agent, db)
        cookies = {role: client.blocking_portal.call(session, db, role) for role in Role}
        yield Console(client, db, cookies, settings)
        client.blocking_portal.call(db.close)


def test_an_empty_page_says_what_is_kept_and_what_comes_next(console: Console) -> None:
    page = console.ask("GET", "/data")
    assert page.status_code == 200
    told = (
        "Nobody was forgotten yet",
        "Nothing is held",
        "Nothing was swept yet",
        "365 days",
        "Recordings: kept,",
    )
    for text in told:
        assert text in page.text
    assert "Forget this person" not in console.ask("GET", "/data", Role.AUDITOR).text
    assert console.ask("GET", "/data", Role.OPERATOR).status_code == 403


def test_who_only_reads_changes_nothing(console: Console) -> None:
    for path in ("/data/forget", "/data/days", "/data/holds", "/data/holds/x/lift", "/api/v1/erasures"):
        for role in (Role.OPERATOR, Role.AUDITOR, Role.VIEWER):
            assert console.ask("POST", path, role, data={}).status_code == 403, path


def test_days_are_shortened_and_never_prolonged(console: Console) -> None:
    for talks in ("366", "0", "x", "-1"):
        refused = console.ask("POST", "/data/days", data={"talks": talks})
        assert (refused.status_code, "Talks" in refused.text) == (422, True), talks
    assert console.do(retention.terms, console.db, TENANT).days.talks is None
    assert console.ask("POST", "/data/days", data={"talks": "30", "chats": ""}).status_code == 303
    assert console.do(retention.terms, console.db, TENANT).days.talks == 30
    assert 'value="30"' in console.ask("GET", "/data").text
    assert console.actions() == ["retention_set"]


def test_who_types_the_number_twice_forgets_a_person(console: Console) -> None:
    waiting = console.do(tasks.create, console.db, TENANT, new_task(NUMBER, callee_name="Zyra Lee"), 1)
    wrong = console.ask("POST", "/data/forget", data={"number": NUMBER, "again": "+12025550148"})
    assert (wrong.status_code, "not the same" in wrong.text) == (422, True)
    assert console.do(tasks.get, console.db, TENANT, waiting.id).state == "pending"
    again = {"number": NUMBER, "again": "+1 (202) 555-0147"}
    assert console.ask("POST", "/data/forget", data=again).status_code == 303
    assert console.do(tasks.get, console.db, TENANT, waiting.id).state == "suppressed"
    assert "step 1 of 6" in console.ask("GET", "/data").text
    console.works()
    page = console.ask("GET", "/data").text
    assert ("✓ done" in page, NUMBER in page) == (True, False)
    assert console.do(tasks.get, console.db, TENANT, waiting.id).callee_name == ""
    assert console.do(dnd.is_listed, console.db, TENANT, [NUMBER])
    assert console.actions() == ["person_erased", "erasure_requested"]


def test_a_hold_is_placed_shown_as_text_and_lifted(console: Console) -> None:
    bad = [
        {"kind": "call", "subject": "x", "reason": "y"},
        {"kind": "recipient", "subject": NUMBER, "reason": " "},
    ]
    assert [console.ask("POST", "/data/holds", data=one).status_code for one in bad] == [404, 422]
    held = {"kind": "recipient", "subject": NUMBER, "reason": HOSTILE}
    assert console.ask("POST", "/data/holds", data=held).status_code == 303
    page = console.ask("GET", "/data")
    assert (HOSTILE in page.text, "&lt;script&gt;" in page.text) == (False, True)
    refused = console.ask("POST", "/data/forget", data={"number": NUMBER, "again": NUMBER})
    assert (refused.status_code, "legal hold" in refused.text) == (409, True)
    (hold,) = console.do(legal_holds.alive, console.db, TENANT)
    assert console.ask("POST", f"/data/holds/{hold.id}/lift").status_code == 303
    assert console.ask("POST", f"/data/holds/{hold.id}/lift").status_code == 404
    assert console.do(legal_holds.alive, console.db, TENANT) == []
    assert console.actions() == ["legal_hold_lifted", "legal_hold_placed"]
    assert HOSTILE not in "".join(row.detail for row in console.do(audit.newest, console.db, TENANT))


def test_a_program_forgets_once_per_key_and_sees_how_far_it_is(console: Console) -> None:
    key = {"idempotency-key": "k1"}
    first = console.ask("POST", "/api/v1/erasures", json={"number": NUMBER}, headers=key)
    again = console.ask("POST", "/api/v1/erasures", json={"number": NUMBER}, headers=key)
    assert (first.status_code, again.json(), again.headers["idempotent-replayed"]) == (201, first.json(), "true")
    assert NUMBER not in first.text
    console.works()
    one = console.ask("GET", f"/api/v1/erasures/{first.json()['id']}").json()
    assert (one["state"], one["step"], one["done_ms"] is not None) == ("done", "files", True)
    assert [row["id"] for row in console.ask("GET", "/api/v1/erasures").json()["items"]] == [one["id"]]
    assert console.ask("GET", f"/api/v1/erasures/{'0' * 32}").status_code == 404
    assert console.ask("POST", "/api/v1/erasures", json={"number": "12"}).status_code == 422
    assert len(console.do(erasures.newest, console.db, TENANT)) == 1
