"""The page "Webhooks", and contacts, lists and webhooks as programs see them."""

import re
from typing import Any

import pytest

from app.domain.number import mask_number
from app.domain.people import Role
from app.store import audit, contacts, outbox, webhooks
from tests.unit.app.store_world import NOW, TENANT
from tests.unit.web.test_contacts import Console, console

__all__ = ["console"]
HOSTILE = "https://hooks.example.org/<script>alert(1)</script>"


def by_program(console: Console, method: str, path: str, role: Role = Role.MANAGER, **more: Any) -> Any:
    return console.ask(method, f"/api/v1{path}", role, **more)


def test_a_webhook_on_the_page(console: Console) -> None:
    assert "No webhook yet" in console.ask("GET", "/webhooks").text
    form = {"url": "https://hooks.example.org/x", "kinds": ["call.completed", "report.ready"]}
    added = console.ask("POST", "/webhooks", data=form)
    secret = re.search(r"whsec_[\w+/=]+", added.text)
    assert secret is not None
    assert secret[0] not in console.ask("GET", "/webhooks").text, "it is shown once"
    (hook,) = console.do(webhooks.listed, console.db, TENANT)
    assert (hook.secret, hook.show_numbers, hook.wanted) == (secret[0], False, ("call.completed", "report.ready"))
    rotated = console.ask("POST", f"/webhooks/{hook.id}/rotate")
    fresh = re.search(r"whsec_[\w+/=]+", rotated.text)
    assert fresh is not None
    assert fresh[0] != secret[0]
    assert "former secret signs as well" in rotated.text
    assert console.ask("POST", f"/webhooks/{hook.id}/test").status_code == 303
    page = console.ask("GET", "/webhooks").text
    assert "webhook.test" in page
    assert "waiting" in page
    (told,) = console.do(webhooks.deliveries, console.db, TENANT)
    assert console.ask("POST", f"/webhooks/{hook.id}/messages/{told.event_id}").status_code == 303
    assert console.ask("POST", f"/webhooks/{hook.id}/disable").status_code == 303
    assert "Somebody switched it off." in console.ask("GET", "/webhooks").text
    assert console.ask("POST", f"/webhooks/{hook.id}/test").status_code == 409
    assert console.ask("POST", f"/webhooks/{hook.id}/enable").status_code == 303
    deeds = {row.action for row in console.do(audit.newest, console.db, TENANT)}
    assert {"webhook_added", "webhook_secret_changed", "webhook_tried", "webhook_disabled"} <= deeds
    assert not any(secret[0] in row.detail for row in console.do(audit.newest, console.db, TENANT))
    assert console.ask("POST", f"/webhooks/{hook.id}/remove").status_code == 303
    assert console.do(webhooks.listed, console.db, TENANT) == []


def test_pages_of_messages_miss_none_of_one_event(console: Console) -> None:
    for name in "abc":
        form = {"url": f"https://hooks.example.org/{name}", "kinds": ["report.ready"]}
        assert console.ask("POST", "/webhooks", data=form).status_code == 200

    async def tell() -> None:
        async with console.db.tx() as tx:
            for n in range(20):
                await outbox.note(tx, TENANT, "report.ready", f"s{n}", {}, now_ms=NOW + n)

    console.do(tell)
    wanted = console.do(console.db.fetch, "SELECT endpoint_id, event_id FROM webhook_deliveries")
    address, seen = "/webhooks", list[tuple[str, str]]()
    while address:
        page = console.ask("GET", address).text
        seen += re.findall(r'action="/webhooks/(\w+)/messages/(\w+)"', page)
        older = re.search(r'href="(/webhooks\?before=[^"]+)"', page)
        address = older[1] if older else ""
    assert len(seen) >= 60, "50 are on a page, so it ends within an event"
    assert sorted(seen) == sorted(wanted)
    *_, hook = console.do(webhooks.listed, console.db, TENANT)
    told, cursor = list[str](), ""
    while cursor is not None:
        answer = by_program(console, "GET", f"/webhooks/{hook.id}/messages?limit=7{cursor}").json()
        told += [one["subject"] for one in answer["items"]]
        cursor = answer["next_cursor"] and f"&cursor={answer['next_cursor']}"
    assert told == [f"s{n}" for n in reversed(range(20))]
    for one in console.do(webhooks.listed, console.db, TENANT):
        console.ask("POST", f"/webhooks/{one.id}/remove")


