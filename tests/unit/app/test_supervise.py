"""An end is always written down: repeated while the store is away, with wall times, with the fault in words."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.calls import storing, supervise
from app.clock import ManualClock
from app.domain.call import NewCall
from app.domain.task import TaskState
from app.errors import ConstraintFailed, DatabaseBusy, LeaseLost
from app.store import attempts, calls, tasks
from app.store.sqlite import SqliteDatabase
from stasis.outcome import CallResult, EndedBy, Outcome
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.call_world import order, switchboard
from tests.unit.app.store_world import NOW, TENANT, add_agent, begun_call, claimed_task

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "test.db")) as opened:
        await add_agent(opened)
        yield opened


class Unsteady:
    """Fails as told, then works."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.tries = 0

    async def __call__(self) -> str:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)
        return "stored"


async def test_a_busy_store_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "STORE_RETRY_S", (0.0,))
    write = Unsteady(*[DatabaseBusy("busy")] * 5)
    assert await storing.until_stored(write, "c1") == "stored"
    assert write.tries == 6


@pytest.mark.parametrize("error", [ConstraintFailed("never"), LeaseLost("gone")])
async def test_what_would_fail_for_ever_gets_out(error: Exception) -> None:
    write = Unsteady(error)
    with pytest.raises(type(error)):
        await storing.until_stored(write, "c1")
    assert write.tries == 1


async def test_monotonic_times_become_wall_times(db: SqliteDatabase) -> None:
    board = switchboard(db)
    now_s = board.clock.monotonic()
    result = CallResult(
        outcome=Outcome.COMPLETED,
        ended_by=EndedBy.CALLEE,
        dialed=True,
        ringing_at=now_s - 30,
        answered_at=now_s - 20.5,
        ended_at=now_s - 1,
    )
    end = supervise.call_end(board, order(), result)
    assert (end.ringing_ms, end.answered_ms, end.ended_ms) == (NOW - 30_000, NOW - 20_500, NOW - 1_000)
    never = supervise.call_end(
        board, order(), CallResult(outcome=Outcome.FAILED, ended_by=EndedBy.OPERATOR, dialed=False)
    )
    assert (never.ringing_ms, never.answered_ms, never.ended_ms) == (None, None, NOW)


@pytest.mark.parametrize("dialed", [False, True])
async def test_a_call_that_cannot_even_begin_is_closed(db: SqliteDatabase, dialed: bool) -> None:
    """A fault of ours before the first step: the row says whether somebody may have been rung."""
    board = switchboard(db)
    task = await claimed_task(db)
    if dialed:
        call_id = (await begun_call(db, task)).id
    else:
        new = NewCall(id="c" * 32, task_id=task.id, node="main", number_dialed=task.number)
        async with db.tx() as tx:
            call_id = (await attempts.open_call(tx, TENANT, new, task.lease_token, NOW)).id
    with board.ari.router.open(call_id):  # its mailbox is taken: the call cannot open it
        await supervise.supervise(board, order(task, call_id=call_id), task)
    call, after = await calls.get(db, TENANT, call_id), await tasks.get(db, TENANT, task.id)
    assert (call.outcome, call.ended_by, call.dialed) == ("failed", "system_failure", dialed)
    assert "has a mailbox already" in call.detail
    assert after.state is TaskState.PENDING
    assert after.current_attempt_count == int(dialed)
    assert after.next_action_time > NOW


class Listening:
    """A living call that only keeps what it is told."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.reason = ""

    def hang_up(self, ended_by: EndedBy, reason: str) -> None:
        self.reason = f"{ended_by}: {reason}"
        self.told.set()


async def test_the_claim_is_kept_while_the_call_lives_and_its_loss_ends_the_call(db: SqliteDatabase) -> None:
    board = switchboard(db)
    board = replace(board, settings=board.settings.model_copy(update={"lease_s": 0.06}))
    task = await claimed_task(db)
    made = order(task)
    board.calls[made.call_id] = call = Listening()
    clock = board.clock
    assert isinstance(clock, ManualClock)
    async with asyncio.timeout(5.0), asyncio.TaskGroup() as group:
        group.create_task(supervise._keep_lease(board, task, made))
        clock.advance(1_000)
        while (await tasks.get(db, TENANT, task.id)).lease_until != clock.unix_ms() + 60:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert not call.told.is_set()
        await db.execute("UPDATE tasks SET lease_token = lease_token + 1")
        await call.told.wait()
    assert call.reason == "system_failure: the claim of this task was lost"
