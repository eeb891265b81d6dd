"""Rows of `webhook_endpoints` and `webhook_deliveries`: who is told, and what became of each message.

An engine that sends to an endpoint holds it by a lease, so messages to it go out one after the other, from one
engine.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from app.domain.webhook import ROTATION_MS, Answer, Endpoint, Event, after, again_ms
from app.errors import NotFoundError
from app.store.db import Reader, SqlValue, Tx, Writer
from app.store.rows import to_params, to_struct, with_columns, with_values

HOLD_MS = 60_000
Place = tuple[str, str]
"""Of a message in the order of a list: its event, and of several of one event its endpoint."""
DeliveryState = Literal["waiting", "delivered", "failed"]


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message to one endpoint, with its event."""

    endpoint_id: str
    event_id: str
    kind: str
    subject: str
    seq: int
    state: DeliveryState
    tries: int
    next_try_ms: int
    status: int | None
    error: str
    delivered_ms: int | None
    created_ms: int
    url: str


_INSERT = with_values("INSERT INTO webhook_endpoints ($columns) VALUES ($values)", Endpoint)
_LIST = with_columns(
    "SELECT $columns FROM webhook_endpoints WHERE tenant_id = :tenant_id AND id > :after ORDER BY id LIMIT :limit",
    Endpoint,
)
_GET = with_columns("SELECT $columns FROM webhook_endpoints WHERE tenant_id = :tenant_id AND id = :id", Endpoint)
_SAVE = """
    UPDATE webhook_endpoints SET url = :url, kinds = :kinds, secret = :secret, old_secret = :old_secret,
        old_until_ms = :old_until_ms, show_numbers = :show_numbers, state = :state, reason = :reason,
        failures = :failures, failing_since_ms = :failing_since_ms, next_try_ms = :next_try_ms
    WHERE id = :id AND tenant_id = :tenant_id
"""
_WAITS = """
    SELECT 1 FROM webhook_endpoints e
    WHERE e.state = 'active' AND e.next_try_ms <= :now_ms AND e.sender_until_ms < :now_ms
        AND EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.state = 'waiting'
            AND d.next_try_ms <= :now_ms)
        AND e.tenant_id NOT IN (SELECT value FROM json_each(:full))
    LIMIT 1
"""
_HOLD = with_columns(
    """
    UPDATE webhook_endpoints SET sender = sender + 1, sender_until_ms = :until_ms
    WHERE id IN (SELECT e.id FROM webhook_endpoints e
        WHERE e.state = 'active' AND e.next_try_ms <= :now_ms AND e.sender_until_ms < :now_ms
            AND EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.state = 'waiting'
                AND d.next_try_ms <= :now_ms)
            AND e.tenant_id NOT IN (SELECT value FROM json_each(:full))
        ORDER BY e.sender_until_ms LIMIT :limit FOR UPDATE OF e SKIP LOCKED)
    RETURNING $columns
    """,
    Endpoint,
)
_GO_ON = "UPDATE webhook_endpoints SET sender_until_ms = :until_ms WHERE id = :id AND sender = :sender"
_DUE = with_columns(
    """
    SELECT $columns, d.tries FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
    WHERE d.endpoint_id = :endpoint_id AND d.state = 'waiting' AND d.next_try_ms <= :now_ms
    ORDER BY d.next_try_ms, d.event_id LIMIT 1
    """,
    Event,
    "e",
)
_TOLD = """
    UPDATE webhook_deliveries SET state = :state, tries = :tries, next_try_ms = :next_try_ms, status = :status,
        error = :error, delivered_ms = :delivered_ms
    WHERE endpoint_id = :endpoint_id AND event_id = :event_id AND state = 'waiting'
"""
_DELIVERIES = """
    SELECT d.endpoint_id, d.event_id, e.kind, e.subject, e.seq, d.state, d.tries, d.next_try_ms, d.status, d.error,
        d.delivered_ms, e.created_ms, w.url
    FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
        JOIN webhook_endpoints w ON w.id = d.endpoint_id
    WHERE d.tenant_id = :tenant_id AND (:endpoint_id = '' OR d.endpoint_id = :endpoint_id)
        AND d.event_id <= :before AND (d.event_id < :before OR d.endpoint_id > :behind)
    ORDER BY d.event_id DESC, d.endpoint_id LIMIT :limit
"""
_REPLAY = """
    UPDATE webhook_deliveries SET state = 'waiting', tries = 0, next_try_ms = :now_ms, error = ''
    WHERE tenant_id = :tenant_id AND endpoint_id = :endpoint_id AND event_id = :event_id
"""


async def create(sql: Writer, endpoint: Endpoint) -> Endpoint:
    """Store an endpoint."""
    await sql.execute(_INSERT, to_params(endpoint) | {"show_numbers": int(endpoint.show_numbers)})
    return endpoint


async def listed(sql: Reader, tenant_id: str, *, after: str = "", limit: int = 100) -> list[Endpoint]:
    """Those of a tenant."""
    rows = await sql.fetch(_LIST, {"tenant_id": tenant_id, "after": after, "limit": limit})
    return [to_struct(Endpoint, row) for row in rows]


