"""A call wanted until a certain time that was not made: its callee opted out of nothing. On both databases."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.domain.admission_site import Site
from app.domain.task import CallTask, TaskState
from app.policy_packs import enabled_packs, load_packs
from app.store import attempts, callbacks, consents, decisions, dnd, leases, tasks
from app.store.attempts import DialRefusal
from app.store.callbacks import CallBack
from app.store.consents import NewConsent
from app.store.dnd import DoNotCall
from tests.unit.app.admission_world import HOUR_MS, NOON
from tests.unit.app.conftest import AnyDatabase, Opener
from tests.unit.app.store_world import LEASE_MS, NUMBER, SITE, TENANT, add_agent, new_call, new_task

pytestmark = pytest.mark.anyio
STRICT = Site(
    packs=enabled_packs(load_packs()),
    allowed_countries=("US",),
    caller_id="+12025550100",
    caller_id_owned=True,
    caller_id_reachable=True,
)
NIGHT = NOON - 12 * HOUR_MS
CONSENT = NewConsent(number=NUMBER, purpose="service", level="express", evidence="mail", given_ms=NIGHT - 1)


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[AnyDatabase]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


async def refused(db: AnyDatabase, site: Site, now_ms: int, **changes: Any) -> tuple[CallTask, str]:
    """A due task that admission refuses: as it is after that, and the rule."""
    await tasks.create(db, TENANT, new_task(next_action_time=now_ms, **changes), now_ms)
    (task,) = await leases.claim_due(db, now_ms, "me", LEASE_MS, 1)
    async with db.tx() as tx:
        refusal = await attempts.begin_call(tx, TENANT, new_call(task), task.lease_token, now_ms, site=site)
    assert isinstance(refusal, DialRefusal), refusal
    after = await tasks.get(db, TENANT, task.id)
    (decision,) = await decisions.of_task(db, TENANT, task.id)
    assert (decision.rule, decision.sentence) == (refusal.code, refusal.sentence)
    assert (after.current_attempt_count, after.lease_owner) == (0, None)
    return after, refusal.code


async def called_back(db: AnyDatabase, task: CallTask, now_ms: int) -> CallBack:
    async with db.tx() as tx:
        new = new_call(task, caller_channel=f"c-{task.id}")
        back = await callbacks.begin(tx, task, new, now_ms + LEASE_MS, now_ms, site=SITE)
    assert isinstance(back, CallBack)
    return back


async def test_a_task_past_its_time_has_failed_and_its_callee_is_told_nothing_of_a_list(db: AnyDatabase) -> None:
    task, rule = await refused(db, SITE, NOON, until_ms=NOON - 1)
    assert (rule, task.state) == ("deadline", TaskState.FAILED)
    assert "that time has passed" in task.overall_conclusion
    assert not (await called_back(db, task, NOON)).opted_out


async def test_a_window_that_opens_too_late_settles_the_task_at_once(db: AnyDatabase) -> None:
    await consents.give(db, TENANT, CONSENT)
    task, rule = await refused(db, STRICT, NIGHT, until_ms=NIGHT + HOUR_MS)
    assert (rule, task.state) == ("deadline", TaskState.FAILED), "it would wait for a morning that is too late"
    assert task.overall_conclusion.startswith("Outside the calling window")
    waits, rule = await refused(db, STRICT, NIGHT, until_ms=NOON)
    assert (rule, waits.state) == ("window", TaskState.PENDING)


async def test_no_consent_on_record_is_no_wish_of_the_callee_but_one_taken_back_is(db: AnyDatabase) -> None:
    task, rule = await refused(db, STRICT, NOON)
    assert (rule, task.state) == ("consent", TaskState.SUPPRESSED)
    async with db.tx() as tx:
        await consents.give(tx, TENANT, CONSENT)
        await consents.withdraw(tx, TENANT, NUMBER, NOON)
    assert (await called_back(db, task, NOON)).opted_out


async def test_a_task_that_may_not_be_called_says_nothing_of_a_list(db: AnyDatabase) -> None:
    task, _ = await refused(db, STRICT, NOON)
    assert task.state is TaskState.SUPPRESSED
    assert not (await called_back(db, task, NOON)).opted_out


async def test_who_is_on_a_list_is_not_persuaded(db: AnyDatabase) -> None:
    task, _ = await refused(db, SITE, NOON, until_ms=NOON - 1)
    listed = DoNotCall(id="d", tenant_id=TENANT, number=NUMBER, reason="asked", source="callee")
    async with db.tx() as tx:
        await dnd.add(tx, listed, NOON)
    assert (await called_back(db, task, NOON)).opted_out
