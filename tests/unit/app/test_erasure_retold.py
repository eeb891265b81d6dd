"""Forgetting people: what a call left elsewhere (reports, webhooks, values), and what is written meanwhile. On
both databases.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from app.domain.erasure import Days
from app.domain.report_words import QuoteFound, ReportWords
from app.store import calls, erasures, legal_holds, report_facts, retention
from app.store.legal_holds import LegalHold
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.conftest import AnyDatabase, Opener
from tests.unit.app.store_world import NOW, NUMBER, TENANT, add_agent
from tests.unit.app.test_erasure import SAID, House

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[AnyDatabase]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


@pytest.fixture
def house(db: AnyDatabase, tmp_path: Path) -> House:
    return House(db, tmp_path / "data")


# --- what was said, told again -----------------------------------------------------------------------------------
REPORT = (
    "INSERT INTO campaign_reports (id, tenant_id, campaign_id, kind, state, requested_by, tries, next_try_ms,"
    " last_error, lease_token, lease_until, lease_owner, written_by, numbers, words, model, prompt_version, asked,"
    " input_tokens, cached_tokens, output_tokens, cost_micro_usd, price_table, created_ms, done_ms)"
    " VALUES ('r', 'default', 'c', 'final', :state, 'u', 0, 0, '', 1, :until_ms, :owner, :by, '[]', :words, '',"
    " '', 0, 0, 0, 0, 0, '', 0, :done_ms)"
)


async def reported(house: House, *quoted: str) -> None:
    """A report of campaign `c`, with one quote out of each of these calls; the tasks are all of that campaign."""
    quotes = tuple(
        QuoteFound(call_id=one, item_id="i", turn=1, seq=1, speaker="callee", audio_ms=0, quote=f"{SAID} {n}")
        for n, one in enumerate(quoted)
    )
    words = msgspec.json.encode(ReportWords(headline="Good", summary="It went well.", quotes=quotes)).decode()
    campaign = "INSERT INTO campaigns (id, tenant_id, name, state, created_ms, updated_ms) VALUES "
    await house.db.execute(f"{campaign}('c', 'default', 'C', 'active', 0, 0)")
    await house.db.execute("UPDATE tasks SET campaign_id = 'c'")
    await house.db.execute("UPDATE calls SET campaign_id = 'c'")
    done = {"state": "done", "until_ms": None, "owner": None, "by": "model", "words": words, "done_ms": NOW}
    await house.db.execute(REPORT, done)


async def report_words(house: House) -> ReportWords:
    ((words,),) = await house.db.fetch("SELECT words FROM campaign_reports")
    return msgspec.json.decode(words, type=ReportWords)


async def test_a_quote_that_names_nobody_goes_and_others_stay(house: House) -> None:
    theirs, other = await house.talked(), await house.talked("+12025550199")
    await reported(house, theirs, other)
    one = await house.ask()
    assert (await house.eraser.finish(TENANT, one.id)).state == "done"
    left = await report_words(house)
    assert [quote.call_id for quote in left.quotes] == [other]
    assert left.summary == "It went well."
    assert await report_facts.talks(house.db, TENANT, "c") == []


async def test_of_a_campaign_for_one_person_no_words_stay(house: House) -> None:
    await reported(house, await house.talked())
    event = {"t": TENANT, "n": NOW, "d": '{"headline":"Good"}'}
    await house.db.execute(
        "INSERT INTO webhook_events (id, tenant_id, kind, subject, seq, data, created_ms)"
        " VALUES ('e', :t, 'report.ready', 'c', 1, :d, :n)",
        event,
    )
    one = await house.ask()
    assert (await house.eraser.finish(TENANT, one.id)).state == "done"
    assert await report_words(house) == ReportWords(headline="[erased]", summary="")
    assert await house.db.fetch("SELECT kind FROM webhook_events") == []


async def test_a_quote_goes_with_the_days_of_its_talk(house: House) -> None:
    await reported(house, await house.talked())
    house.clock.advance(400 * 86_400)
    await house.db.execute("UPDATE campaign_reports SET created_ms = :n", {"n": house.clock.unix_ms()})
    await house.sweep()
    assert (await report_words(house)).quotes == ()


EVENT = (
    "INSERT INTO webhook_events (id, tenant_id, kind, subject, seq, data, created_ms)"
    " VALUES (:id, 'default', :kind, :subject, :seq, :data, :n)"
)


async def test_webhooks_that_tell_of_the_person_go_whatever_they_are_about(house: House) -> None:
    theirs, other = await house.talked(), await house.talked("+12025550199")
    await reported(house, theirs, other)
    for n, (name, subject, data) in enumerate(
        (
            ("report.ready", "c", '{"summary":"Zyra Lee wants Tuesday."}'),
            ("report.ready", "c", '{"summary":"It went well."}'),
            ("number.opted_out", "removed since", f'{{"number":"{NUMBER}","reason":""}}'),
            ("number.opted_out", "another", '{"number":"+12025550199","reason":""}'),
        )
    ):
        told = {"id": f"e{n}", "kind": name, "subject": subject, "seq": n + 1, "data": data, "n": NOW}
        await house.db.execute(EVENT, told)
    await house.db.execute(
        "INSERT INTO webhook_endpoints (id, tenant_id, url, kinds, secret, old_secret, old_until_ms, show_numbers,"
        " state, reason, failures, failing_since_ms, next_try_ms, sender, sender_until_ms, created_ms)"
        " VALUES ('w', 'default', 'https://example.com', '[]', 's', '', 0, 1, 'active', '', 0, NULL, 0, 0, 0, 0)"
    )
    await house.db.execute(
        "INSERT INTO webhook_deliveries (endpoint_id, event_id, tenant_id, state, tries, next_try_ms, status,"
        " error, delivered_ms) SELECT 'w', id, tenant_id, 'delivered', 1, 0, 200, '', 1 FROM webhook_events"
    )
    one = await house.ask()
    done = await house.eraser.finish(TENANT, one.id)
    assert (done.state, done.counted["webhook_events"]) == ("done", 2)
    assert await house.db.fetch("SELECT event_id FROM webhook_deliveries ORDER BY event_id") == [("e1",), ("e3",)]


@pytest.mark.parametrize("kind", ["call", "campaign", "recipient"])
async def test_what_was_told_elsewhere_of_somebody_held_is_not_swept(house: House, kind: legal_holds.Held) -> None:
    call_id = await house.talked()
    await reported(house, call_id)
    task_id = (await calls.get(house.db, TENANT, call_id)).task_id
    for n, (name, subject) in enumerate(
        (("report.ready", "c"), ("call.completed", call_id), ("call.outcome", task_id))
    ):
        told = {"id": f"e{n}", "kind": name, "subject": subject, "seq": 1, "data": "{}", "n": NOW}
        await house.db.execute(EVENT, told)
    if kind == "recipient":
        await house.db.execute(
            "INSERT INTO contact_imports (id, tenant_id, target, name, digest, kind, state, options, columns,"
            " notes, counts, problem, rows_total, checked_seq, imported_seq, runner, runner_until_ms, created_by,"
            " created_ms, updated_ms) VALUES ('i', 'default', 'contacts', 'l', 'd', 'csv', 'done', '{}', '[]',"
            " '[]', '{}', '', 1, 1, 1, 0, 0, 'u', 0, 0)"
        )
        await house.db.execute(
            "INSERT INTO contact_import_rows (import_id, seq, tenant_id, line, cells, state, issue, sentence,"
            " number, made, edited) VALUES ('i', 1, 'default', 1, '[]', 'imported', '', '', :number, '{}', 0)",
            {"number": NUMBER},
        )
    new = LegalHold(
        id="", tenant_id=TENANT, kind=kind, subject={"call": call_id, "campaign": "c", "recipient": NUMBER}[kind],
        reason="case 7", placed_by="u", since_ms=0,
    )  # fmt: skip
    async with house.db.tx() as tx:
        hold = await legal_holds.place(tx, new, NOW)
    await retention.set_days(house.db, TENANT, Days(webhooks=30), NOW)
    house.clock.advance(400 * 86_400)
    assert await house.sweep() == {}
    async with house.db.tx() as tx:
        await legal_holds.lift(tx, TENANT, hold.id, "u", house.clock.unix_ms())
    house.clock.advance(3_601)
    swept = await house.sweep()
    assert (swept["campaign_reports"] >= 1, "contact_imports" in swept) == (True, kind == "recipient")
    assert await house.db.fetch("SELECT id FROM webhook_events") == []


async def test_nobody_else_takes_an_erasure_whose_last_step_takes_minutes(tmp_path: Path) -> None:
    taken: list[object] = []

    class Slow(SqliteDatabase):
        async def scour(self, tables: Sequence[str]) -> bool:
            house.clock.advance(300)
            taken.append(await erasures.hold(self, "two", house.clock.unix_ms()))
            return await super().scour(tables)

    async with Slow(fresh_sqlite(tmp_path / "test.db")) as db:
        await add_agent(db)
        house = House(db, tmp_path / "data")
        await house.talked()
        one = await house.ask()
        done = await house.eraser.finish(TENANT, one.id)
    assert (done.state, taken) == ("done", [None])


async def test_why_something_was_held_goes_with_what_was_held(house: House) -> None:
    call_id = await house.talked()
    await reported(house, call_id)
    lifted: tuple[tuple[legal_holds.Held, str], ...] = (("call", call_id), ("campaign", "c"))
    for kind, subject in lifted:
        new = LegalHold(
            id="", tenant_id=TENANT, kind=kind, subject=subject, reason="Zyra sues", placed_by="u", since_ms=0
        )
        async with house.db.tx() as tx:
            hold = await legal_holds.place(tx, new, NOW)
            await legal_holds.lift(tx, TENANT, hold.id, "u", NOW)
    one = await house.ask()
    assert (await house.eraser.finish(TENANT, one.id)).state == "done"
    assert await house.db.fetch("SELECT DISTINCT reason FROM legal_holds") == [("[erased]",)]


async def test_replies_and_reports_that_are_being_written_are_waited_for(house: House) -> None:
    await reported(house, await house.talked())
    await house.db.execute(
        "INSERT INTO conversations (id, tenant_id, owner, display_name, answering_until_ms, created_ms,"
        " updated_ms) VALUES ('v', 'default', 'u', 'V', :until_ms, 0, 0)",
        {"until_ms": NOW + 60_000},
    )
    await house.db.execute(
        "UPDATE campaign_reports SET state = 'waiting', written_by = '', done_ms = NULL, lease_owner = 'me',"
        " lease_until = :until_ms",
        {"until_ms": NOW + 60_000},
    )
    one = await house.ask()
    assert (await house.eraser.finish(TENANT, one.id)).waits_for == 2
    house.clock.advance(30)
    await house.db.execute("UPDATE conversations SET answering_until_ms = NULL")
    assert (await house.eraser.finish(TENANT, one.id)).waits_for == 1
    await house.db.execute(
        "UPDATE campaign_reports SET state = 'done', written_by = 'model', done_ms = 1, lease_owner = NULL,"
        " lease_until = NULL"
    )
    house.clock.advance(6)
    assert (await house.eraser.finish(TENANT, one.id)).state == "done"
    assert await report_words(house) == ReportWords(headline="[erased]", summary="")


async def test_what_was_given_up_halfway_is_not_waited_for(house: House) -> None:
    await reported(house, await house.talked())
    await house.db.execute(
        "UPDATE campaign_reports SET state = 'waiting', written_by = '', done_ms = NULL, lease_owner = 'me',"
        " lease_until = :past_ms",
        {"past_ms": NOW - 1},
    )
    one = await house.ask()
    assert (await house.eraser.finish(TENANT, one.id)).state == "done"


async def found(house: House, call_id: str, field: str) -> None:
    """A value a call found out."""
    call = await calls.get(house.db, TENANT, call_id)
    await house.db.execute(
        "INSERT INTO result_values (tenant_id, agent_id, number, field, value, call_id, item_id, quote, audio_ms,"
        " at_ms) VALUES (:t, :agent_id, :number, :field, '1', :call_id, 'i', 'q', 0, 0)",
        {
            "t": TENANT,
            "agent_id": call.agent_id,
            "number": call.number_requested,
            "field": field,
            "call_id": call_id,
        },
    )


async def result_of(house: House, call_id: str) -> None:
    call = await calls.get(house.db, TENANT, call_id)
    await house.db.execute(
        "INSERT INTO results (tenant_id, agent_id, number, task_id, call_id, outcome, updated_ms)"
        " VALUES (:t, :agent_id, :number, :task_id, :call_id, 'x', 0)",
        {
            "t": TENANT,
            "agent_id": call.agent_id,
            "number": call.number_requested,
            "task_id": call.task_id,
            "call_id": call_id,
        },
    )


async def test_values_of_a_task_that_is_judged_last_go_too(house: House) -> None:
    older, newer = await house.talked(), await house.talked()
    await found(house, older, "day")
    await result_of(house, newer)
    judged = {"id": (await calls.get(house.db, TENANT, older)).task_id}
    await house.db.execute("UPDATE tasks SET state = 'analyzing' WHERE id = :id", judged)
    one = await house.ask()
    assert (await house.eraser.finish(TENANT, one.id)).waits_for == 1
    assert await house.db.fetch("SELECT 1 FROM results") == []
    await house.db.execute("UPDATE tasks SET state = 'completed' WHERE id = :id", judged)
    house.clock.advance(6)
    assert (await house.eraser.finish(TENANT, one.id)).state == "done"
    assert await house.db.fetch("SELECT 1 FROM result_values") == []


async def test_values_whose_recipient_has_no_result_go_with_their_days(house: House) -> None:
    await found(house, await house.talked(), "day")
    house.clock.advance(400 * 86_400)
    await house.sweep()
    assert await house.db.fetch("SELECT 1 FROM result_values") == []


async def test_a_task_that_settles_between_two_steps_is_taken_too(house: House) -> None:
    call_id = await house.talked()
    await house.db.execute("UPDATE tasks SET state = 'analyzing'")
    one = await house.ask()
    first = await erasures.hold(house.db, "one", NOW)
    assert first is not None
    begun = await house.eraser.step(first)
    await house.db.execute("UPDATE tasks SET state = 'completed'")
    assert begun.step == "number"
    assert (await house.eraser.step(begun)).step == "chats"
    house.clock.advance(31)
    assert (await house.eraser.finish(TENANT, one.id)).state == "done"
    assert (await calls.get(house.db, TENANT, call_id)).number_dialed == one.pseudonym
