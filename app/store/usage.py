"""What the models used and cost, one row per response and per transcribed turn; the call carries the sum."""

from typing import Literal

import msgspec

from app.store import budgets, calls
from app.store.db import Reader, Tx
from app.store.rows import to_params, to_struct, with_columns

_ADD = """
    INSERT INTO response_usage (call_id, kind, ref, tenant_id, model, status,
        input_text_tokens, input_audio_tokens, input_cached_text_tokens, input_cached_audio_tokens,
        output_text_tokens, output_audio_tokens, seconds,
        cost_micro_usd, price_table, at_ms)
    SELECT c.id, :kind, :ref, c.tenant_id, :model, :status, :input_text_tokens, :input_audio_tokens,
        :input_cached_text_tokens, :input_cached_audio_tokens, :output_text_tokens, :output_audio_tokens, :seconds,
        :cost_micro_usd, :price_table, :at_ms
    FROM calls c WHERE c.id = :call_id AND c.tenant_id = :tenant_id
    ON CONFLICT (call_id, kind, ref) DO NOTHING
"""
_SUM = """
    UPDATE calls SET cost_micro_usd =
        (SELECT coalesce(sum(u.cost_micro_usd), 0) FROM response_usage u WHERE u.call_id = calls.id)
    WHERE id = :call_id AND tenant_id = :tenant_id
"""
_COST = """
    SELECT coalesce(sum(cost_micro_usd), 0), count(*) FILTER (WHERE cost_micro_usd IS NULL), count(*)
    FROM response_usage WHERE tenant_id = :tenant_id AND call_id = :call_id
"""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """One response (`ref` = response id) or transcription (`ref` = item id). Cost None: the model has no price."""

    kind: Literal["response", "transcription"]
    ref: str
    model: str
    status: str = ""
    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    input_cached_text_tokens: int = 0
    input_cached_audio_tokens: int = 0
    output_text_tokens: int = 0
    output_audio_tokens: int = 0
    seconds: float = 0.0
    cost_micro_usd: int | None = None
    price_table: str = ""


class Spent(Usage, frozen=True, kw_only=True):
    """An entry as it is stored, and when it was reported (UTC epoch milliseconds)."""

    at_ms: int


_OF_CALL = with_columns(
    "SELECT $columns FROM response_usage WHERE tenant_id = :tenant_id AND call_id = :call_id "
    "ORDER BY at_ms, kind, ref LIMIT :limit",
    Spent,
)


class CallCost(msgspec.Struct, frozen=True):
    """Sum of what is known; `unpriced` of the `entries` have no known price."""

    cost_micro_usd: int
    unpriced: int
    entries: int


async def add(tx: Tx, tenant_id: str, call_id: str, used: Usage, at_ms: int) -> bool:
    """Store one entry once and bring the call's cost up to date. False: stored before, or no such call."""
    params = to_params(used) | {"tenant_id": tenant_id, "call_id": call_id, "at_ms": at_ms}
    await calls.lock(tx, call_id)
    stored = await tx.execute(_ADD, params) == 1
    if stored:
        await tx.execute(_SUM, {"tenant_id": tenant_id, "call_id": call_id})
        await budgets.settle(tx, call_id)  # what is reported after the end is charged all the same
    return stored


async def of_call(sql: Reader, tenant_id: str, call_id: str, limit: int = 4_000) -> list[Spent]:
    """What each response and each transcription of a call used, oldest first."""
    rows = await sql.fetch(_OF_CALL, {"tenant_id": tenant_id, "call_id": call_id, "limit": limit})
    return [to_struct(Spent, row) for row in rows]


async def cost_of_call(sql: Reader, tenant_id: str, call_id: str) -> CallCost:
    """What a call cost so far."""
    row = await sql.one(_COST, {"tenant_id": tenant_id, "call_id": call_id})
    return CallCost(*row) if row else CallCost(0, 0, 0)
