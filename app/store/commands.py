"""Rows of `commands`: what was ordered of a living call, and what came of it.

An order is accepted for a call of the same tenant that has not ended, taken at most once, by whoever holds the
lease of the call's task, and settled exactly once. `attempts.close_row` settles what is left when the call ends.
"""

from app.domain.command import (
    Command,
    CommandKind,
    CommandState,
    NewCommand,
    Reschedule,
    check_new,
    encode_payload,
    read_payload,
)
from app.errors import ConflictError, NotFoundError
from app.store import calls
from app.store.db import Reader, Tx, Writer
from app.store.rows import to_struct, with_columns

MAX_OPEN = 32
"""Commands of one call that may wait at the same time."""
RESULT_CHARACTERS = 500

_ADD = with_columns(
    """
    INSERT INTO commands (id, tenant_id, call_id, seq, kind, payload, issued_by, state, result, created_ms,
        expires_ms)
    SELECT :id, c.tenant_id, c.id, (SELECT coalesce(max(k.seq), 0) + 1 FROM commands k WHERE k.call_id = c.id),
        :kind, :payload, :issued_by, 'queued', '', :now_ms, :expires_ms
    FROM calls c WHERE c.tenant_id = :tenant_id AND c.id = :call_id AND c.state <> 'ended'
        AND (SELECT count(*) FROM commands k WHERE k.call_id = c.id AND k.state IN ('queued', 'taken')) < :most
    ON CONFLICT (id) DO NOTHING
    RETURNING $columns
    """,
    Command,
)
_GET = with_columns("SELECT $columns FROM commands WHERE tenant_id = :tenant_id AND id = :id", Command)
_KNOWN = "SELECT 1 FROM commands WHERE id = :id"
_CALL_STATE = "SELECT state FROM calls WHERE tenant_id = :tenant_id AND id = :call_id"
_LIST = with_columns(
    "SELECT $columns FROM commands WHERE tenant_id = :tenant_id AND call_id = :call_id ORDER BY seq", Command
)
_WAITING = """
    SELECT 1 FROM commands WHERE tenant_id = :tenant_id AND call_id = :call_id AND state = 'queued' LIMIT 1
"""
_EXPIRE = """
    UPDATE commands SET state = 'expired', done_ms = :now_ms, result = 'Nobody took it in time; nothing was done.'
    WHERE tenant_id = :tenant_id AND call_id = :call_id AND state = 'queued' AND expires_ms <= :now_ms
"""
_TAKE = with_columns(
    """
    UPDATE commands SET state = 'taken', taken_ms = :now_ms
    WHERE state = 'queued' AND id = (
        SELECT k.id FROM commands k
            JOIN calls c ON c.id = k.call_id
            JOIN tasks t ON t.id = c.task_id
        WHERE k.tenant_id = :tenant_id AND k.call_id = :call_id AND k.state = 'queued'
            AND k.expires_ms > :now_ms AND c.state <> 'ended' AND t.lease_token = :token
        ORDER BY k.seq LIMIT 1)
    RETURNING $columns
    """,
    Command,
)
_FINISH = """
    UPDATE commands SET state = :state, result = :result, done_ms = :now_ms
    WHERE tenant_id = :tenant_id AND id = :id AND state = 'taken'
"""
_GIVE_UP = """
    UPDATE commands SET state = 'refused', done_ms = :now_ms, result = :result
    WHERE tenant_id = :tenant_id AND call_id = :call_id AND state = 'taken'
"""
_CLOSE_LEFT = """
    UPDATE commands SET done_ms = :now_ms,
        state = CASE WHEN state = 'queued' AND expires_ms <= :now_ms THEN 'expired' ELSE 'refused' END,
        result = CASE WHEN state = 'queued' THEN 'The call ended first; nothing was done.'
            ELSE 'The call ended before it was known what came of this.' END
    WHERE tenant_id = :tenant_id AND call_id = :call_id AND state IN ('queued', 'taken')
"""
_NEWEST_WISH = """
    SELECT payload FROM commands WHERE tenant_id = :tenant_id AND call_id = :call_id AND kind = :kind
        AND state = 'done' ORDER BY seq DESC LIMIT 1
"""


