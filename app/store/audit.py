"""Rows of `audit_log`: who did what, when, from where. Append only, chained by hash, one chain per tenant.

The hash of a row covers everything in it and the hash before it, so an edit, a deletion in the middle or another
order shows in `verify`. What a chain cannot show by itself is a missing tail: `head` is what to keep elsewhere.
"""

import hashlib
import re
from collections.abc import Mapping

import msgspec

from app.domain.number import mask_number
from app.store.db import Reader, Tx
from app.store.rows import to_params, to_struct, with_columns, with_values

START = "0" * 64
PAGE = 500
_NUMBER = re.compile(r"(?<![\w.])\+[1-9]\d{7,14}(?![\w.])")


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. `detail` is JSON text; `object` says what it was about, like `user:0190…`."""

    tenant_id: str
    seq: int
    at_ms: int
    actor: str
    action: str
    object: str
    detail: str
    address: str
    hash: str


class Only(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries are wanted; None: any. From `since_ms` on, before `until_ms` (UTC epoch milliseconds)."""

    actor: str | None = None
    action: str | None = None
    object: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What is written down. `detail` never carries a secret, nor what somebody said: an entry is never taken back.
    Telephone numbers in it are masked.
    """

    actor: str
    action: str
    object: str
    detail: Mapping[str, str | int | bool | None] = {}
    address: str = ""


_INSERT = with_values("INSERT INTO audit_log ($columns) VALUES ($values)", AuditRow)
_LAST = "SELECT seq, hash FROM audit_log WHERE tenant_id = :tenant_id ORDER BY seq DESC LIMIT 1"
_NEWEST = with_columns("SELECT $columns FROM audit_log WHERE tenant_id = :tenant_id AND seq < :before", AuditRow)
_ORDER = " ORDER BY seq DESC LIMIT :limit"
_PLACE = "SELECT seq FROM audit_log WHERE tenant_id = :tenant_id"
_ONLY = {
    "actor": " AND actor = :actor",
    "action": " AND action = :action",
    "object": " AND object = :object",
    "since_ms": f" AND seq >= coalesce(({_PLACE} AND at_ms >= :since_ms ORDER BY at_ms, seq LIMIT 1), :before)",
    "until_ms": f" AND seq <= coalesce(({_PLACE} AND at_ms < :until_ms ORDER BY at_ms DESC, seq DESC LIMIT 1), 0)",
}
"""Times become places in the order of entries, which one look into an index finds."""
_FROM = with_columns(
    "SELECT $columns FROM audit_log WHERE tenant_id = :tenant_id AND seq >= :seq ORDER BY seq LIMIT :limit",
    AuditRow,
)


async def add(tx: Tx, tenant_id: str, deed: Deed, now_ms: int) -> AuditRow:
    """Write one entry, in the transaction of what it is about."""
    await tx.exclusive(f"audit {tenant_id}")
    last = await tx.one(_LAST, {"tenant_id": tenant_id})
    before = last[1] if last else START
    row = AuditRow(
        tenant_id=tenant_id,
        seq=(last[0] if last else 0) + 1,
        at_ms=now_ms,
        actor=deed.actor,
        action=deed.action,
        object=deed.object,
        detail=msgspec.json.encode(_masked(deed.detail), order="sorted").decode(),
        address=deed.address,
        hash="",
    )
    row = msgspec.structs.replace(row, hash=_hash(row, before))
    await tx.execute(_INSERT, to_params(row))
    return row


async def newest(
    sql: Reader, tenant_id: str, *, before: int | None = None, limit: int = 100, only: Only | None = None
) -> list[AuditRow]:
    """Entries, newest first, those before a `seq` for the next page."""
    given = {name: value for name, value in to_params(only or Only()).items() if value is not None}
    text = _NEWEST + "".join(_ONLY[name] for name in given) + _ORDER
    place = {"tenant_id": tenant_id, "before": before if before is not None else 1 << 62, "limit": limit}
    return [to_struct(AuditRow, row) for row in await sql.fetch(text, given | place)]


async def verify(sql: Reader, tenant_id: str) -> tuple[int, str | None]:
    """(entries read, what is wrong): None when every entry follows from the one before it."""
    expected, before = 1, START
    while True:
        given = {"tenant_id": tenant_id, "seq": expected, "limit": PAGE}
        rows = [to_struct(AuditRow, row) for row in await sql.fetch(_FROM, given)]
        for row in rows:
            if row.seq != expected:
                return expected - 1, f"entry {expected} is missing"
            if row.hash != _hash(row, before):
                return expected - 1, f"entry {expected} was changed after it was written"
            expected, before = expected + 1, row.hash
        if len(rows) < PAGE:
            return expected - 1, None


def _masked(detail: Mapping[str, str | int | bool | None]) -> dict[str, str | int | bool | None]:
    """With the numbers in its texts masked: who is forgotten must not be found here."""
    return {
        name: _NUMBER.sub(lambda found: mask_number(found.group()), value) if isinstance(value, str) else value
        for name, value in detail.items()
    }


def _hash(row: AuditRow, before: str) -> str:
    fields = [getattr(row, name) for name in AuditRow.__struct_fields__ if name != "hash"]
    return hashlib.sha256(msgspec.json.encode([before, *fields])).hexdigest()
