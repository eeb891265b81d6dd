"""Rows of `erasures`: people who are being forgotten. The work goes on where it stopped; one process does it.

Whoever works on one holds it by a lease with a fencing token: every step names the token in its own transaction.
"""

from typing import Literal

import msgspec

from app.domain.erasure import pseudonym
from app.domain.number import canonical
from app.errors import LeaseLost, NotFoundError
from app.ids import new_id
from app.store import audit, dnd, legal_holds
from app.store.audit import Deed
from app.store.db import Database, Reader, Tx
from app.store.dnd import DoNotCall
from app.store.erasing import Counts
from app.store.rows import to_params, to_struct, with_columns, with_values

LEASE_MS = 30_000
SCOUR_LEASE_MS = 15 * 60_000
"""While the database is scoured: PostgreSQL reads every table once, and nothing can be saved between."""
WAIT_MS = 5_000
"""How long an erasure waits before it looks again whether a call is over."""
STEPS = ("tasks", "number", "chats", "lists", "texts", "files")
"""In their order."""
REASON = "erased at the person's request"
State = Literal["open", "done"]
_QUIET = """
    t.state IN ('completed', 'failed', 'cancelled', 'suppressed') AND t.lease_owner IS NULL
    AND NOT EXISTS (SELECT 1 FROM calls c WHERE c.task_id = t.id AND c.state <> 'ended')
    AND NOT EXISTS (SELECT 1 FROM analyses a WHERE a.task_id = t.id AND a.state = 'waiting')
"""


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """One row. JSON text: `names`, `place` (the key a walk goes on behind), `counts` (rows by table)."""

    id: str
    tenant_id: str
    number: str
    pseudonym: str
    names: str
    state: State
    step: str
    place: str
    counts: str
    waits_for: int
    requested_by: str
    next_ms: int
    lease_owner: str | None
    lease_token: int
    lease_until: int | None
    created_ms: int
    done_ms: int | None

    @property
    def called(self) -> tuple[str, ...]:
        """Names the person went by."""
        return msgspec.json.decode(self.names, type=tuple[str, ...])

    @property
    def behind(self) -> list[str | int]:
        """Where the walk of this step goes on; empty at its beginning."""
        return msgspec.json.decode(self.place, type=list[str | int])

    @property
    def counted(self) -> Counts:
        """Rows that lost something, by table."""
        return msgspec.json.decode(self.counts, type=Counts)


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What an erasure would meet: rows by table, and tasks that are in a call now."""

    counts: dict[str, int]
    in_call: int
    listed: bool


_INSERT = with_values("INSERT INTO erasures ($columns) VALUES ($values)", Erasure)
_OPEN = with_columns(
    "SELECT $columns FROM erasures WHERE tenant_id = :tenant_id AND number = :number AND state = 'open'", Erasure
)
_GET = with_columns("SELECT $columns FROM erasures WHERE tenant_id = :tenant_id AND id = :id", Erasure)
_NEWEST = with_columns(
    "SELECT $columns FROM erasures WHERE tenant_id = :tenant_id AND id < :before ORDER BY id DESC LIMIT :limit",
    Erasure,
)
_HOLD = with_columns(
    """
    UPDATE erasures SET lease_owner = :owner, lease_token = lease_token + 1, lease_until = :until_ms
    WHERE id IN (SELECT id FROM erasures WHERE state = 'open' AND next_ms <= :now_ms
        AND (lease_until IS NULL OR lease_until < :now_ms) AND (:id IS NULL OR id = :id)
        ORDER BY next_ms, id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING $columns
    """,
    Erasure,
)
_ANY_DUE = """
    SELECT 1 FROM erasures WHERE state = 'open' AND next_ms <= :now_ms
        AND (lease_until IS NULL OR lease_until < :now_ms) LIMIT 1
"""
"""Asked first, for nobody writes while there is nothing to do."""
_SAVE = """
    UPDATE erasures SET number = :number, names = :names, state = :state, step = :step, place = :place,
        counts = :counts, waits_for = :waits_for, next_ms = :next_ms, lease_owner = :lease_owner,
        lease_until = :lease_until, done_ms = :done_ms
    WHERE id = :id AND lease_token = :lease_token AND lease_owner IS NOT NULL
"""
_NAMES = """
    SELECT callee_name FROM tasks WHERE tenant_id = :tenant_id AND number = :number
    UNION SELECT name FROM contacts WHERE tenant_id = :tenant_id AND number = :number
    UNION SELECT name FROM recipients WHERE tenant_id = :tenant_id AND number = :number
    LIMIT 50
"""
_SETTLED = f"""
    SELECT t.id FROM tasks t WHERE t.tenant_id = :tenant_id AND t.number = :number AND {_QUIET}
    ORDER BY t.id LIMIT :limit FOR UPDATE OF t
"""  # noqa: S608 - a constant
_BUSY = f"""
    SELECT count(*) FROM tasks t WHERE t.tenant_id = :tenant_id AND t.number = :number AND NOT ({_QUIET})
"""  # noqa: S608 - a constant
_UPLOADS = """
    SELECT count(*) FROM contact_imports i WHERE i.tenant_id = :tenant_id
        AND i.state IN ('receiving', 'reading', 'checking', 'importing')
"""
_WRITING = """
    SELECT (SELECT count(*) FROM conversations WHERE tenant_id = :tenant_id AND answering_until_ms > :now_ms)
        + (SELECT count(*) FROM campaign_reports WHERE tenant_id = :tenant_id AND state = 'waiting'
            AND lease_until > :now_ms)
"""
"""Replies and reports that a model writes now: of what it read before, and stored after the walk."""
_SCOPE = {
    "tasks": "SELECT count(*) FROM tasks WHERE tenant_id = :tenant_id AND number = :number",
    "calls": "SELECT count(*) FROM calls c JOIN tasks t ON t.id = c.task_id"
    " WHERE t.tenant_id = :tenant_id AND t.number = :number",
    "recordings": "SELECT count(*) FROM recordings r JOIN calls c ON c.id = r.call_id"
    " JOIN tasks t ON t.id = c.task_id WHERE t.tenant_id = :tenant_id AND t.number = :number",
    "questions": "SELECT count(*) FROM feedback_requests f JOIN tasks t ON t.id = f.task_id"
    " WHERE t.tenant_id = :tenant_id AND t.number = :number",
    "contacts": "SELECT count(*) FROM contacts WHERE tenant_id = :tenant_id AND number = :number",
    "consents": "SELECT count(*) FROM consents WHERE tenant_id = :tenant_id AND number = :number",
    "results": "SELECT count(*) FROM results WHERE tenant_id = :tenant_id AND number = :number",
}


async def scope(sql: Reader, tenant_id: str, number: str) -> Scope:
    """What is there of a number (E.164), without changing anything. Raises ConflictError when a hold keeps it."""
    await legal_holds.refuse_held(sql, tenant_id, number)
    of = {"tenant_id": tenant_id, "number": number}
    counts: dict[str, int] = {}
    for name, statement in _SCOPE.items():
        row = await sql.one(statement, of)
        counts[name] = row[0] if row else 0
    busy = await sql.one(_BUSY.replace("NOT (", "t.state IN ('in_call', 'claimed') AND NOT ("), of)
    listed = await dnd.is_listed(sql, tenant_id, [number])
    return Scope(counts=counts, in_call=busy[0] if busy else 0, listed=listed)


async def request(tx: Tx, tenant_id: str, number: str, key: bytes, deed: Deed, *, now_ms: int) -> Erasure:
    """Begin to forget a number: it is put on the do-not-call list, what waits for it is taken off the queue, and
    the work is written down; one that is under way is answered as it is. The first statement of its transaction.

    `key`: what the pseudonym is made with. `deed`: who asks, for the audit log. Raises ConflictError when a legal
    hold keeps it.
    """
    number = canonical(number)
    await stop(tx, tenant_id, number, now_ms)
    await legal_holds.refuse_held(tx, tenant_id, number)
    of = {"tenant_id": tenant_id, "number": number}
    row = await tx.one(_OPEN, of)
    if row is not None:
        return to_struct(Erasure, row)
    names = sorted({row[0] for row in await tx.fetch(_NAMES, of) if row[0].strip()})
    new = Erasure(
        id=new_id(now_ms),
        tenant_id=tenant_id,
        number=number,
        pseudonym=pseudonym(key, tenant_id, number),
        names=msgspec.json.encode(names).decode(),
        state="open",
        step="tasks",
        place="[]",
        counts="{}",
        waits_for=0,
        requested_by=deed.actor,
        next_ms=now_ms,
        lease_owner=None,
        lease_token=0,
        lease_until=None,
        created_ms=now_ms,
        done_ms=None,
    )
    await tx.execute(_INSERT, to_params(new))
    begun = msgspec.structs.replace(deed, action="erasure_requested", object=f"erasure:{new.id}")
    await audit.add(tx, tenant_id, begun, now_ms)
    return new


async def stop(tx: Tx, tenant_id: str, number: str, now_ms: int) -> None:
    """Nobody dials this number any more: it is on the list, and nothing of it waits in the queue."""
    entry = DoNotCall(id=new_id(now_ms), tenant_id=tenant_id, number=number, reason=REASON, source="operator")
    await dnd.add(tx, entry, now_ms)


async def hold(db: Database, owner: str, now_ms: int, erasure_id: str | None = None) -> Erasure | None:
    """The next piece of work that nobody holds; None: nothing is due."""
    if await db.one(_ANY_DUE, {"now_ms": now_ms}) is None:
        return None
    params = {"owner": owner, "now_ms": now_ms, "until_ms": now_ms + LEASE_MS, "id": erasure_id}
    rows = await db.change(_HOLD, params)
    return to_struct(Erasure, rows[0]) if rows else None


async def save(tx: Tx, erasure: Erasure) -> None:
    """Store how far it has come, in the transaction of what was done. Raises LeaseLost when another took over."""
    params = to_params(erasure)
    keep = ("tenant_id", "pseudonym", "requested_by", "created_ms")
    if not await tx.execute(_SAVE, {name: value for name, value in params.items() if name not in keep}):
        raise LeaseLost("Another process goes on with this erasure.")


async def settled(tx: Tx, erasure: Erasure, limit: int) -> list[str]:
    """Some tasks of the number that are over and in no call, locked."""
    of = {"tenant_id": erasure.tenant_id, "number": erasure.number, "limit": limit}
    return [row[0] for row in await tx.fetch(_SETTLED, of)]


async def busy(sql: Reader, erasure: Erasure, now_ms: int) -> int:
    """Tasks of the number that are in a call or being judged, uploads whose file is being read, and replies and
    reports that are being written.
    """
    whose = {"tenant_id": erasure.tenant_id}
    looks = (
        await sql.one(_BUSY, whose | {"number": erasure.number}),
        await sql.one(_UPLOADS, whose),
        await sql.one(_WRITING, {"tenant_id": erasure.tenant_id, "now_ms": now_ms}),
    )
    return sum(row[0] for row in looks if row)


async def get(sql: Reader, tenant_id: str, erasure_id: str) -> Erasure:
    """One erasure. Raises NotFoundError."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "id": erasure_id})
    if row is None:
        raise NotFoundError("There is no such erasure.")
    return to_struct(Erasure, row)


async def newest(sql: Reader, tenant_id: str, *, before: str = "g", limit: int = 20) -> list[Erasure]:
    """Erasures of a tenant, newest first; `before` an id for the next page."""
    rows = await sql.fetch(_NEWEST, {"tenant_id": tenant_id, "before": before, "limit": limit})
    return [to_struct(Erasure, row) for row in rows]