async def enqueue(tx: Tx, tenant_id: str, new: NewCommand, now_ms: int) -> Command:
    """Store an order for a living call of the tenant; the same order again answers the row that is there.

    Raises NotFoundError (no such call), ConflictError (the call has ended, too many wait, the id was used for
    something else), ValidationFailed.
    """
    payload = encode_payload(new.payload)
    await calls.lock(tx, new.call_id)
    if await tx.one(_KNOWN, {"id": new.id}) is not None:
        return await _same(tx, tenant_id, new, payload)
    check_new(new, now_ms)
    params = {
        "tenant_id": tenant_id,
        "id": new.id,
        "call_id": new.call_id,
        "kind": new.kind,
        "payload": payload,
        "issued_by": new.issued_by,
        "expires_ms": new.expires_ms,
        "now_ms": now_ms,
        "most": MAX_OPEN,
    }
    rows = await tx.change(_ADD, params)
    if not rows:
        await _explain(tx, tenant_id, new)
    return to_struct(Command, rows[0])


async def take_next(tx: Tx, tenant_id: str, call_id: str, token: int, now_ms: int) -> Command | None:
    """The oldest order that waits, now taken: nobody gets it again. None when none waits, the call has ended, or
    `token` is no longer that of the task. Orders that waited too long become `expired`.
    """
    params = {"tenant_id": tenant_id, "call_id": call_id, "now_ms": now_ms}
    await tx.execute(_EXPIRE, params)
    rows = await tx.change(_TAKE, params | {"token": token})
    return to_struct(Command, rows[0]) if rows else None


async def finish(
    sql: Writer, tenant_id: str, command_id: str, state: CommandState, result: str, *, now_ms: int
) -> bool:
    """Settle an order that was taken: done or refused, with a sentence. False: it is not in state taken."""
    if state not in {CommandState.DONE, CommandState.REFUSED}:
        raise ValueError("a command that was taken is done or refused")
    params = {
        "tenant_id": tenant_id,
        "id": command_id,
        "state": state,
        "result": result[:RESULT_CHARACTERS],
        "now_ms": now_ms,
    }
    return await sql.execute(_FINISH, params) == 1


async def waiting(sql: Reader, tenant_id: str, call_id: str) -> bool:
    """Whether there may be something to take; asked every second, so it only reads."""
    return await sql.one(_WAITING, {"tenant_id": tenant_id, "call_id": call_id}) is not None


async def give_up_taken(sql: Writer, tenant_id: str, call_id: str, result: str, now_ms: int) -> int:
    """Settle what a process took and left: it may have been carried out, so it is never tried again."""
    params = {"tenant_id": tenant_id, "call_id": call_id, "result": result, "now_ms": now_ms}
    return await sql.execute(_GIVE_UP, params)


async def close_left(tx: Tx, tenant_id: str, call_id: str, now_ms: int) -> None:
    """The call ends: nothing of it waits any more."""
    await tx.execute(_CLOSE_LEFT, {"tenant_id": tenant_id, "call_id": call_id, "now_ms": now_ms})


async def get(sql: Reader, tenant_id: str, command_id: str) -> Command:
    """One command. Raises NotFoundError."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "id": command_id})
    if row is None:
        raise NotFoundError("There is no such command.")
    return to_struct(Command, row)


async def list_of_call(sql: Reader, tenant_id: str, call_id: str) -> list[Command]:
    """All commands of a call, oldest first."""
    rows = await sql.fetch(_LIST, {"tenant_id": tenant_id, "call_id": call_id})
    return [to_struct(Command, row) for row in rows]


async def rescheduled(sql: Reader, tenant_id: str, call_id: str) -> Reschedule | None:
    """The newest wish for another time that ended this call; what the analysis decides upon."""
    params = {"tenant_id": tenant_id, "call_id": call_id, "kind": CommandKind.RESCHEDULE}
    row = await sql.one(_NEWEST_WISH, params)
    if row is None:
        return None
    wish = read_payload(CommandKind.RESCHEDULE, row[0])
    assert isinstance(wish, Reschedule)
    return wish


async def _same(tx: Tx, tenant_id: str, new: NewCommand, payload: str) -> Command:
    try:
        known = await get(tx, tenant_id, new.id)
    except NotFoundError:
        known = None
    if known is None or (known.call_id, known.kind, known.payload) != (new.call_id, new.kind, payload):
        raise ConflictError("This command id was used for something else.")
    return known


async def _explain(tx: Tx, tenant_id: str, new: NewCommand) -> None:
    row = await tx.one(_CALL_STATE, {"tenant_id": tenant_id, "call_id": new.call_id})
    if row is None:
        raise NotFoundError("There is no such call.")
    if row[0] == "ended":
        raise ConflictError("The call has ended; it takes no commands any more.")
    raise ConflictError(f"{MAX_OPEN} commands of this call wait already.")
