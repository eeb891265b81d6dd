"""The wallboard: which marks a call has, who comes first, what is counted; no living call is ever missing."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.bus import MemoryBus
from app.clock import ManualClock, SystemClock
from app.domain.call import CallState
from app.domain.messages import (
    CallChanged,
    CallLevels,
    CallWords,
    ConnectionChanged,
    FeedbackChanged,
    ListChanged,
    TaskChanged,
)
from app.store import attempts, calls, users, wallboard
from app.store.db import Database, Row
from app.store.sqlite import SqliteDatabase
from app.store.wallboard import Ended
from scripts.promises.tenancy.watched import Watched
from stasis.outcome import Outcome
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.store_world import NOW, TENANT, add_agent, ask_people, begun_call, claimed_task, ended
from tests.unit.web.test_wall import row
from web.badges import TRANSFER_WORDS
from web.figures import ANSWERED, FAILED, NOT_REACHED, day, figures
from web.live import Hub
from web.view import Asked
from web.wall import SILENT_MS, Level, Wall, arranged


def question(call_id: str, *, parked: bool = False) -> Asked:
    return Asked(
        id=f"q-{call_id}",
        question="May I?",
        suggestions=(),
        parked=parked,
        deadline_ms=1,
        call_id=call_id,
        number="",
        callee="",
        objective="",
    )


@pytest.mark.parametrize(
    ("changes", "kinds", "need"),
    [
        ({}, [], 0),
        ({"line": "hold"}, ["hold"], 2),
        ({"line": "unhold"}, [], 0),
        ({"line": "mute"}, ["muted"], 2),
        ({"line": "take_over"}, ["taken"], 1),
        ({"line": "hand_back"}, [], 0),
        ({"transfer": "consulting"}, ["transfer"], 1),
        ({"line": "hold", "transfer": "joined"}, ["hold", "transfer"], 2),
        ({"answered_by": "machine"}, ["machine"], 0),
        ({"answered_by": "human"}, [], 0),
        ({"answered_by": "uncertain"}, [], 0),
        ({"number_dialed": "+12025550199"}, ["test"], 0),
        ({"number_dialed": "+12025550199", "direction": "inbound"}, ["inbound"], 0),
        ({"line": "hold", "ended_ms": 9, "state": CallState.ENDED, "answered_by": "fax"}, ["machine"], 0),
    ],
)
def test_marks(changes: dict[str, Any], kinds: list[str], need: int) -> None:
    card = row(**changes)
    assert [badge.kind for badge in card.badges] == kinds
    assert card.need == need
    assert all(badge.label[0] not in "abcdefghijklmnopqrstuvwxyz" for badge in card.badges), (
        "a sign, not only colour"
    )


def test_every_state_of_a_transfer_has_words() -> None:
    from stasis.transfer_model import TransferState

    assert TRANSFER_WORDS.keys() >= {str(state) for state in TransferState} - {"over"}


def test_who_needs_a_person_comes_first_then_the_oldest() -> None:
    wall = Wall()
    wall.replace_all(
        [
            row(id="young", created_ms=9),
            row(id="held", created_ms=8, line="hold"),
            row(id="old", created_ms=1),
            row(id="asks", created_ms=7),
            row(id="done", created_ms=2, state=CallState.ENDED, ended_ms=3, outcome="busy"),
        ]
    )
    wall.ask([question("asks")])
    assert [card.id for card in arranged(wall.snapshot(1).calls)] == ["asks", "held", "old", "young"]


def test_a_question_marks_its_call_until_it_is_answered_or_the_call_ends() -> None:
    wall = Wall()
    wall.replace_all([row(), row(id="c2")])
    wall.frame(1)
    wall.ask([question("c1"), question("c2", parked=True), question("unknown")])
    frame = wall.frame(2)
    assert frame is not None
    assert [(card.id, card.need) for card in frame.calls] == [("c1", 3)], "a parked question keeps nobody waiting"
    wall.put(row(state=CallState.ENDING))
    still = wall.frame(3)
    assert still is not None
    assert [(card.id, card.need) for card in still.calls] == [("c1", 3)], "a change of the call keeps the mark"
    wall.ask([])
    freed = wall.frame(4)
    assert freed is not None
    assert [(card.id, card.need) for card in freed.calls] == [("c1", 0)]
    wall.ask([question("c1")])
    wall.put(row(state=CallState.ENDED, ended_ms=9, outcome="busy"))
    over = wall.frame(5)
    assert over is not None
    assert [(card.alive, card.need) for card in over.calls] == [(False, 0)]


def test_only_the_newest_level_of_a_call_is_told_and_only_of_calls_on_the_wall() -> None:
    wall = Wall()
    wall.replace_all([row()])
    wall.frame(1)
    for dbov in (-50.2, -40.6):
        wall.measure(CallLevels(tenant_id=TENANT, call_id="c1", callee_dbov=dbov, agent_dbov=-90))
    wall.measure(CallLevels(tenant_id=TENANT, call_id="unknown", callee_dbov=-1, agent_dbov=-1))
    frame = wall.frame(2)
    assert frame is not None
    assert (frame.levels, frame.calls) == ((Level("c1", -41, -90),), ())
    assert wall.frame(3) is None


def test_every_outcome_is_counted_once_or_was_taken_back() -> None:
    kinds = (ANSWERED, NOT_REACHED, FAILED)
    counted = [outcome for kind in kinds for outcome in kind]
    assert sorted(counted) == sorted({str(outcome) for outcome in Outcome} - {"canceled"})


def test_the_header_counts_what_is_shown() -> None:
    known = day(Ended(by_outcome={"completed": 5, "busy": 2, "no_answer": 1, "lost": 1}, machines=2), 50, 77)
    assert (known.answered, known.not_reached, known.failed, known.machines) == (5, 3, 1, 2)
    cards = [
        row(),
        row(id="r", state=CallState.RINGING, answered_ms=None),
        row(id="p", state=CallState.PREPARE, answered_ms=None),
        row(id="e", state=CallState.ENDED, ended_ms=9, outcome="busy"),
    ]
    shown = figures(known, cards)
    assert (shown.live, shown.dialing, shown.ringing, shown.talking, shown.cap) == (3, 1, 1, 1, 50)
    assert shown.next_due_ms == 77
    wall = Wall()
    wall.replace_all(cards)
    assert wall.snapshot(1).figures is None, "nothing is claimed before the store was read"
    wall.today(known)
    frame = wall.frame(2)
    assert frame is not None
    assert frame.figures == shown
    wall.put(row(state=CallState.ENDED, ended_ms=9, outcome="busy"))
    later = wall.frame(3)
    assert later is not None
    assert later.figures is not None
    assert later.figures.live == 2


def test_lights_of_several_engines_show_the_worst_and_forget_the_silent() -> None:
    wall = Wall()
    wall.connection(ConnectionChanged(name="ari", state="connected", node="a"), 1_000)
    wall.connection(ConnectionChanged(name="ari", state="lost", node="b", detail="Refused."), 1_000)
    ari = wall.snapshot(2_000).connections[0]
    assert (ari.mark, ari.sentence.partition(". ")[0]) == ("bad", "Asterisk of the engine b is not connected")
    wall.connection(ConnectionChanged(name="ari", state="connected", node="a"), 1_000 + SILENT_MS)
    assert wall.snapshot(1_001 + SILENT_MS).connections[0].mark == "ok", "engine b says nothing any more"
    assert wall.snapshot(1_001 + 2 * SILENT_MS).connections[0].mark == "unknown"
    wall.connection(ConnectionChanged(name="store", state="connected"))
    assert wall.snapshot(10**12).connections[3].mark == "ok", "the console's own is always known"


async def _many(db: Database) -> str:
    """One call that lives, older than forty that ended."""
    old = await begun_call(db, await claimed_task(db))
    for number in range(40):
        call = await begun_call(db, await claimed_task(db, "+12025550188"))
        async with db.tx() as tx:
            await attempts.finish_call(
                tx, TENANT, ended(call, "busy" if number % 2 else "completed"), NOW + number
            )
    return old.id


@pytest.mark.anyio
async def test_a_long_talk_stays_on_the_wall_however_many_calls_ended_since(tmp_path: Path) -> None:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "t.db")) as db:
        await add_agent(db)
        old = await _many(db)
        found = await calls.wall(db, TENANT, ended=30)
        assert [call.id for call in found if call.ended_ms is None] == [old]
        assert len(found) == 31
        assert await wallboard.ended_since(db, TENANT, NOW) == Ended(
            by_outcome={"busy": 20, "completed": 20}, machines=0
        )
        assert await wallboard.ended_since(db, TENANT, NOW + 40) == Ended(by_outcome={}, machines=0)


class Explained:
    """A reader that notes how the store would find what it is asked for."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.plans: list[list[str]] = []

    async def fetch(self, sql: str, params: Any = None) -> list[Row]:
        self.plans.append([line[3] for line in await self._db.fetch(f"EXPLAIN QUERY PLAN {sql}", params)])
        return await self._db.fetch(sql, params)

    async def one(self, sql: str, params: Any = None) -> Row | None:
        return next(iter(await self.fetch(sql, params)), None)


