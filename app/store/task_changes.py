"""Changes of people to tasks that wait: rows of `task_holds` and `task_changes`.

What is allowed: `app.domain.task_change`.
"""

from collections.abc import Sequence

import msgspec

from app.domain.task import CallTask
from app.domain.task_change import CancelTask, TaskChange, TaskHold, changed
from app.store import tasks
from app.store.db import DIALING, Reader, Tx
from app.store.rows import to_params, to_struct, with_columns, with_values

_HOLD = with_columns(
    "SELECT $columns FROM task_holds WHERE tenant_id = :tenant_id AND task_id = :task_id", TaskHold
)
_HOLDS = with_columns(
    """
    SELECT $columns FROM task_holds
    WHERE tenant_id = :tenant_id AND task_id IN (SELECT value FROM json_each(:ids))
    """,
    TaskHold,
)
_PLACE = with_values(
    """
    INSERT INTO task_holds ($columns) VALUES ($values)
    ON CONFLICT (task_id) DO UPDATE SET until_ms = excluded.until_ms, before_ms = excluded.before_ms,
        reason = excluded.reason, placed_by = excluded.placed_by, since_ms = excluded.since_ms
    """,
    TaskHold,
)
_NOTE = """
    INSERT INTO task_changes (task_id, seq, tenant_id, actor, change, at_ms)
    VALUES (:task_id, (SELECT coalesce(max(seq), 0) + 1 FROM task_changes WHERE task_id = :task_id), :tenant_id,
        :actor, :change, :now_ms)
"""
_NOTED = """
    SELECT actor, change, at_ms FROM task_changes WHERE tenant_id = :tenant_id AND task_id = :task_id
    ORDER BY seq DESC LIMIT :limit
"""
_LIFT = "DELETE FROM task_holds WHERE tenant_id = :tenant_id AND task_id = :task_id"


class NotedChange(msgspec.Struct, frozen=True):
    """What somebody changed, and when."""

    actor: str
    change: TaskChange
    at_ms: int


async def apply(
    tx: Tx, tenant_id: str, task_id: str, change: TaskChange, *, by: str, now_ms: int
) -> tuple[CallTask, CallTask]:
    """The task before and after. Raises NotFoundError, ConflictError, ValidationFailed."""
    if isinstance(change, CancelTask):
        await tx.exclusive(DIALING)
    before = await tasks.get(tx, tenant_id, task_id)
    done = changed(before, await hold_of(tx, tenant_id, task_id), change, by, now_ms)
    await tasks.save(tx, done.task)
    await set_hold(tx, done.task, done.hold)
    written = msgspec.json.encode(change).decode()
    params = {"task_id": task_id, "tenant_id": tenant_id, "actor": by, "change": written, "now_ms": now_ms}
    await tx.execute(_NOTE, params)
    return before, done.task


async def noted(sql: Reader, tenant_id: str, task_id: str, limit: int = 50) -> list[NotedChange]:
    """What people changed of a task, newest first."""
    rows = await sql.fetch(_NOTED, {"tenant_id": tenant_id, "task_id": task_id, "limit": limit})
    return [NotedChange(actor, msgspec.json.decode(change, type=TaskChange), at) for actor, change, at in rows]


async def hold_of(sql: Reader, tenant_id: str, task_id: str) -> TaskHold | None:
    """The last hold that was placed on a task; `TaskHold.holds` says whether it still does."""
    row = await sql.one(_HOLD, {"tenant_id": tenant_id, "task_id": task_id})
    return None if row is None else to_struct(TaskHold, row)


async def holds_of(sql: Reader, tenant_id: str, task_ids: Sequence[str]) -> dict[str, TaskHold]:
    """The same of several tasks, by their ids."""
    ids = msgspec.json.encode(list(task_ids)).decode()
    rows = await sql.fetch(_HOLDS, {"tenant_id": tenant_id, "ids": ids})
    return {found.task_id: found for found in (to_struct(TaskHold, row) for row in rows)}


async def set_hold(tx: Tx, task: CallTask, hold: TaskHold | None) -> None:
    """Keep what holds a task, or that nothing does."""
    if hold is None:
        await tx.execute(_LIFT, {"tenant_id": task.tenant_id, "task_id": task.id})
    else:
        await tx.execute(_PLACE, to_params(hold))