def test_addresses_inside_and_hostile_ones_are_refused_in_words(console: Console) -> None:
    for url in ("https://127.0.0.1/x", "http://hooks.example.org", "https://printer.local/", ""):
        answer = console.ask("POST", "/webhooks", data={"url": url, "kinds": ["call.completed"]})
        assert answer.status_code == 422
        assert 'class="notice"' in answer.text
    assert console.ask("POST", "/webhooks", data={"url": HOSTILE, "kinds": ["nonsense"]}).status_code == 422
    added = console.ask("POST", "/webhooks", data={"url": HOSTILE, "kinds": ["call.completed"]})
    assert "<script>alert" not in added.text
    for role in (Role.OPERATOR, Role.VIEWER, Role.AUDITOR):
        assert console.ask("GET", "/webhooks", role).status_code == 403
    for hook in console.do(webhooks.listed, console.db, TENANT):
        console.ask("POST", f"/webhooks/{hook.id}/remove")


def test_a_secret_is_not_kept_for_a_repetition(console: Console) -> None:
    body, key = {"url": "https://hooks.example.org/k", "kinds": ["report.ready"]}, {"idempotency-key": "k"}
    first = by_program(console, "POST", "/webhooks", json=body, headers=key).json()
    again = by_program(console, "POST", "/webhooks", json=body, headers=key)
    assert first["secret"].startswith("whsec_")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == {"webhook": first["webhook"], "secret": None}
    path = f"/webhooks/{first['webhook']['id']}/secret"
    changed = [by_program(console, "POST", path, headers=key).json()["secret"] for _ in range(2)]
    assert (changed[0][:6], changed[1]) == ("whsec_", None)
    kept = console.do(console.db.fetch, "SELECT answer FROM idempotency_keys")
    assert len(kept) == 2
    assert "whsec_" not in str(kept)


def test_programs_use_webhooks(console: Console) -> None:
    body = {"url": "https://hooks.example.org/y", "kinds": ["report.ready"], "show_numbers": True}
    path = "/webhooks"
    first = by_program(console, "POST", path, json=body)
    assert first.status_code == 201
    made = first.json()
    assert made["secret"].startswith("whsec_")
    hook_id = made["webhook"]["id"]
    assert "secret" not in by_program(console, "GET", f"{path}/{hook_id}").json()

    async def fact() -> None:
        async with console.db.tx() as tx:
            await outbox.note(tx, TENANT, "report.ready", "campaign", {"n": 1}, now_ms=NOW)

    console.do(fact)
    (message,) = by_program(console, "GET", f"{path}/{hook_id}/messages").json()["items"]
    assert (message["kind"], message["state"], message["sequence"]) == ("report.ready", "waiting", 1)
    replayed = by_program(console, "POST", f"{path}/{hook_id}/messages/{message['id']}/replay")
    assert (replayed.status_code, replayed.json()) == (202, {"message_id": message["id"]})
    off = by_program(console, "PATCH", f"{path}/{hook_id}", json=body | {"state": "disabled"}).json()
    assert off["state"] == "disabled"
    assert by_program(console, "POST", f"{path}/{hook_id}/test").status_code == 409
    assert by_program(console, "DELETE", f"{path}/{hook_id}").status_code == 204
    gone = by_program(console, "GET", f"{path}/{hook_id}")
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


