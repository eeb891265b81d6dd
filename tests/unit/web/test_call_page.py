"""The list of calls and the page of one, over HTTP on a real store."""

import html
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.call import NewCall, Turn
from app.domain.fields import Collected, Evidence
from app.domain.people import Role
from app.ids import new_id
from app.store import collected, events, usage
from app.store.usage import Usage
from tests.unit.app.store_world import NOW, NUMBER, TENANT, ask_people
from tests.unit.web.call_world import OTHER, CallHouse, call_house

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}</template>"
MASKED = "+1202•••0123"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[CallHouse]:
    with call_house(tmp_path) as made:
        yield made


def test_a_call_without_turns_says_why(house: CallHouse) -> None:
    call = house.begin()
    assert "Nothing has been said yet." in house.ask(f"/calls/{call.id}").text
    house.end(call, "busy", hangup_cause=17, sip_call_id="sip-1")
    page = house.ask(f"/calls/{call.id}").text
    assert "Nobody answered, so nothing was said." in page
    assert "the line was busy (Q.850 cause 17)" in page
    assert "sip-1" in page
    assert 'id="steer"' not in page


def test_a_living_call_has_the_slot_for_the_buttons(house: CallHouse) -> None:
    call = house.begin()
    assert f'<div id="steer" data-call="{call.id}"></div>' in house.ask(f"/calls/{call.id}").text


def test_everything_is_on_one_time_line(house: CallHouse) -> None:
    call = house.begin()
    house.answer(call)
    house.say(
        call,
        Turn(speaker="callee", item_id="a", text="hello", start_audio_ms=0, end_audio_ms=900),
        Turn(
            speaker="agent", item_id="b", text="one two three four five", start_audio_ms=1_000, end_audio_ms=3_000,
            interrupted=True, heard_ms=1_000, generated_ms=2_000, response_id="r1",
            stop_to_response_ms=300, response_to_delta_ms=500, delta_to_rtp_ms=20,
        ),
    )  # fmt: skip
    for at_ms, kind, detail in (
        (4_000, "tool_call", 'send_dtmf {"digits":"12"}'),
        (4_100, "dtmf_out", "12"),
        (5_000, "tool_call", 'end_call {"reason":"done"}'),
        (5_001, "tool_refused", "Not yet: the field day is missing."),
        (6_000, "dtmf_in", "7"),
    ):
        house.do(
            lambda k, d, t: events.add(house.db, TENANT, call.id, k, {"detail": d}, at_ms=t),
            kind,
            detail,
            NOW + at_ms,
        )
    house.do(ask_people, house.db, call, "Is Tuesday fine?", "Yes", "No")
    page = house.ask(f"/calls/{call.id}").text
    order = [page.index(f'id="{key}"') for key in ("turn-1", "turn-2", "event-1", "event-3", "event-5")]
    assert order == sorted(order)
    plain = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
    assert "interrupted: 1.0 s of 2.0 s heard one two three four five (not heard)" in plain
    assert '<del class="cut"' in page
    assert "answered after 820 ms, slow" in plain
    assert "send_dtmf with digits: 12 agent pressed 12" in plain
    assert "refused end_call with reason: done refused Not yet: the field day is missing." in plain
    assert "callee pressed 7" in plain
    assert "Is Tuesday fine? suggested Yes suggested No open waits for an answer" in plain


def test_hostile_texts_are_text_everywhere(house: CallHouse) -> None:
    call = house.begin(callee_name=HOSTILE, objective=HOSTILE)
    house.answer(call)
    house.say(call, Turn(speaker="callee", item_id=HOSTILE, text=HOSTILE))
    house.do(lambda: events.add(house.db, TENANT, call.id, "tool_call", {"detail": f"x {HOSTILE}"}, at_ms=NOW))
    house.do(lambda: events.add(house.db, TENANT, call.id, HOSTILE, {"detail": HOSTILE}, at_ms=NOW))
    house.end(call, detail=HOSTILE)
    for path in (
        f"/calls/{call.id}",
        f"/calls/{call.id}/panels",
        "/calls",
        f"/calls?q={HOSTILE[:20]}&state={HOSTILE}",
    ):
        page = house.ask(path).text
        assert HOSTILE not in page, path
        assert "<img" not in page
        assert re.findall(r'<script(?![^>]* ?src="/static/)', page) == []
        assert " style=" not in page
    assert html.unescape(house.ask(f"/calls/{call.id}").text).count(HOSTILE) >= 6


@pytest.mark.parametrize("suffix", ["", "/lines", "/panels", "/raw"])
def test_another_tenants_call_is_not_there(house: CallHouse, suffix: str) -> None:
    call = house.begin()
    assert house.ask(f"/calls/{call.id}{suffix}").status_code == 200
    foreign = house.ask(f"/calls/{call.id}{suffix}", tenant=OTHER)
    unknown = house.ask(f"/calls/{new_id(1)}{suffix}")
    assert (foreign.status_code, foreign.text) == (404, unknown.text)
    assert house.ask(f"/calls/nonsense{suffix}").status_code == 404
    assert call.id not in house.ask("/calls", tenant=OTHER).text


