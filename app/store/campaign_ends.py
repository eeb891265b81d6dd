"""Pausing, resuming and stopping a campaign, and taking the waiting tasks of a stopped one off, some at a time.

A stopped campaign is never claimed from again. Its waiting tasks are cancelled by `wind_up`, called in every round
of a scheduler until none is left, so a stop of a million tasks holds no lock for long and survives a crash.
"""

from collections import Counter
from typing import Literal

from msgspec import json

from app.domain.task import SETTLED, TaskState
from app.errors import ConflictError
from app.store import campaigns, lanes
from app.store.campaigns import Campaign, CampaignState
from app.store.db import DIALING, Database, Tx

Step = Literal["pause", "resume", "stop"]
STEPS: dict[Step, tuple[tuple[CampaignState, ...], CampaignState]] = {
    "pause": (("active",), "paused"),
    "resume": (("paused",), "active"),
    "stop": (("active", "paused"), "cancelled"),
}
"""From which states each step leads where."""
BATCH = 500
STOPPED = "The campaign was stopped."

_WINDING = """
    SELECT c.tenant_id, c.id FROM campaigns c WHERE c.closing = 1 AND (
        EXISTS (SELECT 1 FROM tasks t WHERE t.campaign_id = c.id AND t.state = 'pending')
        OR EXISTS (SELECT 1 FROM tasks t WHERE t.campaign_id = c.id AND t.state = 'waiting_user')
        OR NOT EXISTS (SELECT 1 FROM json_each(:unsettled) u WHERE EXISTS (
            SELECT 1 FROM tasks t WHERE t.campaign_id = c.id AND t.state = u.value)))
    ORDER BY c.id LIMIT 10
"""
"""Those in which something can be done now: one whose last calls are being analyzed takes no other's place."""
_CANCEL = """
    UPDATE tasks SET state = 'cancelled', overall_conclusion = :reason, updated_ms = :now_ms
    WHERE state = :state AND id IN (
        SELECT id FROM tasks WHERE campaign_id = :campaign_id AND state = :state LIMIT :limit)
"""
_ANY_IN = "SELECT 1 FROM tasks WHERE campaign_id = :campaign_id AND state = :state LIMIT 1"
_WOUND_UP = "UPDATE campaigns SET closing = 2, updated_ms = :now_ms WHERE id = :campaign_id AND closing = 1"
_WAITING = (TaskState.PENDING, TaskState.WAITING_USER)
_UNSETTLED = json.encode(sorted(set(TaskState) - SETTLED)).decode()


async def take(tx: Tx, tenant_id: str, campaign_id: str, step: Step, now_ms: int, *, reason: str = "") -> Campaign:
    """Carry out a step. Raises NotFoundError, and ConflictError when the campaign is past it."""
    await tx.exclusive(DIALING)  # whoever is being dialed now either was before, or is not
    found = await campaigns.get(tx, tenant_id, campaign_id)
    allowed, following = STEPS[step]
    if found.state not in allowed:
        raise ConflictError(f"The campaign is {found.state}; it cannot be told to {step}.")
    await campaigns.set_state(tx, tenant_id, campaign_id, following, now_ms, reason=reason)
    await lanes.release(tx, campaign_id, tenant_id)
    return await campaigns.get(tx, tenant_id, campaign_id)


async def wind_up(db: Database, now_ms: int) -> Counter[str]:
    """Cancel some waiting tasks of stopped campaigns; answers how much, by tenant. What is in a call or being
    analyzed ends by itself first, and what comes back from there is cancelled in a later round.
    """
    done: Counter[str] = Counter()
    for tenant_id, campaign_id in await db.fetch(_WINDING, {"unsettled": _UNSETTLED}):
        async with db.tx() as tx:
            changed = 0
            await tx.exclusive(DIALING)
            for state in _WAITING:
                where = {"campaign_id": campaign_id, "state": state, "limit": BATCH}
                changed += await tx.execute(_CANCEL, where | {"reason": STOPPED, "now_ms": now_ms})
            if not await _unsettled(tx, campaign_id):
                changed += await tx.execute(_WOUND_UP, {"campaign_id": campaign_id, "now_ms": now_ms})
        if changed:
            done[tenant_id] += changed
    return done


async def _unsettled(tx: Tx, campaign_id: str) -> bool:
    for state in sorted(set(TaskState) - SETTLED):
        if await tx.one(_ANY_IN, {"campaign_id": campaign_id, "state": state}) is not None:
            return True
    return False
