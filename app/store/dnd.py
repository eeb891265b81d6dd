"""Do-not-call entries: per tenant, and one list for everybody (tenant None). A failing look-up means no dial."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from app.domain.analysis.judgement import Proof
from app.domain.number import canonical
from app.domain.task import CallTask
from app.errors import NotFoundError
from app.ids import new_id
from app.store import outbox
from app.store.db import DIALING, Reader, Row, Tx, Writer

Source = Literal["operator", "callee", "import"]
LISTED = "The number is on a do-not-call list."
"""Why a task of a listed number is suppressed."""

_ADD = """
    INSERT INTO dnd_list (id, tenant_id, number, reason, source, evidence_call_id, evidence_item_id, created_ms)
    VALUES (:id, :tenant_id, :number, :reason, :source, :evidence_call_id, :evidence_item_id, :now_ms)
    ON CONFLICT (number, coalesce(tenant_id, '')) DO UPDATE SET evidence_call_id = excluded.evidence_call_id,
        evidence_item_id = excluded.evidence_item_id, reason = excluded.reason
    WHERE dnd_list.source = 'callee' AND dnd_list.evidence_item_id IS NULL
        AND excluded.evidence_item_id IS NOT NULL
"""
SEVERAL = "asked several organisations for no more calls"
_ELSEWHERE = """
    SELECT 1 FROM dnd_list WHERE number = :number AND source = 'callee' AND tenant_id <> :tenant_id LIMIT 1
"""
_SUPPRESS = """
    UPDATE tasks SET state = 'suppressed', lease_owner = NULL, lease_until = NULL, updated_ms = :now_ms,
        overall_conclusion = :reason
    WHERE number = :number AND (:tenant_id IS NULL OR tenant_id = :tenant_id)
      AND state IN ('pending', 'claimed', 'waiting_user')
    RETURNING id
"""
_FIND = """
    SELECT id, tenant_id FROM dnd_list
    WHERE (number = :one OR number = :other) AND (tenant_id IS NULL OR tenant_id = :tenant_id)
    ORDER BY tenant_id IS NULL DESC LIMIT 1
"""
_LIST = """
    SELECT id, tenant_id, number, reason, source, evidence_call_id, evidence_item_id, created_ms FROM dnd_list
    WHERE tenant_id IS NULL OR tenant_id = :tenant_id ORDER BY created_ms DESC, id DESC LIMIT :limit
"""
_ADD_MANY = """
    INSERT INTO dnd_list (id, tenant_id, number, reason, source, evidence_call_id, evidence_item_id, created_ms)
    VALUES (:id, :tenant_id, :number, :reason, :source, :evidence_call_id, :evidence_item_id, :now_ms)
    ON CONFLICT (number, coalesce(tenant_id, '')) DO NOTHING
"""
_SUPPRESS_MANY = """
    UPDATE tasks SET state = 'suppressed', lease_owner = NULL, lease_until = NULL, updated_ms = :now_ms,
        overall_conclusion = :reason
    WHERE number IN (SELECT value FROM json_each(:numbers)) AND tenant_id = :tenant_id
      AND state IN ('pending', 'claimed', 'waiting_user')
    RETURNING id
"""
_LISTED = """
    SELECT number, tenant_id FROM dnd_list
    WHERE number IN (SELECT value FROM json_each(:numbers)) AND (tenant_id IS NULL OR tenant_id = :tenant_id)
"""
_COLUMNS = "id, tenant_id, number, reason, source, evidence_call_id, evidence_item_id, created_ms"
_PAGE = f"""
    SELECT {_COLUMNS} FROM dnd_list WHERE coalesce(tenant_id, '') = :list
        AND (tenant_id IS NULL OR tenant_id = :tenant_id) AND id < :before
    ORDER BY id DESC LIMIT :limit
"""  # noqa: S608 - a constant
_BEGINS = f"""
    SELECT {_COLUMNS} FROM dnd_list
    WHERE coalesce(tenant_id, '') = :list AND (tenant_id IS NULL OR tenant_id = :tenant_id)
        AND number >= :first AND number < :beyond AND number > :after
    ORDER BY number LIMIT :limit
