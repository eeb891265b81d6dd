"""What programs make and remove: agents and their versions, lists as they are sent, contacts that are erased."""

from typing import Any

import msgspec
import pytest

from app.domain.agent import Agent
from app.domain.agent_file import KEYS
from app.domain.people import Role
from app.domain.recipient import Recipient
from app.store import agents, audit, contact_imports, contacts, dnd, recipients
from tests.unit.app.store_world import NOW, TENANT
from tests.unit.web.test_contacts import Console, console
from tests.unit.web.test_webhooks import by_program
from web.api.agents import AgentBody, NextVersion

__all__ = ["console"]
OPERATOR = Role.OPERATOR


def test_the_body_has_the_keys_of_a_file() -> None:
    assert set(AgentBody.__struct_fields__) == set(KEYS)
    assert set(NextVersion.__struct_fields__) == {*KEYS, "based_on"}


def test_an_agent_is_made_and_changed(console: Console) -> None:
    body = {
        "name": "By program",
        "prompt": "Ask.",
        "data_to_fill": [{"name": "day"}],
        "http_tools": [
            {"name": "look", "description": "x", "url": "https://a.example/", "headers": {"k": "${A}"}}
        ],
    }
    key = {"idempotency-key": "agent"}
    made = by_program(console, "POST", "/agents", json=body, headers=key)
    assert made.status_code == 201, made.text
    assert made.json() == by_program(console, "POST", "/agents", json=body, headers=key).json()
    told = made.json()
    assert (told["version"], told["own_functions"], told["language"]) == (1, ["look"], "en")
    path = f"/agents/{told['id']}/versions"
    following = by_program(console, "POST", path, json={"based_on": 1, "prompt": "Ask twice."})
    assert (following.status_code, following.json()["version"]) == (201, 2)
    stored: Agent = console.do(agents.get, console.db, TENANT, told["id"])
    assert (stored.prompt, stored.name, len(stored.http_tools)) == ("Ask twice.", "By program", 1)
    assert dict(stored.http_tools[0].headers) == {"k": "${A}"}, "what is not said stays as it was"
    late = by_program(console, "POST", path, json={"based_on": 1, "prompt": "Lost."})
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    deeds = {row.action for row in console.do(audit.newest, console.db, TENANT)}
    assert {"agent_created", "agent_changed"} <= deeds


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"name": "  "}, 422, "name"),
        ({"tools": ["fly"]}, 422, "tools[0]"),
        ({"language": "English"}, 422, "language"),
        ({"transfer_targets": [{"name": "A", "number": "12"}]}, 400, None),
        ({"tenant_id": "other"}, 400, None),
        ({"version": 7}, 400, None),
    ],
)
def test_an_agent_that_no_file_would_make_is_refused(
    console: Console, change: dict[str, Any], status: int, field: str | None
) -> None:
    answer = by_program(console, "POST", "/agents", json={"name": "Wrong"} | change)
    assert answer.status_code == status, answer.text
    if field:
        assert [one["field"] for one in answer.json()["errors"]] == [field]
    assert "Wrong" not in [one.name for one in console.do(agents.list_agents, console.db, TENANT)]


def test_who_may_make_agents(console: Console) -> None:
    assert by_program(console, "POST", "/agents", OPERATOR, json={"name": "N"}).status_code == 403
    assert by_program(console, "POST", "/agents/x/versions", json={"based_on": 1}).status_code == 404


def send(console: Console, query: str, content: bytes, **headers: str) -> Any:
    shown = {"content-type": "text/csv"} | {name.replace("_", "-"): text for name, text in headers.items()}
    return by_program(console, "POST", f"/imports?{query}", content=content, headers=shown)


def test_a_list_is_sent_read_and_brought_in(console: Console) -> None:
    content = "Rufname;Fon\n" + "".join(f"Sent {n};+1202555{n:04d}\n" for n in range(300, 330))
    key = {"idempotency_key": "l1"}
    query = "name=l.csv&column=Rufname%3Dname&column=Fon%3Dnumber"
    first = send(console, query, content.encode(), **key)
    assert first.status_code == 202, first.text
    again = send(console, query, content.encode(), **key)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()
    other = send(console, query, b"Rufname;Fon\nX;+12025550301\n", **key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    import_id = first.json()["id"]
    console.waited(f"/contacts/import/{import_id}")
    assert by_program(console, "GET", f"/imports/{import_id}").json()["ready"] == 30
    by_program(console, "POST", f"/imports/{import_id}", json={"do": "bring"})
    console.waited(f"/contacts/import/{import_id}")
    assert len(by_program(console, "GET", "/contacts?q=sent&limit=100").json()["items"]) == 30
    rows = console.do(contact_imports.newest, console.db, TENANT)
    assert not [one for one in rows if one.state == "receiving"], "what was sent twice is thrown away"
    pieces = console.do(console.db.fetch, "SELECT count(*) FROM contact_import_pieces")
    assert pieces == [(0,)]


def test_a_do_not_call_list_is_sent(console: Console) -> None:
    sent = send(console, "target=do_not_call&reason=by+mail", b"number\n+12025550391\n+12025550392\n")
    import_id = sent.json()["id"]
    console.waited(f"/contacts/import/{import_id}")
    by_program(console, "POST", f"/imports/{import_id}", json={"do": "bring"})
    console.waited(f"/contacts/import/{import_id}")
    listed = {one["number"] for one in by_program(console, "GET", "/dnc?limit=200").json()["items"]}
    assert {"+12025550391", "+12025550392"} <= listed


@pytest.mark.parametrize(
    ("query", "content", "status"),
    [
        ("", b"", 422),
        ("name=x.pdf", b"%PDF-1.7 words", 422),
        ("purpose=nonsense", b"number\n+12025550391\n", 422),
        ("column=Phone", b"number\n+12025550391\n", 422),
        ("target=everything", b"number\n+12025550391\n", 400),
    ],
)
def test_what_is_no_list_is_refused_and_nothing_stays(
    console: Console, query: str, content: bytes, status: int
) -> None:
    answer = send(console, query, content)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert console.do(console.db.fetch, "SELECT count(*) FROM contact_import_pieces") == [(0,)]


def test_a_contact_is_erased_and_its_do_not_call_entry_stays(console: Console) -> None:
    number = "+12025550399"
    sent = send(console, "", f"Name;Phone\nErased Person;{number}\n".encode())
    path = f"/contacts/import/{sent.json()['id']}"
    console.waited(path)
    by_program(console, "POST", f"/imports/{sent.json()['id']}", json={"do": "bring"})
    console.waited(path)
    known = Recipient(
        tenant_id=TENANT, number=number, name="Erased Person", language="en", preferences="tea", updated_ms=NOW
    )
    console.do(recipients.put, console.db, known)
    by_program(console, "POST", "/dnc", json={"number": number, "reason": "asked"})
    (one,) = console.do(contacts.find_by_name, console.db, TENANT, "Erased Person")
    assert by_program(console, "DELETE", f"/contacts/{one.id}", Role.VIEWER).status_code == 403
    assert by_program(console, "DELETE", f"/contacts/{one.id}").status_code == 204
    assert by_program(console, "DELETE", f"/contacts/{one.id}").status_code == 404
    for table in ("contacts", "contact_words", "contact_import_rows", "recipients"):
        rows = msgspec.json.encode([list(row) for row in console.do(console.db.fetch, f"SELECT * FROM {table}")])
        assert b"rased" not in rows, f"words of the person are in {table}"
        assert number.encode() not in rows, f"the number is in {table}"
    assert console.do(dnd.own_entry, console.db, TENANT, number).reason == "asked"
