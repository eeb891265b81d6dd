"""Rows of `contact_imports` and the pieces of their files. Rows of the lists themselves: `contact_rows`.

Whoever works on an import holds it (`hold`): every write of a step names the holder's number, so a runner that was
away too long writes nothing more. The file lies here in pieces until its rows are stored.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from app.domain.contacts.contact import Options, Target
from app.domain.contacts.mapping import Column
from app.errors import ConflictError, LeaseLost, NotFoundError
from app.store.db import Reader, SqlValue, Tx, Writer
from app.store.rows import to_struct, with_columns, with_values

State = Literal["receiving", "reading", "checking", "review", "importing", "done", "failed", "cancelled"]
Kind = Literal["csv", "xlsx"]
RUNNING: tuple[State, ...] = ("reading", "checking", "importing")
HOLD_MS = 15_000
RECEIVING_MS = 3_600_000
"""How long a file may take to come."""
PIECE_BYTES = 256 * 1024
ENDED = "The import was ended meanwhile; send the list again if it is still wanted."


class ContactImport(msgspec.Struct, frozen=True, kw_only=True):
    """One row. JSON text: `options` (Options), `columns` (Column), `notes` (sentences about how the file was
    read), `counts` (rows by issue, and by what became of them).
    """

    id: str
    tenant_id: str
    target: Target
    name: str
    digest: str
    kind: Kind
    state: State
    options: str
    columns: str
    notes: str
    counts: str
    problem: str
    rows_total: int
    checked_seq: int
    imported_seq: int
    runner: int
    runner_until_ms: int
    created_by: str
    created_ms: int
    updated_ms: int

    @property
    def chosen(self) -> Options:
        """How the list is read."""
        return msgspec.json.decode(self.options, type=Options)

    @property
    def mapping(self) -> tuple[Column, ...]:
        """The columns and what they mean; empty until the file was read."""
        return msgspec.json.decode(self.columns, type=tuple[Column, ...])

    @property
    def told(self) -> tuple[str, ...]:
        """What a person should know about the way the file was read."""
        return msgspec.json.decode(self.notes, type=tuple[str, ...])

    @property
    def tally(self) -> dict[str, int]:
        """Rows by issue (`issue:bad_number`) and by state (`ready`, `rejected`, `skipped`, `imported`)."""
        return msgspec.json.decode(self.counts, type=dict[str, int])


_INSERT = with_values("INSERT INTO contact_imports ($columns) VALUES ($values)", ContactImport)
_GET = with_columns(
    "SELECT $columns FROM contact_imports WHERE tenant_id = :tenant_id AND id = :id", ContactImport
)
_LIST = with_columns(
    """
    SELECT $columns FROM contact_imports WHERE tenant_id = :tenant_id AND id < :before
    ORDER BY id DESC LIMIT :limit
    """,
    ContactImport,
)
AT_ONCE = 10
"""Imports of a tenant that may be under way."""
_SAME = with_columns(
    """
    SELECT $columns FROM contact_imports WHERE tenant_id = :tenant_id AND digest = :digest AND target = :target
        AND options = :options AND state IN ('reading', 'checking', 'review', 'importing') ORDER BY id DESC LIMIT 1
    """,
    ContactImport,
)
_UNDER_WAY = """
    SELECT count(*) FROM (SELECT 1 FROM contact_imports WHERE tenant_id = :tenant_id
        AND state IN ('receiving', 'reading', 'checking', 'importing') LIMIT :limit) u
"""
_HOLD = with_columns(
    """
    UPDATE contact_imports SET runner = runner + 1, runner_until_ms = :until_ms
    WHERE id = (SELECT id FROM contact_imports WHERE state IN ('reading', 'checking', 'importing')
        AND runner_until_ms < :now_ms AND (:id IS NULL OR id = :id) ORDER BY runner_until_ms LIMIT 1
        FOR UPDATE SKIP LOCKED)
    RETURNING $columns
    """,
    ContactImport,
)
_WAITS = """
    SELECT 1 FROM contact_imports WHERE state IN ('reading', 'checking', 'importing') AND runner_until_ms < :now_ms
    LIMIT 1
