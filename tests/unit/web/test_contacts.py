"""Contacts, imports and do-not-call lists over HTTP: a list from the upload to contacts, and who may what."""

import asyncio
import html
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.contacts.contact import Contact
from app.domain.number import mask_number
from app.domain.people import Role
from app.store import audit, contacts, dnd, legal_holds, tasks
from app.store.legal_holds import LegalHold
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.store_world import NOW, TENANT, add_agent, new_task
from web.app import create_app

HOST = "http://127.0.0.1:8000"
ORIGIN = {"origin": HOST}
HOSTILE = "<script>alert(1)</script>\"'{{ 7*7 }}"
ANN = Contact(
    id="c" * 32, tenant_id=TENANT, number="+12025550123", name="Ann Lee", company="", zone="", language="",
    kind="person", region="", variables="{}", import_id=None, created_ms=0, updated_ms=0,
)  # fmt: skip
LIST = f"Name;Phone;Color\nAnn Lee;+1 202 555 0123;blue\n{HOSTILE};12;=1+1\nBob;+12025550124;\n"


class Console:
    def __init__(self, client: TestClient[Litestar], db: SqliteDatabase, cookies: dict[Role, str]) -> None:
        self.client, self.db, self.cookies = client, db, cookies

    def do(self, function: Any, *arguments: object) -> Any:
        return self.client.blocking_portal.call(function, *arguments)

    def ask(self, method: str, path: str, role: Role = Role.MANAGER, **more: Any) -> Any:
        self.client.cookies.clear()
        self.client.cookies.set("opendeep", self.cookies[role])
        headers = more.pop("headers", {}) | ({} if method == "GET" else ORIGIN)
        return self.client.request(method, path, headers=headers, follow_redirects=False, **more)

    def send(self, body: str | bytes, name: str = "people.csv", **form: str) -> str:
        data = body if isinstance(body, bytes) else body.encode()
        answer = self.ask("POST", "/contacts/import", files={"file": (name, data)}, data=form)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def waited(self, path: str) -> dict[str, Any]:
        """Until nothing runs any more."""
        end = time.monotonic() + 60
        while (now := self.ask("GET", f"{path}/progress").json())["running"]:
            assert time.monotonic() < end, now
        return now

    def ann(self) -> Contact:
        """Ann Lee, who is there as soon as somebody asks."""
        if not (found := self.do(contacts.find_by_name, self.db, TENANT, "ann lee")):
            self.do(self._put, ANN)
            return ANN
        return found[0]

    async def _put(self, contact: Contact) -> None:
        async with self.db.tx() as tx:
            await contacts.put_many(tx, [contact])


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    db = SqliteDatabase(fresh_sqlite(tmp_path_factory.mktemp("contacts") / "test.db"))
    settings = Settings.model_validate({"ari_app": "x", "allowed_countries": "US", "default_region": "US"})

    async def prepare() -> dict[Role, str]:
        await db.open()
        await add_agent(db)
        return {role: await session(db, role) for role in Role}

    cookies = asyncio.run(prepare())
    try:
        with TestClient(create_app(settings, db, MemoryBus(), SystemClock(), QUICK), base_url=HOST) as client:
            yield Console(client, db, cookies)
    finally:
        asyncio.run(db.close())


def test_empty_pages_teach_the_next_step(console: Console) -> None:
    assert "Import a list" in console.ask("GET", "/contacts").text
    assert "opendeep import" in console.ask("GET", "/contacts/import").text
    assert "comes here by itself" in html.unescape(console.ask("GET", "/do-not-call").text)


