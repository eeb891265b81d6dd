"""Rows of `tasks`: create, read, list, conclude, cancel. Claims are in `leases`, attempts in `attempts`."""

from collections.abc import Collection, Sequence

import msgspec

from app.domain.local_time import told
from app.domain.retry import Conclusion
from app.domain.task import CallTask, NewTask, TaskEvent, TaskState, after
from app.errors import ConstraintFailed, LeaseLost, NotFoundError, ValidationFailed
from app.store import campaign_figures, dnd
from app.store.db import DIALING, Reader, Tx, Writer, within
from app.store.rows import to_params, to_struct, with_columns, with_values

_INSERT = with_values("INSERT INTO tasks ($columns) VALUES ($values)", CallTask)
_GET = with_columns("SELECT $columns FROM tasks WHERE tenant_id = :tenant_id AND id = :task_id", CallTask)
_GET_LOCKED = f"{_GET} FOR UPDATE"
_LIST = with_columns(
    """
    SELECT $columns FROM tasks
    WHERE tenant_id = :tenant_id
      AND (:campaign_id IS NULL OR campaign_id = :campaign_id)
      AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
    ORDER BY created_ms DESC, id DESC LIMIT :limit
    """,
    CallTask,
)
_SAVE = """
    UPDATE tasks SET state = :state, priority = :priority, next_action_time = :next_action_time,
        current_attempt_count = :current_attempt_count, max_attempts = :max_attempts,
        not_dialed_count = :not_dialed_count, overall_conclusion = :overall_conclusion,
        generated_agent_prompt = :generated_agent_prompt, lease_owner = :lease_owner,
        lease_token = :lease_token, lease_until = :lease_until, updated_ms = :updated_ms
    WHERE tenant_id = :tenant_id AND id = :id
"""
_NEXT_DUE = "SELECT min(next_action_time) FROM tasks WHERE state = 'pending' AND next_action_time > :now_ms"


async def create(sql: Writer, tenant_id: str, new: NewTask, now_ms: int) -> CallTask:
    """Store a task. Raises ValidationFailed when agent, campaign, number or counts do not fit."""
    return (await create_many(sql, tenant_id, [new], now_ms))[0]


async def create_many(sql: Writer, tenant_id: str, new: Sequence[NewTask], now_ms: int) -> list[CallTask]:
    """Store tasks, all or none of them (in a database of its own as well as inside a transaction)."""
    tasks = [_fresh(tenant_id, item, now_ms) for item in new]
    try:
        async with within(sql) as tx:
            await tx.many(_INSERT, [to_params(task) for task in tasks])
            await campaign_figures.tasks_added(tx, (task.campaign_id for task in tasks))
    except ConstraintFailed as refused:
        text = f"The task cannot be stored: {refused.message} Check its number, agent, campaign and objective."
        raise ValidationFailed(text) from refused
    return tasks


async def get(sql: Reader, tenant_id: str, task_id: str) -> CallTask:
    """One task; inside a transaction nobody else changes it meanwhile. Raises NotFoundError."""
    statement = _GET_LOCKED if getattr(sql, "in_transaction", False) else _GET
    row = await sql.one(statement, {"tenant_id": tenant_id, "task_id": task_id})
    if row is None:
        raise NotFoundError("There is no such task.")
    return to_struct(CallTask, row)


async def list_tasks(
    sql: Reader,
    tenant_id: str,
    *,
    states: Collection[TaskState] | None = None,
    campaign_id: str | None = None,
    limit: int = 200,
) -> list[CallTask]:
    """Newest first; `states` None means all."""
    wanted = None if states is None else msgspec.json.encode(sorted(states)).decode()
    params = {"tenant_id": tenant_id, "campaign_id": campaign_id, "states": wanted, "limit": limit}
    return [to_struct(CallTask, row) for row in await sql.fetch(_LIST, params)]


async def next_due_ms(sql: Reader, now_ms: int) -> int | None:
    """When the next pending task of any tenant becomes due, for the scheduler's timer; None when none will."""
    row = await sql.one(_NEXT_DUE, {"now_ms": now_ms})
    return row[0] if row else None


async def save(tx: Tx, task: CallTask) -> None:
    """Write back a task that was read in this transaction. Raises NotFoundError."""
    if await tx.execute(_SAVE, to_params(task)) != 1:
        raise NotFoundError("There is no such task.")


async def taken(sql: Reader, task: CallTask, conclusion: Conclusion) -> Conclusion:
    """What a conclusion comes to: a retry of a number that opted out meanwhile is suppressed instead, and one that
    would come too late is none.
    """
    if conclusion.event is not TaskEvent.RETRY:
        return conclusion
    if await dnd.is_listed(sql, task.tenant_id, [task.number]):
        event, reason = TaskEvent.SUPPRESS, dnd.LISTED
    elif task.until_ms is not None and (conclusion.retry_at_ms or 0) > task.until_ms:
        event = TaskEvent.FAIL
        reason = f"{conclusion.reason} It was wanted until {told(task.until_ms)}, so nobody calls again."
    else:
        return conclusion
    return msgspec.structs.replace(conclusion, event=event, reason=reason, retry_at_ms=None)


async def conclude(
    tx: Tx, tenant_id: str, task_id: str, token: int, conclusion: Conclusion, *, now_ms: int
) -> CallTask:
    """End the analysis of an attempt by what the conclusion comes to: retry, settle, or ask the user. Raises
    LeaseLost for an old token, IllegalTransition when nothing is being analyzed.
    """
    task = await get(tx, tenant_id, task_id)
    check_token(task, token)
    conclusion = await taken(tx, task, conclusion)
    at_ms = conclusion.retry_at_ms if conclusion.event is TaskEvent.RETRY else None
    task = msgspec.structs.replace(
        after(task, conclusion.event, now_ms),
        overall_conclusion=conclusion.reason,
        next_action_time=task.next_action_time if at_ms is None else at_ms,
        max_attempts=max(task.max_attempts, task.current_attempt_count + 1 if conclusion.owed else 0),
    )
    await save(tx, task)
    await campaign_figures.concluded(tx, tenant_id, task_id)
    return task


async def cancel(tx: Tx, tenant_id: str, task_id: str, reason: str, now_ms: int) -> CallTask:
    """Take a task off the list. Raises IllegalTransition while a call is in progress or when it is settled."""
    await tx.exclusive(DIALING)
    task = after(await get(tx, tenant_id, task_id), TaskEvent.CANCEL, now_ms)
    task = msgspec.structs.replace(task, overall_conclusion=reason)
    await save(tx, task)
    return task


def check_token(task: CallTask, token: int) -> None:
    """Raises LeaseLost unless `token` is the newest one and a lease is held."""
    if task.lease_token != token or task.lease_owner is None:
        raise LeaseLost("Another process has taken this task over; this one must not touch it any more.")


def _fresh(tenant_id: str, new: NewTask, now_ms: int) -> CallTask:
    return CallTask(
        **msgspec.structs.asdict(new),
        tenant_id=tenant_id,
        state=TaskState.PENDING,
        current_attempt_count=0,
        not_dialed_count=0,
        overall_conclusion="",
        lease_owner=None,
        lease_token=0,
        lease_until=None,
        created_ms=now_ms,
        updated_ms=now_ms,
    )