@pytest.mark.anyio
async def test_what_the_wall_asks_looks_at_no_call_or_task_it_does_not_show(tmp_path: Path) -> None:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "t.db")) as db:
        explained = Explained(db)
        await calls.wall(explained, TENANT)
        await calls.wall_some(explained, TENANT, ["x"])
        await wallboard.ended_since(explained, TENANT, NOW)
        await wallboard.next_due_ms(explained, TENANT)
    steps = (
        "c USING INDEX calls_alive",
        "c USING INDEX calls_newest",
        "c USING INDEX sqlite_autoindex_calls_1",
        "calls USING COVERING INDEX calls_ended",
        "tasks USING INDEX tasks_pending_due",
    )
    for step, plan in zip(steps, explained.plans, strict=True):
        assert any(step in line for line in plan), plan
        assert not any(line.startswith(("SCAN c", "SCAN t")) for line in plan), plan
        assert not any("ORDER BY" in line for line in plan), plan


@pytest.mark.anyio
async def test_a_hub_tells_kinds_that_changed_and_only_of_its_tenant(tmp_path: Path) -> None:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "t.db")) as db:
        await add_agent(db)
        call = await begun_call(db, await claimed_task(db))
        bus = MemoryBus()
        hub = Hub(db, bus, SystemClock(), TENANT, 5)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(hub.run())
            await asyncio.sleep(0)
            with hub.watch() as viewer:
                assert await viewer.next() is None
                await hub.reload()
                await ask_people(db, call, "Is Friday fine?")
                await bus.publish("lists", ListChanged(tenant_id="other", kind="dnc"))
                await bus.publish("lists", ListChanged(tenant_id=TENANT, kind="contacts"))
                await bus.publish("tasks", TaskChanged(tenant_id=TENANT, task_id=call.task_id))
                await bus.publish("feedback", FeedbackChanged(tenant_id=TENANT, request_id="x"))
                await bus.publish("calls", CallChanged(tenant_id=TENANT, call_id=call.id))
                told: set[str] = set()
                marked = False
                async with asyncio.timeout(10):
                    while len(told) < 5 or not marked:
                        frame = await viewer.next()
                        assert frame is not None
                        content = msgspec.json.decode(frame)
                        told |= set(content["changed"])
                        marked = marked or any(
                            badge["kind"] == "waiting" for card in content["calls"] for badge in card["badges"]
                        )
            running.cancel()
        assert told == {"contacts", "tasks", "campaigns", "questions", "calls"}


