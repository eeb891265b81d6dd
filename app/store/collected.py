"""Rows of `collected_fields`: what calls found out, each value with its proof."""

import msgspec

from app.domain.call import NewCall
from app.domain.fields import Collected, Evidence
from app.store import results
from app.store.db import Reader, Row, Writer, within
from app.store.results import ResultValue

_SAVE = """
    INSERT INTO collected_fields (call_id, name, tenant_id, task_id, value, item_id, quote, start_audio_ms,
        end_audio_ms, created_ms)
    VALUES (:call_id, :name, :tenant_id, :task_id, :value, :item_id, :quote, :start_audio_ms, :end_audio_ms,
        :now_ms)
    ON CONFLICT (call_id, name) DO UPDATE SET value = excluded.value, item_id = excluded.item_id,
        quote = excluded.quote, start_audio_ms = excluded.start_audio_ms, end_audio_ms = excluded.end_audio_ms,
        created_ms = excluded.created_ms
"""
_OF_CALL = """
    SELECT name, value, item_id, quote, start_audio_ms, end_audio_ms FROM collected_fields
    WHERE tenant_id = :tenant_id AND call_id = :call_id ORDER BY created_ms, name
"""
_OF_TASK = """
    SELECT name, value, item_id, quote, start_audio_ms, end_audio_ms FROM collected_fields
    WHERE tenant_id = :tenant_id AND task_id = :task_id ORDER BY created_ms, name
"""


async def save(sql: Writer, tenant_id: str, call: NewCall, one: Collected, now_ms: int) -> None:
    """Store a value; a later one of the same call replaces it."""
    proof = msgspec.structs.asdict(one.evidence)
    where = {"tenant_id": tenant_id, "task_id": call.task_id, "call_id": call.id, "now_ms": now_ms}
    found = ResultValue(
        field=one.name,
        value=one.value,
        call_id=call.id,
        item_id=one.evidence.item_id,
        quote=one.evidence.quote,
        audio_ms=one.evidence.start_audio_ms,
        at_ms=now_ms,
    )
    async with within(sql) as tx:
        await tx.execute(_SAVE, {"name": one.name, "value": one.value, **proof, **where})
        await results.note(tx, tenant_id, call.task_id, call.id, [found], now_ms=now_ms)


async def of_call(sql: Reader, tenant_id: str, call_id: str) -> list[Collected]:
    """What one call found out, in the order it was said."""
    rows = await sql.fetch(_OF_CALL, {"tenant_id": tenant_id, "call_id": call_id})
    return [_collected(row) for row in rows]


async def of_task(sql: Reader, tenant_id: str, task_id: str) -> dict[str, Collected]:
    """The newest value of each field over all calls of a task."""
    rows = await sql.fetch(_OF_TASK, {"tenant_id": tenant_id, "task_id": task_id})
    return {one.name: one for one in map(_collected, rows)}


def _collected(row: Row) -> Collected:
    name, value, item_id, quote, start_ms, end_ms = row
    proof = Evidence(item_id=item_id, quote=quote, start_audio_ms=start_ms, end_audio_ms=end_ms)
    return Collected(name=name, value=value, evidence=proof)
