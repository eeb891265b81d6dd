"""The dial protocol in the store: claims, fencing, the committed intent, recovery. Each promise on a real file."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from app.domain import retry
from app.domain.call import Call, CallState, Turn
from app.domain.task import TaskEvent, TaskState
from app.errors import (
    ConflictError,
    IllegalTransition,
    LeaseLost,
    NotFoundError,
    StoreError,
    ValidationFailed,
)
from app.ids import new_id
from app.store import attempts, calls, campaigns, dnd, events, leases, tasks, transcripts
from app.store.attempts import DialRefusal
from app.store.campaigns import NewCampaign
from app.store.db import Database
from app.store.dnd import DoNotCall
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import (
    LEASE_MS,
    NOW,
    NUMBER,
    SITE,
    TENANT,
    add_agent,
    begun_call,
    claimed_task,
    ended,
    new_call,
    new_task,
)

pytestmark = pytest.mark.anyio
LATER = NOW + LEASE_MS + 1


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


async def begin(db: Database, new: object, token: int, now_ms: int = NOW) -> Call | DialRefusal:
    async with db.tx() as tx:
        return await attempts.begin_call(tx, TENANT, new, token, now_ms, site=SITE)  # type: ignore[arg-type]


async def finish(db: Database, end: object, token: int | None, now_ms: int = NOW) -> object:
    async with db.tx() as tx:
        return await attempts.finish_call(tx, TENANT, end, now_ms, token=token)  # type: ignore[arg-type]


async def block(db: Database, number: str = NUMBER, tenant_id: str | None = TENANT) -> list[str]:
    entry = DoNotCall(id=new_id(NOW), tenant_id=tenant_id, number=number, reason="asked", source="callee")
    async with db.tx() as tx:
        return await dnd.add(tx, entry, NOW)


async def test_the_turn_that_proves_an_opt_out_is_filled_in_once(db: Database) -> None:
    call = await begun_call(db, await claimed_task(db))
    entry = DoNotCall(
        id=new_id(NOW),
        tenant_id=TENANT,
        number=NUMBER,
        reason="in peace",
        source="callee",
        evidence_call_id=call.id,
    )
    for item_id, kept in ((None, None), ("i1", "i1"), (None, "i1"), ("i2", "i1")):
        async with db.tx() as tx:
            again = msgspec.structs.replace(entry, id=new_id(NOW), evidence_item_id=item_id)
            await dnd.add(tx, again, NOW)
        (listed,) = await dnd.list_entries(db, TENANT)
        assert listed.evidence_item_id == kept


# --- claims ------------------------------------------------------------------------------------------------------
async def test_concurrent_claims_take_each_row_exactly_once(db: Database, opener: Opener) -> None:
    await tasks.create_many(db, TENANT, [new_task() for _ in range(200)], NOW)
    claimed: list[str] = []

    async def worker(own: Database, name: str) -> None:
        while batch := await leases.claim_due(own, NOW, name, LEASE_MS, 7):
            claimed.extend(task.id for task in batch)
            assert {task.lease_owner for task in batch} == {name}

    async with opener() as second, asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(worker(second if number % 2 else db, f"w{number}"))
    assert len(claimed) == len(set(claimed)) == 200


async def test_claims_are_due_urgent_first_and_from_running_campaigns(db: Database) -> None:
    async with db.tx() as tx:
        batch = [new_task(priority=99)]
        campaign, _ = await campaigns.create(tx, TENANT, NewCampaign(id="c", name="C"), batch, NOW)
    await campaigns.set_state(db, TENANT, campaign.id, "paused", NOW)
    low = await tasks.create(db, TENANT, new_task(priority=1), NOW)
    high = await tasks.create(db, TENANT, new_task(priority=90), NOW)
    await tasks.create(db, TENANT, new_task(next_action_time=NOW + 1), NOW)
    assert await leases.claim_due(db, NOW, "me", LEASE_MS, 0) == []
    assert [t.id for t in await leases.claim_due(db, NOW, "me", LEASE_MS, 9)] == [high.id, low.id]
    assert await tasks.next_due_ms(db, NOW) == NOW + 1
    await campaigns.set_state(db, TENANT, campaign.id, "active", NOW)
    assert len(await leases.claim_due(db, NOW, "me", LEASE_MS, 9)) == 1


async def test_a_lease_is_renewed_by_its_holder_only(db: Database) -> None:
    task = await claimed_task(db)
    assert await leases.renew(db, TENANT, task.id, task.lease_token, LATER)
    assert not await leases.renew(db, TENANT, task.id, task.lease_token - 1, LATER)
    assert not await leases.renew(db, "another", task.id, task.lease_token, LATER)


async def test_release_puts_back_without_an_attempt(db: Database) -> None:
    task = await claimed_task(db)
    async with db.tx() as tx:
        call = await attempts.open_call(tx, TENANT, new_call(task), task.lease_token, NOW)
        back = await leases.release(tx, TENANT, task.id, task.lease_token, NOW + 5, now_ms=NOW)
    assert (back.state, back.next_action_time, back.current_attempt_count) == (TaskState.PENDING, NOW + 5, 0)
    assert (await calls.get(db, TENANT, call.id)).outcome == "canceled"


# --- the intent to dial ------------------------------------------------------------------------------------------
async def test_begin_call_moves_task_and_call_together_and_uses_an_attempt(db: Database) -> None:
    task = await claimed_task(db)
    async with db.tx() as tx:
        opened = await attempts.open_call(tx, TENANT, new_call(task), task.lease_token, NOW)
    assert (opened.state, opened.dialed) == (CallState.PREPARE, False)
    call = await begin(db, new_call(task, id=opened.id), task.lease_token)
    assert isinstance(call, Call)
    assert (call.id, call.state, call.attempt_number, call.dialed) == (opened.id, CallState.DIALING, 1, True)
    after = await tasks.get(db, TENANT, task.id)
    assert (after.state, after.current_attempt_count) == (TaskState.IN_CALL, 1)


async def test_an_intent_that_does_not_commit_leaves_nothing(db: Database) -> None:
    task = await claimed_task(db)

    async def fail() -> None:
        async with db.tx() as tx:
            await attempts.begin_call(tx, TENANT, new_call(task), task.lease_token, NOW, site=SITE)
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.CLAIMED
    assert await calls.of_task(db, TENANT, task.id) == []


@pytest.mark.parametrize(
    ("case", "code"), [("old token", "lease_lost"), ("lease over", "lease_lost"), ("too late", "too_late")]
)
async def test_the_fence_and_the_deadline_refuse(db: Database, case: str, code: str) -> None:
    task = await claimed_task(db)
    token = task.lease_token - 1 if case == "old token" else task.lease_token
    now_ms = LATER if case == "lease over" else NOW
    new = new_call(task, dial_deadline_ms=NOW if case == "too late" else None)
    refusal = await begin(db, new, token, now_ms)
    assert isinstance(refusal, DialRefusal)
    assert refusal.code == code
    assert await calls.of_task(db, TENANT, task.id) == []


async def test_one_claim_dials_once(db: Database) -> None:
    task = await claimed_task(db)
    await begun_call(db, task)
    again = await begin(db, new_call(task), task.lease_token)
    assert isinstance(again, DialRefusal)
    assert again.code == "lease_lost"
    assert len(await calls.of_task(db, TENANT, task.id)) == 1


async def test_two_attempts_of_a_task_are_never_alive_together_whatever_the_program_does(
    db: Database,
) -> None:
    task = await claimed_task(db)
    await begun_call(db, task)
    await db.execute("UPDATE tasks SET state = 'claimed'")  # a bug somewhere else
    with pytest.raises(ConflictError, match="alive"):
        await begin(db, new_call(task), task.lease_token, NOW + 1)


@pytest.mark.parametrize("where", ["tenant", "everybody", "dialed number"])
async def test_do_not_call_refuses_and_suppresses(db: Database, where: str) -> None:
    task = await claimed_task(db)
    listed = "+12025550199" if where == "dialed number" else NUMBER
    tenant = None if where == "everybody" else TENANT
    await db.execute(
        "INSERT INTO dnd_list VALUES ('d', :tenant, :number, '', 'import', NULL, NULL, 0)",
        {"tenant": tenant, "number": listed},
    )
    redirected = msgspec.structs.replace(SITE, test_mode=True, redirect="+12025550199")
    async with db.tx() as tx:
        new = new_call(task, number_dialed=redirected.target(NUMBER))
        refusal = await attempts.begin_call(tx, TENANT, new, task.lease_token, NOW, site=redirected)
    assert isinstance(refusal, DialRefusal)
    assert refusal.code == "do_not_call"
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.SUPPRESSED
    assert await calls.of_task(db, TENANT, task.id) == []


async def test_a_list_that_cannot_be_read_means_no_dial(db: Database) -> None:
    task = await claimed_task(db)
    await db.execute("ALTER TABLE dnd_list RENAME TO gone")
    with pytest.raises(StoreError):
        await begin(db, new_call(task), task.lease_token)
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.CLAIMED
    assert await calls.of_task(db, TENANT, task.id) == []


async def test_opting_out_takes_waiting_tasks_off_the_queue_at_once(db: Database) -> None:
    held = await claimed_task(db)
    waiting = await tasks.create(db, TENANT, new_task(), NOW)
    other = await tasks.create(db, TENANT, new_task("+12025550188"), NOW)
    assert await block(db) == sorted([held.id, waiting.id])
    assert await block(db) == []
    refusal = await begin(db, new_call(held), held.lease_token)
    assert isinstance(refusal, DialRefusal)
    assert (await tasks.get(db, TENANT, other.id)).state is TaskState.PENDING
    assert len(await dnd.list_entries(db, TENANT)) == 1
    with pytest.raises(ValidationFailed):
        await block(db, "911")


async def test_an_opt_out_spoken_in_the_call_covers_its_retry(db: Database) -> None:
    task = await claimed_task(db)
    call = await begun_call(db, task)
    await block(db)
    await finish(db, ended(call), task.lease_token)
    again = retry.Conclusion(event=TaskEvent.RETRY, reason="busy", retry_at_ms=NOW + 1)
    async with db.tx() as tx:
        concluded = await tasks.conclude(tx, TENANT, task.id, task.lease_token, again, now_ms=NOW)
    assert concluded.state is TaskState.SUPPRESSED
    assert concluded.overall_conclusion == "The number is on a do-not-call list.", "no promise to call again"
    assert concluded.next_action_time == task.next_action_time


async def test_no_attempt_beyond_the_last(db: Database) -> None:
    task = await claimed_task(db, max_attempts=1)
    await db.execute("UPDATE tasks SET current_attempt_count = 1")
    refusal = await begin(db, new_call(task), task.lease_token)
    assert isinstance(refusal, DialRefusal)
    assert refusal.code == "task"
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.FAILED


# --- the end -----------------------------------------------------------------------------------------------------
async def test_finish_and_conclude(db: Database) -> None:
    task = await claimed_task(db)
    call = await begun_call(db, task)
    assert await calls.set_state(db, TENANT, call.id, "answered", NOW + 7)
    await finish(db, ended(call, "completed", hangup_cause=16), task.lease_token, NOW + 9)
    stored = await calls.get(db, TENANT, call.id)
    assert (stored.state, stored.outcome, stored.answered_ms, stored.ended_ms) == (
        CallState.ENDED,
        "completed",
        NOW + 7,
        NOW + 9,
    )
    analyzing = await tasks.get(db, TENANT, task.id)
    assert analyzing.state is TaskState.ANALYZING
    conclusion = retry.conclude(retry.attempt_of(analyzing, stored), NOW)
    async with db.tx() as tx:
        with pytest.raises(LeaseLost):
            await tasks.conclude(tx, TENANT, task.id, task.lease_token - 1, conclusion, now_ms=NOW)
        done = await tasks.conclude(tx, TENANT, task.id, task.lease_token, conclusion, now_ms=NOW)
    assert (done.state, done.lease_owner) == (TaskState.COMPLETED, None)


async def test_finishing_twice_changes_nothing_and_is_noted(db: Database) -> None:
    task = await claimed_task(db)
    call = await begun_call(db, task)
    await finish(db, ended(call, "busy"), task.lease_token)
    await finish(db, ended(call, "completed"), task.lease_token)
    assert (await calls.get(db, TENANT, call.id)).outcome == "busy"
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.ANALYZING
    assert [event.kind for event in await events.list_events(db, TENANT, call.id)] == ["late_end"]


@pytest.mark.parametrize("begun", [True, False])
async def test_an_attempt_that_dialed_nobody_is_given_back(db: Database, begun: bool) -> None:
    task = await claimed_task(db)
    async with db.tx() as tx:
        call = await attempts.open_call(tx, TENANT, new_call(task), task.lease_token, NOW)
    if begun:
        await begin(db, new_call(task, id=call.id), task.lease_token)
    await finish(db, ended(call, "trunk_fault", dialed=False), task.lease_token)
    after = await tasks.get(db, TENANT, task.id)
    assert (after.state, after.current_attempt_count, after.not_dialed_count) == (TaskState.ANALYZING, 0, 1)


# --- recovery ----------------------------------------------------------------------------------------------------
async def test_recovery_never_redials_and_loses_nothing(db: Database) -> None:
    before, during = await claimed_task(db), await claimed_task(db, "+12025550188")
    call = await begun_call(db, during)
    async with db.tx() as tx:
        assert await leases.recover_expired(tx, NOW) == []
    async with db.tx() as tx:
        assert len(await leases.recover_expired(tx, LATER)) == 2
    assert (await tasks.get(db, TENANT, before.id)).state is TaskState.PENDING
    assert (await tasks.get(db, TENANT, during.id)).state is TaskState.ANALYZING
    lost = await calls.get(db, TENANT, call.id)
    assert (lost.outcome, lost.ended_by, lost.dialed) == ("lost", "system_failure", True)
    assert [t.id for t in await leases.claim_due(db, LATER, "new", LEASE_MS, 9)] == [before.id]
    (analysis,) = await leases.claim_analysis(db, LATER, "new", LEASE_MS, 9)
    assert (analysis.id, analysis.lease_token) == (during.id, during.lease_token + 1)
    assert await leases.claim_analysis(db, LATER, "other", LEASE_MS, 9) == []


async def test_a_call_that_may_live_on_the_exchange_is_not_recovered_before_it_cannot(db: Database) -> None:
    """Whoever can ask the exchange settles it; a claim, and a call without a living row, wait for nobody."""
    before, during = await claimed_task(db), await claimed_task(db, "+12025550188")
    await begun_call(db, during)
    rowless = await claimed_task(db, "+12025550189")
    call = await begun_call(db, rowless)
    async with db.tx() as tx:
        assert await attempts.close_row(tx, call, ended(call, "lost"), NOW)
    over = NOW + 10 * LEASE_MS
    for now_ms, expected in ((LATER, {before.id, rowless.id}), (over, set[str]()), (over + 1, {during.id})):
        async with db.tx() as tx:
            found = await leases.recover_expired(tx, now_ms, owner="me", longest_call_ms=10 * LEASE_MS)
        assert {task.id for task in found} == expected, now_ms
    assert (await tasks.get(db, TENANT, during.id)).state is TaskState.ANALYZING


async def test_the_process_that_stalled_cannot_touch_the_task_any_more(db: Database) -> None:
    task = await claimed_task(db)
    call = await begun_call(db, task)
    async with db.tx() as tx:
        await leases.recover_expired(tx, LATER)
    await leases.claim_analysis(db, LATER, "new", LEASE_MS, 9)
    await finish(db, ended(call, "completed"), task.lease_token, LATER)
    conclusion = retry.Conclusion(event=TaskEvent.COMPLETE, reason="x")
    with pytest.raises(LeaseLost):
        async with db.tx() as tx:
            await tasks.conclude(tx, TENANT, task.id, task.lease_token, conclusion, now_ms=LATER)
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.ANALYZING


async def test_every_claim_has_its_own_token(db: Database) -> None:
    task = await claimed_task(db)
    async with db.tx() as tx:
        await leases.release(tx, TENANT, task.id, task.lease_token, NOW, now_ms=NOW)
    (again,) = await leases.claim_due(db, NOW, "other", LEASE_MS, 1)
    assert again.lease_token == task.lease_token + 1
    late = await begin(db, new_call(task), task.lease_token)
    assert isinstance(late, DialRefusal)
    assert isinstance(await begin(db, new_call(again), again.lease_token), Call)


async def test_an_end_reported_by_the_former_holder_leaves_the_task_to_the_new_one(db: Database) -> None:
    task = await claimed_task(db)
    call = await begun_call(db, task)
    async with db.tx() as tx:
        adopted = await leases.adopt(tx, TENANT, task.id, "new", LATER + LEASE_MS)
    await finish(db, ended(call, "completed"), task.lease_token)
    assert (await calls.get(db, TENANT, call.id)).outcome == "completed"
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.IN_CALL
    await finish(db, ended(call, "lost"), adopted.lease_token)
    assert (await calls.get(db, TENANT, call.id)).outcome == "completed"
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.ANALYZING


async def test_a_late_end_does_not_touch_the_next_claim(db: Database) -> None:
    task = await claimed_task(db)
    call = await begun_call(db, task)
    await finish(db, ended(call), task.lease_token)
    again = retry.Conclusion(event=TaskEvent.RETRY, reason="busy", retry_at_ms=NOW)
    async with db.tx() as tx:
        await tasks.conclude(tx, TENANT, task.id, task.lease_token, again, now_ms=NOW)
    (claim,) = await leases.claim_due(db, NOW, "me", LEASE_MS, 1)
    await finish(db, ended(call, "completed"), None)
    assert await tasks.get(db, TENANT, task.id) == claim


async def test_a_call_that_lives_on_is_adopted(db: Database) -> None:
    task = await claimed_task(db)
    call = await begun_call(db, task)
    assert [alive.id for alive in await calls.alive_on_node(db, "main")] == [call.id]
    async with db.tx() as tx:
        adopted = await leases.adopt(tx, TENANT, task.id, "new", LATER + LEASE_MS)
        assert await leases.recover_expired(tx, LATER) == []
    assert adopted.lease_token == task.lease_token + 1
    await finish(db, ended(call), adopted.lease_token, LATER)
    with pytest.raises(IllegalTransition):
        async with db.tx() as tx:
            await leases.adopt(tx, TENANT, task.id, "x", LATER)


# --- rows --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "change",
    [
        {"number": "12025550123"},
        {"number": ""},
        {"objective": "  "},
        {"agent_id": "nobody"},
        {"campaign_id": "nothing"},
        {"priority": 101},
        {"max_attempts": 0},
        {"objective": "\ud800"},
    ],
)
async def test_tasks_that_do_not_fit_are_refused_whole(db: Database, change: dict[str, object]) -> None:
    with pytest.raises(ValidationFailed):
        await tasks.create_many(db, TENANT, [new_task(), new_task(**change)], NOW)
    assert await tasks.list_tasks(db, TENANT) == []


async def test_tenants_do_not_see_each_other(db: Database) -> None:
    task = await claimed_task(db)
    call = await begun_call(db, task)
    for reading in (tasks.get(db, "other", task.id), calls.get(db, "other", call.id)):
        with pytest.raises(NotFoundError):
            await reading
    assert await tasks.list_tasks(db, "other") == []
    assert await calls.wall(db, "other") == []
    assert await calls.wall_some(db, "other", [call.id]) == []
    assert not await calls.set_state(db, "other", call.id, "ringing", NOW)
    assert [t.id for t in await tasks.list_tasks(db, TENANT, states={TaskState.IN_CALL})] == [task.id]
    assert await tasks.list_tasks(db, TENANT, states=set()) == []


async def test_the_wall_says_whose_words_they_are_and_how_long_the_callee_waited(db: Database) -> None:
    task = await claimed_task(db)
    call = await begun_call(db, task)

    async def wall() -> tuple[str | None, str, int | None]:
        (row,) = await calls.wall(db, TENANT)
        assert row == (await calls.wall_some(db, TENANT, [call.id]))[0]
        return row.agent_words, row.speaker, row.delay_ms

    async def say(speaker: str, text: str, **more: int) -> None:
        async with db.tx() as tx:
            turn = Turn(speaker=speaker, item_id=text, text=text, **more)
            await transcripts.add(tx, TENANT, call.id, turn, NOW)

    assert await wall() == (None, "agent", None)
    await say("agent", "hello")
    await say("callee", "who is there")
    await say("agent", "me", stop_to_response_ms=200, response_to_delta_ms=300, delta_to_rtp_ms=40)
    assert await wall() == ("me", "agent", 540)
    await say("operator", "a person")
    assert await wall() == ("a person", "operator", 540)
    await say("agent", "again", stop_to_response_ms=200, response_to_delta_ms=300)
    assert await wall() == ("again", "agent", 540), "one that was not measured whole does not count"


async def test_cancel(db: Database) -> None:
    task = await claimed_task(db)
    await begun_call(db, task)
    waiting = await tasks.create(db, TENANT, new_task(), NOW)
    async with db.tx() as tx:
        assert (await tasks.cancel(tx, TENANT, waiting.id, "not needed", NOW)).state is TaskState.CANCELLED
        with pytest.raises(IllegalTransition, match="end the call first"):
            await tasks.cancel(tx, TENANT, task.id, "x", NOW)