@pytest.mark.anyio
async def test_a_hub_works_only_for_its_tenant_and_only_while_somebody_watches(tmp_path: Path) -> None:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "t.db")) as db:
        await add_agent(db)
        await users.add_tenant(db, "other", "Other", NOW)
        call = await begun_call(db, await claimed_task(db))
        bus, idle_db, foreign_db = MemoryBus(), Watched(db, {"calls"}), Watched(db, {"calls"})
        witness = Hub(db, bus, SystemClock(), TENANT, 5)
        idle = Hub(idle_db, bus, SystemClock(), TENANT, 5)
        foreign = Hub(foreign_db, bus, ManualClock(datetime(2026, 11, 2, tzinfo=UTC)), "other", 5)
        words = CallWords(tenant_id=TENANT, call_id=call.id, speaker="agent", item_id="i", text="Hi", final=False)
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(hub.run()) for hub in (witness, idle, foreign)]
            await asyncio.sleep(0)
            with witness.watch() as viewer, foreign.watch():
                await witness.reload()
                await foreign.reload()
                assert await viewer.next() is None
                foreign_db.statements.clear()
                for _ in range(3):  # each frame comes a beat later: time for all three to work
                    await bus.publish("calls", CallChanged(tenant_id=TENANT, call_id=call.id))
                    await bus.publish("calls", words)
                    await bus.publish("tasks", TaskChanged(tenant_id=TENANT, task_id=call.task_id))
                    await bus.publish("feedback", FeedbackChanged(tenant_id=TENANT, request_id="x"))
                    async with asyncio.timeout(10):
                        while (
                            "tasks"
                            not in msgspec.json.decode(await viewer.next() or b'{"changed": []}')["changed"]
                        ):
                            pass
                assert not idle_db.statements, "nobody watches there"
                assert not foreign_db.statements, "nothing of that tenant changed"
                with idle.watch() as late:
                    await idle.reload()
                    assert await late.next() is None
                    (card,) = msgspec.json.decode(idle.snapshot())["calls"]
                    assert card["agent_words"] != "Hi", "spoken while nobody watched: the store will have it"
            for task in running:
                task.cancel()
