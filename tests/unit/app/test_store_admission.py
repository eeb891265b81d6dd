"""Admission over a real store: each table has its say in the transaction that dials."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.domain.admission_facts import Hold
from app.domain.admission_site import Site
from app.domain.breaker import LIMIT
from app.domain.call import Call
from app.domain.policy.pack import Rules
from app.domain.retry import NO_PERSON, VOICEMAIL
from app.domain.task import CallTask, TaskState
from app.errors import NotFoundError, ValidationFailed
from app.policy_packs import enabled_packs, load_packs
from app.store import (
    attempts,
    breakers,
    budgets,
    calls,
    campaigns,
    consents,
    decisions,
    events,
    history,
    holds,
    lanes,
    leases,
    registries,
    tasks,
    tenants,
    trunks,
    usage,
    why,
)
from app.store.attempts import DialRefusal
from app.store.campaigns import NewCampaign
from app.store.consents import NewConsent
from app.store.sqlite import SqliteDatabase
from app.store.tenants import TenantTerms
from app.store.usage import Usage
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.admission_world import DAY_MS, HOUR_MS, NOON
from tests.unit.app.store_world import (
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
STRICT = Site(
    packs=enabled_packs(load_packs()),
    allowed_countries=("US",),
    caller_id="+12025550100",
    caller_id_owned=True,
    caller_id_reachable=True,
)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "test.db")) as opened:
        await add_agent(opened)
        yield opened


async def claim(db: SqliteDatabase, now_ms: int = NOW, **changes: Any) -> CallTask:
    await tasks.create(db, TENANT, new_task(**{"next_action_time": now_ms, **changes}), now_ms)
    (task,) = await leases.claim_due(db, now_ms, "me", 30_000, 1)
    return task


async def begin(
    db: SqliteDatabase, task: CallTask, site: Site = SITE, now_ms: int = NOW, **given: Any
) -> Call | DialRefusal:
    async with db.tx() as tx:
        new = new_call(task)
        return await attempts.begin_call(tx, TENANT, new, task.lease_token, now_ms, site=site, **given)


async def refused(db: SqliteDatabase, task: CallTask, rule: str, *given: Any, **named: Any) -> CallTask:
    """The task after a refusal by `rule`; it has its reason, and no attempt is used."""
    refusal = await begin(db, task, *given, **named)
    assert isinstance(refusal, DialRefusal), refusal
    assert refusal.code == rule, refusal.sentence
    (decision, *_) = await decisions.of_task(db, TENANT, task.id)
    assert (decision.rule, decision.sentence) == (rule, refusal.sentence)
    after = await tasks.get(db, TENANT, task.id)
    assert (after.current_attempt_count, after.lease_owner) == (0, None)
    return after


async def consent(db: SqliteDatabase, **changes: Any) -> None:
    given = {"number": NUMBER, "purpose": "service", "level": "express", "evidence": "mail", "given_ms": NOON - 1}
    await consents.give(db, TENANT, NewConsent(**{**given, **changes}))


async def test_the_strict_pack_asks_for_consent_hours_and_rest(db: SqliteDatabase) -> None:
    never = await refused(db, await claim(db, NOON), "consent", STRICT, NOON)
    assert never.state is TaskState.SUPPRESSED
    assert "express consent to a service call" in never.overall_conclusion
    await consent(db)
    night = NOON - 12 * HOUR_MS
    await consent(db, given_ms=night - 1)
    late = await refused(db, await claim(db, night), "window", STRICT, night)
    assert late.state is TaskState.PENDING
    assert late.next_action_time == night + 10 * HOUR_MS  # 10:00 there: an inferred zone takes an hour off
    task = await claim(db, NOON, priority=99)
    call = await begin(db, task, STRICT, NOON)
    assert isinstance(call, Call)
    async with db.tx() as tx:
        await attempts.finish_call(tx, TENANT, ended(call), NOON + 9, token=task.lease_token)
    rest = await refused(db, await claim(db, NOON + 60_000, priority=98), "attempts", STRICT, NOON + 60_000)
    assert rest.next_action_time == NOON + 4 * HOUR_MS


async def test_evidence_of_a_dial_is_kept_with_its_call(db: SqliteDatabase) -> None:
    call = await begun_call(db, await claimed_task(db))
    (decision,) = await decisions.of_task(db, TENANT, call.task_id)
    assert (decision.result, decision.subject) == ("dial", call.id)
    evidence = msgspec.json.decode(decision.evidence)
    assert evidence["rules"][-1] == "pace"
    assert evidence["facts"]["task"]["number"] == NUMBER


async def test_a_task_put_off_again_and_again_keeps_one_row(db: SqliteDatabase) -> None:
    task = await claim(db)
    hold = Hold(reason="draining", until_ms=NOW + 10)
    for n in range(50):
        await refused(db, task, "hold", now_ms=NOW + 100 * n, hold=hold)
        await lanes_free(db)
        (task,) = await leases.claim_due(db, NOW + 100 * (n + 1), "me", 30_000, 1)
    (row,) = await decisions.of_task(db, TENANT, task.id)
    assert (row.times, row.evidence) == (50, "")


async def lanes_free(db: SqliteDatabase) -> None:
    await db.execute("DELETE FROM lane_holds")


async def test_a_tenant_is_suspended_or_narrows(db: SqliteDatabase) -> None:
    task = await claim(db)
    await tenants.set_terms(db, TENANT, TenantTerms(state="suspended"))
    await refused(db, task, "tenant")
    assert await leases.claim_due(db, NOW + DAY_MS, "me", 30_000, 9) == []
    await tenants.set_terms(db, TENANT, TenantTerms(max_concurrent_calls=0))
    assert await leases.claim_due(db, NOW + DAY_MS, "me", 30_000, 9) == []
    closed = Rules(hours={"mon": (), "tue": (), "wed": (), "thu": (), "fri": (), "sat": (), "sun": ()})
    await tenants.set_terms(db, TENANT, TenantTerms(rules=closed))
    (task,) = await leases.claim_due(db, NOW + DAY_MS, "me", 30_000, 9)
    await refused(db, task, "window", now_ms=NOW + DAY_MS)
    await tenants.set_terms(db, TENANT, TenantTerms(allowed_countries=("GB",)))
    await consent(db)
    await refused(db, await claim(db, NOON, priority=99), "number", STRICT, NOON)
    with pytest.raises(NotFoundError):
        await tenants.set_terms(db, "nobody", TenantTerms())


async def test_nobody_is_dialed_while_the_account_with_the_model_is_refused(db: SqliteDatabase) -> None:
    task = await claim(db)
    await holds.place(db, TENANT, "insufficient_quota", "Pay first.", call_id=None, now_ms=NOW)
    held = await refused(db, task, "hold")
    assert "opendeep resume" in (await decisions.of_task(db, TENANT, task.id))[0].sentence
    await holds.lift(db, TENANT)
    (task,) = await leases.claim_due(db, held.next_action_time, "me", 30_000, 9)
    assert isinstance(await begin(db, task, now_ms=held.next_action_time), Call)


async def listed_in(db: SqliteDatabase, *numbers: str) -> None:
    filled = await registries.fill(db, "us-national-dnc", numbers, NOON)
    async with db.tx() as tx:
        await registries.put_in_force(tx, filled, NOON - DAY_MS)


async def test_a_registry_must_be_fresh_and_silent(db: SqliteDatabase) -> None:
    await consent(db, purpose="marketing", level="written")
    after = await refused(db, await claim(db, NOON, purpose="marketing"), "registry", STRICT, NOON)
    assert after.next_action_time == NOON + HOUR_MS
    await listed_in(db, "+12025550199")
    assert isinstance(await begin(db, await claim(db, NOON, purpose="marketing"), STRICT, NOON), Call)
    await listed_in(db, "+12025550188")
    await consent(db, purpose="marketing", level="written", number="+12025550188")
    listed = await claim(db, NOON, purpose="marketing", number="+12025550188", priority=99)
    assert (await refused(db, listed, "registry", STRICT, NOON)).state is TaskState.SUPPRESSED


async def test_withdrawn_consent_is_none_and_may_be_given_anew(db: SqliteDatabase) -> None:
    await consent(db)
    async with db.tx() as tx:
        assert await consents.withdraw(tx, TENANT, NUMBER, NOON) == 1
    assert "withdrew" in (await refused(db, await claim(db, NOON), "consent", STRICT, NOON)).overall_conclusion
    await consent(db)
    assert isinstance(await begin(db, await claim(db, NOON), STRICT, NOON), Call)
    with pytest.raises(ValidationFailed, match="evidence"):
        await consent(db, evidence=" ")


async def test_the_breaker_of_a_lane_opens_lets_one_try_and_closes(db: SqliteDatabase) -> None:
    now_ms = NOW
    for _ in range(LIMIT):
        now_ms += 1_000
        task = await claim(db, now_ms)
        call = await begin(db, task, now_ms=now_ms)
        assert isinstance(call, Call)
        async with db.tx() as tx:
            await attempts.finish_call(tx, TENANT, ended(call, "trunk_fault"), now_ms, token=task.lease_token)
    await lanes_free(db)
    task = await claim(db, now_ms)
    held = await refused(db, task, "hold", now_ms=now_ms)
    assert held.next_action_time == now_ms + 60_000
    assert await leases.claim_due(db, now_ms + 59_000, "me", 30_000, 9) == []
    answer = await why.why(db, TENANT, task.id, SITE, now_ms + 1)
    assert "5 calls in a row failed, the last with trunk_fault; then one call tries" in answer.sentence
    now_ms += 60_000
    (task,) = await leases.claim_due(db, now_ms, "me", 30_000, 1)
    probe = await begin(db, task, now_ms=now_ms)
    assert isinstance(probe, Call)
    other = await claim(db, now_ms)
    await refused(db, other, "hold", now_ms=now_ms + 1_000)
    async with db.tx() as tx:
        await attempts.finish_call(tx, TENANT, ended(probe), now_ms + 2_000, token=task.lease_token)
    assert (await breakers.get(db, TENANT)).failures == 0


async def test_money_is_set_aside_settled_and_charged_when_it_comes_late(db: SqliteDatabase) -> None:
    site = msgspec.structs.replace(SITE, reserve_micro_usd=600)
    await tenants.set_terms(db, TENANT, TenantTerms(budget_micro_usd=1_000))
    task = await claim(db)
    call = await begin(db, task, site)
    assert isinstance(call, Call)
    account = budgets.tenant_month(TENANT, 1_000, NOW)
    (money,) = await budgets.facts(db, [account], 600)
    assert (money.spent_micro_usd, money.reserved_micro_usd) == (0, 600)
    await refused(db, await claim(db), "budget", site, NOW + 1_000)
    async with db.tx() as tx:
        await usage.add(tx, TENANT, call.id, Usage(kind="response", ref="1", model="m", cost_micro_usd=100), NOW)
        await attempts.finish_call(tx, TENANT, ended(call, "completed"), NOW, token=task.lease_token)
        await usage.add(tx, TENANT, call.id, Usage(kind="response", ref="2", model="m", cost_micro_usd=50), NOW)
    (money,) = await budgets.facts(db, [account], 600)
    assert (money.spent_micro_usd, money.reserved_micro_usd) == (150, 0)
    assert account.resets_ms is not None
    assert account.resets_ms > NOW


async def test_whoever_waits_for_money_of_calls_going_on_is_called_when_they_ended_cheaply(
    db: SqliteDatabase,
) -> None:
    site = msgspec.structs.replace(SITE, reserve_micro_usd=3_600_000)
    await tenants.set_terms(db, TENANT, TenantTerms(budget_micro_usd=10_000_000))
    numbers = [f"+1202555010{n}" for n in range(3)]
    three = [await claim(db, number=number) for number in numbers]
    going = [await begin(db, task, site, NOW + 1_000 * n) for n, task in enumerate(three[:2])]
    waits = await refused(db, three[2], "budget", site, NOW + 2_000)
    assert waits.next_action_time == NOW + 62_000
    for task, call in zip(three, going, strict=False):
        assert isinstance(call, Call), call
        async with db.tx() as tx:
            cost = Usage(kind="response", ref="1", model="m", cost_micro_usd=100_000)
            await usage.add(tx, TENANT, call.id, cost, NOW + 9_000)
            await attempts.finish_call(tx, TENANT, ended(call, "completed"), NOW + 9_000, token=task.lease_token)
    (task,) = await leases.claim_due(db, NOW + 62_000, "me", 30_000, 9)
    assert isinstance(await begin(db, task, site, NOW + 62_000), Call)


async def test_silent_calls_hold_a_campaign_that_abandons(db: SqliteDatabase) -> None:
    async with db.tx() as tx:
        batch = [new_task(next_action_time=NOON)]
        await campaigns.create(tx, TENANT, NewCampaign(id="c", name="C"), batch, NOON)
    (task,) = await leases.claim_due(db, NOON, "me", 30_000, 1)
    await consent(db)
    call = await begin(db, task, STRICT, NOON)
    assert isinstance(call, Call)
    end = ended(call, "completed", answered_ms=NOON + 1_000, ended_ms=NOON + 9_000)
    async with db.tx() as tx:
        await attempts.finish_call(tx, TENANT, end, NOON + 9_000, token=task.lease_token)
        assert await history.abandoned_percent(tx, "c", NOON) == 1.0
        await history.note_answered(tx, "c", NOON, silent=True)
    (row,) = await history.attempts_to(db, NUMBER, 0)
    assert row.result == "silent"
    await tasks.create(db, TENANT, new_task("+12025550188", campaign_id="c", next_action_time=NOON), NOON)
    (task,) = await leases.claim_due(db, NOON, "me", 30_000, 1)
    await refused(db, task, "campaign", STRICT, NOON)
    assert await leases.claim_due(db, NOON + 30_000, "me", 30_000, 9) == []  # the whole campaign is held


@pytest.mark.parametrize("answered_by", sorted(VOICEMAIL | NO_PERSON))
async def test_a_machine_that_was_hung_up_on_is_no_silent_call(db: SqliteDatabase, answered_by: str) -> None:
    """It neither adds to the share of a campaign nor asks for the rest after a silent call."""
    async with db.tx() as tx:
        await campaigns.create(tx, TENANT, NewCampaign(id="c", name="C"), [new_task(next_action_time=NOON)], NOON)
        await history.note_answered(tx, "c", NOON, silent=True)
    (task,) = await leases.claim_due(db, NOON, "me", 30_000, 1)
    call = await begin(db, task, now_ms=NOON)
    assert isinstance(call, Call)
    await calls.set_answered_by(db, TENANT, call.id, answered_by)
    end = ended(call, "completed", answered_ms=NOON + 1_000, ended_ms=NOON + 9_000)
    async with db.tx() as tx:
        await attempts.finish_call(tx, TENANT, end, NOON + 9_000, token=task.lease_token)
        assert await history.abandoned_percent(tx, "c", NOON) == 1.0
        assert await tx.fetch("SELECT answered, silent FROM campaign_days") == [(1, 1)]
    (row,) = await history.attempts_to(db, NUMBER, 0)
    assert row.result == "answered"


async def test_a_call_in_which_the_agent_spoke_is_not_silent(db: SqliteDatabase) -> None:
    task = await claimed_task(db)
    call = await begun_call(db, task)
    await events.add(db, TENANT, call.id, "agent_speaking", {}, at_ms=NOW)
    async with db.tx() as tx:
        end = ended(call, "completed", answered_ms=NOW, ended_ms=NOW + 9_000)
        await attempts.finish_call(tx, TENANT, end, NOW, token=task.lease_token)
    (row,) = await history.attempts_to(db, NUMBER, 0)
    assert row.result == "answered"


async def test_the_trunk_has_one_token_and_says_when_the_next_comes(db: SqliteDatabase) -> None:
    slow = msgspec.structs.replace(SITE, calls_per_second=1.0)
    assert isinstance(await begin(db, await claim(db), slow), Call)
    second = await claim(db, number="+12025550188")
    waits = await begin(db, second, slow, NOW + 400)
    assert isinstance(waits, DialRefusal)
    assert (waits.code, waits.again_ms) == ("pace", NOW + 1_000)
    assert (await tasks.get(db, TENANT, second.id)).state is TaskState.CLAIMED  # nothing was settled
    assert isinstance(await begin(db, second, slow, NOW + 1_000), Call)
    bucket = await trunks.bucket(db, slow.trunk, 1.0, NOW + 1_000)
    assert bucket.tokens_micro == 0


async def test_what_cannot_be_read_dials_nobody(db: SqliteDatabase) -> None:
    task = await claim(db)
    await db.execute("UPDATE tenants SET rules = '{'")
    after = await refused(db, task, "facts")
    assert after.state is TaskState.PENDING
    assert "nobody is called on a doubt" in (await decisions.of_task(db, TENANT, task.id))[0].sentence


async def test_why_for_each_state(db: SqliteDatabase) -> None:
    waiting = await tasks.create(db, TENANT, new_task(next_action_time=NOW + DAY_MS), NOW)
    assert (await why.why(db, TENANT, waiting.id, SITE, NOW)).rule == "due"
    answer = await why.why(db, TENANT, waiting.id, SITE, NOW + DAY_MS)
    assert (answer.answer, answer.next_ms) == ("now", NOW + DAY_MS)
    task = await claim(db)
    assert (await why.why(db, TENANT, task.id, SITE, NOW)).answer == "being_prepared"
    await begun_call(db, task)
    assert "is going on since" in (await why.why(db, TENANT, task.id, SITE, NOW)).sentence
    async with db.tx() as tx:
        await tasks.cancel(tx, TENANT, waiting.id, "Not needed any more.", NOW)
    settled = await why.why(db, TENANT, waiting.id, SITE, NOW)
    assert (settled.answer, settled.sentence) == ("settled", "The task is cancelled: Not needed any more.")
    with pytest.raises(NotFoundError):
        await why.why(db, TENANT, "f" * 32, SITE, NOW)


async def test_a_campaign_at_its_cap_leaves_the_places_to_others(db: SqliteDatabase) -> None:
    async with db.tx() as tx:
        many = [new_task() for _ in range(50)]
        await campaigns.create(tx, TENANT, NewCampaign(id="c", name="C", max_concurrent_calls=2), many, NOW)
        await campaigns.create(tx, TENANT, NewCampaign(id="d", name="D"), [new_task(), new_task()], NOW)
    claimed = await leases.claim_due(db, NOW, "me", 30_000, 10)
    assert sorted(task.campaign_id or "" for task in claimed) == ["c", "c", "d", "d"]
    assert await leases.claim_due(db, NOW, "me", 30_000, 10) == []
    assert (await lanes.heads(db, NOW, 10))[1].lanes == {"c": 0}
    await tasks.create(db, TENANT, new_task(), NOW)
    assert await leases.claim_due(db, NOW, "me", 30_000, 10, most_alive=4) == []
    assert len(await leases.claim_due(db, NOW, "me", 30_000, 10, most_alive=5)) == 1
