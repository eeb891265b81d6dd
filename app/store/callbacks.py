"""Rows of a call-back: which task it belongs to, the call it becomes, and what a dead process left of one.

A call-back takes an open task over by the same lease and fence as a scheduler's claim, so the retry that waits
cannot be dialed while they talk. It dials nobody and uses up no attempt. It costs what any call costs: the same
money is set aside for it, and settled at its end.
"""

from collections.abc import Sequence

import msgspec

from app.domain.admission_facts import Budget
from app.domain.admission_room import has_room
from app.domain.admission_site import Site
from app.domain.call import Call, CallEnd, CallState, NewCall
from app.domain.callback import AT_WORK, OPEN
from app.domain.task import CallTask, TaskEvent, after
from app.errors import ConflictError, ConstraintFailed
from app.store import (
    admission,
    attempts,
    budgets,
    calls,
    campaign_figures,
    campaigns,
    consents,
    dnd,
    holds,
    tasks,
    tenants,
)
from app.store.db import DIALING, Database, Reader, Tx
from app.store.rows import to_params, to_struct, with_columns, with_values
from app.store.tenants import TenantTerms

_FIND = with_columns(
    """
    SELECT $columns FROM tasks t
    JOIN calls c ON c.task_id = t.id AND c.tenant_id = t.tenant_id
    WHERE c.dialed = 1 AND c.number_dialed = :number AND c.dialing_ms >= :since_ms
    ORDER BY (t.state IN ('pending', 'waiting_user', 'claimed', 'in_call', 'analyzing')) DESC,
        c.dialing_ms DESC, c.id DESC
    LIMIT 1
    """,
    CallTask,
    "t",
)
_INSERT = with_values("INSERT INTO calls ($columns) VALUES ($values)", Call)
_NEXT_NUMBER = "SELECT coalesce(max(attempt_number), 0) + 1 FROM calls WHERE task_id = :task_id"
_LEFT = with_columns(
    """
    SELECT $columns FROM calls c JOIN tasks t ON t.id = c.task_id
    WHERE c.node = :node AND c.direction = 'inbound' AND c.state <> 'ended' AND t.state <> 'in_call'
    """,
    Call,
    "c",
)
_TALKED = """
    UPDATE tasks SET state = 'completed', overall_conclusion = :reason, updated_ms = :now_ms
    WHERE tenant_id = :tenant_id AND id = :task_id AND state = 'failed'
"""
_REFUSED = """
    UPDATE tasks SET overall_conclusion = :reason, updated_ms = :now_ms
    WHERE tenant_id = :tenant_id AND id = :task_id AND state = 'failed'
"""
REFUSED = "They called back and asked not to be called again."


class CallBack(msgspec.Struct, frozen=True, kw_only=True):
    """A call-back that may be answered: its stored call, the task as it is now, and whether they may be persuaded.

    `leased` False: the task was settled before and stays so; the call only belongs to it.
    """

    call: Call
    task: CallTask
    leased: bool
    opted_out: bool


class CallBackRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody may talk with them now; nothing was stored."""

    sentence: str


async def find(sql: Reader, number: str, since_ms: int) -> CallTask | None:
    """The task somebody at `number` (E.164) calls about: one we dialed it for since then, open ones before settled
    ones, newest first. Over all tenants: the caller does not know them.
    """
    row = await sql.one(_FIND, {"number": number, "since_ms": since_ms})
    return None if row is None else to_struct(CallTask, row)


async def begin(
    tx: Tx, found: CallTask, new: NewCall, lease_until: int, now_ms: int, *, site: Site
) -> CallBack | CallBackRefusal | None:
    """Store the call, set its cost aside and take its task over when that is open. None: somebody works on the
    task at this moment, or its callee was forgotten meanwhile. Refused while the organisation is suspended, its
    account with the speech model is refused, or a budget has no room for the call. Raises ConflictError,
    NotFoundError.
    """
    await tx.exclusive(DIALING)  # nobody is dialed at this number by a decision that has not seen this call
    task = await tasks.get(tx, found.tenant_id, found.id)
    if task.state in AT_WORK or task.number != found.number:
        return None
    terms = await tenants.terms(tx, task.tenant_id)
    campaign = await campaigns.get(tx, task.tenant_id, task.campaign_id) if task.campaign_id else None
    accounts = admission.accounts_of(task, terms, campaign, now_ms)
    refused = await _means(tx, task, terms, await budgets.facts(tx, accounts, site.reserve_micro_usd))
    if refused is not None:
        return CallBackRefusal(sentence=refused)
    before = task.state
    if before in OPEN:
        task = msgspec.structs.replace(
            after(task, TaskEvent.CALL_BACK, now_ms),
            lease_owner=new.node,
            lease_token=task.lease_token + 1,
            lease_until=lease_until,
        )
        await tasks.save(tx, task)
    call = _row(task, new, "" if before not in OPEN else before, await _number(tx, task.id), now_ms)
    try:
        await tx.execute(_INSERT, to_params(call))
    except ConstraintFailed as alive:  # a settled task has no lease; the index says that one call is alive
        raise ConflictError("Another call of this task is alive.") from alive
    await budgets.reserve(tx, accounts, call.id, site.reserve_micro_usd)
    opted_out = await _opted_out(tx, task, new.number_dialed)
    return CallBack(call=call, task=task, leased=before in OPEN, opted_out=opted_out)


async def close_left(db: Database, node: str, now_ms: int) -> list[str]:
    """End call-backs to settled tasks that a former process of this node left: no lease of theirs runs out.
    Answers their ids. Those of open tasks are adopted, or recovered with their lease.
    """
    async with db.tx() as tx:
        left = [to_struct(Call, row) for row in await tx.fetch(_LEFT, {"node": node})]
        for call in left:
            end = CallEnd(
                call_id=call.id,
                outcome="lost",
                ended_by="system_failure",
                dialed=False,
                detail="the process that ran the call vanished",
            )
            await attempts.close_row(tx, call, end, now_ms)
    return [call.id for call in left]


async def settle_given_up(tx: Tx, tenant_id: str, call_id: str, now_ms: int) -> bool:
    """A task that had failed is completed when its callee called back and talked to the end. False: it is not;
    who asked for no more calls has settled nothing, and the task says so.
    """
    call = await calls.get(tx, tenant_id, call_id)
    if call.answered_ms is None or call.outcome != "completed" or call.ended_by in ("network", "system_failure"):
        return False
    reason = f"They called back. The call was answered and ended by {call.ended_by}."
    params = {"tenant_id": tenant_id, "task_id": call.task_id, "reason": reason, "now_ms": now_ms}
    task = await tasks.get(tx, tenant_id, call.task_id)
    if await dnd.is_listed(tx, tenant_id, [task.number, call.number_dialed]):
        await tx.execute(_REFUSED, params | {"reason": REFUSED})
        return False
    if await tx.execute(_TALKED, params) != 1:
        return False
    await campaign_figures.concluded(tx, tenant_id, call.task_id)
    return True


async def earlier(sql: Reader, call: Call) -> list[Call]:
    """Calls of the same task before this one, first one first."""
    return [one for one in await calls.of_task(sql, call.tenant_id, call.task_id) if one.id != call.id]


async def _means(tx: Tx, task: CallTask, terms: TenantTerms, money: Sequence[Budget]) -> str | None:
    """Why no agent can talk for this tenant now, as a dial would be refused for it."""
    if terms.state != "active":
        return "The organisation is suspended."
    held = await holds.active(tx, task.tenant_id)
    if held is not None:
        return f"The speech model refuses the account ({held.code})."
    short = next((one for one in money if not has_room(one)), None)
    return None if short is None else f"The budget of {short.name} has no room for another call."


async def _opted_out(tx: Tx, task: CallTask, number: str) -> bool:
    """They asked not to be called: on a list of ours, or by taking a consent back. Not what a task was suppressed
    for otherwise (a public registry, no consent on record): that is no word of theirs to us.
    """
    if await dnd.is_listed(tx, task.tenant_id, [task.number, number]):
        return True
    consent = await consents.of_callee(tx, task.tenant_id, task.number, task.purpose)
    return consent is not None and consent.withdrawn_ms is not None


async def _number(tx: Tx, task_id: str) -> int:
    row = await tx.one(_NEXT_NUMBER, {"task_id": task_id})
    return row[0] if row else 1


def _row(task: CallTask, new: NewCall, before: str, attempt_number: int, now_ms: int) -> Call:
    return msgspec.structs.replace(
        attempts.prepared(task, new, attempt_number, now_ms),
        state=CallState.RINGING,
        dial_deadline_ms=None,
        ringing_ms=now_ms,
        direction="inbound",
        caller_channel=new.caller_channel,
        task_before=before,
    )
