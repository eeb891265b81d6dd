"""Recordings of calls: where the files are. The audio itself is never in the database."""

import msgspec

from app.store import outbox
from app.store.db import Reader, Tx

_ADD = """
    INSERT INTO recordings (call_id, path, tenant_id, duration_ms, created_ms)
    SELECT c.id, :path, c.tenant_id, :duration_ms, :now_ms FROM calls c
    WHERE c.id = :call_id AND c.tenant_id = :tenant_id
    ON CONFLICT (call_id, path) DO UPDATE SET duration_ms = excluded.duration_ms
"""
_MARK = "UPDATE calls SET recording_path = :path WHERE id = :call_id AND tenant_id = :tenant_id"
_LIST = """
    SELECT path, duration_ms, created_ms FROM recordings
    WHERE tenant_id = :tenant_id AND call_id = :call_id ORDER BY created_ms, path
"""


class Recording(msgspec.Struct, frozen=True):
    """One file, two channels: left callee, right agent."""

    path: str
    duration_ms: int
    created_ms: int


async def add(tx: Tx, tenant_id: str, call_id: str, path: str, duration_ms: int, *, now_ms: int) -> bool:
    """Store a finished recording and name it on its call. False: the tenant has no such call."""
    params = {"tenant_id": tenant_id, "call_id": call_id, "path": path}
    stored = await tx.execute(_ADD, params | {"duration_ms": duration_ms, "now_ms": now_ms}) == 1
    if stored:
        await tx.execute(_MARK, params)
        told = {"recording_ms": duration_ms}
        await outbox.note_call(tx, tenant_id, "recording.ready", call_id, now_ms=now_ms, more=told)
    return stored


async def list_recordings(sql: Reader, tenant_id: str, call_id: str) -> list[Recording]:
    """Oldest first."""
    rows = await sql.fetch(_LIST, {"tenant_id": tenant_id, "call_id": call_id})
    return [Recording(*row) for row in rows]
