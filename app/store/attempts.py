"""The life of one attempt in the store: opened, committed to be dialed, finished. The dial protocol lives here.

`begin_call` is the intent: it is committed (synchronous=FULL) before anything that can ring is asked for, and it
is the last place that can refuse: admission is asked inside its transaction. A fault in it raises, and whoever
asked does not dial.
"""

import msgspec

from app.domain.admission import Defer, Dial
from app.domain.admission_facts import Hold
from app.domain.admission_site import Site
from app.domain.call import Call, CallEnd, CallState, NewCall
from app.domain.task import CallTask, TaskEvent, TaskState, after
from app.errors import ConflictError, ConstraintFailed, NotFoundError
from app.store import admission, calls, commands, events, follow_up, outbox, settlement, tasks, transfers
from app.store.db import DIALING, Tx
from app.store.rows import to_params, with_values

_INSERT = with_values("INSERT INTO calls ($columns) VALUES ($values)", Call)
_PROMOTE = """
    UPDATE calls SET state = 'dialing', dialing_ms = :now_ms, number_dialed = :number_dialed, dialed = 1,
        trunk = :trunk,
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

_NOBODY_WAITS = "UPDATE feedback_requests SET state = 'timed_out' WHERE call_id = :call_id AND state = 'open'"

WAIT_FOR_TOKEN_MS = 2 * admission.PREPARE_AHEAD_MS
"""A prepared call waits at most this long for the trunk's token; then its task is put back."""
WRONG_NUMBER_MS = 1_000


class DialRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody may be dialed for this attempt. `code`: lease_lost, too_late, store, or the rule of admission.

    `again_ms`: nothing was settled, and the same attempt may ask again then (the trunk's next token).
    """

    code: str
    sentence: str
    again_ms: int | None = None


async def open_call(tx: Tx, tenant_id: str, new: NewCall, token: int, now_ms: int) -> Call:
    """Store an attempt in state prepare, so that what happens before dialing has a row. The task stays claimed.

    Raises LeaseLost, or ConflictError when the task is not claimed or another attempt is alive.
    """
    task = await tasks.get(tx, tenant_id, new.task_id)
    tasks.check_token(task, token)
    if task.state is not TaskState.CLAIMED:
        raise ConflictError(f"The task is {task.state}; a call is opened only for a claimed one.")
    return await _insert(tx, task, new, now_ms)


async def begin_call(
    tx: Tx, tenant_id: str, new: NewCall, token: int, now_ms: int, *, site: Site, hold: Hold | None = None
) -> Call | DialRefusal:
    """Commit the intent to dial: task claimed -> in_call, call -> dialing, one attempt used, or say why not.

    Checks the fencing token, the lease and the dial deadline, then asks admission everything there is to ask.
    What it decides is settled and kept in the same transaction: a task that is put off is pending again with no
    attempt used, one that may never be called is settled. A dial takes the trunk's token and reserves its cost.
    """
    await tx.exclusive(DIALING)
    task = await tasks.get(tx, tenant_id, new.task_id)
    fenced = _fenced(task, new, token, now_ms)
    if fenced is not None:
        return fenced
    judged = await admission.judge(tx, task, site, now_ms, hold=hold)
    decision = judged.decision
    if isinstance(decision, Dial) and new.number_dialed != decision_number(decision):
        decision = Defer(
            until_ms=now_ms + WRONG_NUMBER_MS,
            rule="test_mode",
            sentence="The number that was prepared is not the one that may be dialed now; it is asked again.",
            evidence=decision.evidence,
        )
    if isinstance(decision, Defer) and _soon(decision, new, now_ms):
        return DialRefusal(code=decision.rule, sentence=decision.sentence, again_ms=decision.until_ms)
    if not isinstance(decision, Dial):
        await settlement.settle(tx, task, decision, now_ms)
        await _put_back_row(tx, tenant_id, new.id, decision.sentence, now_ms)
        return DialRefusal(code=decision.rule, sentence=decision.sentence)
    call = await _promote(tx, task, new, site.trunk, now_ms)
    await settlement.dialing(tx, task, call.id, judged, now_ms, site=site)
    await outbox.note_call(tx, tenant_id, "call.initiated", call.id, now_ms=now_ms)
    return call


def decision_number(decision: Dial) -> str:
    """The number that was admitted."""
    return decision.evidence.facts.task.number_dialed if decision.evidence.facts is not None else ""


async def _promote(tx: Tx, task: CallTask, new: NewCall, trunk: str, now_ms: int) -> Call:
    task = after(task, TaskEvent.BEGIN_CALL, now_ms)
    await tasks.save(tx, msgspec.structs.replace(task, current_attempt_count=task.current_attempt_count + 1))
    params = {
        "tenant_id": task.tenant_id,
        "call_id": new.id,
        "task_id": task.id,
        "number_dialed": new.number_dialed,
        "dial_deadline_ms": new.dial_deadline_ms,
        "trunk": trunk,
        "now_ms": now_ms,
        "attempt_number": await _newest_number(tx, task.id, other_than=new.id) + 1,
    }
    if not await tx.execute(_PROMOTE, params):
        await _insert(tx, task, new, now_ms)
        await tx.execute(_PROMOTE, params)
    return await calls.get(tx, task.tenant_id, new.id)


async def _put_back_row(tx: Tx, tenant_id: str, call_id: str, sentence: str, now_ms: int) -> None:
    """The attempt is over before anybody was dialed; its task may be claimed again from now on."""
    try:
        call = await calls.get(tx, tenant_id, call_id)
    except NotFoundError:
        return
    end = CallEnd(
        call_id=call_id,
        outcome="canceled",
        ended_by="system_complete",
        dialed=False,
        detail=sentence,
        ended_ms=now_ms,
    )
    await close_row(tx, call, end, now_ms)


def _soon(decision: Defer, new: NewCall, now_ms: int) -> bool:
    """Only the trunk's pace is in the way, and its token comes while everything is still prepared."""
    deadline_ms = new.dial_deadline_ms or decision.until_ms + 1
    return decision.rule == "pace" and decision.until_ms < min(now_ms + WAIT_FOR_TOKEN_MS, deadline_ms)


async def finish_call(tx: Tx, tenant_id: str, end: CallEnd, now_ms: int, *, token: int | None = None) -> CallTask:
    """Store the end of a call and put its task into analysis, in one transaction. Repeating it changes nothing.

    An attempt that dialed nobody is given back to the task. With an old `token` (the task was recovered meanwhile)
    only the call row is closed; None is for reconciliation, which speaks for the exchange. Raises NotFoundError.
    """
    call = await calls.get(tx, tenant_id, end.call_id)
    task = await tasks.get(tx, tenant_id, call.task_id)
    closed = await close_row(tx, call, end, now_ms)
    if not closed and (end.dialed or call.dialed):
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
    """End the call row, what was ordered of it and waits, and what it held: money, breaker, lane. False when it
    had ended before. Not its task.
    """
    params = to_params(end) | {"tenant_id": call.tenant_id, "ended_ms": end.ended_ms or now_ms}
    await calls.lock(tx, call.id)
    await commands.close_left(tx, call.tenant_id, call.id, now_ms)
    await transfers.close_left(tx, call.tenant_id, call.id, now_ms)
    if await tx.execute(_CLOSE, params) != 1:
        return False
    await tx.execute(_NOBODY_WAITS, {"call_id": call.id})
    if end.dialed:
        await follow_up.note_ended(tx, call.id)
    await settlement.ended(tx, call.tenant_id, call.id, now_ms)
    if end.dialed or call.dialed or call.direction == "inbound":  # else nobody was told that it began
        await outbox.note_call(tx, call.tenant_id, "call.completed", call.id, now_ms=now_ms)
    return True


def _finished(task: CallTask, *, dialed: bool, now_ms: int) -> CallTask:
    """The task after its attempt; `begin_call` has counted it already unless it was never reached."""
    counted = task.current_attempt_count + (0 if task.state is TaskState.IN_CALL else 1)
    return msgspec.structs.replace(
        after(task, TaskEvent.FINISH_CALL, now_ms),
        current_attempt_count=min(max(counted - (0 if dialed else 1), 0), task.max_attempts),
        not_dialed_count=0 if dialed else task.not_dialed_count + 1,
    )


def _fenced(task: CallTask, new: NewCall, token: int, now_ms: int) -> DialRefusal | None:
    lease_until = task.lease_until or 0
    if task.lease_token != token or task.state is not TaskState.CLAIMED or lease_until <= now_ms:
        return DialRefusal(code="lease_lost", sentence="The claim of this task ran out before dialing.")
    if new.dial_deadline_ms is not None and now_ms >= new.dial_deadline_ms:
        return DialRefusal(code="too_late", sentence="Preparing took too long; the dial deadline has passed.")
    return None


async def _newest_number(tx: Tx, task_id: str, *, other_than: str = "") -> int:
    row = await tx.one(_NEWEST_NUMBER, {"task_id": task_id, "call_id": other_than})
    return row[0] if row else 0


def prepared(task: CallTask, new: NewCall, attempt_number: int, now_ms: int) -> Call:
    """The row a call begins as: nothing has happened yet."""
    return Call(
        id=new.id,
        tenant_id=task.tenant_id,
        task_id=task.id,
        agent_id=task.agent_id,
        attempt_number=attempt_number,
        node=new.node,
        number_requested=task.number,
        number_dialed=new.number_dialed,
        state=CallState.PREPARE,
        outcome=None,
        ended_by=None,
        hangup_cause=None,
        tech_cause=None,
        sip_call_id=None,
        dialed=False,
        detail="",
        created_ms=now_ms,
        dialing_ms=None,
        dial_deadline_ms=new.dial_deadline_ms,
        ringing_ms=None,
        answered_ms=None,
        ended_ms=None,
        cost_micro_usd=0,
        recording_path=None,
        agent_version=new.agent_version,
    )


async def _insert(tx: Tx, task: CallTask, new: NewCall, now_ms: int) -> Call:
    call = prepared(task, new, await _newest_number(tx, task.id, other_than=new.id) + 1, now_ms)
    try:
        await tx.execute(_INSERT, to_params(call))
    except ConstraintFailed as refused:
        raise ConflictError("Another attempt of this task is alive, or this call id was used before.") from refused
    return call
