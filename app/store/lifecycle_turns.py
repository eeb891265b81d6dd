"""Rows of `lifecycle_turns`: when a tenant's open tasks are looked over next, and by whom, by lease and token."""

import msgspec

from app.errors import LeaseLost
from app.store.db import Tx, Writer
from app.store.rows import to_struct, with_columns


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `after_ms` None: the walk over all open tasks begins anew."""

    tenant_id: str
    next_ms: int
    looked_ms: int
    asked_ms: int
    after_ms: int | None
    after_id: str
    fingerprint: str
    tries: int
    last_error: str
    lease_owner: str | None
    lease_token: int
    lease_until: int | None


_OPEN = """
    INSERT INTO lifecycle_turns (tenant_id, next_ms, looked_ms, asked_ms, after_ms, after_id, fingerprint, tries,
        last_error, lease_token)
    SELECT id, :first_ms, 0, 0, NULL, '', '', 0, '', 0 FROM tenants WHERE state = 'active'
    ON CONFLICT (tenant_id) DO NOTHING
"""
_CLAIM = with_columns(
    """
    WITH due AS MATERIALIZED (
        SELECT l.tenant_id FROM lifecycle_turns l JOIN tenants t ON t.id = l.tenant_id
        WHERE l.next_ms <= :now_ms AND t.state = 'active' AND (l.lease_until IS NULL OR l.lease_until < :now_ms)
        ORDER BY l.next_ms, l.tenant_id LIMIT :limit FOR UPDATE OF l SKIP LOCKED)
    UPDATE lifecycle_turns SET lease_owner = :owner, lease_token = lease_token + 1, lease_until = :until_ms
    WHERE tenant_id IN (SELECT tenant_id FROM due)
    RETURNING $columns
    """,
    Turn,
)
_LET_GO = "UPDATE lifecycle_turns SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = :owner"
_HURRY = """
    UPDATE lifecycle_turns
    SET next_ms = CASE WHEN looked_ms + :gap_ms > :now_ms THEN looked_ms + :gap_ms ELSE :now_ms END
    WHERE next_ms > :now_ms AND next_ms > looked_ms + :gap_ms AND tries = 0 AND tenant_id IN (
        SELECT tenant_id FROM tasks WHERE id IN (SELECT value FROM json_each(:ids)))
"""
_END = """
    UPDATE lifecycle_turns SET next_ms = :next_ms, looked_ms = :looked_ms, asked_ms = :asked_ms,
        after_ms = :after_ms, after_id = :after_id, fingerprint = :fingerprint, tries = :tries,
        last_error = :last_error, lease_owner = NULL, lease_until = NULL
    WHERE tenant_id = :tenant_id AND lease_token = :lease_token AND lease_owner IS NOT NULL
"""


async def open_all(sql: Writer, first_ms: int) -> None:
    """A turn for every tenant that has none yet."""
    await sql.execute(_OPEN, {"first_ms": first_ms})


async def claim_due(sql: Writer, now_ms: int, owner: str, lease_ms: int, limit: int) -> list[Turn]:
    """Turns that are due, longest waiting first; each goes to one caller only."""
    params = {"owner": owner, "now_ms": now_ms, "until_ms": now_ms + lease_ms, "limit": limit}
    return [to_struct(Turn, row) for row in await sql.change(_CLAIM, params)]


async def let_go(sql: Writer, owner: str) -> None:
    """Give back what a former process of this name held when it stopped."""
    await sql.execute(_LET_GO, {"owner": owner})


async def hurry(sql: Writer, task_ids: list[str], now_ms: int, gap_ms: int) -> int:
    """Something happened to these tasks: their tenants' turns come now, or `gap_ms` after the last one.

    A turn whose model is away keeps its pause.
    """
    ids = msgspec.json.encode(task_ids).decode()
    return await sql.execute(_HURRY, {"ids": ids, "now_ms": now_ms, "gap_ms": gap_ms})


async def end(tx: Tx, turn: Turn) -> None:
    """Write a turn back and give it up. Raises LeaseLost when somebody else has it by now."""
    names = ("tenant_id", "next_ms", "looked_ms", "asked_ms", "after_ms", "after_id", "fingerprint", "tries")
    params = {name: getattr(turn, name) for name in (*names, "last_error", "lease_token")}
    if await tx.execute(_END, params) != 1:
        raise LeaseLost("Another process looks over these tasks now; this one must not change them any more.")
