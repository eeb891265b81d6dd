"""Rows of `idempotency_keys`: a request that comes twice is done once and answered alike.

`claim` before the deed, `settle` in the deed's own transaction. So whatever dies in between, a row without an
answer has done nothing, and its claim may be taken over after `CLAIM_MS`; who was overtaken cannot settle.
"""

import hashlib
import secrets

import msgspec

from app.errors import ConflictError, ValidationFailed
from app.store import tenants
from app.store.db import Database, Tx, Writer

CLAIM_MS = 60_000
"""How long a request may take before another one with its key may take over."""
KEPT_MS = 24 * 3_600_000
"""How long an answer can be had again."""
SWEPT_AT_ONCE = 500

_CLAIM = """
    INSERT INTO idempotency_keys (id, tenant_id, body_hash, claim, claimed_ms)
    VALUES (:id, :tenant_id, :body_hash, :claim, :now_ms) ON CONFLICT (id) DO NOTHING
"""
_GET = """
    SELECT body_hash, claim, claimed_ms, status, answer FROM idempotency_keys
    WHERE tenant_id = :tenant_id AND id = :id
"""
_TAKE_OVER = """
    UPDATE idempotency_keys SET claim = :claim, claimed_ms = :now_ms
    WHERE tenant_id = :tenant_id AND id = :id AND claim = :old AND status IS NULL
"""
_SETTLE = """
    UPDATE idempotency_keys SET status = :status, answer = :answer
    WHERE tenant_id = :tenant_id AND id = :id AND claim = :claim AND status IS NULL
"""
_RELEASE = """
    DELETE FROM idempotency_keys WHERE tenant_id = :tenant_id AND id = :id AND claim = :claim AND status IS NULL
"""
_OLD = "SELECT 1 FROM idempotency_keys WHERE tenant_id = :tenant_id AND claimed_ms < :before_ms LIMIT 1"
_EXPIRE = "DELETE FROM idempotency_keys WHERE tenant_id = :tenant_id AND id = :id AND claimed_ms < :before_ms"
_SWEEP = """
    DELETE FROM idempotency_keys WHERE tenant_id = :tenant_id AND id IN (
        SELECT id FROM idempotency_keys WHERE tenant_id = :tenant_id AND claimed_ms < :before_ms
        ORDER BY claimed_ms LIMIT :limit
    )
"""


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """A request that shall be done once: by whom, what (method and path), under which key, with what body."""

    tenant_id: str
    actor: str
    route: str
    key: str
    body: bytes

    @property
    def id(self) -> str:
        """The row's id: the same key of another person or for another path is another key."""
        parts = msgspec.json.encode([self.tenant_id, self.actor, self.route, self.key])
        return hashlib.sha256(parts).hexdigest()

    @property
    def body_hash(self) -> str:
        """What a repetition must have in common."""
        return hashlib.sha256(self.body).hexdigest()


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer that was given: HTTP status and JSON text."""

    status: int
    body: str


async def claim(sql: Writer, asking: Asking, now_ms: int) -> Answered | str:
    """The right (a token for `settle`) to do it now, or the answer it got before.

    Raises ValidationFailed when the key came with another body, ConflictError while the first request runs.
    """
    token, who = secrets.token_hex(16), {"tenant_id": asking.tenant_id, "id": asking.id}
    mine = who | {"claim": token, "now_ms": now_ms}
    await sql.execute(_EXPIRE, who | {"before_ms": now_ms - KEPT_MS})
    if await sql.execute(_CLAIM, mine | {"body_hash": asking.body_hash}):
        return token
    row = await sql.one(_GET, who)
    if row is not None:
        body_hash, old, claimed_ms, status, answer = row
        if body_hash != asking.body_hash:
            raise ValidationFailed(
                "This Idempotency-Key came with another body before; use a new key for a new request.",
                code="idempotency_key_reused",
            )
        if status is not None:
            return Answered(status=status, body=answer)
        if claimed_ms + CLAIM_MS <= now_ms and await sql.execute(_TAKE_OVER, mine | {"old": old}):
            return token
    raise ConflictError(
        "The first request with this Idempotency-Key is still being done; ask again in a second.",
        code="request_in_flight",
        retryable=True,
    )


async def sweep(db: Database, now_ms: int) -> int:
    """Remove the answers of every tenant that are older than `KEPT_MS`, some at a time; answers how many."""
    removed = 0
    for tenant_id in await tenants.ids(db):
        old = {"tenant_id": tenant_id, "before_ms": now_ms - KEPT_MS}
        while await db.one(_OLD, old) is not None:
            removed += await db.execute(_SWEEP, old | {"limit": SWEPT_AT_ONCE})
    return removed


async def settle(tx: Tx, asking: Asking, token: str, done: Answered) -> None:
    """Keep the answer, in the transaction of what was done. Raises ConflictError when somebody took over."""
    row = {"tenant_id": asking.tenant_id, "id": asking.id, "claim": token}
    if not await tx.execute(_SETTLE, row | {"status": done.status, "answer": done.body}):
        raise ConflictError("Another request with this Idempotency-Key took over.", code="request_in_flight")


async def release(sql: Writer, asking: Asking, token: str) -> None:
    """Nothing was done: the key is free again."""
    await sql.execute(_RELEASE, {"tenant_id": asking.tenant_id, "id": asking.id, "claim": token})
