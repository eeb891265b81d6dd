"""A phone rings once: nobody is dialed while their number is on a call of ours, whoever made it: both stores."""

from collections.abc import AsyncIterator

import pytest

from app.domain.call import Call
from app.domain.retry import Conclusion
from app.domain.task import CallTask, TaskEvent, TaskState
from app.domain.transfer import CallTransfer, NewTransfer
from app.store import admission, attempts, callbacks, calls, tasks, transfers
from app.store.attempts import DialRefusal
from tests.unit.app.conftest import AnyDatabase, Opener
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
)

pytestmark = pytest.mark.anyio
OTHER = "+12025550188"
COMPLETED = Conclusion(event=TaskEvent.COMPLETE, reason="Said all.")
SAID = "This number is on a call of ours."


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[AnyDatabase]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


async def asked(db: AnyDatabase, task: CallTask, now_ms: int = NOW) -> Call | DialRefusal:
    async with db.tx() as tx:
        await tx.execute("DELETE FROM trunk_buckets")
        return await attempts.begin_call(tx, TENANT, new_call(task), task.lease_token, now_ms, site=SITE)


async def put_off(db: AnyDatabase, task: CallTask) -> None:
    refusal = await asked(db, task)
    assert isinstance(refusal, DialRefusal), refusal
    assert refusal.code == "caps"
    assert refusal.sentence.startswith(SAID)
    after = await tasks.get(db, TENANT, task.id)
    assert (after.state, after.next_action_time) == (TaskState.PENDING, NOW + 60_000)
    assert after.current_attempt_count == 0


async def test_two_tasks_of_one_number_are_dialed_one_after_the_other(db: AnyDatabase) -> None:
    first, second, somebody = [await claimed_task(db, number) for number in (NUMBER, NUMBER, OTHER)]
    going = await begun_call(db, first)
    await put_off(db, second)
    assert isinstance(await asked(db, somebody), Call), "another phone is free"
    async with db.tx() as tx:
        await attempts.finish_call(tx, TENANT, ended(going), NOW + 1_000, token=first.lease_token)
        judged = await admission.judge(tx, await tasks.get(tx, TENANT, second.id), SITE, NOW + 60_000)
    assert judged.decision.sentence.startswith("May be called now")


async def test_a_phone_that_another_organisation_talks_with_is_taken_too(db: AnyDatabase) -> None:
    second = await claimed_task(db)
    call = await begun_call(db, await claimed_task(db))
    async with db.tx() as tx:
        await tx.execute("INSERT INTO tenants (id, name, created_ms) VALUES ('theirs', 'Theirs', 0)")
        await tx.execute("UPDATE calls SET tenant_id = 'theirs' WHERE id = :id", {"id": call.id})
        await tx.execute("UPDATE tasks SET tenant_id = 'theirs' WHERE id = :id", {"id": call.task_id})
    await put_off(db, second)


async def test_who_talks_to_us_on_their_own_call_is_not_rung(db: AnyDatabase) -> None:
    first, second = await claimed_task(db), await claimed_task(db)
    going = await begun_call(db, first)
    async with db.tx() as tx:
        left = await attempts.finish_call(tx, TENANT, ended(going), NOW, token=first.lease_token)
        settled = await tasks.conclude(tx, TENANT, left.id, left.lease_token, COMPLETED, now_ms=NOW)
        new = new_call(settled, caller_channel="c-1")
        back = await callbacks.begin(tx, settled, new, NOW + LEASE_MS, NOW, site=SITE)
    assert isinstance(back, callbacks.CallBack)
    await put_off(db, second)


async def test_a_phone_that_a_call_is_handed_over_to_is_not_rung(db: AnyDatabase) -> None:
    second = await claimed_task(db, OTHER)
    call = await begun_call(db, await claimed_task(db))
    await calls.set_state(db, TENANT, call.id, "bridged", NOW)
    wish = NewTransfer(target="desk", number=OTHER, mode="cold", reason="asks", wanted_by="agent")
    async with db.tx() as tx:
        await tx.execute("DELETE FROM trunk_buckets")
        row = await transfers.begin(tx, TENANT, call.id, wish, NOW, site=SITE, token=None)
    assert isinstance(row, CallTransfer), row
    await put_off(db, second)


async def test_a_call_being_prepared_is_seen_by_the_early_question_and_one_s_own_is_not(db: AnyDatabase) -> None:
    first, second = await claimed_task(db), await claimed_task(db)
    async with db.tx() as tx:
        await attempts.open_call(tx, TENANT, new_call(first), first.lease_token, NOW)
        own = await admission.judge(tx, first, SITE, NOW, early=True)
        early = await admission.judge(tx, second, SITE, NOW, early=True)
        last = await admission.judge(tx, second, SITE, NOW)
    assert own.decision.sentence.startswith("May be called now")
    assert early.decision.sentence.startswith(SAID)
    assert last.decision.sentence.startswith("May be called now"), "nobody was dialed yet: the first one wins"