def test_programs_read_contacts_and_lists(console: Console) -> None:
    path = console.send("Name;Phone\n" + "".join(f"Prog {n};+1202555{n:04d}\n" for n in range(100, 110)))
    import_id = path.rpartition("/")[2]
    console.waited(path)
    told = by_program(console, "GET", f"/imports/{import_id}").json()
    assert (told["state"], told["ready"]) == ("review", 10)
    assert by_program(console, "POST", f"/imports/{import_id}", json={"do": "nonsense"}).status_code == 422
    assert by_program(console, "POST", f"/imports/{import_id}", json={"do": "bring"}).status_code == 202
    console.waited(path)
    seen: list[str] = []
    cursor = ""
    while True:
        page = by_program(console, "GET", f"/imports/{import_id}/contacts?limit=4{cursor}").json()
        seen += [one["name"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [f"Prog {n}" for n in range(100, 110)]
    first = by_program(console, "GET", "/contacts?q=prog&limit=3").json()
    assert len(first["items"]) == 3
    second = by_program(console, "GET", f"/contacts?q=prog&limit=100&cursor={first['next_cursor']}").json()
    assert len(second["items"]) == 7
    masked = by_program(console, "GET", "/contacts?q=prog", Role.VIEWER).json()["items"][0]
    assert "•" in masked["number"]
    one = console.do(contacts.find_by_name, console.db, TENANT, "prog 105")[0]
    assert by_program(console, "GET", f"/contacts/{one.id}").json()["name"] == "Prog 105"
    assert by_program(console, "GET", "/contacts/x").status_code == 404


def test_programs_list_and_unlist_numbers(console: Console) -> None:
    added = by_program(console, "POST", "/dnc", json={"number": "+1 202 555 0177", "reason": "mail"})
    assert added.status_code == 201
    entry = added.json()["entry"]
    assert (entry["number"], entry["list"], entry["source"]) == ("+12025550177", "own", "operator")
    assert entry in by_program(console, "GET", "/dnc").json()["items"]
    assert by_program(console, "DELETE", f"/dnc/{entry['id']}").status_code == 422, "without a reason"
    assert by_program(console, "DELETE", f"/dnc/{entry['id']}?reason=x", Role.OPERATOR).status_code == 403
    assert by_program(console, "DELETE", f"/dnc/{entry['id']}?reason=mistake").status_code == 204
    assert by_program(console, "GET", f"/dnc/{entry['id']}").status_code == 404
    assert by_program(console, "POST", "/dnc", json={"number": "x", "reason": "y"}).status_code == 422


@pytest.mark.parametrize(
    ("change", "state", "numbers"),
    [
        ({}, "disabled", True),
        ({"state": None, "show_numbers": None}, "disabled", True),
        ({"show_numbers": False}, "disabled", False),
        ({"state": "active"}, "active", True),
    ],
)
def test_a_change_leaves_alone_what_it_does_not_name(
    console: Console, change: dict[str, object], state: str, numbers: bool
) -> None:
    body = {"url": "https://hooks.example.org/z", "kinds": ["report.ready"]}
    assert by_program(console, "POST", "/webhooks", json=body | {"state": "disabled"}).status_code == 400
    made = by_program(console, "POST", "/webhooks", json=body | {"show_numbers": True}).json()
    path = f"/webhooks/{made['webhook']['id']}"
    try:
        assert by_program(console, "PATCH", path, json=body | {"state": "off"}).status_code == 400
        assert by_program(console, "PATCH", path, json=body | {"state": "disabled"}).json()["state"] == "disabled"
        after = by_program(console, "PATCH", path, json=body | change).json()
        assert (after["state"], after["show_numbers"]) == (state, numbers)
    finally:
        by_program(console, "DELETE", path)


def test_a_number_that_is_listed_answers_the_entry_there_is(console: Console) -> None:
    body = {"number": "+1 202 555 0178", "reason": "mail"}
    entry = by_program(console, "POST", "/dnc", json=body).json()["entry"]
    again = by_program(console, "POST", "/dnc", json=body | {"number": "+12025550178", "reason": "twice"}).json()
    assert again["entry"] == entry
    assert by_program(console, "GET", f"/dnc/{entry['id']}").json() == entry
    told = [
        row for row in console.do(audit.newest, console.db, TENANT) if mask_number("+12025550178") in row.detail
    ]
    assert [row.object for row in told] == [f"dnc:{entry['id']}"]


def test_numbers_in_variables_are_masked_for_viewers(console: Console) -> None:
    path = console.send(
        "Name;Phone;Mobile;Both;Size\n"
        "Varda Mask;+12025550188;(202) 555-0189;+1 202 555 0190 / +1 202 555 0191, 202.555.0192;4711\n"
    )
    console.waited(path)
    by_program(console, "POST", f"/imports/{path.rpartition('/')[2]}", json={"do": "bring"})
    console.waited(path)
    found = {
        role: by_program(console, "GET", "/contacts?q=varda", role).json()["items"][0]["variables"]
        for role in (Role.MANAGER, Role.VIEWER)
    }
    whole, masked = found[Role.MANAGER], found[Role.VIEWER]
    assert (whole["Mobile"], whole["Size"]) == ("(202) 555-0189", "4711")
    assert (masked["Mobile"], masked["Size"]) == ("202•••0189", "4711")
    assert "555" not in masked["Both"]
    assert "555-0189" in console.ask("GET", "/contacts?q=varda").text
    assert "555-0189" not in console.ask("GET", "/contacts?q=varda", Role.VIEWER).text
