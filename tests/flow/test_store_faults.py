"""The store is locked, read-only or damaged: no dial without a stored intent, a talk goes on, its end is kept."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import pytest

from app.domain.task import CallTask, TaskState
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForAgent
from app.sim.realtime.brain import Step
from app.store.db import Database
from scripts.lib.faults.store import FaultyDatabase, StoreFault
from tests.flow.locked import locked
from tests.flow.rig import BYE, Rig, beside, rig, until
from tests.flow.single import COMPLETED, NOT_PLACED, NUMBER, PAUSE, SPEAKS, one_call, shorten_patience

pytestmark = pytest.mark.anyio
LONG = "this takes quite a while to say"
SHORT_MS = 100


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_patience(monkeypatch)
    monkeypatch.setattr("app.calls.storing.STORE_RETRY_S", (0.05,))


@asynccontextmanager
async def read_only(house: Rig) -> AsyncGenerator[None]:
    """Every write is refused at once."""
    writer = house.db._writer
    assert writer is not None
    await writer.execute_fetchall("PRAGMA query_only=ON")
    try:
        yield
    finally:
        await writer.execute_fetchall("PRAGMA query_only=OFF")


async def nothing_is_claimed_from_a_locked_store(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: SPEAKS}, busy_timeout_ms=SHORT_MS) as house:
        house.think("talk", BYE)
        task = await house.add(
            NUMBER, "talk", opening="wait_for_hello", next_action_time=house.clock.unix_ms() + 300
        )
        async with locked(house):
            await until(partial(_passed, house, task.next_action_time + 400))
            assert house.asterisk.requests.count(("POST", "/bridges")) == 0
            assert house.asterisk.invites == []
        assert (await house.settled(task)).state is TaskState.COMPLETED


async def _passed(house: Rig, unix_ms: int) -> bool:
    return house.clock.unix_ms() > unix_ms


async def no_stored_intent_no_dial(tmp_path: Path) -> None:
    release = asyncio.Event()

    def slowly(house: Rig) -> None:
        house.asterisk.delay_events(0.3)

    async def meddle(house: Rig, task: CallTask) -> None:
        await house.live(task)
        await house.asterisk.wait_until(lambda: bool(house.asterisk.exchange.bridges))
        async with locked(house):

            async def given_up() -> bool:
                return house.asterisk.leftovers() == []

            await until(given_up)
        release.set()

    ended = await one_call(tmp_path, prepare=slowly, meddle=meddle, busy_timeout_ms=SHORT_MS)
    assert ended.story == NOT_PLACED
    assert (ended.invites, ended.call.dialed, ended.task.current_attempt_count) == (0, False, 0)
    assert release.is_set()


async def a_talk_goes_on_while_the_store_is_locked(tmp_path: Path) -> None:
    """Locked from the ringing to long after the first answer, with a store that is given time to wait for it."""
    script = CalleeScript((Ring(0.05), Answer(0.3), PAUSE, Say("hey"), WaitForAgent(), Say("yes"), WaitForAgent()))
    async with rig(tmp_path, callees={NUMBER: script}, busy_timeout_ms=3_000) as house:
        house.think("talk", Step(say="first"), BYE)
        task = await house.add(NUMBER, "talk on", opening="wait_for_hello")
        await house.asterisk.wait_until(lambda: house.invited(NUMBER) > 0)
        async with locked(house):
            callee = await house.talking(task, "first")
            # 0.25 s to speak, 0.6 s until the model takes the turn.
            assert callee.first_audio_ms is not None
            assert callee.first_audio_ms < 2_000
        ended = await house.settled(task)
        call = await house.call(task)
        assert (ended.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "agent")
        await house.expect_turns(call, ("callee", "hey"), ("agent", "first"), ("callee", "yes"), ("agent", "bye"))
        assert call.answered_ms is not None


async def what_was_said_while_the_store_was_away_is_stored_later(tmp_path: Path) -> None:
    script = CalleeScript((Ring(0.05), Answer(0.1), PAUSE, Say("hey"), WaitForAgent(), Say("yes"), WaitForAgent()))
    async with rig(tmp_path, callees={NUMBER: script}, busy_timeout_ms=SHORT_MS) as house:
        house.think("talk", Step(say="first"), BYE)
        task = await house.add(NUMBER, "talk on", opening="wait_for_hello")
        callee = await house.talking(task)
        async with locked(house):
            await house.asterisk.wait_until(lambda: callee.over, 8.0)
            assert (await house.task(task)).state is TaskState.IN_CALL
        ended = await house.settled(task)
        call = await house.call(task)
        assert (ended.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "agent")
        await house.expect_turns(call, ("callee", "hey"), ("agent", "first"), ("callee", "yes"), ("agent", "bye"))


async def a_store_that_refuses_every_write_of_a_call(tmp_path: Path) -> None:
    async def meddle(house: Rig, task: CallTask) -> None:
        callee = await house.talking(task)
        async with read_only(house):
            await house.asterisk.wait_until(lambda: callee.over, 8.0)
            assert (await house.task(task)).state is TaskState.IN_CALL

    ended = await one_call(tmp_path, say=LONG, meddle=meddle)
    assert ended.story == COMPLETED
    assert [turn.speaker for turn in ended.turns] == ["callee", "agent"]
    assert ended.turns[1].text == LONG


async def a_damaged_row_stops_only_its_own_task(tmp_path: Path) -> None:
    bad, good = "+15551002301", "+15551002302"
    async with rig(tmp_path, callees={good: SPEAKS}) as house:
        house.think("talk", BYE)
        await house.db.execute("""UPDATE agents SET tools = '{"no": "list"}' WHERE name = 'greet_first'""")
        async with house.db.tx() as tx:
            broken = await house.add(bad, "talk", into=tx)
            whole = await house.add(good, "talk", opening="wait_for_hello", into=tx)
        ended = await house.settled(broken)
        assert ended.state is TaskState.FAILED
        assert "agent of this task cannot be read" in ended.overall_conclusion
        assert (await house.settled(whole)).state is TaskState.COMPLETED
        assert [invite.number for invite in house.asterisk.invites] == [good]


async def a_store_that_is_busy_at_the_start(tmp_path: Path) -> None:
    """What a former process left of call-backs is closed a little later; the engine and its calls go on."""
    fault, made = StoreFault(store="calls", method="commit", times=1), list[FaultyDatabase]()

    def through(db: Database) -> Database:
        made.append(FaultyDatabase(db, 1, [fault]))
        return made[0]

    async with rig(tmp_path, callees={NUMBER: SPEAKS}, through=through) as house:

        async def struck() -> bool:
            return made[0].struck[fault] == 1

        await until(struck)
        house.think("talk", BYE)
        task = await house.add(NUMBER, "talk", opening="wait_for_hello")
        assert (await house.settled(task)).state is TaskState.COMPLETED


def _delete(database: Path, task: CallTask) -> None:
    with closing(sqlite3.connect(database)) as other, other:
        other.execute("DELETE FROM tasks WHERE id = ?", (task.id,))


async def a_task_that_vanishes_under_its_call(tmp_path: Path) -> None:
    """A fault of ours in the middle of one call: the others go on, and nothing of it is left in Asterisk."""
    gone, stays = "+15551002401", "+15551002402"
    async with rig(tmp_path, callees={gone: SPEAKS, stays: SPEAKS}) as house:
        house.think("talk", BYE)
        house.asterisk.delay_events(0.3)
        task = await house.add(gone, "talk", opening="wait_for_hello")
        await house.live(task)
        await asyncio.to_thread(_delete, house.settings.database_path, task)
        await house.asterisk.wait_until(lambda: ("POST", "/channels/externalMedia") in house.asterisk.requests)

        async def cleared() -> bool:
            return not house.engine.scheduler.running and not house.asterisk.leftovers()

        await until(cleared)
        assert house.asterisk.invites == []
        assert (await house.settled(await house.add(stays, "talk", opening="wait_for_hello"))).state is (
            TaskState.COMPLETED
        )
        await house.db.execute("DELETE FROM call_events")
        await house.db.execute("DELETE FROM calls WHERE number_dialed = :gone", {"gone": gone})


async def test_the_store_fails(tmp_path: Path) -> None:
    """Every case in a house of its own, beside each other."""
    await beside(
        tmp_path,
        nothing_is_claimed_from_a_locked_store,
        a_store_that_is_busy_at_the_start,
        no_stored_intent_no_dial,
        a_talk_goes_on_while_the_store_is_locked,
        what_was_said_while_the_store_was_away_is_stored_later,
        a_store_that_refuses_every_write_of_a_call,
        a_damaged_row_stops_only_its_own_task,
        a_task_that_vanishes_under_its_call,
        at_once=8,
    )
