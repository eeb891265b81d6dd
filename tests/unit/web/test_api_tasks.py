"""`/api/v1/tasks`: made once, listed in pages by filter, changed within the rules; masks, tenants, bad values."""

from typing import Any, get_args

import pytest

from app.clock import SystemClock
from app.domain.people import Role
from app.domain.task import TaskState
from app.ids import new_id
from app.store import audit, leases, tasks
from app.store.sqlite import SqliteDatabase
from tests.unit.app.store_world import TENANT, new_task
from tests.unit.web.test_access import OTHER, House, house
from tests.unit.web.test_api import OWNER, ask, do
from web.api.tasks import StateGiven
from web.task_pages.view import GROUPS

__all__ = ["house"]
VIEWER, OPERATOR = (TENANT, Role.VIEWER), (TENANT, Role.OPERATOR)
HOUR_MS = 3_600_000
NEW = {"number": "+15551000123", "objective": "Confirm the appointment", "callee_name": "Api Ann"}


def add(house: House, number: str, **fields: Any) -> str:
    now_ms = SystemClock().unix_ms()
    new = new_task(number, **{"id": new_id(now_ms), "next_action_time": now_ms + HOUR_MS, **fields})
    return do(house, tasks.create, TENANT, new, now_ms).id


def items(house: House, query: str, who: tuple[str, Role] = OWNER) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(40):
        answer = ask(house, "GET", f"/tasks?limit=3&{query}{cursor}", who)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if answer.json()["next_cursor"] is None:
            return found
        cursor = f"&cursor={answer.json()['next_cursor']}"
    raise AssertionError("the pages never end")


def test_a_task_is_made_once_however_often_it_is_sent(house: House) -> None:
    headers = {"idempotency-key": "task-1"}
    first = ask(house, "POST", "/tasks", json=NEW, headers=headers)
    assert first.status_code == 201, first.text
    again = ask(house, "POST", "/tasks", json=NEW, headers=headers)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    other = ask(house, "POST", "/tasks", json=NEW | {"objective": "x"}, headers=headers)
    assert other.status_code == 422
    assert len(items(house, "q=Api+Ann")) == 1
    made = first.json()
    assert (made["state"], made["number"], made["attempts_used"]) == ("pending", NEW["number"], 0)
    assert ask(house, "GET", f"/tasks/{made['id']}").json() == made
    why = ask(house, "GET", f"/tasks/{made['id']}/why").json()
    assert why["sentence"]
    lane = ask(house, "GET", f"/tasks/{made['id']}/timeline").json()["items"]
    assert [entry["kind"] for entry in lane] == ["created", "next"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        (NEW | {"objective": "  "}, 400),
        (NEW | {"number": "12"}, 422),
        (NEW | {"number": "+19005550123"}, 422),
        (NEW | {"agent_id": "f" * 32}, 404),
        (NEW | {"state": "completed"}, 400),
        (NEW | {"earliest": "soon", "zone": "UTC"}, 422),
        (NEW | {"opening_line": "Hello, this is Ann."}, 422),
    ],
)
def test_what_cannot_be_planned_is_refused_and_nothing_is_stored(
    house: House, body: dict[str, Any], status: int
) -> None:
    before = len(items(house, "q=Api+Ann"))
    answer = ask(house, "POST", "/tasks", json=body)
    assert answer.status_code == status, answer.text
    assert len(items(house, "q=Api+Ann")) == before


def test_lists_follow_their_filters_page_by_page(house: House) -> None:
    made = [add(house, f"+1555777{at:04}", callee_name=f"Lister {at}") for at in range(7)]
    assert [one["id"] for one in items(house, "q=lister&state=open")] == made
    assert {one["id"] for one in items(house, "due=day&state=pending")} >= set(made)
    assert [one["id"] for one in items(house, "q=7770004")] == [made[4]]
    assert items(house, "q=lister&state=failed") == []
    assert items(house, f"campaign_id={new_id(1)}") == []
    page = ask(house, "GET", "/tasks?limit=3&q=lister").json()["next_cursor"]
    foreign = ask(house, "GET", f"/tasks?limit=3&due=day&cursor={page}")
    assert foreign.json()["code"] == "bad_cursor", "a cursor belongs to its filter"


