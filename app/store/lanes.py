"""What may be claimed from: lanes with due tasks, the room each has, and lanes that are held for a while.

A lane is a campaign or a tenant's single tasks. Nothing here reads tasks one by one: the index `tasks_of_lane` is
jumped over from lane to lane and priority to priority, so a million tasks put off until tomorrow cost nothing.
"""

import msgspec

from app.domain.lanes import Head
from app.store.db import Reader, Tx, Writer
from app.store.rows import to_struct

LANE = "coalesce(campaign_id, tenant_id)"
"""As in the index; written the same everywhere, or the index is not used."""

_HEADS = """
    WITH RECURSIVE lanes (lane) AS (
        SELECT (SELECT coalesce(campaign_id, tenant_id) FROM tasks WHERE state = 'pending'
            ORDER BY coalesce(campaign_id, tenant_id) LIMIT 1)
        UNION ALL
        SELECT (SELECT coalesce(campaign_id, tenant_id) FROM tasks
            WHERE state = 'pending' AND coalesce(campaign_id, tenant_id) > lanes.lane
            ORDER BY coalesce(campaign_id, tenant_id) LIMIT 1)
        FROM lanes WHERE lanes.lane IS NOT NULL
    ), pairs (lane, priority) AS (
        SELECT lane, (SELECT priority FROM tasks
            WHERE state = 'pending' AND coalesce(campaign_id, tenant_id) = lanes.lane
            ORDER BY priority DESC LIMIT 1)
        FROM lanes WHERE lane IS NOT NULL
        UNION ALL
        SELECT lane, (SELECT t.priority FROM tasks t
            WHERE t.state = 'pending' AND coalesce(t.campaign_id, t.tenant_id) = pairs.lane
                AND t.priority < pairs.priority
            ORDER BY t.priority DESC LIMIT 1)
        FROM pairs WHERE pairs.priority IS NOT NULL
    ), found (lane, tenant_id, priority, due_ms) AS (
        SELECT p.lane, coalesce(c.tenant_id, p.lane), p.priority,
            (SELECT t.next_action_time FROM tasks t
                WHERE t.state = 'pending' AND coalesce(t.campaign_id, t.tenant_id) = p.lane
                    AND t.priority = p.priority AND t.next_action_time <= :now_ms
                ORDER BY t.next_action_time LIMIT 1)
        FROM pairs p LEFT JOIN campaigns c ON c.id = p.lane
        WHERE p.priority IS NOT NULL AND (c.id IS NULL OR c.state = 'active')
    )
    SELECT f.lane, f.tenant_id, f.priority, f.due_ms,
        (SELECT count(*) FROM (SELECT t.id FROM tasks t
            WHERE t.state = 'pending' AND coalesce(t.campaign_id, t.tenant_id) = f.lane
                AND t.priority = f.priority AND t.next_action_time <= :now_ms LIMIT :most) AS due)
    FROM found f JOIN tenants n ON n.id = f.tenant_id
    WHERE f.due_ms IS NOT NULL AND n.state = 'active' AND NOT EXISTS (
        SELECT 1 FROM lane_holds h WHERE h.until_ms > :now_ms
            AND (h.lane = f.lane OR h.lane = 'tenant:' || f.tenant_id))
"""
_LEASED = """
    SELECT coalesce(campaign_id, tenant_id), tenant_id, count(*) FROM tasks
    WHERE state IN ('claimed', 'in_call', 'analyzing') AND state <> 'analyzing'
    GROUP BY coalesce(campaign_id, tenant_id), tenant_id
"""
_CAMPAIGN_CAPS = """
    SELECT id, max_concurrent_calls FROM campaigns WHERE state = 'active' AND max_concurrent_calls IS NOT NULL
"""
_TENANT_CAPS = "SELECT id, max_concurrent_calls FROM tenants WHERE max_concurrent_calls IS NOT NULL"
_HOLD = """
    INSERT INTO lane_holds (lane, rule, reason, until_ms) VALUES (:lane, :rule, :reason, :until_ms)
    ON CONFLICT (lane) DO UPDATE SET rule = excluded.rule, reason = excluded.reason, until_ms = excluded.until_ms
"""
_RELEASE = "DELETE FROM lane_holds WHERE lane = :lane OR lane = :tenant"
_HELD = "SELECT rule, reason, until_ms FROM lane_holds WHERE lane = :lane AND until_ms > :now_ms"


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that each lane and tenant with a cap may still begin, and all that are claimed or in a call now."""

    lanes: dict[str, int]
    tenants: dict[str, int]
    alive: int


class LaneHold(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing of the lane is claimed before `until_ms`."""

    rule: str
    reason: str
    until_ms: int


def tenant_key(tenant_id: str) -> str:
    """The key of a hold on everything a tenant has."""
    return f"tenant:{tenant_id}"


async def heads(sql: Reader, now_ms: int, most: int) -> list[Head]:
    """Due tasks that may be claimed, by lane and priority, each counted up to `most`; paused, suspended and held
    lanes are left out.
    """
    return [to_struct(Head, row) for row in await sql.fetch(_HEADS, {"now_ms": now_ms, "most": most})]


async def room(sql: Reader) -> Room:
    """Caps of campaigns and tenants, less what is claimed or in a call."""
    of_lane: dict[str, int] = {}
    of_tenant: dict[str, int] = {}
    for lane, tenant_id, count in await sql.fetch(_LEASED):
        of_lane[lane] = of_lane.get(lane, 0) + count
        of_tenant[tenant_id] = of_tenant.get(tenant_id, 0) + count
    campaigns = {row[0]: row[1] - of_lane.get(row[0], 0) for row in await sql.fetch(_CAMPAIGN_CAPS)}
    tenants = {row[0]: row[1] - of_tenant.get(row[0], 0) for row in await sql.fetch(_TENANT_CAPS)}
    return Room(lanes=campaigns, tenants=tenants, alive=sum(of_lane.values()))


async def hold(sql: Writer, lane: str, rule: str, reason: str, until_ms: int) -> None:
    """Claim nothing from a lane, or from all of a tenant (`tenant_key`), for a while."""
    await sql.execute(_HOLD, {"lane": lane, "rule": rule, "reason": reason, "until_ms": until_ms})


async def release(tx: Tx, lane: str, tenant_id: str) -> None:
    """Something changed that may have been in the way: ask again."""
    await tx.execute(_RELEASE, {"lane": lane, "tenant": tenant_key(tenant_id)})


async def held(sql: Reader, lane: str, now_ms: int) -> LaneHold | None:
    """Why a lane is held now."""
    row = await sql.one(_HELD, {"lane": lane, "now_ms": now_ms})
    return None if row is None else to_struct(LaneHold, row)
