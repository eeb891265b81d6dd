"""Rows of `tenants` and `caller_ids`: who may call at all, and what a tenant asks beyond the site's settings."""

from typing import Literal

import msgspec

from app.domain.policy.pack import Rules
from app.errors import NotFoundError
from app.store.db import Reader, Writer

TenantState = Literal["active", "suspended"]

_GET = """
    SELECT state, allowed_countries, max_concurrent_calls, number_calls_per_day, budget_micro_usd, rules
    FROM tenants WHERE id = :tenant_id
"""
_SET = """
    UPDATE tenants SET state = :state, allowed_countries = :allowed_countries,
        max_concurrent_calls = :max_concurrent_calls, number_calls_per_day = :number_calls_per_day,
        budget_micro_usd = :budget_micro_usd, rules = :rules
    WHERE id = :tenant_id
"""
_ADD_CALLER_ID = """
    INSERT INTO caller_ids (tenant_id, number, reachable, created_ms)
    VALUES (:tenant_id, :number, :reachable, :now_ms)
    ON CONFLICT (tenant_id, number) DO UPDATE SET reachable = excluded.reachable
"""
_CALLER_ID = "SELECT reachable FROM caller_ids WHERE tenant_id = :tenant_id AND number = :number"


class TenantTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What binds a tenant's calls; None is what the site's settings say. Countries and caps only ever narrow them.

    `budget_micro_usd` is for a calendar month (UTC). `rules` tighten the policy packs.
    """

    state: TenantState = "active"
    allowed_countries: tuple[str, ...] | None = None
    max_concurrent_calls: int | None = None
    number_calls_per_day: int | None = None
    budget_micro_usd: int | None = None
    rules: Rules | None = None


async def terms(sql: Reader, tenant_id: str) -> TenantTerms:
    """Raises NotFoundError, and msgspec.ValidationError or DecodeError for a damaged row."""
    row = await sql.one(_GET, {"tenant_id": tenant_id})
    if row is None:
        raise NotFoundError("There is no such tenant.")
    state, countries, calls, per_day, budget, rules = row
    return TenantTerms(
        state=msgspec.convert(state, TenantState),
        allowed_countries=None if countries is None else tuple(countries.split()),
        max_concurrent_calls=calls,
        number_calls_per_day=per_day,
        budget_micro_usd=budget,
        rules=None if rules is None else msgspec.json.decode(rules, type=Rules),
    )


async def ids(sql: Reader) -> list[str]:
    """Every tenant."""
    return [row[0] for row in await sql.fetch("SELECT id FROM tenants ORDER BY id")]


async def name_of(sql: Reader, tenant_id: str) -> str:
    """The name a tenant goes by. Raises NotFoundError."""
    row = await sql.one("SELECT name FROM tenants WHERE id = :tenant_id", {"tenant_id": tenant_id})
    if row is None:
        raise NotFoundError("There is no such tenant.")
    return row[0]


async def set_terms(sql: Writer, tenant_id: str, new: TenantTerms) -> None:
    """Replace a tenant's terms. Raises NotFoundError; that `rules` only tighten is checked where they are
    asked.
    """
    params = {
        "tenant_id": tenant_id,
        "state": new.state,
        "allowed_countries": None if new.allowed_countries is None else " ".join(new.allowed_countries),
        "max_concurrent_calls": new.max_concurrent_calls,
        "number_calls_per_day": new.number_calls_per_day,
        "budget_micro_usd": new.budget_micro_usd,
        "rules": None if new.rules is None else msgspec.json.encode(new.rules).decode(),
    }
    if not await sql.execute(_SET, params):
        raise NotFoundError("There is no such tenant.")


async def add_caller_id(sql: Writer, tenant_id: str, number: str, now_ms: int, *, reachable: bool) -> None:
    """Note that a number (E.164) is this tenant's own, and whether somebody answers there."""
    params = {"tenant_id": tenant_id, "number": number, "reachable": int(reachable), "now_ms": now_ms}
    await sql.execute(_ADD_CALLER_ID, params)


async def caller_id_reachable(sql: Reader, tenant_id: str, number: str) -> bool | None:
    """Whether the tenant's own number is answered; None: it is not the tenant's."""
    row = await sql.one(_CALLER_ID, {"tenant_id": tenant_id, "number": number})
    return None if row is None else bool(row[0])
