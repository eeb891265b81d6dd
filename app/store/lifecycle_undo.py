"""Undoing a decision of the lifecycle agent. What is allowed: `app.domain.lifecycle.undo`."""

from app.domain.feedback import FeedbackState
from app.domain.lifecycle.model import stand_of
from app.domain.lifecycle.undo import Decided, Undone, undo
from app.errors import ConflictError
from app.store import campaigns, feedback, lifecycle, task_changes, tasks
from app.store.db import DIALING, Reader, Tx
from app.store.lifecycle import StoredDecision

_UNDONE = """
    UPDATE lifecycle_decisions SET undone_by = :by, undone_ms = :now_ms, question_id = NULL
    WHERE tenant_id = :tenant_id AND id = :id AND undone_ms IS NULL
"""


async def take_back(tx: Tx, tenant_id: str, decision_id: str, *, by: str, now_ms: int) -> StoredDecision:
    """Undo a decision. Raises NotFoundError, and ConflictError with why it cannot be undone."""
    await tx.exclusive(DIALING)
    stored = await lifecycle.get(tx, tenant_id, decision_id)
    back = await looked_back(tx, tenant_id, stored, now_ms)
    await tasks.save(tx, back.task)
    await task_changes.set_hold(tx, back.task, back.hold)
    await lifecycle.set_phase(tx, tenant_id, back.task.id, back.phase)
    await tx.execute(_UNDONE, {"tenant_id": tenant_id, "id": decision_id, "by": by, "now_ms": now_ms})
    if stored.question_id is not None:
        await feedback.withdraw(tx, tenant_id, stored.question_id)
    return stored


async def looked_back(sql: Reader, tenant_id: str, stored: StoredDecision, now_ms: int) -> Undone:
    """What undoing would make of the task. Raises ConflictError with why it cannot be undone."""
    if stored.undone_ms is not None:
        raise ConflictError("It is undone already.")
    task = await tasks.get(sql, tenant_id, stored.task_id)
    now = stand_of(
        task,
        await task_changes.hold_of(sql, tenant_id, task.id),
        await lifecycle.phase_of(sql, tenant_id, task.id),
    )
    campaign = None
    if task.campaign_id is not None:
        campaign = (await campaigns.get(sql, tenant_id, task.campaign_id)).state
    answered = False
    if stored.question_id is not None:
        question = await feedback.get(sql, tenant_id, stored.question_id)
        answered = question.state is FeedbackState.ANSWERED
    decided = Decided(action=stored.action, before=stored.before, after=stored.after)
    return undo(decided, task, now, now_ms, campaign=campaign, answered=answered)
