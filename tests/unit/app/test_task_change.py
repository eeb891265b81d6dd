"""What people may change of a task that waits: rules as a table and as properties, races with who claims."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.task import SETTLED, CallTask, TaskState
from app.domain.task_change import (
    MAX_AHEAD_MS,
    CancelTask,
    PutOnHold,
    ReleaseHold,
    Reschedule,
    SetPriority,
    TaskChange,
    TaskHold,
    changed,
)
from app.domain.wall_time import instant, written
from app.errors import AppError, ConflictError, NotFoundError, ValidationFailed
from app.store import leases, task_changes, tasks, users
from app.store.db import Database
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import LEASE_MS, NOW, TENANT, add_agent, new_task

HOUR_MS = 3_600_000
TASK = CallTask(
    **msgspec.structs.asdict(new_task(next_action_time=NOW + HOUR_MS, until_ms=NOW + 48 * HOUR_MS)),
    tenant_id=TENANT,
    state=TaskState.PENDING,
    current_attempt_count=0,
    not_dialed_count=0,
    overall_conclusion="",
    lease_owner=None,
    lease_token=0,
    lease_until=None,
    created_ms=NOW,
    updated_ms=NOW,
)
HOLD = PutOnHold(until_ms=NOW + 5 * HOUR_MS, reason=" the owner \n is away ")
EVERY: tuple[TaskChange, ...] = (
    SetPriority(priority=90),
    HOLD,
    ReleaseHold(),
    Reschedule(at_ms=NOW + 2 * HOUR_MS),
    CancelTask(reason="sold"),
)


def in_state(state: TaskState) -> CallTask:
    return msgspec.structs.replace(TASK, state=state)


@pytest.mark.parametrize("change", EVERY)
@pytest.mark.parametrize("state", TaskState)
def test_only_what_waits_is_changed(state: TaskState, change: TaskChange) -> None:
    held = changed(TASK, None, HOLD, "user:a", NOW)
    task = msgspec.structs.replace(held.task, state=state)
    may = state is TaskState.PENDING or (
        state is TaskState.WAITING_USER and isinstance(change, SetPriority | CancelTask)
    )
    if may:
        assert changed(task, held.hold, change, "user:a", NOW)
        return
    with pytest.raises(ConflictError) as refused:
        changed(task, held.hold, change, "user:a", NOW)
    assert ("settled" in refused.value.message) is (state in SETTLED)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (SetPriority(priority=101), "between 0 and 100"),
        (SetPriority(priority=-1), "between 0 and 100"),
        (PutOnHold(until_ms=NOW + 1, reason="  "), "why"),
        (PutOnHold(until_ms=NOW, reason="x"), "passed"),
        (Reschedule(at_ms=NOW - 1), "passed"),
        (Reschedule(at_ms=NOW + 49 * HOUR_MS), "wanted until"),
        (PutOnHold(until_ms=NOW + 49 * HOUR_MS, reason="x"), "wanted until"),
    ],
)
def test_values_that_cannot_be_are_refused_with_a_reason(change: TaskChange, words: str) -> None:
    with pytest.raises(ValidationFailed, match=words):
        changed(TASK, None, change, "user:a", NOW)
    free = msgspec.structs.replace(TASK, until_ms=None)
    with pytest.raises(ValidationFailed, match="year"):
        changed(free, None, Reschedule(at_ms=NOW + MAX_AHEAD_MS + 1), "user:a", NOW)


def test_a_hold_is_released_to_the_time_before_it_however_often_it_was_prolonged() -> None:
    first = changed(TASK, None, HOLD, "user:a", NOW)
    assert (first.task.next_action_time, first.hold and first.hold.reason) == (
        HOLD.until_ms,
        "the owner is away",
    )
    longer = PutOnHold(until_ms=NOW + 9 * HOUR_MS, reason="longer")
    second = changed(first.task, first.hold, longer, "user:b", NOW + 1)
    third = changed(second.task, second.hold, ReleaseHold(), "user:a", NOW + 2)
    assert (third.task.next_action_time, third.hold) == (TASK.next_action_time, None)
    with pytest.raises(ConflictError, match="not on hold"):
        changed(third.task, third.hold, ReleaseHold(), "user:a", NOW + 3)


def test_a_hold_says_nothing_any_more_once_the_task_has_another_time() -> None:
    held = changed(TASK, None, HOLD, "user:a", NOW)
    hold = held.hold
    assert isinstance(hold, TaskHold)
    assert hold.holds(held.task, NOW)
    assert not hold.holds(held.task, HOLD.until_ms), "over"
    moved = msgspec.structs.replace(held.task, next_action_time=NOW + 3 * HOUR_MS)
    assert not hold.holds(moved, NOW)
    with pytest.raises(ConflictError, match="not on hold"):
        changed(moved, hold, ReleaseHold(), "user:a", NOW)


CHANGES = st.one_of(
    st.builds(SetPriority, priority=st.integers(-5, 105)),
    st.builds(PutOnHold, until_ms=st.integers(NOW - 10, NOW + 60 * HOUR_MS), reason=st.text(max_size=12)),
    st.just(ReleaseHold()),
    st.builds(Reschedule, at_ms=st.integers(NOW - 10, NOW + 60 * HOUR_MS)),
    st.builds(CancelTask, reason=st.text(max_size=12)),
)


@given(st.lists(CHANGES, max_size=12))
def test_no_order_of_changes_breaks_a_task(orders: list[TaskChange]) -> None:
    task, hold = TASK, None
    for at, change in enumerate(orders):
        try:
            done = changed(task, hold, change, "user:a", NOW + at)
        except (ConflictError, ValidationFailed):
            continue
        task, hold = done.task, done.hold
        assert 0 <= task.priority <= 100
        assert task.until_ms is None or task.next_action_time <= task.until_ms
        assert task.lease_token == 0
        assert hold is None or hold.holds(task, NOW + at)
        assert isinstance(change, CancelTask) == (task.state is TaskState.CANCELLED)


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2027-01-16T16:00", "America/New_York", 1800133200000),
        ("2026-11-01T01:30", "America/New_York", 1793511000000),  # twice: the first
        ("2027-01-16T16:00", "UTC", 1800115200000),
    ],
)
def test_a_wall_clock_becomes_an_instant_and_back(text: str, zone: str, utc: int) -> None:
    assert instant(text, zone) == utc
    assert written(utc, zone) == text


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("2027-03-14T02:30", "America/New_York"),
        ("tomorrow", "UTC"),
        ("2027-01-16T16:00+01:00", "UTC"),
        ("", "UTC"),
        ("0001-01-01T00:00", "Asia/Tokyo"),
        ("2027-01-16T16:00", "Mars/Olympus"),
    ],
)
def test_no_instant_is_made_up(text: str, zone: str) -> None:
    with pytest.raises(ValidationFailed):
        instant(text, zone)


# --- in the store ------------------------------------------------------------------------------------------------
@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


async def change(db: Database, task_id: str, order: TaskChange, tenant: str = TENANT) -> CallTask:
    async with db.tx() as tx:
        return (await task_changes.apply(tx, tenant, task_id, order, by="user:a", now_ms=NOW))[1]


@pytest.mark.anyio
async def test_what_was_changed_is_kept_with_who_did_it(db: Database) -> None:
    task = await tasks.create(db, TENANT, new_task(next_action_time=NOW + HOUR_MS), NOW)
    for order in (SetPriority(priority=7), HOLD, ReleaseHold(), CancelTask(reason="sold")):
        await change(db, task.id, order)
    now = await tasks.get(db, TENANT, task.id)
    assert (now.state, now.priority, now.overall_conclusion) == (TaskState.CANCELLED, 7, "Cancelled: sold")
    found = await task_changes.noted(db, TENANT, task.id)
    assert [(one.actor, type(one.change)) for one in found] == [
        ("user:a", CancelTask),
        ("user:a", ReleaseHold),
        ("user:a", PutOnHold),
        ("user:a", SetPriority),
    ]
    assert await task_changes.hold_of(db, TENANT, task.id) is None


@pytest.mark.anyio
async def test_another_tenant_changes_and_reads_nothing(db: Database) -> None:
    await users.add_tenant(db, "other", "Other", NOW)
    task = await tasks.create(db, TENANT, new_task(next_action_time=NOW + HOUR_MS), NOW)
    await change(db, task.id, HOLD)
    with pytest.raises(NotFoundError):
        await change(db, task.id, ReleaseHold(), "other")
    assert await task_changes.hold_of(db, "other", task.id) is None
    assert await task_changes.noted(db, "other", task.id) == []
    assert await task_changes.holds_of(db, "other", [task.id]) == {}


@pytest.mark.anyio
async def test_a_change_and_a_claim_at_once_never_both_have_the_task(opener: Opener, db: Database) -> None:
    made = [await tasks.create(db, TENANT, new_task(f"+1202555{at:04}"), NOW) for at in range(24)]
    held: dict[str, str] = {}
    claimed: list[CallTask] = []

    async def hold(sql: Database) -> None:
        for task in made:
            try:
                await change(sql, task.id, HOLD)
                held[task.id] = "held"
            except AppError as refused:
                held[task.id] = refused.code

    async def claim(sql: Database) -> None:
        for _ in range(12):
            claimed.extend(await leases.claim_due(sql, NOW, "me", LEASE_MS, 2))
            await asyncio.sleep(0)

    async with opener() as second, asyncio.TaskGroup() as group:
        group.create_task(hold(db))
        group.create_task(claim(second))
    mine = {task.id for task in claimed}
    assert len(mine) == len(claimed)
    for task in made:
        now = await tasks.get(db, TENANT, task.id)
        if task.id in mine:
            assert (now.state, held[task.id]) == (TaskState.CLAIMED, "conflict"), held[task.id]
            assert now.next_action_time == NOW
        else:
            assert (now.state, held[task.id]) == (TaskState.PENDING, "held")
