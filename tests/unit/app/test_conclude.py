"""What follows an ended call is decided once, from the stored rows, by whoever holds the claim."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.calls.conclude import conclude_task
from app.domain.task import CallTask, TaskState
from app.errors import LeaseLost
from app.store import attempts, calls, events, leases, tasks
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.call_world import switchboard
from tests.unit.app.store_world import LEASE_MS, NOW, TENANT, add_agent, begun_call, claimed_task, ended

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "test.db")) as opened:
        await add_agent(opened)
        yield opened


async def analyzing(db: SqliteDatabase, outcome: str = "busy") -> CallTask:
    task = await claimed_task(db)
    call = await begun_call(db, task)
    async with db.tx() as tx:
        return await attempts.finish_call(tx, TENANT, ended(call, outcome), NOW, token=task.lease_token)


async def test_an_ended_call_is_concluded_once(db: SqliteDatabase) -> None:
    board, task = switchboard(db), await analyzing(db)
    done = await conclude_task(board, task, task.lease_token)
    assert done.state is TaskState.PENDING
    assert done.overall_conclusion.startswith("The line was busy; again in 10 minutes")
    assert done.lease_owner is None
    assert await conclude_task(board, task, task.lease_token) == done


@pytest.mark.parametrize(
    ("outcome", "state"), [("completed", "completed"), ("bad_number", "failed"), ("rejected", "failed")]
)
async def test_outcomes(db: SqliteDatabase, outcome: str, state: str) -> None:
    board, task = switchboard(db), await analyzing(db, outcome)
    assert (await conclude_task(board, task, task.lease_token)).state == state


@pytest.mark.parametrize(("packets", "state"), [(0, "failed"), (1, "completed")])
async def test_no_audio_of_the_callee_is_no_completed_task(db: SqliteDatabase, packets: int, state: str) -> None:
    board, task = switchboard(db), await analyzing(db, "completed")
    [call] = await calls.of_task(db, TENANT, task.id)
    await db.execute("UPDATE calls SET ended_by = 'system_timeout' WHERE id = :id", {"id": call.id})
    counted = {"statistics": {"packets_received": packets}}
    await events.add(db, TENANT, call.id, "leg_closed", counted, at_ms=NOW)
    assert (await conclude_task(board, task, task.lease_token)).state == state


async def test_an_old_claim_concludes_nothing(db: SqliteDatabase) -> None:
    board, task = switchboard(db), await analyzing(db)
    later = NOW + LEASE_MS + 1
    (taken,) = await leases.claim_analysis(db, later, "other", LEASE_MS, 1)
    with pytest.raises(LeaseLost):
        await conclude_task(board, task, task.lease_token)
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.ANALYZING
    assert (await conclude_task(board, taken, taken.lease_token)).state is TaskState.PENDING


async def test_a_task_that_is_not_analyzed_is_left_alone(db: SqliteDatabase) -> None:
    task = await claimed_task(db)
    assert await conclude_task(switchboard(db), task, task.lease_token) == task