def test_numbers_are_masked_for_whoever_may_not_see_them(house: CallHouse) -> None:
    call = house.begin()
    house.answer(call)
    house.say(call, Turn(speaker="callee", item_id="i", text=f"my number is {NUMBER}"))
    data = {"detail": f'call_tool {{"number":"{NUMBER}"}}'}
    house.do(lambda: events.add(house.db, TENANT, call.id, "tool_call", data, at_ms=NOW))
    for path in (f"/calls/{call.id}", f"/calls/{call.id}/panels", f"/calls/{call.id}/raw", "/calls"):
        seen, hidden = house.ask(path, Role.AUDITOR).text, house.ask(path, Role.VIEWER).text
        assert NUMBER in seen, path
        assert NUMBER not in hidden, path
        assert MASKED in hidden, path


def test_a_viewer_cannot_find_out_a_number_by_searching(house: CallHouse) -> None:
    call = house.begin()
    for typed, viewer, operator in (
        ("0123", True, True),
        ("555", False, True),
        ("2025550123", False, True),
        ("+1202555", False, True),
        ("9999", False, False),
    ):
        assert (call.id in house.ask("/calls", Role.VIEWER, params={"q": typed}).text) is viewer, typed
        assert (call.id in house.ask("/calls", Role.OPERATOR, params={"q": typed}).text) is operator, typed


def test_the_raw_file_is_json_with_what_was_stored(house: CallHouse) -> None:
    call = house.begin()
    house.answer(call)
    house.say(call, Turn(speaker="callee", item_id="i1", text="Tuesday"))
    proof = Evidence(item_id="i1", quote="Tuesday", start_audio_ms=0, end_audio_ms=900)
    new = NewCall(id=call.id, task_id=call.task_id, node="main", number_dialed=NUMBER)
    house.do(collected.save, house.db, TENANT, new, Collected(name="day", value='"tue"', evidence=proof), NOW)
    answer = house.ask(f"/calls/{call.id}/raw")
    assert answer.headers["content-disposition"] == f'attachment; filename="call-{call.id}.json"'
    raw = json.loads(answer.text)
    assert (raw["format"], raw["version"], raw["call"]["id"]) == ("opendeep.call", 1, call.id)
    assert raw["turns"][0]["text"] == "Tuesday"
    assert raw["collected"][0]["value"] == "tue"
    assert raw["call"]["number_requested"] == NUMBER
    assert "lease_token" not in raw["task"]
    page = house.ask(f"/calls/{call.id}").text
    assert 'href="#turn-1" data-seek="0"' in page, "a value links to the turn that proves it"
    assert "proves" in page


def test_costs_by_kind_and_by_response(house: CallHouse) -> None:
    call = house.begin()

    async def use() -> None:
        async with house.db.tx() as tx:
            for used in (
                Usage(
                    kind="response",
                    ref="r1",
                    model="gpt-realtime-2.1",
                    status="completed",
                    input_text_tokens=500,
                    input_cached_text_tokens=100,
                    input_audio_tokens=40,
                    output_audio_tokens=60,
                    cost_micro_usd=9_000,
                    price_table="2026-11-01",
                ),
                Usage(kind="transcription", ref="i1", model="gpt-transcribe", seconds=2.5, cost_micro_usd=None),
            ):
                await usage.add(tx, TENANT, call.id, used, NOW)

    house.do(use)
    plain = " ".join(re.sub(r"<[^>]+>", " ", house.ask(f"/calls/{call.id}").text).split())
    assert "$0.0090 1 without a known price prices of 2026-11-01" in plain
    assert "text in 400" in plain
    assert "text in, cached 100" in plain
    assert "audio out 60" in plain
    assert "2.5 s of speech" in plain


def test_the_list_is_walked_in_pages_without_gaps_or_doubles(house: CallHouse) -> None:
    made = [house.begin(f"+1202555{n:04}", NOW + n // 3).id for n in range(1_00, 1_60)]
    seen: list[str] = []
    path = "/calls"
    for _ in range(5):
        page = house.ask(path).text
        seen += re.findall(r'<tr role="row" data-call="(\w+)"', page)
        older = re.search(r'href="([^"]+)" rel="next"', page)
        if older is None:
            break
        path = html.unescape(older[1])
    assert sorted(seen) == sorted(made)
    assert len(seen) == len(set(seen))


def test_an_empty_list_teaches_and_wrong_filters_say_so(house: CallHouse) -> None:
    assert "opendeep call +1555" in house.ask("/calls").text
    page = house.ask("/calls?state=dreaming&day=someday&campaign=x&outcome=busy")
    assert page.status_code == 200
    for part in ("no state “dreaming”", "“someday” is no day", "no campaign of yours", "Take a filter away"):
        assert part in page.text


def test_a_call_of_an_hour_with_two_thousand_turns_stays_fast(house: CallHouse) -> None:
    call = house.begin()
    house.answer(call)
    turns = [
        Turn(
            speaker="callee" if n % 2 else "agent",
            item_id=f"i{n}",
            text=f"turn {n} with some more words to read",
            start_audio_ms=n * 1_800,
            end_audio_ms=n * 1_800 + 1_500,
            stop_to_response_ms=1,
            response_to_delta_ms=300,
            delta_to_rtp_ms=20,
        )
        for n in range(2_000)
    ]
    house.say(call, *turns)
    house.end(call)
    house.ask(f"/calls/{call.id}")
    spent: list[float] = []
    for path in (f"/calls/{call.id}", f"/calls/{call.id}/panels?newest=100"):
        began = time.process_time()
        page = house.ask(path).text
        spent.append(time.process_time() - began)
        assert page.count('class="entry turn"') == (2_000 if "panels" not in path else 100)
    assert spent[0] < 1.0, "processor time of test and server together"
    assert spent[1] < 0.4, "what a living page asks for again does not grow with the call"