def test_a_list_from_the_file_to_contacts(console: Console) -> None:
    path = console.send(LIST)
    assert console.waited(path)["state"] == "review"
    page = console.ask("GET", path).text
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert "emergency or short number" in page
    assert re.search(r'<option value="number" selected>', page)
    mended = console.ask("POST", f"{path}/rows/2", data={"cell-1": "(202) 555-0155", "rows": "issue:bad_number"})
    assert (mended.status_code, mended.headers["location"]) == (303, f"{path}?rows=issue:bad_number&after=0#grid")
    skipped = console.ask("POST", f"{path}/rows/3", data={"do": "skip"})
    assert skipped.status_code == 303
    assert console.ask("POST", f"{path}/bring").status_code == 303
    assert console.waited(path)["state"] == "done"
    done = console.ask("GET", path).text
    assert f"/chat?import={path.rpartition('/')[2]}" in done
    left = console.ask("GET", f"{path}/left-out.csv")
    assert left.headers["content-disposition"].startswith("attachment")
    assert left.text.splitlines()[1:] == ["4,skipped,The row was skipped.,Bob,'+12025550124,"]
    found = console.do(contacts.search, console.db, TENANT)
    assert {one.number for one in found.contacts} == {"+12025550123", "+12025550155"}
    listed = console.ask("GET", "/contacts?q=ann").text
    assert "+12025550123" in listed
    assert "blue" in listed
    assert any(row.action == "contacts_imported" for row in console.do(audit.newest, console.db, TENANT))


def test_other_columns_are_chosen_on_the_page(console: Console) -> None:
    path = console.send("a,b\n+12025550160,+12025550170\n")
    console.waited(path)
    wrong = console.ask("POST", f"{path}/columns", data={"meaning-0": "number", "meaning-1": "number"})
    assert wrong.status_code == 422
    assert "cannot both be" in wrong.text
    right = console.ask("POST", f"{path}/columns", data={"meaning-0": "leave_out", "meaning-1": "number"})
    assert right.status_code == 303
    assert console.waited(path)["state"] == "review"
    assert console.ask("POST", f"{path}/cancel").status_code == 303
    assert console.ask("POST", f"{path}/bring").status_code == 409


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [("x.pdf", b"%PDF-1.7", "CSV or XLSX"), ("x.xls", b"\xd0\xcf\x11\xe0", "old Excel"), ("x.csv", b"", "empty")],
)
def test_what_is_no_list_is_told_on_the_page(console: Console, name: str, body: bytes, said: str) -> None:
    answer = console.ask("POST", "/contacts/import", files={"file": (name, body)})
    assert answer.status_code == 422
    assert said in answer.text
    assert console.ask("POST", "/contacts/import", data={"x": "y"}).status_code == 422


def test_numbers_are_masked_for_viewers_and_not_found_by_them(console: Console) -> None:
    console.ann()
    page = console.ask("GET", "/contacts", Role.VIEWER).text
    assert "Ann Lee" in page
    assert "+12025550123" not in page
    assert "Ann Lee" not in console.ask("GET", "/contacts?q=%2B12025550123", Role.VIEWER).text
    assert "Ann Lee" in console.ask("GET", "/contacts?q=%2B12025550123").text