"""  # noqa: S608 - a constant
_OWN = f"SELECT {_COLUMNS} FROM dnd_list WHERE tenant_id = :tenant_id AND number = :number"  # noqa: S608
_ONE = f"SELECT {_COLUMNS} FROM dnd_list WHERE tenant_id = :tenant_id AND id = :id"  # noqa: S608 - a constant


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


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """Which entry, and whose list (None: everybody's)."""

    id: str
    tenant_id: str | None


def spoken(task: CallTask, call_id: str, proof: Proof, now_ms: int) -> DoNotCall:
    """The entry for a callee who wants no more calls: the number of the task, for its tenant, with the turn."""
    return DoNotCall(
        id=new_id(now_ms),
        tenant_id=task.tenant_id,
        number=task.number,
        reason=f"said on a call: {proof.quote[:300]}",
        source="callee",
        evidence_call_id=call_id,
        evidence_item_id=proof.item_id or None,
    )


async def add(tx: Tx, entry: DoNotCall, now_ms: int) -> list[str]:
    """List a number and take its waiting tasks off the queue in the same transaction; answers their ids. What a
    second organisation's callee says lists the number for everybody; tasks of others are not answered then.

    A claimed task loses its lease, so its attempt cannot begin any more. Listing twice changes nothing, but the
    turn that proves what the callee said is filled in once it is known. The first statement of its transaction,
    before any row is read: once it is committed, no intent to dial is. Raises ValidationFailed for what is no
    number with a country code; any spelling of one will do.
    """
    entry = msgspec.structs.replace(entry, number=canonical(entry.number))
    await tx.exclusive(DIALING)
    added = await tx.execute(_ADD, msgspec.structs.asdict(entry) | {"now_ms": now_ms})
    if added and entry.tenant_id is not None:
        await _tell(tx, entry.tenant_id, entry, now_ms)
    stopped = await _suppress(tx, entry, now_ms)
    if entry.source == "callee" and entry.tenant_id is not None:
        await _for_everybody(tx, entry.number, entry.tenant_id, now_ms)
    return stopped


async def _for_everybody(tx: Tx, number: str, tenant_id: str, now_ms: int) -> None:
    """A number that opted out at another organisation as well is called by none: listed once, without what was
    said and without whose calls it was, and what waits is taken off every queue.
    """
    if await tx.one(_ELSEWHERE, {"number": number, "tenant_id": tenant_id}) is None:
        return
    entry = DoNotCall(id=new_id(now_ms), tenant_id=None, number=number, reason=SEVERAL, source="callee")
    await tx.many(_ADD_MANY, [msgspec.structs.asdict(entry) | {"now_ms": now_ms}])
    await _suppress(tx, entry, now_ms)


async def _suppress(tx: Tx, entry: DoNotCall, now_ms: int) -> list[str]:
    off = {"number": entry.number, "tenant_id": entry.tenant_id, "reason": LISTED, "now_ms": now_ms}
    return sorted(row[0] for row in await tx.change(_SUPPRESS, off))


async def find(sql: Reader, tenant_id: str, numbers: Sequence[str]) -> Listed | None:
    """The entry that forbids this tenant to call one of at most two `numbers` (E.164); the list of everybody
    first.

    Raises StoreError; then nobody dials.
    """
    one, other = numbers[0], numbers[-1]
    row = await sql.one(_FIND, {"one": one, "other": other, "tenant_id": tenant_id})
    return None if row is None else Listed(id=row[0], tenant_id=row[1])


async def is_listed(sql: Reader, tenant_id: str, numbers: Sequence[str]) -> bool:
    """Whether one of at most two `numbers` may not be called by this tenant. Raises StoreError."""
    return await find(sql, tenant_id, numbers) is not None


async def list_entries(sql: Reader, tenant_id: str, limit: int = 500) -> list[DoNotCall]:
    """Entries that bind this tenant, newest first."""
    rows = await sql.fetch(_LIST, {"tenant_id": tenant_id, "limit": limit})
    return [_entry(row) for row in rows]


async def _tell(tx: Tx, tenant_id: str, entry: DoNotCall, now_ms: int) -> None:
    """Webhooks hear of a new entry, not of the proof that is added to one."""
    if await tx.one(_ONE, {"tenant_id": tenant_id, "id": entry.id}) is None:
        return
    data = {
        "number": entry.number,
        "reason": entry.reason,
        "source": entry.source,
        "call_id": entry.evidence_call_id,
    }
    await outbox.note(tx, tenant_id, "number.opted_out", entry.id, data, now_ms=now_ms)


async def add_many(tx: Tx, tenant_id: str, entries: Sequence[DoNotCall], now_ms: int) -> list[str]:
    """List numbers (E.164) of one tenant that are not listed yet, and take their waiting tasks off the queue,
    as `add` does; answers the tasks. The first statement of its transaction.
    """
    await tx.exclusive(DIALING)
    if not entries:
        return []
    await tx.many(_ADD_MANY, [msgspec.structs.asdict(entry) | {"now_ms": now_ms} for entry in entries])
    numbers = msgspec.json.encode([entry.number for entry in entries]).decode()
    off = {"numbers": numbers, "tenant_id": tenant_id, "reason": LISTED, "now_ms": now_ms}
    rows = await tx.change(_SUPPRESS_MANY, off)
    return sorted(row[0] for row in rows)


async def listed_of(sql: Reader, tenant_id: str, numbers: Sequence[str]) -> frozenset[str]:
    """Those of some numbers that this tenant may not call, by its own list or everybody's. Raises StoreError."""
    params = {"numbers": msgspec.json.encode(numbers).decode(), "tenant_id": tenant_id}
    return frozenset(row[0] for row in await sql.fetch(_LISTED, params))


async def own_of(sql: Reader, tenant_id: str, numbers: Sequence[str]) -> frozenset[str]:
    """Those of some numbers that are on the tenant's own list."""
    params = {"numbers": msgspec.json.encode(numbers).decode(), "tenant_id": tenant_id}
    return frozenset(row[0] for row in await sql.fetch(_LISTED, params) if row[1] is not None)


async def page(
    sql: Reader, tenant_id: str | None, begins: str = "", *, after: str = "", limit: int = 50
) -> list[DoNotCall]:
    """Entries of one list (None: everybody's): newest first, or those whose number begins so, by number.
    `after`: the id, or the number, of the last entry of the page before.
    """
    of: dict[str, str | int | None] = {"list": tenant_id or "", "tenant_id": tenant_id, "limit": limit}
    if begins:
        wanted = of | {"first": begins, "beyond": begins + ":", "after": after}  # ':' follows the digits
        return [_entry(row) for row in await sql.fetch(_BEGINS, wanted)]
    return [_entry(row) for row in await sql.fetch(_PAGE, of | {"before": after or "g"})]


async def get(sql: Reader, tenant_id: str, entry_id: str) -> DoNotCall:
    """An entry of this tenant's own list. Raises NotFoundError."""
    row = await sql.one(_ONE, {"tenant_id": tenant_id, "id": entry_id})
    if row is None:
        raise NotFoundError("There is no such entry on your list.")
    return _entry(row)


async def own_entry(sql: Reader, tenant_id: str, number: str) -> DoNotCall:
    """The entry of a number (E.164) on this tenant's own list. Raises NotFoundError."""
    row = await sql.one(_OWN, {"tenant_id": tenant_id, "number": canonical(number)})
    if row is None:
        raise NotFoundError("There is no such entry on your list.")
    return _entry(row)


def _entry(row: Row) -> DoNotCall:
    return msgspec.convert(dict(zip(DoNotCall.__struct_fields__, row, strict=True)), DoNotCall)


async def remove(sql: Writer, tenant_id: str, entry_id: str) -> bool:
    """Take an entry of this tenant off; entries for everybody stay. False: there is none."""
    statement = "DELETE FROM dnd_list WHERE tenant_id = :tenant_id AND id = :entry_id"
    return await sql.execute(statement, {"tenant_id": tenant_id, "entry_id": entry_id}) == 1
