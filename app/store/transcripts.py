"""Turns of a call as they were spoken, stored when each one ends."""

from app.domain.call import Turn
from app.store import calls
from app.store.db import Reader, Writer, within
from app.store.rows import to_params, to_struct, with_columns

FIRST = (-(1 << 47), 0)
"""Before every turn: where one began, and its number."""
_ADD = """
    INSERT INTO call_transcripts (call_id, seq, tenant_id, speaker, item_id, text, start_audio_ms, end_audio_ms,
        interrupted, heard_ms, generated_ms, response_id, stop_to_response_ms, response_to_delta_ms,
        delta_to_rtp_ms, created_ms)
    SELECT c.id, (SELECT coalesce(max(w.seq), 0) + 1 FROM call_transcripts w WHERE w.call_id = c.id), c.tenant_id,
        :speaker, :item_id, :text, :start_audio_ms, :end_audio_ms, :interrupted, :heard_ms, :generated_ms,
        :response_id, :stop_to_response_ms, :response_to_delta_ms, :delta_to_rtp_ms, :now_ms
    FROM calls c WHERE c.id = :call_id AND c.tenant_id = :tenant_id
    ON CONFLICT (call_id, item_id, speaker) DO UPDATE SET text = excluded.text,
        start_audio_ms = excluded.start_audio_ms, end_audio_ms = excluded.end_audio_ms,
        interrupted = excluded.interrupted, heard_ms = excluded.heard_ms, generated_ms = excluded.generated_ms
"""
_LIST = with_columns(
    """
    SELECT $columns FROM call_transcripts WHERE tenant_id = :tenant_id AND call_id = :call_id
        AND (start_audio_ms > :after_ms OR (start_audio_ms = :after_ms AND seq > :after_seq))
    ORDER BY start_audio_ms, seq LIMIT :limit
    """,
    Turn,
)

_LAST = _LIST.replace("ORDER BY start_audio_ms, seq", "ORDER BY start_audio_ms DESC, seq DESC")


async def add(sql: Writer, tenant_id: str, call_id: str, turn: Turn, now_ms: int) -> bool:
    """Store a turn; the same item again replaces its text and never doubles it. `turn.seq` is given by the store.

    False: the tenant has no such call, nothing was stored.
    """
    params = to_params(turn) | {"tenant_id": tenant_id, "call_id": call_id, "now_ms": now_ms}
    del params["seq"]
    async with within(sql) as tx:
        await calls.lock(tx, call_id)
        return await tx.execute(_ADD, params) == 1


async def list_turns(
    sql: Reader, tenant_id: str, call_id: str, limit: int = 2_000, *, after: tuple[int, int] = FIRST
) -> list[Turn]:
    """In the order they began, behind the turn with this `start_audio_ms` and `seq`."""
    where = {"tenant_id": tenant_id, "call_id": call_id, "after_ms": after[0], "after_seq": after[1]}
    rows = await sql.fetch(_LIST, {**where, "limit": limit})
    return [to_struct(Turn, row) for row in rows]


async def last_turns(sql: Reader, tenant_id: str, call_id: str, limit: int) -> list[Turn]:
    """The last ones, in the order they began."""
    where = {"tenant_id": tenant_id, "call_id": call_id, "after_ms": FIRST[0], "after_seq": FIRST[1]}
    rows = await sql.fetch(_LAST, {**where, "limit": limit})
    return [to_struct(Turn, row) for row in reversed(rows)]
