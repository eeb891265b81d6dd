"""What happened on a call, in order: states, tools, keys, faults, latencies. Append only."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from app.store import calls
from app.store.db import Reader, Row, Writer, within

_ADD = """
    INSERT INTO call_events (call_id, seq, tenant_id, kind, data, at_ms)
    SELECT c.id, (SELECT coalesce(max(e.seq), 0) + 1 FROM call_events e WHERE e.call_id = c.id), c.tenant_id,
        :kind, :data, :at_ms
    FROM calls c WHERE c.id = :call_id AND c.tenant_id = :tenant_id
"""
_LIST = """
    SELECT seq, kind, data, at_ms FROM call_events
    WHERE tenant_id = :tenant_id AND call_id = :call_id AND seq > :after ORDER BY seq LIMIT :limit
"""

_NEWEST = """
    SELECT seq, kind, data, at_ms FROM call_events
    WHERE tenant_id = :tenant_id AND call_id = :call_id AND kind = :kind ORDER BY seq DESC LIMIT 1
"""


_NEWEST_KIND = """
    SELECT kind FROM call_events WHERE tenant_id = :tenant_id AND call_id = :call_id
        AND kind IN (SELECT value FROM json_each(:kinds)) ORDER BY seq DESC LIMIT 1
"""
_OF_KINDS = """
    SELECT seq, kind, data, at_ms FROM call_events WHERE tenant_id = :tenant_id AND call_id = :call_id
        AND kind IN (SELECT value FROM json_each(:kinds)) ORDER BY seq
"""


class Noted(Protocol):
    """Something about a call in words."""

    @property
    def kind(self) -> str:
        """What it is, in one word."""
        ...

    @property
    def detail(self) -> str:
        """A sentence."""
        ...


class CallEvent(msgspec.Struct, frozen=True):
    """One row; `data` is JSON."""

    seq: int
    kind: str
    data: Mapping[str, object]
    at_ms: int


async def add(
    sql: Writer, tenant_id: str, call_id: str, kind: str, data: Mapping[str, object], *, at_ms: int
) -> bool:
    """Append an event. False: the tenant has no such call (yet), nothing was stored."""
    text = msgspec.json.encode(data).decode()
    params = {"tenant_id": tenant_id, "call_id": call_id, "kind": kind, "data": text, "at_ms": at_ms}
    async with within(sql) as tx:
        await calls.lock(tx, call_id)
        return await tx.execute(_ADD, params) == 1


async def add_notes(sql: Writer, tenant_id: str, call_id: str, notes: Iterable[Noted], *, at_ms: int) -> None:
    """Append an event for each of `notes`."""
    for note in notes:
        await add(sql, tenant_id, call_id, note.kind, {"detail": note.detail}, at_ms=at_ms)


async def list_events(
    sql: Reader, tenant_id: str, call_id: str, limit: int = 2_000, *, after: int = 0
) -> list[CallEvent]:
    """Oldest first, behind the number `after`."""
    params = {"tenant_id": tenant_id, "call_id": call_id, "limit": limit, "after": after}
    rows = await sql.fetch(_LIST, params)
    return _events(rows)


async def of_kinds(sql: Reader, tenant_id: str, call_id: str, kinds: Sequence[str]) -> list[CallEvent]:
    """Those of a call that are of these kinds, oldest first; of kinds that are noted a few times in a call."""
    params = {"tenant_id": tenant_id, "call_id": call_id, "kinds": msgspec.json.encode(kinds).decode()}
    return _events(await sql.fetch(_OF_KINDS, params))


def _events(rows: Iterable[Row]) -> list[CallEvent]:
    return [CallEvent(seq, kind, msgspec.json.decode(data), at_ms) for seq, kind, data, at_ms in rows]


async def newest(sql: Reader, tenant_id: str, call_id: str, kind: str) -> CallEvent | None:
    """The last event of a kind."""
    row = await sql.one(_NEWEST, {"tenant_id": tenant_id, "call_id": call_id, "kind": kind})
    return None if row is None else CallEvent(row[0], row[1], msgspec.json.decode(row[2]), row[3])


async def standing(sql: Reader, tenant_id: str, call_id: str, kind: str, *, undone_by: str) -> CallEvent | None:
    """The last event of a kind, unless one of the kind `undone_by` came after it."""
    last = await newest_kind(sql, tenant_id, call_id, (kind, undone_by))
    return await newest(sql, tenant_id, call_id, kind) if last == kind else None


async def newest_kind(sql: Reader, tenant_id: str, call_id: str, kinds: Sequence[str]) -> str | None:
    """Which of these happened last on a call; None: none of them."""
    params = {"tenant_id": tenant_id, "call_id": call_id, "kinds": msgspec.json.encode(kinds).decode()}
    row = await sql.one(_NEWEST_KIND, params)
    return None if row is None else str(row[0])
