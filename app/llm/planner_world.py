"""What a draft is held against: the site, the tenant's terms, and what is known of the numbers in it."""

from collections.abc import Sequence

from app.config import Settings
from app.domain.admission_site import Site
from app.domain.plan import PlanDraft
from app.domain.plan_check import PlanWorld, numbers_of
from app.domain.plan_forecast import Terms
from app.domain.plan_sources import Sources
from app.domain.policy.pack import ConsentLevel, Purpose
from app.store import consents, contacts, dnd, tenants
from app.store.db import Reader

MICRO = 1_000_000


async def world_for(
    sql: Reader, tenant_id: str, draft: PlanDraft, sources: Sources, *, settings: Settings, site: Site, now_ms: int
) -> PlanWorld:
    """Of a draft. Raises StoreError: a list that cannot be read lets no plan through."""
    return await world_of(
        sql, tenant_id, draft.purpose, numbers_of(draft, sources), settings=settings, site=site, now_ms=now_ms
    )


async def world_of(
    sql: Reader,
    tenant_id: str,
    purpose: Purpose,
    numbers: Sequence[str],
    *,
    settings: Settings,
    site: Site,
    now_ms: int,
) -> PlanWorld:
    """Of these numbers; of more than a plan may have as well, since some of them may not be called."""
    terms = await tenants.terms(sql, tenant_id)
    own = terms.allowed_countries
    countries = site.allowed_countries
    agreed = await consents.of_numbers(sql, tenant_id, numbers, purpose, now_ms)
    known = await contacts.by_numbers(sql, tenant_id, numbers)
    given: dict[str, ConsentLevel] = {number: level for number, level in agreed.items() if level != "withdrawn"}
    return PlanWorld(
        now_ms=now_ms,
        hold_s=site.ring_timeout_s,
        packs=site.packs,
        allowed_countries=countries if own is None else tuple(one for one in countries if one in own),
        max_calls=settings.plan_max_calls,
        overlay=terms.rules,
        fictional=site.fictional,
        listed=await dnd.listed_of(sql, tenant_id, numbers),
        withdrew=frozenset(agreed.keys() - given.keys()),
        consents=given,
        zones={number: one.zone for number, one in known.items() if one.zone},
    )


def limits_of(world_settings: Settings, site: Site) -> dict[str, object]:
    """What the model is told of the site."""
    countries = "any (simulation)" if site.fictional else list(site.allowed_countries)
    return {"countries_that_may_be_called": countries, "most_calls_in_a_plan": world_settings.plan_max_calls}


def forecast_terms(settings: Settings, site: Site) -> Terms:
    """Lines, pace and prices."""
    return Terms(
        slots=settings.call_slots,
        calls_per_second=site.calls_per_second,
        max_attempts=settings.max_attempts,
        talk_micro_usd_per_min=round(settings.talk_usd_per_min * MICRO),
        most_micro_usd_per_call=site.reserve_micro_usd,
    )
