"""Collects everything admission asks about one task, and lets it judge. Nobody is dialed by any other road.

Asked twice: early, before media is prepared, and as the last word in the transaction that commits the intent. What
cannot be read or makes no sense is a Defer; only a failing database raises (StoreError), and then nobody dials
either.
"""

import re
from collections.abc import Sequence

import msgspec

from app.domain.admission import Decision, admit, doubt
from app.domain.admission_facts import (
    CallerIdFacts,
    CampaignFacts,
    Cap,
    Caps,
    DoNotCallFacts,
    Facts,
    Hold,
    Pace,
    PastAttempt,
    RedirectMode,
    TaskFacts,
)
from app.domain.admission_site import NOWHERE, Site
from app.domain.breaker import Breaker
from app.domain.number import country_of
from app.domain.pacing import TOKEN_MICRO, next_token_ms
from app.domain.policy.pack import Rules
from app.domain.policy.selection import Callee, Policy, policy_for
from app.domain.policy.zones import Zones, zones_of
from app.domain.task import CallTask
from app.errors import AppError, StoreError
from app.store import breakers, budgets, campaigns, consents, dnd, history, holds, registries, tenants, trunks
from app.store.budgets import Account
from app.store.campaigns import Campaign
from app.store.db import Reader
from app.store.tenants import TenantTerms

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
PREPARE_AHEAD_MS = 2_000
"""Media may be prepared this long before the trunk has a token for the call."""
_ALIVE = """
    SELECT count(*) + (SELECT count(*) FROM call_transfers WHERE state <> 'over'),
        count(*) FILTER (WHERE c.tenant_id = :tenant_id),
        count(*) FILTER (WHERE t.campaign_id = :campaign_id), count(*) FILTER (WHERE c.state = 'prepare'),
        count(*) FILTER (WHERE c.number_dialed = :number AND c.task_id <> :task_id)
            + (SELECT count(*) FROM call_transfers WHERE state <> 'over' AND number_dialed = :number)
    FROM calls c JOIN tasks t ON t.id = c.task_id
    WHERE c.state <> 'ended' AND (c.state <> 'prepare' OR :early = 1)
"""
_NUMBER = re.compile(r"\+[1-9][0-9]{5,14}")


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The decision, and the accounts a dial is reserved in."""

    decision: Decision
    accounts: tuple[Account, ...] = ()


REFUSED_ACCOUNT_MS = 60_000
"""How soon a task is looked at again while the account with the model is refused."""


async def judge(
    sql: Reader, task: CallTask, site: Site, now_ms: int, *, hold: Hold | None = None, early: bool = False
) -> Judged:
    """May this task be dialed now? `hold`: why the asking engine dials nobody. `early`: before media is prepared;
    what is being prepared counts as alive then, and the trunk's token may still be on its way.

    Raises StoreError.
    """
    try:
        facts, policy, accounts = await _facts(sql, task, site, now_ms, early=early)
    except StoreError:
        raise
    except (AppError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return Judged(decision=doubt(error, now_ms))
    if hold is not None:
        facts = msgspec.structs.replace(facts, hold=hold)
    return Judged(decision=admit(facts, policy), accounts=accounts)


async def _facts(
    sql: Reader, task: CallTask, site: Site, now_ms: int, *, early: bool
) -> tuple[Facts, Policy | None, tuple[Account, ...]]:
    terms = await tenants.terms(sql, task.tenant_id)
    campaign = await campaigns.get(sql, task.tenant_id, task.campaign_id) if task.campaign_id else None
    callee = _callee(task, site)
    policy = policy_for(site.packs, callee, task.purpose, terms.rules)
    rules = policy.rules if policy is not None else Rules()
    target = site.target(task.number)
    tries = await history.attempts_to(sql, target, now_ms - _horizon_ms(policy))
    accounts = accounts_of(task, terms, campaign, now_ms)
    caps, preparing = await _caps(sql, task, site, terms, campaign, now_ms=now_ms, early=early, tries=tries)
    facts = Facts(
        now_ms=now_ms,
        ring_timeout_s=site.ring_timeout_s,
        task=_task(task, target),
        callee=callee,
        zones=Zones(keys=("UTC",), inferred=False) if site.fictional else zones_of(task.number, task.callee_zone),
        tenant_state=terms.state,
        campaign=None if campaign is None else await _campaign(sql, campaign, now_ms),
        allowed_countries=_countries(site, terms),
        test_mode=RedirectMode(on=site.test_mode, redirect=site.redirect, calls_alive=caps.trunk.used),
        do_not_call=await _do_not_call(sql, task, target),
        registries=await registries.asked(sql, rules.list_max_age_days.get(task.purpose, {}), task.number),
        attempts=tries,
        consent=await consents.of_callee(sql, task.tenant_id, task.number, task.purpose),
        caller_id=await _caller_id(sql, task.tenant_id, site),
        caps=caps,
        pace=await _pace(sql, site, now_ms, early=early, preparing=preparing),
        budgets=await budgets.facts(sql, accounts, site.reserve_micro_usd),
        hold=await _hold(sql, task, now_ms),
        fictional=site.fictional,
    )
    return facts, policy, accounts


async def policy_of(sql: Reader, task: CallTask, site: Site) -> Policy | None:
    """The rules that bind calls of a task; None when no pack is about its number, or when the tenant's own rules
    cannot be read: then nobody is dialed anyway. Raises StoreError.
    """
    try:
        terms = await tenants.terms(sql, task.tenant_id)
        return policy_for(site.packs, _callee(task, site), task.purpose, terms.rules)
    except StoreError:
        raise
    except (AppError, LookupError, TypeError, ValueError):
        return None


def _callee(task: CallTask, site: Site) -> Callee:
    country = NOWHERE if site.fictional else country_of(task.number)
    regions = (task.callee_region,) if task.callee_region else ()
    countries = dict.fromkeys((country, *(region.partition("-")[0] for region in regions if not site.fictional)))
    return Callee(number=task.number, countries=tuple(countries), regions=regions, kind=task.callee_kind)


def _task(task: CallTask, target: str) -> TaskFacts:
    return TaskFacts(
        id=task.id,
        state=task.state,
        number=task.number,
        number_dialed=target,
        next_action_ms=task.next_action_time,
        attempts_used=task.current_attempt_count,
        max_attempts=task.max_attempts,
        purpose=task.purpose,
        until_ms=task.until_ms,
    )


async def _campaign(sql: Reader, campaign: Campaign, now_ms: int) -> CampaignFacts:
    percent = await history.abandoned_percent(sql, campaign.id, now_ms)
    return CampaignFacts(
        id=campaign.id, state=campaign.state, reason=campaign.pause_reason, abandoned_percent=percent
    )


async def _do_not_call(sql: Reader, task: CallTask, target: str) -> DoNotCallFacts:
    found = await dnd.find(sql, task.tenant_id, [task.number, target])
    if found is None:
        return DoNotCallFacts(listed="no")
    return DoNotCallFacts(listed="global" if found.tenant_id is None else "tenant", entry_id=found.id)


def _countries(site: Site, terms: TenantTerms) -> tuple[str, ...]:
    own = terms.allowed_countries
    return site.allowed_countries if own is None else tuple(one for one in site.allowed_countries if one in own)


def _horizon_ms(policy: Policy | None) -> int:
    """How far back the packs' rules about earlier calls look."""
    return history.looks_back_ms((policy.rules, policy.warnings) if policy is not None else ())