def test_what_is_refused_is_told_on_the_page(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    one = console.ann()
    hold = LegalHold(
        id="a" * 32,
        tenant_id=TENANT,
        kind="recipient",
        subject=one.number,
        reason="suit",
        placed_by="x",
        since_ms=1,
    )

    async def held() -> None:
        async with console.db.tx() as tx:
            await legal_holds.place(tx, hold, NOW)

    console.do(held)
    kept = console.ask("POST", f"/contacts/{one.id}/delete")
    assert (kept.status_code, "text/html" in kept.headers["content-type"]) == (409, True)
    assert "legal hold" in kept.text
    assert 'role="alert"' in kept.text
    assert "Ann Lee" in kept.text
    console.do(console.db.execute, "DELETE FROM legal_holds")
    monkeypatch.setattr("app.store.contact_imports.AT_ONCE", 0)
    full = console.ask("POST", "/contacts/import", files={"file": ("list.csv", b"Name;Phone\nA;+12025550100\n")})
    assert (full.status_code, "text/html" in full.headers["content-type"]) == (409, True)
    assert "send this one when one of them is done" in full.text


def test_a_contact_is_deleted_and_found_no_more(console: Console) -> None:
    one = console.ann()
    assert console.ask("POST", f"/contacts/{one.id}/delete", Role.VIEWER).status_code == 403
    assert console.ask("POST", f"/contacts/{one.id}/delete").status_code == 303
    assert console.do(contacts.find_by_name, console.db, TENANT, "ann lee") == ()


def test_a_number_is_listed_at_once_and_comes_off_with_a_reason_only(console: Console) -> None:
    waiting = console.do(tasks.create, console.db, TENANT, new_task("+12025550188"), NOW)
    added = console.ask(
        "POST", "/do-not-call", Role.OPERATOR, data={"number": "(202) 555-0188", "reason": HOSTILE}
    )
    assert (added.status_code, added.headers["location"]) == (303, "/do-not-call?stopped=1")
    told = console.ask("GET", added.headers["location"], Role.OPERATOR).text
    assert "taken off the queue: 1" in told
    assert HOSTILE not in told
    assert not any("script" in row.detail for row in console.do(audit.newest, console.db, TENANT))
    assert console.do(tasks.get, console.db, TENANT, waiting.id).state == "suppressed"
    (entry,) = [one for one in console.do(dnd.page, console.db, TENANT) if one.number == "+12025550188"]
    path = f"/do-not-call/{entry.id}/remove"
    assert console.ask("POST", path, Role.OPERATOR, data={"reason": "x"}).status_code == 403
    refused = console.ask("POST", path, data={"reason": "  "})
    assert (refused.status_code, "<details open>" in refused.text) == (422, True)
    assert re.search(rf'id="reason-{entry.id}"[^>]*value="  "', refused.text)
    assert console.do(dnd.is_listed, console.db, TENANT, ["+12025550188"])
    assert console.ask("POST", path, data={"reason": "a mistake"}).status_code == 303
    assert not console.do(dnd.is_listed, console.db, TENANT, ["+12025550188"])
    (row,) = [row for row in console.do(audit.newest, console.db, TENANT) if row.action == "dnc_removed"]
    assert "a mistake" in row.detail
    assert ("+12025550188" in row.detail, mask_number("+12025550188") in row.detail) == (False, True)


def test_what_was_said_of_a_number_is_masked_for_those_who_may_not_see_it(console: Console) -> None:
    async def add() -> None:
        async with console.db.tx() as tx:
            entry = dnd.DoNotCall(
                id="f" * 32, tenant_id=TENANT, number="+12025550134", reason="not +12025550177", source="callee"
            )
            await dnd.add(tx, entry, NOW)

    console.do(add)
    for path in ("/do-not-call", "/api/v1/dnc"):
        assert "+12025550177" in console.ask("GET", path, Role.OPERATOR).text
        seen = console.ask("GET", path, Role.VIEWER).text
        assert mask_number("+12025550177") in seen
        assert "+12025550177" not in seen


def test_the_list_of_everybody_is_read_only(console: Console) -> None:
    async def add() -> None:
        async with console.db.tx() as tx:
            entry = dnd.DoNotCall(
                id="e" * 32, tenant_id=None, number="+12025550133", reason="twice", source="import"
            )
            await dnd.add(tx, entry, NOW)

    console.do(add)
    page = console.ask("GET", "/do-not-call?of=everybody").text
    assert "+12025550133" in page
    assert "/remove" not in page
    assert console.ask("POST", f"/do-not-call/{'e' * 32}/remove", data={"reason": "x"}).status_code == 404
    assert "+12025550133" not in console.ask("GET", "/do-not-call").text


@pytest.mark.parametrize("number", ["", "nonsense", "12", "+1", "+1 650 253 00000"])
def test_what_is_no_number_is_told(console: Console, number: str) -> None:
    answer = console.ask("POST", "/do-not-call", data={"number": number, "reason": '"asked"'})
    assert answer.status_code == 422
    assert "notice" in answer.text
    assert f'value="{number}"' in answer.text
    assert 'id="why" name="reason" required maxlength="500" value="&#34;asked&#34;"' in answer.text


def test_a_do_not_call_list_is_imported(console: Console) -> None:
    path = console.send("Phone\n+19005550123\n", target="do_not_call", reason="regulator")
    console.waited(path)
    console.ask("POST", f"{path}/bring")
    assert console.waited(path)["state"] == "done"
    assert "regulator" in console.ask("GET", "/do-not-call?q=%2B1900").text
