"""Figures above the wallboard: what came of the calls of the last hours, and what is due next."""

from collections.abc import Mapping

import msgspec

from app.store.db import Reader

_ENDED = """
    SELECT outcome, answered_by IN ('machine', 'beep', 'fax', 'network_tone'), count(*) FROM calls
    WHERE tenant_id = :tenant_id AND ended_ms >= :since_ms GROUP BY 1, 2
"""
_NEXT = """
    SELECT next_action_time FROM tasks WHERE tenant_id = :tenant_id AND state = 'pending'
    ORDER BY next_action_time, id LIMIT 1
"""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that ended: how many by outcome, and at how many a machine answered."""

    by_outcome: Mapping[str, int]
    machines: int


async def ended_since(sql: Reader, tenant_id: str, since_ms: int) -> Ended:
    """What came of the calls that ended at or after `since_ms` (UTC epoch milliseconds)."""
    by_outcome: dict[str, int] = {}
    machines = 0
    for outcome, machine, count in await sql.fetch(_ENDED, {"tenant_id": tenant_id, "since_ms": since_ms}):
        by_outcome[outcome] = by_outcome.get(outcome, 0) + count
        machines += count if machine else 0
    return Ended(by_outcome=by_outcome, machines=machines)


async def next_due_ms(sql: Reader, tenant_id: str) -> int | None:
    """When the earliest pending task is due; in the past when it waits for room. None: nothing is pending."""
    row = await sql.one(_NEXT, {"tenant_id": tenant_id})
    return row[0] if row else None
