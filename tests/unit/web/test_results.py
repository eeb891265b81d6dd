"""Results and reports on their pages and in their files: proof, masking, escaping, audit, tenants."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.call import NewCall
from app.domain.fields import Collected, Evidence
from app.domain.fields import shown as shown_value
from app.domain.people import Person, Role
from app.domain.report import Number
from app.domain.report_csv import report_csv
from app.domain.report_words import QuoteFound, ReportWords
from app.llm.summarizer import Summarizer
from app.store import audit, campaign_reports, collected, results
from app.store.results import Filter, ResultValue
from tests.unit.app.call_world import settings
from tests.unit.app.campaign_world import MadeCampaign, make_campaign
from tests.unit.app.store_world import AGENT, NOW, TENANT
from tests.unit.web.campaign_pages import ORIGIN, Console, console
from web.results.page import ResultReader

HOSTILE = '=HYPERLINK("http://evil")<script>alert(1)</script>'
STARTS = ("=", "+", "-", "@", "\t", "\r")


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Console]:
    with console(tmp_path) as made:
        yield made


async def found_out(shown: Console, seed: int, size: int = 30) -> tuple[MadeCampaign, dict[str, dict[str, str]]]:
    """A campaign whose answered calls collected values, and the newest values by number, kept plainly."""
    random = Random(seed)
    made = await make_campaign(shown.db, random, size)
    newest: dict[str, dict[str, str]] = {}
    for n, call in enumerate(made.calls):
        row = await shown.db.one("SELECT number FROM tasks WHERE id = :id", {"id": call.task_id})
        assert row is not None
        for name in random.sample(("day", "price", "wants"), random.randrange(1, 4)):
            value = random.choice(("Friday", "Monday", HOSTILE, "+49 30 1"))
            one = Collected(
                name=name,
                value=json.dumps(value),
                evidence=Evidence(item_id="i1", quote=f"said {n}", start_audio_ms=n, end_audio_ms=n),
            )
            new = NewCall(id=call.id, task_id=call.task_id, node="x", number_dialed=row[0])
            await collected.save(shown.db, TENANT, new, one, NOW + n)
            newest.setdefault(row[0], {})[name] = value
    return made, newest


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1234567.0", "1234567"), ("20261127.0", "20261127"), ("149999.99", "149999.99"), ("1e-05", "0.00001"),
        ("-0.5", "-0.5"), ("3.0", "3"), ("999999999999999.0", "999999999999999"), ("true", "yes"), ('"a"', "a"),
        ('["a","b"]', "a, b"),
    ],
)  # fmt: skip
def test_values_are_shown_with_all_their_digits(value: str, text: str) -> None:
    assert shown_value(value) == text


def test_the_newest_value_of_each_field_is_kept_with_its_proof(shown: Console, seed: int) -> None:
    made, newest = shown.do(found_out, shown, seed)
    rows = shown.do(results.page, shown.db, TENANT, Filter(campaign_id=made.id), None, 500)
    told = {row.result.number: {name: one.text for name, one in row.fields.items()} for row in rows}
    assert told == newest
    assert all(one.quote.startswith("said ") for row in rows for one in row.fields.values())
    totals = {one.name: one for one in shown.do(results.totals, shown.db, TENANT, Filter(campaign_id=made.id))}
    for name in ("day", "price", "wants"):
        values = [fields[name] for fields in newest.values() if name in fields]
        assert totals[name].count == len(values)
        assert dict(totals[name].values) == {value: values.count(value) for value in set(values)}
    assert shown.do(results.page, shown.db, "other", Filter(), None, 10) == []
    assert shown.do(results.totals, shown.db, "other", Filter(campaign_id=made.id)) == []


def test_pages_follow_each_other_and_tell_no_number_in_their_address(shown: Console, seed: int) -> None:
    _, newest = shown.do(found_out, shown, seed, 120)
    assert len(newest) > 50
    shown.become(Role.VIEWER)
    address, seen = "/results", 0
    while address:
        page = shown.page(address)
        seen += page.count('data-label="Recipient"')
        older = re.search(r'<a href="(/results\?[^"]+)">Older results', page)
        address = older[1].replace("&amp;", "&") if older else ""
        assert not [number for number in newest if number in page or number.lstrip("+") in page]
    assert seen == len(newest)


@pytest.mark.parametrize(("role", "full"), [(Role.VIEWER, False), (Role.OPERATOR, True)])
def test_files_hold_every_row_and_mask_numbers(shown: Console, seed: int, role: Role, full: bool) -> None:
    made, newest = shown.do(found_out, shown, seed)
    shown.become(role)
    answer = shown.client.get(f"/results.csv?campaign={made.id}")
    assert answer.headers["content-disposition"] == 'attachment; filename="results.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert len(rows) == len(newest)
    assert all((row["number"].lstrip("'") in newest) is full for row in rows)
    for row in rows:
        assert not [cell for cell in row.values() if cell.startswith(STARTS)]
    told = shown.client.get(f"/results.json?campaign={made.id}").json()["results"]
    assert [one["number"] in newest for one in told] == [full] * len(newest)
    if full:
        values = {one["number"]: {n: v["value"] for n, v in one["fields"].items()} for one in told}
        assert values == newest
    deeds = [row for row in shown.do(audit.newest, shown.db, TENANT) if row.action == "results_exported"]
    assert [json.loads(row.detail)["format"] for row in deeds] == ["json", "csv"]


@pytest.mark.parametrize(("role", "full"), [(Role.VIEWER, False), (Role.OPERATOR, True)])
def test_numbers_within_results_are_masked_too(shown: Console, role: Role, full: bool) -> None:
    made = shown.made(10)
    call = made.calls[0]
    values = {"back": "+12025550177", "all": ["on +1 202-555-0178", "+12025550179"]}
    new = NewCall(id=call.id, task_id=call.task_id, node="x", number_dialed="+12025550100")
    for n, (name, value) in enumerate(values.items()):
        proof = Evidence(item_id="i1", quote="it is +12025550170", start_audio_ms=n, end_audio_ms=n)
        one = Collected(name=name, value=json.dumps(value), evidence=proof)
        shown.do(collected.save, shown.db, TENANT, new, one, NOW + n)
    shown.become(role)
    pages = [shown.page("/results")]
    pages += [shown.client.get(path).text for path in ("/results.csv", "/results.json", "/api/v1/results")]
    for page in pages:
        assert [text for text in ("+12025550177", "202-555-0178", "+12025550179") if text in page] == (
            ["+12025550177", "202-555-0178", "+12025550179"] if full else []
        )
        assert ("+12025550170" in page) is full
    fields = shown.client.get("/api/v1/results").json()["items"][0]["fields"]
    wanted = values if full else {"back": "+1202•••0177", "all": ["on +1202•••0178", "+1202•••0179"]}
    assert {name: one["value"] for name, one in fields.items()} == wanted


@pytest.mark.parametrize(("kind", "agent"), [("csv", ""), ("json", ""), ("json", AGENT.id)])
def test_a_file_holds_rows_that_change_while_it_is_written(
    shown: Console, seed: int, monkeypatch: pytest.MonkeyPatch, kind: str, agent: str
) -> None:
    made, newest = shown.do(found_out, shown, seed)
    monkeypatch.setattr("web.results.page.EXPORT_PAGE", 2)
    reader = ResultReader(shown.db, shown.clock)
    person = Person(tenant_id=TENANT, user_id="u", name="x", role=Role.OWNER, via="session", key_id="k")
    random = Random(seed)

    async def read() -> str:
        text, which = "", Filter(campaign_id=made.id, agent_id=agent)
        pages = reader.csv(person, which) if kind == "csv" else reader.json(person, which)
        n = 0
        async for part in pages:
            text += part if isinstance(part, str) else part.decode()
            n += 1
            call = random.choice(made.calls)  # a call of any row finds out one thing more
            row = await shown.db.one("SELECT number FROM tasks WHERE id = :id", {"id": call.task_id})
            assert row is not None
            proof = Evidence(item_id="i1", quote="more", start_audio_ms=n, end_audio_ms=n)
            new = NewCall(id=call.id, task_id=call.task_id, node="x", number_dialed=row[0])
            more = Collected(name="day", value='"Sunday"', evidence=proof)
            await collected.save(shown.db, TENANT, new, more, NOW + 10_000 + n)
        return text

    text = shown.do(read)
    if kind == "csv":
        rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
        numbers = [row["number"].lstrip("'") for row in rows]
    else:
        numbers = [row["number"] for row in json.loads(text)["results"]]
    assert sorted(numbers) == sorted(newest)


def test_hostile_values_are_text(shown: Console, seed: int) -> None:
    shown.do(found_out, shown, seed)
    page = shown.page("/results")
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "style=" not in page


@pytest.mark.parametrize("query", ["agent=x", "campaign=../x", "number=call+me", "before=1-x"])
def test_filters_that_name_nothing_are_told_so(shown: Console, query: str) -> None:
    assert shown.client.get(f"/results?{query}").status_code == 422


def test_who_sees_numbers_masked_cannot_find_them_by_trying(shown: Console) -> None:
    shown.become(Role.VIEWER)
    for path in ("/results?number=%2B12025550123", "/results.csv?number=%2B12025550123"):
        assert shown.client.get(path).status_code == 422


def test_an_empty_table_teaches(shown: Console) -> None:
    assert "data_to_fill" in shown.page("/results")
    assert shown.client.get("/results.json").json() == {"results": []}


def test_what_the_agent_took_down_is_not_replaced_by_the_analysis_of_the_same_call(
    shown: Console, seed: int
) -> None:
    made = shown.do(make_campaign, shown.db, Random(seed), 3)
    call = made.calls[0]

    async def twice(replaces: bool, value: str, call_id: str) -> str:
        one = ResultValue(
            field="day", value=json.dumps(value), call_id=call_id, item_id="i", quote="q", audio_ms=0, at_ms=NOW
        )
        async with shown.db.tx() as tx:
            await results.note(tx, TENANT, call.task_id, call_id, [one], replaces=replaces, now_ms=NOW)
        (row,) = await results.page(shown.db, TENANT, Filter(agent_id=AGENT.id), None, 5)
        return row.fields["day"].text

    assert shown.do(twice, True, "Friday", call.id) == "Friday"
    assert shown.do(twice, False, "Saturday", call.id) == "Friday"
    assert shown.do(twice, True, "Monday", call.id) == "Monday"
    assert shown.do(twice, False, "Tuesday", made.calls[-1].id) == "Tuesday"


def test_the_last_outcome_is_shown_though_the_call_told_nothing_new(shown: Console, seed: int) -> None:
    made = shown.do(make_campaign, shown.db, Random(seed), 3)
    call = made.calls[0]

    async def judged(values: list[ResultValue], outcome: str) -> str:
        async with shown.db.tx() as tx:
            await results.note(tx, TENANT, call.task_id, call.id, values, outcome=outcome, now_ms=NOW)
        return " ".join(one.result.outcome for one in await results.page(shown.db, TENANT, Filter(), None, 5))

    one = ResultValue(field="day", value='"x"', call_id=call.id, item_id="i", quote="q", audio_ms=0, at_ms=NOW)
    assert shown.do(judged, [], "refused") == "", "without a value there is no row"
    assert shown.do(judged, [one], "success") == "success"
    assert shown.do(judged, [], "refused") == "refused"


# --- reports ---------------------------------------------------------------------------------------------------
def write_reports(shown: Console) -> int:
    summarizer = Summarizer(settings(), shown.clock, shown.db, shown.bus, model=None)
    return shown.do(summarizer.look)


def test_a_report_is_asked_for_written_shown_and_exported(shown: Console) -> None:
    made = shown.made(10)
    address = f"/campaigns/{made.id}/report"
    assert "No report yet." in shown.page(address)
    assert shown.client.get(f"{address}.json").status_code == 404
    assert shown.post(address).status_code == 303
    assert "A report is being written" in shown.page(address)
    assert shown.post(address).status_code == 303
    assert write_reports(shown) == 1
    page = shown.page(address)
    assert "tasks reached their goal" in page
    assert "So far" in page
    told = shown.client.get(f"{address}.json")
    assert told.headers["content-disposition"] == 'attachment; filename="Check-ups.json"'
    assert {one["name"]: one["value"] for one in told.json()["numbers"]}["tasks"] == 10
    rows = list(csv.DictReader(io.StringIO(shown.client.get(f"{address}.csv").text.removeprefix("\ufeff"))))
    assert {row["name"]: row["value"] for row in rows if row["kind"] == "number"}["tasks"] == "10"
    actions = [row.action for row in shown.do(audit.newest, shown.db, TENANT) if "report" in row.action]
    assert actions == ["report_exported", "report_exported", "report_asked"]


@pytest.mark.parametrize(("role", "full"), [(Role.VIEWER, False), (Role.OPERATOR, True)])
def test_numbers_in_reports_are_masked(shown: Console, role: Role, full: bool) -> None:
    made = shown.made(4)
    shown.do(campaign_reports.ask, shown.db, TENANT, made.id, "interim", by="x", now_ms=NOW)
    write_reports(shown)
    quote = QuoteFound(
        call_id=made.calls[0].id, item_id="i", turn=1, seq=1, speaker="callee", audio_ms=0, quote="on +12025550177"
    )
    words = ReportWords(headline="Ask +12025550178", summary="s", findings=("+1 202 555 0179",), quotes=(quote,))
    written = {"words": msgspec.json.encode(words).decode()}
    assert shown.do(shown.db.execute, "UPDATE campaign_reports SET words = :words", written) == 1
    shown.become(role)
    address = f"/campaigns/{made.id}/report"
    texts = [shown.page(address), shown.client.get(f"/api/v1{address}").text]
    texts += [shown.client.get(f"{address}.{ending}").text for ending in ("json", "csv")]
    for text in texts:
        assert [one for one in ("+12025550177", "+12025550178", "+1 202 555 0179") if one in text] == (
            ["+12025550177", "+12025550178", "+1 202 555 0179"] if full else []
        )
        assert "0177" in text


def test_a_viewer_reads_reports_and_orders_none(shown: Console) -> None:
    made = shown.made(4)
    shown.become(Role.VIEWER)
    assert "Write one about" not in shown.page(f"/campaigns/{made.id}/report")
    assert shown.post(f"/campaigns/{made.id}/report").status_code == 403


def test_programs_read_campaigns_steer_them_and_read_reports_and_results(shown: Console, seed: int) -> None:
    made, newest = shown.do(found_out, shown, seed)
    api = "/api/v1/campaigns"
    (entry,) = shown.client.get(api).json()["items"]
    assert (entry["id"], entry["tasks"]) == (made.id, 30)
    assert shown.client.get(f"{api}?show=paused").json()["items"] == []
    one = shown.client.get(f"{api}/{made.id}").json()
    assert one["dialed"] == len({call.task_id for call in made.calls})
    key = {**ORIGIN, "idempotency-key": "once"}
    for _ in range(2):  # the second is the first, answered again
        paused = shown.client.post(f"{api}/{made.id}/pause", json={"reason": "lunch"}, headers=key)
        assert (paused.status_code, paused.json()["pause_reason"]) == (200, "lunch")
    assert shown.client.post(f"{api}/{made.id}/pause", json={}, headers=ORIGIN).status_code == 409
    assert shown.client.get(f"{api}/{made.id}/report").status_code == 404
    assert shown.client.post(f"{api}/{made.id}/report", headers=ORIGIN).status_code == 202
    write_reports(shown)
    assert shown.client.get(f"{api}/{made.id}/report").json()["state"] == "done"
    numbers: list[str] = []
    cursor = ""
    while True:
        page = shown.client.get(f"/api/v1/results?limit=4{cursor}").json()
        numbers += [row["number"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(numbers) == sorted(newest)


def test_another_tenant_has_no_reports(shown: Console) -> None:
    made = shown.made(3)
    shown.do(campaign_reports.ask, shown.db, TENANT, made.id, "interim", by="x", now_ms=NOW)
    write_reports(shown)
    assert shown.do(campaign_reports.of_campaign, shown.db, "other", made.id) == []
    (report,) = shown.do(campaign_reports.of_campaign, shown.db, TENANT, made.id)
    assert shown.do(campaign_reports.get, shown.db, "other", report.id) is None


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), min_size=3, max_size=3)
)
def test_no_cell_of_a_report_begins_a_formula(cells: list[str]) -> None:
    number = Number(name="tasks", label=cells[0], text=cells[1], value=1)
    text = report_csv([number], ReportWords(headline=cells[2], summary=cells[0], findings=(cells[1],)))
    read = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert not [cell for row in read for cell in row if cell.lstrip(" \u00a0").startswith(STARTS)]
    assert len(read) == 5