"""
_STEP = """
    UPDATE contact_imports SET state = :state, options = :options, columns = :columns, notes = :notes,
        counts = :counts, problem = :problem, rows_total = :rows_total, checked_seq = :checked_seq,
        imported_seq = :imported_seq, runner_until_ms = :runner_until_ms, updated_ms = :updated_ms
    WHERE id = :id AND tenant_id = :tenant_id AND runner = :runner
"""
_RENEW = """
    UPDATE contact_imports SET runner_until_ms = :until_ms
    WHERE id = :id AND tenant_id = :tenant_id AND runner = :runner
        AND state IN ('reading', 'checking', 'importing')
"""
_LEFT = with_columns(
    """
    SELECT $columns FROM contact_imports WHERE state = 'receiving' AND updated_ms < :before_ms
    ORDER BY updated_ms LIMIT :limit
    """,
    ContactImport,
)
_RECEIVED = """
    UPDATE contact_imports SET state = :state, digest = :digest, problem = :problem
    WHERE id = :id AND tenant_id = :tenant_id AND state = 'receiving'
"""
_PIECE = """
    INSERT INTO contact_import_pieces (import_id, seq, tenant_id, body)
    SELECT :import_id, :seq, :tenant_id, :body WHERE EXISTS (SELECT 1 FROM contact_imports
        WHERE id = :import_id AND tenant_id = :tenant_id AND state = 'receiving')
"""
_DROP_ENDED = """
    DELETE FROM contact_import_pieces WHERE import_id = :id AND EXISTS (SELECT 1 FROM contact_imports
        WHERE id = :id AND tenant_id = :tenant_id AND state IN ('failed', 'cancelled'))
"""


async def create(sql: Writer, new: ContactImport) -> ContactImport:
    """Store a new import."""
    await sql.execute(_INSERT, msgspec.structs.asdict(new))
    return new


async def received(sql: Writer, one: ContactImport, digest: str, state: State, problem: str = "") -> bool:
    """The whole file is here (state reading), or it is not taken. False: that was decided before."""
    params: dict[str, SqlValue] = {"id": one.id, "tenant_id": one.tenant_id, "digest": digest, "state": state}
    params["problem"] = problem
    return await sql.execute(_RECEIVED, params) == 1


async def refuse(tx: Tx, one: ContactImport, problem: str) -> None:
    """The file is not taken after all. One that was accepted meanwhile keeps its pieces; of one that was ended
    meanwhile the pieces that came since go too.
    """
    await received(tx, one, "", "failed", problem)
    await tx.execute(_DROP_ENDED, {"id": one.id, "tenant_id": one.tenant_id})


async def under_way(sql: Reader, tenant_id: str) -> int:
    """How many imports of a tenant are being received or worked on; those that wait for a person do not count."""
    row = await sql.one(_UNDER_WAY, {"tenant_id": tenant_id, "limit": AT_ONCE})
    return 0 if row is None else row[0]


async def add_piece(sql: Writer, one: ContactImport, seq: int, body: bytes) -> None:
    """The next piece of the file. Raises ConflictError when the import does not wait for it any more."""
    params: dict[str, SqlValue] = {"import_id": one.id, "seq": seq, "tenant_id": one.tenant_id, "body": body}
    if await sql.execute(_PIECE, params) != 1:
        raise ConflictError(ENDED)


async def piece(sql: Reader, import_id: str, seq: int) -> bytes | None:
    """A piece of the file; None behind the last one."""
    row = await sql.one(
        "SELECT body FROM contact_import_pieces WHERE import_id = :id AND seq = :seq",
        {"id": import_id, "seq": seq},
    )
    return None if row is None else bytes(row[0])


async def drop_pieces(sql: Writer, import_id: str) -> None:
    """The file is not needed any more."""
    await sql.execute("DELETE FROM contact_import_pieces WHERE import_id = :id", {"id": import_id})


async def get(sql: Reader, tenant_id: str, import_id: str) -> ContactImport:
    """One import. Raises NotFoundError."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "id": import_id})
    if row is None:
        raise NotFoundError("There is no such import.")
    return to_struct(ContactImport, row)


