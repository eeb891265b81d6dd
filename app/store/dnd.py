"""Do-not-call entries: per tenant, and one list for everybody (tenant None). A failing look-up means no dial."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from app.domain.analysis.judgement import Proof
from app.domain.number import DIALLABLE
from app.domain.task import CallTask
from app.errors import ValidationFailed
from app.ids import new_id
from app.store.db import DIALING, Reader, Tx, Writer

Source = Literal["operator", "callee", "import"]

_ADD = """
    INSERT INTO dnd_list (id, tenant_id, number, reason, source, evidence_call_id, evidence_item_id, created_ms)
    VALUES (:id, :tenant_id, :number, :reason, :source, :evidence_call_id, :evidence_item_id, :now_ms)
    ON CONFLICT DO NOTHING
"""
_SUPPRESS = """
    UPDATE tasks SET state = 'suppressed', lease_owner = NULL, lease_until = NULL, updated_ms = :now_ms,
        overall_conclusion = 'The number is on a do-not-call list.'
    WHERE number = :number AND (:tenant_id IS NULL OR tenant_id = :tenant_id)
      AND state IN ('pending', 'claimed', 'waiting_user')
    RETURNING id
"""
_LISTED = """
    SELECT 1 FROM dnd_list
    WHERE number IN (SELECT value FROM json_each(:numbers))
      AND (tenant_id IS NULL OR tenant_id = :tenant_id)
    LIMIT 1
"""
_LIST = """
    SELECT id, tenant_id, number, reason, source, evidence_call_id, evidence_item_id, created_ms FROM dnd_list
    WHERE tenant_id IS NULL OR tenant_id = :tenant_id ORDER BY created_ms DESC, id DESC LIMIT :limit
"""


class DoNotCall(msgspec.Struct, frozen=True, kw_only=True):
    """One entry; `evidence_*` point to the turn in which the callee said so."""

    id: str
    tenant_id: str | None
    number: str
    reason: str
    source: Source
    evidence_call_id: str | None = None
    evidence_item_id: str | None = None
    created_ms: int = 0


def spoken(task: CallTask, call_id: str, proof: Proof, now_ms: int) -> DoNotCall:
    """The entry for a callee who wants no more calls: the number of the task, for its tenant, with the turn."""
    return DoNotCall(
        id=new_id(now_ms),
        tenant_id=task.tenant_id,
        number=task.number,
        reason=f"said on a call: {proof.quote[:300]}",
        source="callee",
        evidence_call_id=call_id,
        evidence_item_id=proof.item_id,
    )


async def add(tx: Tx, entry: DoNotCall, now_ms: int) -> list[str]:
    """List a number and take its waiting tasks off the queue in the same transaction; answers their ids.

    A claimed task loses its lease, so its attempt cannot begin any more. Listing twice changes nothing. Raises
    ValidationFailed for a number that is not E.164.
    """
    if DIALLABLE.match(entry.number) is None or not entry.number.startswith("+"):
        raise ValidationFailed(f"{entry.number!r} is not a number in E.164 form, like +12025550123.")
    await tx.exclusive(DIALING)
    await tx.execute(_ADD, msgspec.structs.asdict(entry) | {"now_ms": now_ms})
    rows = await tx.change(_SUPPRESS, {"number": entry.number, "tenant_id": entry.tenant_id, "now_ms": now_ms})
    return sorted(row[0] for row in rows)


async def is_listed(sql: Reader, tenant_id: str, numbers: Sequence[str]) -> bool:
    """Whether one of `numbers` (E.164) may not be called by this tenant. Raises StoreError; then nobody dials."""
    listed = msgspec.json.encode(numbers).decode()
    return await sql.one(_LISTED, {"numbers": listed, "tenant_id": tenant_id}) is not None


async def list_entries(sql: Reader, tenant_id: str, limit: int = 500) -> list[DoNotCall]:
    """Entries that bind this tenant, newest first."""
    rows = await sql.fetch(_LIST, {"tenant_id": tenant_id, "limit": limit})
    names = DoNotCall.__struct_fields__
    return [msgspec.convert(dict(zip(names, row, strict=True)), DoNotCall) for row in rows]


async def remove(sql: Writer, tenant_id: str, entry_id: str) -> bool:
    """Take an entry of this tenant off; entries for everybody stay. False: there is none."""
    statement = "DELETE FROM dnd_list WHERE tenant_id = :tenant_id AND id = :entry_id"
    return await sql.execute(statement, {"tenant_id": tenant_id, "entry_id": entry_id}) == 1