@pytest.mark.parametrize("query", ["state=dialing", "due=soon", "campaign_id=x", "q=12", "q=a", "q=" + "a" * 61])
def test_filters_that_make_no_sense_are_refused(house: House, query: str) -> None:
    assert ask(house, "GET", f"/tasks?{query}").status_code in {400, 422}


def test_numbers_are_masked_for_whoever_may_not_see_them(house: House) -> None:
    task_id = add(house, "+15558880042", callee_name="Masked")
    for path in (f"/tasks/{task_id}", "/tasks?q=masked"):
        assert "+15558880042" in ask(house, "GET", path, OPERATOR).text
        seen = ask(house, "GET", path, VIEWER).text
        assert "+15558880042" not in seen
        assert "0042" in seen


def test_numbers_in_texts_of_a_task_are_masked_too(house: House) -> None:
    task_id = add(house, "+15558880042", callee_name="Ann +12025550171", objective="Ask about +12025550172")
    do(house, SqliteDatabase.execute, "UPDATE tasks SET overall_conclusion = 'Call +1 202 555 0173.'")
    numbers = ("+12025550171", "+12025550172", "+1 202 555 0173")
    for path, told in ((f"/tasks/{task_id}", 3), ("/tasks?q=ann", 3), (f"/tasks/{task_id}/timeline", 2)):
        texts = {who: ask(house, "GET", path, who).text for who in (OPERATOR, VIEWER)}
        assert sum(number in texts[OPERATOR] for number in numbers) == told
        assert not [number for number in numbers if number in texts[VIEWER]]
        assert "0172" in texts[VIEWER]


def test_a_task_is_moved_and_cancelled_within_the_rules(house: House) -> None:
    task_id = add(house, "+15558880043")
    at_ms = SystemClock().unix_ms() + 5 * HOUR_MS
    moved = ask(house, "POST", f"/tasks/{task_id}/reschedule", json={"at_ms": at_ms})
    assert (moved.status_code, moved.json()["next_action_ms"]) == (200, at_ms)
    late = ask(house, "POST", f"/tasks/{task_id}/reschedule", json={"at_ms": 1})
    assert (late.status_code, late.json()["detail"]) == (
        422,
        "That time has passed already; choose one that is ahead.",
    )
    assert ask(house, "POST", f"/tasks/{task_id}/cancel", VIEWER, json={}).status_code == 403
    headers = {"idempotency-key": "cancel-1"}
    first = ask(house, "POST", f"/tasks/{task_id}/cancel", json={"reason": "sold"}, headers=headers)
    assert (first.status_code, first.json()["state"], first.json()["conclusion"]) == (
        200,
        "cancelled",
        "Cancelled: sold",
    )
    again = ask(house, "POST", f"/tasks/{task_id}/cancel", json={"reason": "sold"}, headers=headers)
    assert again.json() == first.json()
    assert ask(house, "POST", f"/tasks/{task_id}/cancel", json={}).status_code == 409
    deeds = [row.action for row in do(house, audit.newest, TENANT) if row.object == f"task:{task_id}"]
    assert deeds == ["task_cancel", "task_reschedule"]


def test_a_task_whose_call_is_prepared_is_left_alone(house: House) -> None:
    now_ms = SystemClock().unix_ms()
    task_id = add(house, "+15558880044", next_action_time=now_ms - 1, priority=100)
    (claimed,) = do(house, leases.claim_due, now_ms, "me", 60_000, 1)
    assert claimed.id == task_id
    for path, body in (("cancel", {}), ("reschedule", {"at_ms": now_ms + HOUR_MS})):
        answer = ask(house, "POST", f"/tasks/{task_id}/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_another_tenants_tasks_are_not_there(house: House) -> None:
    task_id = add(house, "+15558880045", callee_name="Theirs")
    who = (OTHER, Role.OWNER)
    assert items(house, "q=theirs", who) == []
    for path in ("", "/timeline", "/why"):
        assert ask(house, "GET", f"/tasks/{task_id}{path}", who).status_code == 404
    assert ask(house, "POST", f"/tasks/{task_id}/cancel", who, json={}).status_code == 404
    assert ask(house, "POST", f"/tasks/{task_id}/reschedule", who, json={"at_ms": 1}).status_code == 404


def test_every_state_can_be_asked_for() -> None:
    union, *_ = get_args(StateGiven)
    states = {name for part in get_args(union) for name in get_args(part)}
    assert states == {*TaskState, *GROUPS}