async def newest(sql: Reader, tenant_id: str, *, before: str = "", limit: int = 20) -> list[ContactImport]:
    """Imports of a tenant, newest first."""
    params = {"tenant_id": tenant_id, "before": before or "g", "limit": limit}
    return [to_struct(ContactImport, row) for row in await sql.fetch(_LIST, params)]


async def unfinished(sql: Reader, one: ContactImport) -> ContactImport | None:
    """An import of the same list, meant in the same way, that is not at its end."""
    params = {"tenant_id": one.tenant_id, "digest": one.digest, "target": one.target, "options": one.options}
    row = await sql.one(_SAME, params)
    return None if row is None else to_struct(ContactImport, row)


async def hold(sql: Writer, now_ms: int, import_id: str | None = None) -> ContactImport | None:
    """Take an import that has something to do and that nobody holds; or this one. None: there is none, which costs
    no write.
    """
    if await sql.one(_WAITS, {"now_ms": now_ms}) is None:
        return None
    rows = await sql.change(_HOLD, {"now_ms": now_ms, "until_ms": now_ms + HOLD_MS, "id": import_id})
    return to_struct(ContactImport, rows[0]) if rows else None


async def step(sql: Writer, one: ContactImport, now_ms: int, *, let_go: bool = False) -> ContactImport:
    """Store how far an import is. Raises LeaseLost when somebody else holds it now."""
    until_ms = 0 if let_go else now_ms + HOLD_MS
    one = msgspec.structs.replace(one, runner_until_ms=until_ms, updated_ms=now_ms)
    if await sql.execute(_STEP, msgspec.structs.asdict(one)) != 1:
        raise LeaseLost("Another process goes on with this import.")
    return one


async def renew(sql: Writer, one: ContactImport, now_ms: int) -> bool:
    """Go on holding an import while a long step stores nothing. False: somebody else holds it, or it is done."""
    who: dict[str, SqlValue] = {"id": one.id, "tenant_id": one.tenant_id, "runner": one.runner}
    return await sql.execute(_RENEW, who | {"until_ms": now_ms + HOLD_MS}) == 1


async def make_way(sql: Writer, one: ContactImport, now_ms: int) -> None:
    """Let an import go that has more to do: those that wait for longer are held first."""
    who: dict[str, SqlValue] = {"id": one.id, "tenant_id": one.tenant_id, "runner": one.runner}
    await sql.execute(_RENEW, who | {"until_ms": now_ms - 1})


async def left_behind(sql: Reader, now_ms: int, limit: int = 20) -> list[ContactImport]:
    """Imports of any tenant whose file stopped coming long ago."""
    rows = await sql.fetch(_LEFT, {"before_ms": now_ms - RECEIVING_MS, "limit": limit})
    return [to_struct(ContactImport, row) for row in rows]


async def change(tx: Tx, tenant_id: str, import_id: str, states: Sequence[State]) -> ContactImport:
    """An import that a person changes, locked and fenced against whoever worked on it. Raises NotFoundError, or
    ConflictError when it is in none of `states`.
    """
    params: dict[str, SqlValue] = {"tenant_id": tenant_id, "id": import_id}
    row = await tx.one(f"{_GET} FOR UPDATE", params)
    if row is None:
        raise NotFoundError("There is no such import.")
    one = to_struct(ContactImport, row)
    if one.state not in states:
        raise ConflictError(f"The import is {TOLD[one.state]}; this cannot be done now.")
    await tx.execute(
        "UPDATE contact_imports SET runner = runner + 1 WHERE tenant_id = :tenant_id AND id = :id", params
    )
    return msgspec.structs.replace(one, runner=one.runner + 1)


TOLD: dict[State, str] = {
    "receiving": "being received",
    "reading": "being read",
    "checking": "being checked",
    "review": "waiting for you",
    "importing": "being imported",
    "done": "done",
    "failed": "given up",
    "cancelled": "cancelled",
}
"""States in words."""