def accounts_of(task: CallTask, terms: TenantTerms, campaign: Campaign | None, now_ms: int) -> tuple[Account, ...]:
    """The purses that a call of this task is paid from: the tenant's month, and its campaign's."""
    month = budgets.tenant_month(task.tenant_id, terms.budget_micro_usd, now_ms)
    return (month,) if campaign is None else (month, budgets.campaign(campaign.id, campaign.budget_micro_usd))


async def _caps(
    sql: Reader,
    task: CallTask,
    site: Site,
    terms: TenantTerms,
    campaign: Campaign | None,
    *,
    now_ms: int,
    early: bool,
    tries: Sequence[PastAttempt],
) -> tuple[Caps, int]:
    params = {"tenant_id": task.tenant_id, "campaign_id": task.campaign_id or "", "early": int(early)}
    row = await sql.one(_ALIVE, params | {"task_id": task.id, "number": site.target(task.number)})
    if row is None:
        raise LookupError("the calls that live cannot be counted")
    every, of_tenant, of_campaign, preparing, with_number = row
    day = sorted(one.at_ms for one in tries if one.at_ms > now_ms - DAY_MS)
    per_day = _narrower(site.number_calls_per_day, terms.number_calls_per_day)
    frees_ms = day[-per_day] + DAY_MS if 0 < per_day <= len(day) else None
    own = campaign.max_concurrent_calls if campaign is not None else None
    caps = Caps(
        tenant=Cap(used=of_tenant, limit=_narrower(site.max_concurrent_calls, terms.max_concurrent_calls)),
        trunk=Cap(used=every, limit=site.max_concurrent_calls),
        number_day=Cap(used=len(day), limit=per_day, frees_ms=frees_ms),
        campaign=None
        if campaign is None
        else Cap(used=of_campaign, limit=_narrower(site.max_concurrent_calls, own)),
        number_alive=with_number,
    )
    return caps, preparing


def _narrower(site: int, own: int | None) -> int:
    return site if own is None else min(site, own)


async def _pace(sql: Reader, site: Site, now_ms: int, *, early: bool, preparing: int) -> Pace:
    bucket = await trunks.bucket(sql, site.trunk, site.calls_per_second, now_ms)
    if not early:
        at_ms = next_token_ms(bucket, site.calls_per_second)
        return Pace(tokens=bucket.tokens_micro // TOKEN_MICRO, next_token_ms=at_ms)
    ready_ms = next_token_ms(bucket, site.calls_per_second, waiting=preparing) - PREPARE_AHEAD_MS
    return Pace(tokens=1 if ready_ms <= now_ms else 0, next_token_ms=ready_ms)


async def _caller_id(sql: Reader, tenant_id: str, site: Site) -> CallerIdFacts:
    found = _NUMBER.search(site.caller_id)
    number = found[0] if found else ""
    reachable = await tenants.caller_id_reachable(sql, tenant_id, number) if number else None
    return CallerIdFacts(
        number=number,
        owned=bool(number) and (site.caller_id_owned or reachable is not None),
        reachable=bool(number) and (site.caller_id_reachable or bool(reachable)),
    )


async def _hold(sql: Reader, task: CallTask, now_ms: int) -> Hold | None:
    """The tenant's account with the model is refused, or its campaign's breaker is open."""
    refused = await holds.active(sql, task.tenant_id)
    if refused is not None:
        reason = f"the speech model refuses the account ({refused.code}); put it right, then `opendeep resume`"
        return Hold(reason=reason, until_ms=now_ms + REFUSED_ACCOUNT_MS)
    return _breaker_hold(await breakers.get(sql, task.lane), now_ms)


def _breaker_hold(breaker: Breaker, now_ms: int) -> Hold | None:
    until_ms = breaker.holds_until(now_ms)
    if until_ms is None:
        return None
    trying = "; one call is trying now" if breaker.probe_id is not None else "; then one call tries"
    return Hold(reason=f"{breaker.reason}{trying}", until_ms=until_ms)
