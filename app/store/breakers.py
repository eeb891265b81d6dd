"""Rows of `breakers`: the error breaker of each lane. Rules: `app.domain.breaker`."""

from app.domain import breaker as rules
from app.domain.breaker import Breaker
from app.store.db import Reader, Tx
from app.store.rows import to_params, to_struct, with_columns

_GET = with_columns("SELECT $columns FROM breakers WHERE lane = :lane", Breaker)
_PUT = """
    INSERT INTO breakers (lane, failures, opened, until_ms, probe_id, reason)
    VALUES (:lane, :failures, :opened, :until_ms, :probe_id, :reason)
    ON CONFLICT (lane) DO UPDATE SET failures = excluded.failures, opened = excluded.opened,
        until_ms = excluded.until_ms, probe_id = excluded.probe_id, reason = excluded.reason
"""


async def get(sql: Reader, lane: str) -> Breaker:
    """The lane's breaker; closed when nothing was ever noted."""
    row = await sql.one(_GET, {"lane": lane})
    return Breaker() if row is None else to_struct(Breaker, row)


async def begun(tx: Tx, lane: str, call_id: str, now_ms: int) -> None:
    """A call of the lane begins."""
    before = await get(tx, lane)
    await _put(tx, lane, before, rules.begun(before, call_id, now_ms))


async def ended(tx: Tx, lane: str, call_id: str, outcome: str, now_ms: int) -> None:
    """A call of the lane ended."""
    before = await get(tx, lane)
    await _put(tx, lane, before, rules.ended(before, call_id, outcome, now_ms))


async def _put(tx: Tx, lane: str, before: Breaker, after: Breaker) -> None:
    if after != before:
        await tx.execute(_PUT, to_params(after) | {"lane": lane})