async def get(sql: Reader, tenant_id: str, endpoint_id: str) -> Endpoint:
    """One of a tenant. Raises NotFoundError."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "id": endpoint_id})
    if row is None:
        raise NotFoundError("There is no such webhook.")
    return to_struct(Endpoint, row)


async def locked(tx: Tx, tenant_id: str, endpoint_id: str) -> Endpoint:
    """One of a tenant, to be changed. Raises NotFoundError."""
    row = await tx.one(f"{_GET} FOR UPDATE", {"tenant_id": tenant_id, "id": endpoint_id})
    if row is None:
        raise NotFoundError("There is no such webhook.")
    return to_struct(Endpoint, row)


async def save(tx: Tx, endpoint: Endpoint) -> None:
    """Store a changed endpoint."""
    await tx.execute(_SAVE, to_params(endpoint) | {"show_numbers": int(endpoint.show_numbers)})


async def delete(tx: Tx, tenant_id: str, endpoint_id: str) -> Endpoint:
    """Tell it nothing more. Raises NotFoundError."""
    endpoint = await locked(tx, tenant_id, endpoint_id)
    params = {"tenant_id": tenant_id, "id": endpoint_id}
    await tx.execute("DELETE FROM webhook_deliveries WHERE tenant_id = :tenant_id AND endpoint_id = :id", params)
    await tx.execute("DELETE FROM webhook_endpoints WHERE tenant_id = :tenant_id AND id = :id", params)
    return endpoint


def rotated(endpoint: Endpoint, secret: str, now_ms: int) -> Endpoint:
    """With another secret; the former one signs as well for a day."""
    return msgspec.structs.replace(
        endpoint, secret=secret, old_secret=endpoint.secret, old_until_ms=now_ms + ROTATION_MS
    )


async def hold(sql: Writer, now_ms: int, limit: int, *, full: Sequence[str] = ()) -> list[Endpoint]:
    """Take endpoints that have something due and that no engine sends to, none of the tenants in `full`; without
    any, nothing is written.
    """
    of: dict[str, SqlValue] = {"now_ms": now_ms, "full": msgspec.json.encode(full).decode()}
    if await sql.one(_WAITS, of) is None:
        return []
    params = of | {"until_ms": now_ms + HOLD_MS, "limit": limit}
    return [to_struct(Endpoint, row) for row in await sql.change(_HOLD, params)]


async def go_on(sql: Writer, endpoint: Endpoint, until_ms: int) -> bool:
    """Hold it longer, or (a moment that is over) let it go; whoever was let go first is held first. False: another
    engine holds it now.
    """
    params = {"id": endpoint.id, "sender": endpoint.sender, "until_ms": until_ms}
    return await sql.execute(_GO_ON, params) == 1


async def due(sql: Reader, endpoint_id: str, now_ms: int) -> tuple[Event, int] | None:
    """The message that waits longest, and how often it was tried."""
    row = await sql.one(_DUE, {"endpoint_id": endpoint_id, "now_ms": now_ms})
    return None if row is None else (to_struct(Event, row[:-1]), row[-1])


async def told(
    tx: Tx, endpoint: Endpoint, event_id: str, tries: int, answer: Answer, *, now_ms: int, luck: float
) -> Endpoint | None:
    """Store what came of a try, for the message and for the endpoint, as it is now. None: it was deleted."""
    row = await tx.one(f"{_GET} FOR UPDATE", {"tenant_id": endpoint.tenant_id, "id": endpoint.id})
    if row is None:
        return None
    next_ms = again_ms(tries + 1, now_ms, luck)
    state = "delivered" if answer.taken else "failed" if next_ms is None else "waiting"
    await tx.execute(
        _TOLD,
        {
            "endpoint_id": endpoint.id,
            "event_id": event_id,
            "state": state,
            "tries": tries + 1,
            "next_try_ms": next_ms or now_ms,
            "status": answer.status,
            "error": answer.error[:300],
            "delivered_ms": now_ms if answer.taken else None,
        },
    )
    endpoint = after(to_struct(Endpoint, row), answer, now_ms, luck)
    await save(tx, endpoint)
    return endpoint


async def deliveries(
    sql: Reader, tenant_id: str, endpoint_id: str = "", *, after: Place | None = None, limit: int = 50
) -> list[Delivery]:
    """Messages of a tenant, newest first; `after` is the place of the last one of the page before."""
    event_id, behind = after or ("g", "")
    params = {"tenant_id": tenant_id, "endpoint_id": endpoint_id, "limit": limit}
    params |= {"before": event_id, "behind": behind}
    return [to_struct(Delivery, row) for row in await sql.fetch(_DELIVERIES, params)]


async def replay(sql: Writer, tenant_id: str, endpoint_id: str, event_id: str, now_ms: int) -> None:
    """Send a message once more, with its own id. Raises NotFoundError."""
    params = {"tenant_id": tenant_id, "endpoint_id": endpoint_id, "event_id": event_id, "now_ms": now_ms}
    if await sql.execute(_REPLAY, params) != 1:
        raise NotFoundError("There is no such message.")


async def replay_failed(sql: Writer, tenant_id: str, endpoint_id: str, now_ms: int) -> int:
    """Send everything once more that was given up; answers how many messages."""
    statement = """
        UPDATE webhook_deliveries SET state = 'waiting', tries = 0, next_try_ms = :now_ms, error = ''
        WHERE tenant_id = :tenant_id AND endpoint_id = :endpoint_id AND state = 'failed'
    """
    return await sql.execute(statement, {"tenant_id": tenant_id, "endpoint_id": endpoint_id, "now_ms": now_ms})
