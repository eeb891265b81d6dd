"""Money: reserved before a call is dialed, settled by what it cost. Accounts: a tenant's month, a campaign.

A reservation is the most a call may cost, so whoever fits in beside what is spent and reserved cannot overspend.
Costs that are reported after the end of a call are charged when they come (`usage.add`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from app.domain.admission_facts import Budget
from app.store.db import Reader, Tx, Writer, within

_GET = "SELECT spent_micro_usd, reserved_micro_usd FROM budget_accounts WHERE id = :id"
_OPEN = """
    INSERT INTO budget_accounts (id, spent_micro_usd, reserved_micro_usd) VALUES (:id, 0, :amount)
    ON CONFLICT (id) DO UPDATE
        SET reserved_micro_usd = budget_accounts.reserved_micro_usd + excluded.reserved_micro_usd
"""
_RESERVE = """
    INSERT INTO budget_reservations (call_id, account_id, reserved_micro_usd, charged_micro_usd)
    VALUES (:call_id, :id, :amount, 0)
"""
_SPEND = """
    INSERT INTO budget_accounts (id, spent_micro_usd, reserved_micro_usd) VALUES (:id, :amount, 0)
    ON CONFLICT (id) DO UPDATE SET spent_micro_usd = budget_accounts.spent_micro_usd + excluded.spent_micro_usd
"""
_OF_CALL = """
    SELECT r.account_id, r.reserved_micro_usd, r.charged_micro_usd, c.cost_micro_usd
    FROM budget_reservations r JOIN calls c ON c.id = r.call_id
    WHERE r.call_id = :call_id AND c.state = 'ended'
"""
_CHARGE = """
    UPDATE budget_accounts SET spent_micro_usd = spent_micro_usd + :more,
        reserved_micro_usd = reserved_micro_usd - :released WHERE id = :id
"""
_SETTLED = """
    UPDATE budget_reservations SET reserved_micro_usd = 0, charged_micro_usd = :cost
    WHERE call_id = :call_id AND account_id = :id
"""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One purse. `name` is for people; `limit_micro_usd` None: no limit, but what is spent is still counted."""

    id: str
    name: str
    limit_micro_usd: int | None
    resets_ms: int | None = None


def tenant_month(tenant_id: str, limit_micro_usd: int | None, now_ms: int) -> Account:
    """The tenant's account of the calendar month (UTC)."""
    now = datetime.fromtimestamp(now_ms / 1000, tz=UTC)
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    return Account(
        id=f"tenant:{tenant_id}:{first:%Y-%m}",
        name="this month",
        limit_micro_usd=limit_micro_usd,
        resets_ms=int(following.timestamp()) * 1000,
    )


def campaign(campaign_id: str, limit_micro_usd: int | None) -> Account:
    """The account of a campaign, for its whole life."""
    return Account(id=f"campaign:{campaign_id}", name="the campaign", limit_micro_usd=limit_micro_usd)


async def facts(sql: Reader, accounts: Sequence[Account], estimate_micro_usd: int) -> tuple[Budget, ...]:
    """Each account as admission judges it."""
    found: list[Budget] = []
    for account in accounts:
        spent, reserved = await sql.one(_GET, {"id": account.id}) or (0, 0)
        budget = Budget(
            name=account.name,
            spent_micro_usd=spent,
            reserved_micro_usd=reserved,
            estimate_micro_usd=estimate_micro_usd,
            limit_micro_usd=account.limit_micro_usd,
            resets_ms=account.resets_ms,
        )
        found.append(budget)
    return tuple(found)


async def reserve(tx: Tx, accounts: Sequence[Account], call_id: str, amount_micro_usd: int) -> None:
    """Set aside what the call may cost, in every account."""
    for account in accounts:
        await tx.execute(_OPEN, {"id": account.id, "amount": amount_micro_usd})
        await tx.execute(_RESERVE, {"id": account.id, "call_id": call_id, "amount": amount_micro_usd})


async def charge(tx: Tx, account: Account, amount_micro_usd: int) -> None:
    """Count money that was spent and belongs to no call."""
    await tx.execute(_SPEND, {"id": account.id, "amount": amount_micro_usd})


async def charge_month(sql: Writer, tenant_id: str, amount_micro_usd: int, now_ms: int) -> None:
    """Count money that was spent outside of calls in the tenant's month. Raises StoreError."""
    if amount_micro_usd:
        async with within(sql) as tx:
            await charge(tx, tenant_month(tenant_id, None, now_ms), amount_micro_usd)


async def settle(tx: Tx, call_id: str) -> None:
    """Release what was set aside for an ended call and charge what it cost so far. Repeating it charges the rest;
    a call that lives is left alone.
    """
    for account_id, reserved, charged, cost in await tx.fetch(_OF_CALL, {"call_id": call_id}):
        if reserved or cost != charged:
            await tx.execute(_CHARGE, {"id": account_id, "more": cost - charged, "released": reserved})
            await tx.execute(_SETTLED, {"id": account_id, "call_id": call_id, "cost": cost})
