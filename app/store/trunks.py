"""The token buckets of trunks, shared by every engine on the database. Rules: `app.domain.pacing`."""

from app.domain.pacing import Bucket, filled
from app.store.db import Reader, Tx

_GET = "SELECT tokens_micro, at_ms FROM trunk_buckets WHERE trunk = :trunk"
_PUT = """
    INSERT INTO trunk_buckets (trunk, tokens_micro, at_ms) VALUES (:trunk, :tokens_micro, :at_ms)
    ON CONFLICT (trunk) DO UPDATE SET tokens_micro = excluded.tokens_micro, at_ms = excluded.at_ms
"""


async def bucket(sql: Reader, trunk: str, per_second: float, now_ms: int) -> Bucket:
    """The trunk's bucket now; a trunk that never dialed has a token."""
    row = await sql.one(_GET, {"trunk": trunk})
    return (
        Bucket(at_ms=now_ms)
        if row is None
        else filled(Bucket(tokens_micro=row[0], at_ms=row[1]), per_second, now_ms)
    )


async def put(tx: Tx, trunk: str, now: Bucket) -> None:
    """Store the bucket."""
    await tx.execute(_PUT, {"trunk": trunk, "tokens_micro": now.tokens_micro, "at_ms": now.at_ms})
