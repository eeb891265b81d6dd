"""What a former process left, looked at while the store is away or a row is damaged; and who is at work here."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.calls.board import CallOrder
from app.calls.held import Held
from app.calls.plan import ids_of
from app.calls.settle import Settler
from app.domain.call import Call
from app.domain.task import CallTask
from app.errors import StoreError
from app.store.db import Database
from app.store.sqlite import SqliteDatabase
from scripts.lib.faults.store import FaultyDatabase, StoreFault
from stasis.model import Channel
from stasis.reconcile import Snapshot
from tests.unit.app.call_world import switchboard
from tests.unit.app.store_world import add_agent, begun_call, claimed_task

pytestmark = pytest.mark.anyio


async def talk_left_behind(db: Database) -> Call:
    await add_agent(db)
    call = await begun_call(db, await claimed_task(db))
    await db.execute(
        "UPDATE calls SET state = 'bridged', answered_ms = dialing_ms WHERE id = :id", {"id": call.id}
    )
    return call


def showing(call: Call) -> Snapshot:
    """Asterisk has the callee."""
    callee = ids_of(call).callee
    return Snapshot(startup_time=None, channels={callee: Channel(id=callee, state="Up")}, bridges={})


def adopting(adopted: list[str]) -> Callable[[CallOrder, CallTask], None]:
    def adopt(order: CallOrder, task: CallTask) -> None:
        del task
        adopted.append(order.call_id)

    return adopt


async def test_while_the_store_is_away_no_talk_is_taken_for_a_stray(tmp_path: Path) -> None:
    async with SqliteDatabase(tmp_path / "a.db") as db:
        call = await talk_left_behind(db)
        adopted: list[str] = []
        away = switchboard(FaultyDatabase(db, 1, [StoreFault(store="tasks", method="commit", times=1)]))
        settler = Settler(away, adopting(adopted))
        with pytest.raises(StoreError):
            await settler(showing(call))
        assert await settler(showing(call)) == 0
        assert adopted == [call.id]


async def test_a_row_that_cannot_be_read_ends_nobody_elses_call(tmp_path: Path) -> None:
    async with SqliteDatabase(tmp_path / "a.db") as db:
        call = await talk_left_behind(db)
        await db.execute("""UPDATE agent_versions SET body = '{"no": "agent"}'""")
        adopted: list[str] = []
        await Settler(switchboard(db), adopting(adopted))(showing(call))
        assert adopted == []


def test_idle_is_one_thing_for_everybody_who_works() -> None:
    held = Held()
    held.add("dialed")
    held.add("calls back")
    held.discard("dialed")
    assert not held.idle.is_set()
    held.discard("calls back")
    assert held.idle.is_set()
    assert (len(held), list(held), "dialed" in held) == (0, [], False)


def test_a_task_claimed_again_is_held_until_both_attempts_are_over() -> None:
    held = Held()
    held.add("retry")
    held.add("retry")
    assert len(held) == 1
    held.discard("retry")
    assert "retry" in held
    assert not held.idle.is_set()
    held.discard("retry")
    held.discard("retry")
    assert ("retry" in held, held.idle.is_set()) == (False, True)
    held.add("retry")
    assert "retry" in held


def test_what_was_left_to_the_next_process_is_taken_and_keeps_nobody_waiting() -> None:
    held = Held()
    held.add("talk")
    held.leave("talk")
    held.discard("talk")
    assert held.idle.is_set()
    assert (len(held), "talk" in held) == (0, True)
