"""Rows around a call: states, transcripts, events, usage, reports of the media worker; agents and campaigns."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from app.domain.call import Call, CallState, Turn
from app.domain.task import TaskState
from app.errors import ConflictError, ConstraintFailed, NotFoundError, ValidationFailed
from app.store import agents, calls, campaigns, events, recordings, reports, tasks, transcripts, usage
from app.store.campaigns import NewCampaign
from app.store.db import Database
from app.store.usage import CallCost, Usage
from media import protocol as media
from stasis import call_model
from stasis.outcome import EndedBy, Outcome
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import AGENT, NOW, TENANT, add_agent, begun_call, claimed_task, new_task

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


@pytest.fixture
async def call(db: Database) -> Call:
    return await begun_call(db, await claimed_task(db))


def turn(item_id: str, text: str, speaker: str = "callee", start: int = 0) -> Turn:
    return Turn(speaker=speaker, item_id=item_id, text=text, start_audio_ms=start)


def turn_report(seq: int, call_id: str, text: str = "hello", item_id: str = "i") -> media.TurnSpoken:
    return media.TurnSpoken(
        seq=seq,
        call_id=call_id,
        at_unix_ms=NOW,
        speaker="callee",
        item_id=item_id,
        text=text,
        start_audio_ms=0,
        end_audio_ms=9,
    )


async def test_a_call_only_moves_forward_and_stamps_once(db: Database, call: Call) -> None:
    assert await calls.set_state(db, TENANT, call.id, "ringing", NOW + 1)
    assert not await calls.set_state(db, TENANT, call.id, "ringing", NOW + 2)
    assert await calls.set_state(db, TENANT, call.id, "bridged", NOW + 3)
    assert not await calls.set_state(db, TENANT, call.id, "answered", NOW + 4)
    stored = await calls.get(db, TENANT, call.id)
    assert (stored.state, stored.ringing_ms, stored.answered_ms) == (CallState.BRIDGED, NOW + 1, NOW + 3)
    with pytest.raises(ValueError, match="finish_call"):
        await calls.set_state(db, TENANT, call.id, "ended", NOW)
    with pytest.raises(ValueError, match="flying"):
        await calls.set_state(db, TENANT, call.id, "flying", NOW)


async def test_the_states_of_the_rooms_are_the_same_words(db: Database, call: Call) -> None:
    bridged = {call_model.CallState.REPAIRING, call_model.CallState.HANDED_OVER}  # to people
    shown = [str(s) for s in call_model.CallState if s not in bridged]
    assert [str(s) for s in CallState] == shown
    statement = "UPDATE calls SET state = 'ended', outcome = :o, ended_by = :e, ended_ms = 1"
    for outcome in Outcome:
        await db.execute(statement, {"o": outcome, "e": "callee"})
    for ended_by in EndedBy:
        await db.execute(statement, {"o": "busy", "e": ended_by})
    for bad in ({"o": "nonsense", "e": "callee"}, {"o": "busy", "e": None}):
        with pytest.raises(ConstraintFailed):
            await db.execute(statement, bad)


async def test_a_replayed_turn_is_stored_once(db: Database, call: Call) -> None:
    assert await transcripts.add(db, TENANT, call.id, turn("i1", "hello", start=500), NOW)
    assert await transcripts.add(db, TENANT, call.id, turn("i2", "hi", "agent", start=100), NOW)
    assert await transcripts.add(db, TENANT, call.id, turn("i1", "hello there", start=500), NOW)
    assert not await transcripts.add(db, "other", call.id, turn("i3", "x"), NOW)
    assert not await transcripts.add(db, TENANT, "nothing", turn("i3", "x"), NOW)
    stored = await transcripts.list_turns(db, TENANT, call.id)
    assert [(t.item_id, t.text, t.seq) for t in stored] == [("i2", "hi", 2), ("i1", "hello there", 1)]


async def test_events_are_numbered_per_call(db: Database, call: Call) -> None:
    for kind in ("a", "b"):
        assert await events.add(db, TENANT, call.id, kind, {"detail": "ü"}, at_ms=NOW)
    assert not await events.add(db, "other", call.id, "c", {}, at_ms=NOW)
    stored = await events.list_events(db, TENANT, call.id)
    assert [(e.seq, e.kind, e.data) for e in stored] == [(1, "a", {"detail": "ü"}), (2, "b", {"detail": "ü"})]


async def test_cost_is_the_sum_of_what_is_known(db: Database, call: Call) -> None:
    used = Usage(kind="response", ref="r1", model="m", cost_micro_usd=1500, output_audio_tokens=3)
    async with db.tx() as tx:
        assert await usage.add(tx, TENANT, call.id, used, NOW)
        assert not await usage.add(tx, TENANT, call.id, used, NOW)
        await usage.add(tx, TENANT, call.id, msgspec.structs.replace(used, ref="r2", cost_micro_usd=None), NOW)
        await usage.add(tx, TENANT, call.id, msgspec.structs.replace(used, kind="transcription"), NOW)
    assert await usage.cost_of_call(db, TENANT, call.id) == CallCost(3000, 1, 3)
    assert (await calls.get(db, TENANT, call.id)).cost_micro_usd == 3000
    assert await calls.totals(db, TENANT) == (1, 0, 3000)


# --- reports -----------------------------------------------------------------------------------------------------
async def test_each_report_is_stored_exactly_once(db: Database, call: Call) -> None:
    assert await reports.store(db, "w", turn_report(1, call.id))
    assert not await reports.store(db, "w", turn_report(1, call.id, "other text"))
    assert await reports.acknowledged_seq(db, "w") == 1
    assert await reports.acknowledged_seq(db, "unknown") == 0
    assert await reports.last_acknowledged_seq(db) == 1
    used = media.TranscriptionUsed(
        seq=2,
        call_id=call.id,
        at_unix_ms=NOW,
        item_id="i",
        model="m",
        seconds=1.5,
        cost_micro_usd=9,
        price_table="p",
    )
    closed = media.LegClosed(
        seq=3,
        call_id=call.id,
        at_unix_ms=NOW,
        audio_ms=5,
        recording_path="data/a.wav",
        recording_ms=4,
        statistics=media.LegStatistics(packets_lost=2),
    )
    for report in (used, closed):
        assert await reports.store(db, "w", report)
    assert [t.text for t in await transcripts.list_turns(db, TENANT, call.id)] == ["hello"]
    stored = await calls.get(db, TENANT, call.id)
    assert (stored.cost_micro_usd, stored.recording_path) == (9, "data/a.wav")
    assert [r.duration_ms for r in await recordings.list_recordings(db, TENANT, call.id)] == [4]
    (event,) = await events.list_events(db, TENANT, call.id)
    assert (event.kind, event.data["statistics"]["packets_lost"]) == ("leg_closed", 2)  # type: ignore[index]
    assert "call_id" not in event.data


async def test_reports_of_nobody_move_the_cursor(db: Database) -> None:
    load = media.WorkerLoad(
        seq=5,
        call_id="",
        at_unix_ms=NOW,
        legs=0,
        tick_late_p99_ms=0,
        tick_late_max_ms=0,
        slots_skipped=0,
        unknown_source_packets=0,
        send_errors=0,
    )
    assert await reports.store(db, "w", load)
    assert await reports.store(db, "w", turn_report(6, "of another database"))
    assert await reports.acknowledged_seq(db, "w") == 6


async def test_a_report_that_does_not_fit_holds_up_nobody(db: Database, call: Call) -> None:
    bad = media.TranscriptionUsed(
        seq=1,
        call_id=call.id,
        at_unix_ms=NOW,
        item_id="i",
        model="m",
        seconds=1,
        cost_micro_usd=-5,
        price_table="p",
    )
    assert await reports.store(db, "w", bad)
    assert await reports.store(db, "w", turn_report(2, call.id, "\ud800"))
    assert await reports.store(db, "w", turn_report(3, call.id, "fine", "i3"))
    assert [e.kind for e in await events.list_events(db, TENANT, call.id)] == ["report_refused"] * 2
    assert [t.text for t in await transcripts.list_turns(db, TENANT, call.id)] == ["fine"]


async def test_every_kind_of_report_can_be_stored(db: Database, call: Call) -> None:
    values: dict[object, object] = {int: 1, float: 1.0, bool: True, str: "x"}
    for seq, kind in enumerate(media.NumberedReport.__args__, start=1):
        fields = {}
        for field in msgspec.structs.fields(kind):
            if field.required:
                fields[field.name] = values.get(field.type, 1 if "int" in str(field.type) else "callee")
        if kind is media.AnswerVerdict:
            fields["verdict"] = "machine"
        if kind is media.LegClosed:
            fields["statistics"] = media.LegStatistics()
        fields |= {"seq": seq, "call_id": call.id, "at_unix_ms": NOW}
        assert await reports.store(db, "w", kind(**fields)), kind
    assert "report_refused" not in {e.kind for e in await events.list_events(db, TENANT, call.id)}


# --- agents and campaigns ----------------------------------------------------------------------------------------
async def test_agents(db: Database) -> None:
    assert await agents.by_name(db, TENANT, "Ann") == await agents.get(db, TENANT, AGENT.id) == AGENT
    renamed = msgspec.structs.replace(AGENT, name="Bea", tools=("end_call",))
    renamed = await agents.update(db, renamed, NOW)
    assert renamed.version == 2
    assert await agents.update(db, renamed, NOW) == renamed
    assert await agents.list_agents(db, TENANT) == [renamed]
    assert await agents.get_version(db, TENANT, AGENT.id, 1) == AGENT
    assert await agents.get_version(db, TENANT, AGENT.id, 2) == renamed
    assert [one.version for one in await agents.versions(db, TENANT, AGENT.id)] == [2, 1]
    with pytest.raises(ConflictError, match="Bea"):
        await agents.create(db, msgspec.structs.replace(renamed, id="other"), NOW)
    with pytest.raises(ValidationFailed):
        await agents.create(db, msgspec.structs.replace(renamed, id="other", name=" "), NOW)
    for missing in (agents.get(db, "other", AGENT.id), agents.by_name(db, TENANT, "Nobody")):
        with pytest.raises(NotFoundError):
            await missing


async def test_a_campaign_is_confirmed_once(db: Database) -> None:
    new = NewCampaign(id="c1", name="Tables", idempotency_key="k")
    async with db.tx() as tx:
        first, added = await campaigns.create(tx, TENANT, new, [new_task(), new_task("+12025550188")], NOW)
        again = msgspec.structs.replace(new, id="c2")
        second, added_again = await campaigns.create(tx, TENANT, again, [new_task()], NOW)
    assert (first, added, added_again) == (second, True, False)
    assert await campaigns.counts(db, TENANT, "c1") == {TaskState.PENDING: 2}
    assert [c.id for c in await campaigns.list_campaigns(db, TENANT)] == ["c1"]
    assert len(await tasks.list_tasks(db, TENANT, campaign_id="c1")) == 2
    with pytest.raises(NotFoundError):
        await campaigns.set_state(db, "other", "c1", "paused", NOW)


async def test_a_campaign_with_one_bad_task_is_not_stored(db: Database) -> None:
    async def confirm() -> None:
        async with db.tx() as tx:
            batch = [new_task(), new_task("nonsense")]
            await campaigns.create(tx, TENANT, NewCampaign(id="c1", name="X"), batch, NOW)

    with pytest.raises(ValidationFailed):
        await confirm()
    assert await campaigns.list_campaigns(db, TENANT) == []
    assert await tasks.list_tasks(db, TENANT) == []
