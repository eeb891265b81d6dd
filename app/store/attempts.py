"""The life of one attempt in the store: opened, committed to be dialed, finished. The dial protocol lives here.

`begin_call` is the intent: it is committed (synchronous=FULL) before anything that can ring is asked for, and it
is the last place that can refuse. A fault inside it raises, and whoever asked does not dial.
"""

import msgspec

from app.domain.call import Call, CallEnd, CallState, NewCall
from app.domain.task import CallTask, TaskEvent, TaskState, after
from app.errors import ConflictError, ConstraintFailed
from app.store import calls, commands, dnd, events, tasks
from app.store.db import Tx
from app.store.rows import to_params, with_values

_INSERT = with_values("INSERT INTO calls ($columns) VALUES ($values)", Call)
_PROMOTE = """
    UPDATE calls SET state = 'dialing', dialing_ms = :now_ms, number_dialed = :number_dialed, dialed = 1,
        dial_deadline_ms = :dial_deadline_ms, attempt_number = :attempt_number
    WHERE tenant_id = :tenant_id AND id = :call_id AND task_id = :task_id AND state = 'prepare'
"""
_NEWEST_NUMBER = "SELECT coalesce(max(attempt_number), 0) FROM calls WHERE task_id = :task_id AND id <> :call_id"
_CLOSE = """
    UPDATE calls SET state = 'ended', outcome = :outcome, ended_by = :ended_by,
        dialed = CASE WHEN direction = 'inbound' THEN 0 ELSE :dialed END,
        hangup_cause = :hangup_cause, tech_cause = :tech_cause, sip_call_id = coalesce(:sip_call_id, sip_call_id),
        ringing_ms = coalesce(ringing_ms, :ringing_ms), answered_ms = coalesce(answered_ms, :answered_ms),
        ended_ms = :ended_ms, detail = :detail
    WHERE tenant_id = :tenant_id AND id = :call_id AND state <> 'ended'
"""


class DialRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody may be dialed for this attempt. `code`: lease_lost, too_late, attempts_used or dnc."""

    code: str
    sentence: str


async def open_call(tx: Tx, tenant_id: str, new: NewCall, token: int, now_ms: int) -> Call:
    """Store an attempt in state prepare, so that what happens before dialing has a row. The task stays claimed.

    Raises LeaseLost, or ConflictError when the task is not claimed or another attempt is alive.
    """
    task = await tasks.get(tx, tenant_id, new.task_id)
    tasks.check_token(task, token)
    if task.state is not TaskState.CLAIMED:
        raise ConflictError(f"The task is {task.state}; a call is opened only for a claimed one.")
    return await _insert(tx, task, new, CallState.PREPARE, now_ms)


async def begin_call(tx: Tx, tenant_id: str, new: NewCall, token: int, now_ms: int) -> Call | DialRefusal:
    """Commit the intent to dial: task claimed -> in_call, call -> dialing, one attempt used, or say why not.

    Checks the fencing token, the lease, the dial deadline, the attempts left and the do-not-call lists of the
    requested and the dialed number. A refusal by list or by attempts settles the task in the same transaction.
    """
    task = await tasks.get(tx, tenant_id, new.task_id)
    refusal = _refusal(task, new, token, now_ms)
    if refusal is None and await dnd.is_listed(tx, tenant_id, [task.number, new.number_dialed]):
        refusal = DialRefusal(code="dnc", sentence="The number is on a do-not-call list; it is not dialed.")
    if refusal is not None:
        await _settle(tx, task, refusal, now_ms)
        return refusal
    task = after(task, TaskEvent.BEGIN_CALL, now_ms)
    await tasks.save(tx, msgspec.structs.replace(task, current_attempt_count=task.current_attempt_count + 1))
    promoted = await tx.execute(
        _PROMOTE,
        {
            "tenant_id": tenant_id,
            "call_id": new.id,
            "task_id": task.id,
            "number_dialed": new.number_dialed,
            "dial_deadline_ms": new.dial_deadline_ms,
            "now_ms": now_ms,
            "attempt_number": await _newest_number(tx, task.id, other_than=new.id) + 1,
        },
    )
    if promoted:
        return await calls.get(tx, tenant_id, new.id)
    return await _insert(tx, task, new, CallState.DIALING, now_ms)


async def finish_call(tx: Tx, tenant_id: str, end: CallEnd, now_ms: int, *, token: int | None = None) -> CallTask:
    """Store the end of a call and put its task into analysis, in one transaction. Repeating it changes nothing.

    An attempt that dialed nobody is given back to the task. With an old `token` (the task was recovered meanwhile)
    only the call row is closed; None is for reconciliation, which speaks for the exchange. Raises NotFoundError.
    """
    call = await calls.get(tx, tenant_id, end.call_id)
    task = await tasks.get(tx, tenant_id, call.task_id)
    closed = await close_row(tx, call, end, now_ms)
    if not closed:
        await events.add(tx, tenant_id, call.id, "late_end", to_params(end), at_ms=now_ms)
    if token is not None and token != task.lease_token:
        return task
    # A row that was closed before its task moved: the end came from a process whose lease had been taken over.
    left_behind = task.state is TaskState.IN_CALL and call.attempt_number == await _newest_number(tx, task.id)
    if not (left_behind or (closed and task.state is TaskState.CLAIMED)):
        return task
    if call.direction == "inbound":  # it never counted
        task = after(task, TaskEvent.FINISH_CALL, now_ms)
    else:
        task = _finished(task, dialed=end.dialed if closed else call.dialed, now_ms=now_ms)
    await tasks.save(tx, task)
    return task


async def close_row(tx: Tx, call: Call, end: CallEnd, now_ms: int) -> bool:
    """End the call row, and what was ordered of it and waits; False when it had ended before. Not its task."""
    params = to_params(end) | {"tenant_id": call.tenant_id, "ended_ms": end.ended_ms or now_ms}
    await commands.close_left(tx, call.tenant_id, call.id, now_ms)
    return await tx.execute(_CLOSE, params) == 1


def _finished(task: CallTask, *, dialed: bool, now_ms: int) -> CallTask:
    """The task after its attempt; `begin_call` has counted it already unless it was never reached."""
    counted = task.current_attempt_count + (0 if task.state is TaskState.IN_CALL else 1)
    return msgspec.structs.replace(
        after(task, TaskEvent.FINISH_CALL, now_ms),
        current_attempt_count=min(max(counted - (0 if dialed else 1), 0), task.max_attempts),
        not_dialed_count=0 if dialed else task.not_dialed_count + 1,
    )


def _refusal(task: CallTask, new: NewCall, token: int, now_ms: int) -> DialRefusal | None:
    lease_until = task.lease_until or 0
    if task.lease_token != token or task.state is not TaskState.CLAIMED or lease_until <= now_ms:
        return DialRefusal(code="lease_lost", sentence="The claim of this task ran out before dialing.")
    if new.dial_deadline_ms is not None and now_ms >= new.dial_deadline_ms:
        return DialRefusal(code="too_late", sentence="Preparing took too long; the dial deadline has passed.")
    if task.current_attempt_count >= task.max_attempts:
        return DialRefusal(code="attempts_used", sentence=f"All {task.max_attempts} attempts are used.")
    return None


async def _settle(tx: Tx, task: CallTask, refusal: DialRefusal, now_ms: int) -> None:
    settling = {"dnc": TaskEvent.SUPPRESS, "attempts_used": TaskEvent.FAIL}.get(refusal.code)
    if settling is not None:
        settled = after(task, settling, now_ms)
        await tasks.save(tx, msgspec.structs.replace(settled, overall_conclusion=refusal.sentence))


async def _newest_number(tx: Tx, task_id: str, *, other_than: str = "") -> int:
    row = await tx.one(_NEWEST_NUMBER, {"task_id": task_id, "call_id": other_than})
    return row[0] if row else 0


async def _insert(tx: Tx, task: CallTask, new: NewCall, state: CallState, now_ms: int) -> Call:
    dialing = state is CallState.DIALING
    call = Call(
        id=new.id,
        tenant_id=task.tenant_id,
        task_id=task.id,
        agent_id=task.agent_id,
        attempt_number=await _newest_number(tx, task.id, other_than=new.id) + 1,
        node=new.node,
        number_requested=task.number,
        number_dialed=new.number_dialed,
        state=state,
        outcome=None,
        ended_by=None,
        hangup_cause=None,
        tech_cause=None,
        sip_call_id=None,
        dialed=dialing,
        detail="",
        created_ms=now_ms,
        dialing_ms=now_ms if dialing else None,
        dial_deadline_ms=new.dial_deadline_ms,
        ringing_ms=None,
        answered_ms=None,
        ended_ms=None,
        cost_micro_usd=0,
        recording_path=None,
    )
    try:
        await tx.execute(_INSERT, to_params(call))
    except ConstraintFailed as refused:
        raise ConflictError("Another attempt of this task is alive, or this call id was used before.") from refused
    return call
