"""What follows an ended call: the rule of `app.domain.retry` applied to the stored rows, in one transaction."""

from app.calls.board import Switchboard
from app.domain import retry
from app.domain.task import SETTLED, CallTask, TaskState
from app.store import calls, campaigns, tasks
from app.store.db import Tx
from stasis.outcome import EndedBy, Outcome


async def conclude_task(board: Switchboard, task: CallTask, token: int) -> CallTask:
    """Conclude a task that is being analyzed; any other task is answered unchanged. Raises StoreError, LeaseLost.

    Works from the stored call only, so a process that found the task after a crash concludes it just the same.
    """
    now_ms = board.clock.unix_ms()
    async with board.db.tx() as tx:
        task = await tasks.get(tx, task.tenant_id, task.id)
        if task.state is not TaskState.ANALYZING:
            return task
        conclusion = retry.conclude(await _attempt(tx, task), now_ms)
        task = await tasks.conclude(tx, task.tenant_id, task.id, token, conclusion, now_ms=now_ms)
        await _close_campaign(tx, task, now_ms)
    return task


async def _attempt(tx: Tx, task: CallTask) -> retry.Attempt:
    last = (await calls.of_task(tx, task.tenant_id, task.id))[-1]
    return retry.Attempt(
        outcome=Outcome(last.outcome or Outcome.LOST),
        ended_by=EndedBy(last.ended_by or EndedBy.SYSTEM_FAILURE),
        dialed=last.dialed,
        answered=last.answered_ms is not None,
        attempts=task.current_attempt_count,
        max_attempts=task.max_attempts,
        not_dialed_count=task.not_dialed_count,
        detail=last.detail,
    )


async def _close_campaign(tx: Tx, task: CallTask, now_ms: int) -> None:
    """A campaign is completed with its last settled task."""
    if task.campaign_id is None or task.state not in SETTLED:
        return
    counts = await campaigns.counts(tx, task.tenant_id, task.campaign_id)
    campaign = await campaigns.get(tx, task.tenant_id, task.campaign_id)
    if campaign.state == "active" and not set(counts) - SETTLED:
        await campaigns.set_state(tx, task.tenant_id, task.campaign_id, "completed", now_ms)
