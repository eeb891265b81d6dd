"""What may be claimed from: lanes with due tasks, the room each has, and lanes that are held for a while.

A lane is a campaign or a tenant's single tasks. Nothing here reads tasks one by one: the index `tasks_of_lane` is
jumped over from lane to lane and priority to priority, so a million tasks put off until tomorrow cost nothing.
"""

from collections import Counter

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
    ), open (lane, tenant_id) AS MATERIALIZED (
        SELECT l.lane, n.id FROM lanes l LEFT JOIN campaigns c ON c.id = l.lane
            JOIN tenants n ON n.id = coalesce(c.tenant_id, l.lane)
        WHERE n.state = 'active' AND (c.id IS NULL OR c.state = 'active') AND NOT EXISTS (
            SELECT 1 FROM lane_holds h WHERE h.until_ms > :now_ms
                AND (h.lane = l.lane OR h.lane = 'tenant:' || n.id))
    ), walk (lane, tenant_id, priority, due) AS (
        SELECT o.lane, o.tenant_id, (SELECT t.priority FROM tasks t
            WHERE t.state = 'pending' AND coalesce(t.campaign_id, t.tenant_id) = o.lane
            ORDER BY t.priority DESC LIMIT 1), CAST(NULL AS bigint)
        FROM open o
        UNION ALL
        SELECT w.lane, w.tenant_id,
            CASE WHEN w.due IS NULL THEN w.priority ELSE (SELECT t.priority FROM tasks t
                WHERE t.state = 'pending' AND coalesce(t.campaign_id, t.tenant_id) = w.lane
                    AND t.priority < w.priority
                ORDER BY t.priority DESC LIMIT 1) END,
            CASE WHEN w.due IS NULL THEN (SELECT count(*) FROM (SELECT t.id FROM tasks t
                WHERE t.state = 'pending' AND coalesce(t.campaign_id, t.tenant_id) = w.lane
                    AND t.priority = w.priority AND t.next_action_time <= :now_ms LIMIT :most) AS counted) END
        FROM walk w WHERE w.priority IS NOT NULL AND (w.due IS NULL OR w.due < :most)
    )
    SELECT 'due', w.lane, w.tenant_id, w.priority,
        (SELECT t.next_action_time FROM tasks t
            WHERE t.state = 'pending' AND coalesce(t.campaign_id, t.tenant_id) = w.lane
                AND t.priority = w.priority AND t.next_action_time <= :now_ms
            ORDER BY t.next_action_time LIMIT 1), w.due
    FROM walk w WHERE w.due > 0
    UNION ALL
    SELECT 'alive', campaign_id, tenant_id, NULL, NULL, count(*) FROM tasks
    WHERE state IN ('claimed', 'in_call') AND lease_until > 0 GROUP BY campaign_id, tenant_id
    UNION ALL
    SELECT 'campaign', id, NULL, NULL, NULL, max_concurrent_calls FROM campaigns
    WHERE state = 'active' AND max_concurrent_calls IS NOT NULL
    UNION ALL
    SELECT 'tenant', NULL, id, NULL, NULL, max_concurrent_calls FROM tenants WHERE max_concurrent_calls IS NOT NULL
"""
"""`walk` goes down the priorities of a lane: a step counts what is due of a priority, the next one finds the
priority below. It ends where there are as many as are asked for, since nothing below could be given a place.
What is alive and the caps come with it: one way to the database, and no writer waits for it. Every lease is `> 0`;
saying so keeps SQLite from reading another, whole index in the order of the groups.
"""
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


async def heads(sql: Reader, now_ms: int, most: int) -> tuple[list[Head], Room]:
    """Due tasks that may be claimed, by lane and priority, each counted up to `most`; paused, suspended and held
    lanes are left out, and priorities of a lane below one with `most` of them. Beside them the caps of campaigns
    and tenants, less what is claimed or in a call.
    """
    due: list[Head] = []
    alive_in: Counter[str | None] = Counter()
    alive_of: Counter[str] = Counter()
    lanes: dict[str, int] = {}
    tenants: dict[str, int] = {}
    for what, lane, tenant_id, priority, due_ms, count in await sql.fetch(
        _HEADS, {"now_ms": now_ms, "most": most}
    ):
        if what == "due":
            due.append(Head(lane=lane, tenant_id=tenant_id, priority=priority, due_ms=due_ms, count=count))
        elif what == "alive":
            alive_in[lane] += count
            alive_of[tenant_id] += count
        elif what == "campaign":
            lanes[lane] = count
        else:
            tenants[tenant_id] = count
    room = Room(
        lanes={lane: cap - alive_in[lane] for lane, cap in lanes.items()},
        tenants={tenant_id: cap - alive_of[tenant_id] for tenant_id, cap in tenants.items()},
        alive=alive_of.total(),
    )
    return due, room


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
