"""What happened, for a tenant's webhooks: written in the transaction of the fact, so neither is there without the
other.

Without an endpoint that wants to hear of it, a fact costs one look at an index. Who delivers: `app.webhooks`.
"""

from collections.abc import Mapping

import msgspec

from app.domain.webhook import Event, Kind
from app.ids import new_id
from app.store.db import SqlValue, Tx
from app.store.rows import to_params, with_values

_WHO = """
    SELECT id, kinds FROM webhook_endpoints WHERE tenant_id = :tenant_id AND state = 'active' ORDER BY id
    FOR KEY SHARE
"""  # one that is deleted before its delivery is written would take the fact's transaction along
_CALL = """
    SELECT c.id, c.task_id, t.campaign_id, c.agent_id, c.direction, c.attempt_number, c.number_requested, c.state,
        c.outcome, c.ended_by, c.hangup_cause, c.answered_by, c.created_ms, c.dialing_ms, c.ringing_ms,
        c.answered_ms, c.ended_ms, c.cost_micro_usd
    FROM calls c JOIN tasks t ON t.id = c.task_id
    WHERE c.tenant_id = :tenant_id AND c.id = :call_id FOR UPDATE OF c
"""
_CALL_NAMES = (
    "call_id",
    "task_id",
    "campaign_id",
    "agent_id",
    "direction",
    "attempt",
    "number",
    "state",
    "outcome",
    "ended_by",
    "hangup_cause",
    "answered_by",
    "created_ms",
    "dialing_ms",
    "ringing_ms",
    "answered_ms",
    "ended_ms",
    "cost_micro_usd",
)
_NEXT = """
    SELECT coalesce(max(seq), 0) + 1 FROM webhook_events WHERE subject = :subject AND tenant_id = :tenant_id
"""
_EVENT = with_values("INSERT INTO webhook_events ($columns) VALUES ($values)", Event)
_DELIVERY = """
    INSERT INTO webhook_deliveries (endpoint_id, event_id, tenant_id, state, tries, next_try_ms, status, error,
        delivered_ms)
    VALUES (:endpoint_id, :event_id, :tenant_id, 'waiting', 0, :now_ms, NULL, '', NULL)
"""


async def wanted_by(tx: Tx, tenant_id: str, kind: Kind) -> list[str]:
    """Endpoints that want to hear of it; they stay until the transaction ends."""
    rows = await tx.fetch(_WHO, {"tenant_id": tenant_id})
    return [row[0] for row in rows if kind in msgspec.json.decode(row[1], type=tuple[str, ...])]


async def note(
    tx: Tx, tenant_id: str, kind: Kind, subject: str, data: Mapping[str, object], *, now_ms: int
) -> str | None:
    """Tell whoever wants to hear of it. `subject`: what it happened to, which numbers what is told of it."""
    who = await wanted_by(tx, tenant_id, kind)
    return await put(tx, tenant_id, kind, subject, data, who=who, now_ms=now_ms) if who else None


async def note_call(
    tx: Tx, tenant_id: str, kind: Kind, call_id: str, *, now_ms: int, more: Mapping[str, object] | None = None
) -> str | None:
    """Something happened to a call; what is known of it goes along."""
    who = await wanted_by(tx, tenant_id, kind)
    row = await tx.one(_CALL, {"tenant_id": tenant_id, "call_id": call_id}) if who else None
    if row is None:
        return None
    data = dict(zip(_CALL_NAMES, row, strict=True)) | dict(more or {})
    return await put(tx, tenant_id, kind, call_id, data, who=who, now_ms=now_ms)


async def put(
    tx: Tx, tenant_id: str, kind: Kind, subject: str, data: Mapping[str, object], *, who: list[str], now_ms: int
) -> str:
    """Write an event for these endpoints; answers its id."""
    await tx.exclusive(f"webhook {subject}")
    row = await tx.one(_NEXT, {"subject": subject, "tenant_id": tenant_id})
    event = Event(
        id=new_id(now_ms),
        tenant_id=tenant_id,
        kind=kind,
        subject=subject,
        seq=row[0] if row else 1,
        data=msgspec.json.encode(data).decode(),
        created_ms=now_ms,
    )
    await tx.execute(_EVENT, to_params(event))
    deliveries: list[Mapping[str, SqlValue]] = [
        {"endpoint_id": one, "event_id": event.id, "tenant_id": tenant_id, "now_ms": now_ms} for one in who
    ]
    await tx.many(_DELIVERY, deliveries)
    return event.id
