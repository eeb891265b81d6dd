"""`/api/v1/calls`: pages, filters, parts of a call, recordings; and the masks of those who may not see numbers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.call import NewCall, Turn
from app.domain.fields import Collected, Evidence
from app.domain.people import Role
from app.ids import new_id
from app.store import collected, events, usage
from app.store.usage import Usage
from tests.unit.app.store_world import AGENT, NOW, NUMBER, TENANT
from tests.unit.web.call_world import OTHER, CallHouse, call_house
from tests.unit.web.test_call_audio import recorded_call, wav

API = "/api/v1/calls"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[CallHouse]:
    with call_house(tmp_path) as made:
        yield made


def walk(house: CallHouse, path: str, role: Role = Role.OWNER, **params: str | int) -> list[dict[str, object]]:
    """All items of a list, page by page."""
    items: list[dict[str, object]] = []
    cursor: str | None = None
    for _ in range(20):
        asked = {**params, **({"cursor": cursor} if cursor else {})}
        page = house.ask(path, role, params=asked).json()
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items
    raise AssertionError("the list has no end")


def test_the_list_in_pages_and_narrowed(house: CallHouse) -> None:
    made = [house.begin(f"+1202555{n:04}", NOW + n) for n in range(100, 107)]
    house.end(made[2], "busy", hangup_cause=17)
    assert [one["id"] for one in walk(house, API, limit=3)] == [call.id for call in reversed(made)]
    for params, found in (
        ({"outcome": "busy"}, [made[2].id]),
        ({"state": "ended", "agent_id": AGENT.id}, [made[2].id]),
        ({"from_ms": NOW + 101, "until_ms": NOW + 103}, [made[2].id, made[1].id]),
        ({"q": "0104"}, [made[4].id]),
        ({"campaign_id": new_id(1)}, []),
    ):
        assert [one["id"] for one in walk(house, API, limit=2, **params)] == found, params
    for wrong in ({"outcome": "sad"}, {"agent_id": "x"}, {"cursor": "zz"}):
        answer = house.ask(API, params=wrong)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert house.ask(API, tenant=OTHER).json() == {"items": [], "next_cursor": None}


def test_one_call_with_what_was_said_done_found_and_used(house: CallHouse) -> None:
    call = house.begin()
    house.answer(call)
    turns = [Turn(speaker="callee", item_id=f"i{n}", text=f"word {n}", start_audio_ms=n // 2) for n in range(5)]
    house.say(call, *turns)
    for n in range(3):
        house.do(lambda k: events.add(house.db, TENANT, call.id, f"e{k}", {"detail": NUMBER}, at_ms=NOW), n)
    new = NewCall(id=call.id, task_id=call.task_id, node="main", number_dialed=NUMBER)
    proof = Evidence(item_id="i1", quote="word", start_audio_ms=0, end_audio_ms=900)
    house.do(
        collected.save, house.db, TENANT, new, Collected(name="day", value='["mo","tu"]', evidence=proof), NOW
    )

    async def use() -> None:
        async with house.db.tx() as tx:
            used = Usage(kind="response", ref="r", model="m", output_audio_tokens=7, cost_micro_usd=12)
            await usage.add(tx, TENANT, call.id, used, NOW)

    house.do(use)
    one = house.ask(f"{API}/{call.id}").json()
    assert (one["id"], one["number_requested"], one["attempts"]) == (call.id, NUMBER, [call.id])
    assert one["collected"][0] | {"name": "day", "value": ["mo", "tu"], "item_id": "i1"} == one["collected"][0]
    said = walk(house, f"{API}/{call.id}/transcript", limit=2)
    assert [turn["text"] for turn in said] == [f"word {n}" for n in range(5)]
    happened = walk(house, f"{API}/{call.id}/events", limit=2)
    assert [event["kind"] for event in happened] == ["e0", "e1", "e2"]
    spent = house.ask(f"{API}/{call.id}/usage").json()
    assert spent["total"] == {"cost_micro_usd": 12, "unpriced": 0, "entries": 1}
    assert spent["entries"][0]["output_audio_tokens"] == 7
    for path in (API, f"{API}/{call.id}", f"{API}/{call.id}/events"):
        assert NUMBER in house.ask(path, Role.AUDITOR).text
        assert NUMBER not in house.ask(path, Role.VIEWER).text, path


def test_recordings_are_listed_and_loaded(house: CallHouse) -> None:
    content = wav(1.0)
    call = recorded_call(house, content, ms=1_000)
    assert house.ask(f"{API}/{call.id}/recordings").json() == [{"number": 1, "offset_ms": 0, "duration_ms": 1_000}]
    path = f"{API}/{call.id}/recordings/1"
    assert house.ask(path).content == content
    assert house.ask(path, headers={"range": "bytes=0-3"}).content == b"RIFF"
    assert house.ask(path, headers={"range": f"bytes={len(content)}-"}).status_code == 416
    assert house.ask(f"{API}/{call.id}/recordings/2").status_code == 404


@pytest.mark.parametrize("part", ["", "/transcript", "/events", "/usage", "/recordings", "/recordings/1"])
def test_another_tenants_call_is_not_found(house: CallHouse, part: str) -> None:
    call = recorded_call(house, wav(0.1), ms=100)
    assert house.ask(f"{API}/{call.id}{part}").status_code == 200
    foreign = house.ask(f"{API}/{call.id}{part}", tenant=OTHER)
    unknown = house.ask(f"{API}/{new_id(1)}{part}")
    assert (foreign.status_code, foreign.json()) == (404, unknown.json())
    assert house.ask(f"{API}/nonsense{part}").status_code == 404
