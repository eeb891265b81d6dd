"""The scheduler without Asterisk: what it recovers and concludes, and what it leaves alone. Calls: tests/flow."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.calls.board import Switchboard
from app.calls.plan import call_plan_limit_s
from app.clock import ManualClock
from app.domain.task import TaskState
from app.scheduler import Scheduler
from app.store import attempts, calls, leases, tasks
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.call_world import switchboard
from tests.unit.app.store_world import LEASE_MS, NOW, TENANT, add_agent, begun_call, claimed_task, ended, new_task

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "test.db")) as opened:
        await add_agent(opened)
        yield opened


async def look(scheduler: Scheduler) -> None:
    async with asyncio.TaskGroup() as group:
        await scheduler.look(group)


def later(board: Switchboard, ms: int = LEASE_MS + 1) -> None:
    assert isinstance(board.clock, ManualClock)
    board.clock.advance(ms / 1000)


async def test_without_asterisk_nothing_is_claimed(db: SqliteDatabase) -> None:
    task = await tasks.create(db, TENANT, new_task(), NOW)
    scheduler = Scheduler(switchboard(db))
    await look(scheduler)
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.PENDING
    assert scheduler.idle.is_set()


async def test_a_claim_that_ran_out_before_dialing_is_due_again(db: SqliteDatabase) -> None:
    board, task = switchboard(db), await claimed_task(db)
    later(board)
    await look(Scheduler(board))
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.PENDING


async def test_a_call_whose_process_died_is_concluded_as_lost_when_no_asterisk_can_be_asked(
    db: SqliteDatabase,
) -> None:
    """People may be talking until no limit lets them any more; whoever can ask decides before."""
    board, task = switchboard(db), await claimed_task(db)
    call = await begun_call(db, task)
    await calls.set_state(db, TENANT, call.id, "answered", NOW)
    longest_ms = call_plan_limit_s(board.settings) * 1000
    later(board, longest_ms)
    await look(Scheduler(board))
    assert (await calls.get(db, TENANT, call.id)).outcome is None
    later(board, 1)
    await look(Scheduler(board))
    assert (await calls.get(db, TENANT, call.id)).outcome == "lost"
    after = await tasks.get(db, TENANT, task.id)
    assert after.state is TaskState.FAILED
    assert "read the transcript" in after.overall_conclusion


async def test_a_call_of_this_process_is_not_taken_from_it(db: SqliteDatabase) -> None:
    """Its claim looks run out after the clock was set, or while the store was away."""
    board, task = switchboard(db), await claimed_task(db)
    call = await begun_call(db, task)
    scheduler = Scheduler(board)
    scheduler.running.add(task.id)
    later(board)
    await look(scheduler)
    assert (await calls.get(db, TENANT, call.id)).outcome is None
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.IN_CALL
    assert await leases.renew(db, TENANT, task.id, task.lease_token, NOW + 10 * LEASE_MS)


async def test_an_end_that_nobody_concluded_is_concluded(db: SqliteDatabase) -> None:
    board, task = switchboard(db), await claimed_task(db)
    call = await begun_call(db, task)
    async with db.tx() as tx:
        await attempts.finish_call(tx, TENANT, ended(call, "completed"), NOW, token=task.lease_token)
    scheduler = Scheduler(board)
    await look(scheduler)
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.ANALYZING  # its claim still holds
    later(board)
    await look(scheduler)
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.COMPLETED


async def test_stop_ends_the_rounds(db: SqliteDatabase) -> None:
    scheduler = Scheduler(switchboard(db))
    async with asyncio.timeout(2.0), asyncio.TaskGroup() as group:
        group.create_task(scheduler.run())
        await asyncio.sleep(0)
        scheduler.stop()
