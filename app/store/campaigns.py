"""Rows of `campaigns`: a batch of tasks that is confirmed, paused and reported on as one."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from app.domain.policy.pack import Purpose
from app.domain.task import SETTLED, NewTask, TaskState
from app.errors import NotFoundError
from app.store import tasks
from app.store.db import Reader, Tx, Writer
from app.store.rows import to_struct, with_columns

CampaignState = Literal["active", "paused", "completed", "cancelled"]


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `idempotency_key` makes a repeated confirm find the first one. Cap and budget None: no own one."""

    id: str
    tenant_id: str
    name: str
    state: CampaignState
    idempotency_key: str | None
    created_ms: int
    updated_ms: int
    pause_reason: str = ""
    max_concurrent_calls: int | None = None
    budget_micro_usd: int | None = None


_INSERT = """
    INSERT INTO campaigns (id, tenant_id, name, state, idempotency_key, created_ms, updated_ms,
        max_concurrent_calls, budget_micro_usd)
    VALUES (:id, :tenant_id, :name, 'active', :idempotency_key, :now_ms, :now_ms,
        :max_concurrent_calls, :budget_micro_usd)
    ON CONFLICT (tenant_id, idempotency_key) DO NOTHING
"""
_SELECT = with_columns("SELECT $columns FROM campaigns WHERE tenant_id = :tenant_id", Campaign)
_GET = f"{_SELECT} AND id = :campaign_id"
_BY_KEY = f"{_SELECT} AND idempotency_key = :key"
_LIST = f"{_SELECT} ORDER BY created_ms DESC, id DESC LIMIT :limit"
_SET_STATE = """
    UPDATE campaigns SET state = :state, pause_reason = :reason, updated_ms = :now_ms,
        closing = CASE WHEN :state = 'cancelled' THEN 1 ELSE closing END
    WHERE tenant_id = :tenant_id AND id = :campaign_id
"""
_COUNTS = """
    SELECT state, count(*) FROM tasks WHERE tenant_id = :tenant_id AND campaign_id = :campaign_id GROUP BY state
"""


_COMPLETE = """
    UPDATE campaigns SET state = 'completed', closing = 2, updated_ms = :now_ms
    WHERE state = 'active'
      AND NOT EXISTS (SELECT 1 FROM json_each(:unsettled) u WHERE u.value = (
          SELECT t.state FROM tasks t WHERE t.campaign_id = campaigns.id AND t.state >= u.value
          ORDER BY t.state LIMIT 1))
      AND (SELECT t.state FROM tasks t WHERE t.campaign_id = campaigns.id ORDER BY t.state LIMIT 1) IS NOT NULL
    RETURNING tenant_id, id
"""
"""However many tasks a campaign has, an unsettled state is one step in the index `tasks_of_campaign`: the first
entry from that state on. ORDER BY leaves a planner no other way.
"""
_UNSETTLED = (TaskState.PENDING, *sorted(set(TaskState) - SETTLED - {TaskState.PENDING}))
"""The likeliest first: the first that is found ends the search."""


class NewCampaign(msgspec.Struct, frozen=True, kw_only=True):
    """A confirmed plan; the tasks come beside it. `purpose`, when given, becomes that of every task."""

    id: str
    name: str
    idempotency_key: str | None = None
    max_concurrent_calls: int | None = None
    budget_micro_usd: int | None = None
    purpose: Purpose | None = None


async def create(
    tx: Tx, tenant_id: str, new: NewCampaign, batch: Sequence[NewTask], now_ms: int
) -> tuple[Campaign, bool]:
    """Store campaign and tasks together. The second value is False when this key was confirmed before; then the
    first campaign is answered and nothing is added. Raises ValidationFailed for a task that does not fit.
    """
    params = {
        "id": new.id,
        "tenant_id": tenant_id,
        "name": new.name,
        "idempotency_key": new.idempotency_key,
        "max_concurrent_calls": new.max_concurrent_calls,
        "budget_micro_usd": new.budget_micro_usd,
        "now_ms": now_ms,
    }
    inserted = await tx.execute(_INSERT, params)
    if not inserted:
        row = await tx.one(_BY_KEY, {"tenant_id": tenant_id, "key": new.idempotency_key})
        if row is None:
            raise NotFoundError("There is no such campaign.")
        return to_struct(Campaign, row), False
    members = [
        msgspec.structs.replace(task, campaign_id=new.id, purpose=new.purpose or task.purpose) for task in batch
    ]
    await tasks.create_many(tx, tenant_id, members, now_ms)
    return await get(tx, tenant_id, new.id), True


async def get(sql: Reader, tenant_id: str, campaign_id: str) -> Campaign:
    """One campaign. Raises NotFoundError."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "campaign_id": campaign_id})
    if row is None:
        raise NotFoundError("There is no such campaign.")
    return to_struct(Campaign, row)


async def list_campaigns(sql: Reader, tenant_id: str, limit: int = 200) -> list[Campaign]:
    """Newest first."""
    rows = await sql.fetch(_LIST, {"tenant_id": tenant_id, "limit": limit})
    return [to_struct(Campaign, row) for row in rows]


async def set_state(
    sql: Writer, tenant_id: str, campaign_id: str, state: CampaignState, now_ms: int, *, reason: str = ""
) -> None:
    """Pause (say why), resume or end; only active campaigns are claimed from. Raises NotFoundError."""
    params = {
        "tenant_id": tenant_id,
        "campaign_id": campaign_id,
        "state": state,
        "reason": reason,
        "now_ms": now_ms,
    }
    if not await sql.execute(_SET_STATE, params):
        raise NotFoundError("There is no such campaign.")


async def counts(sql: Reader, tenant_id: str, campaign_id: str) -> dict[TaskState, int]:
    """How many tasks are in each state; states without tasks are left out."""
    rows = await sql.fetch(_COUNTS, {"tenant_id": tenant_id, "campaign_id": campaign_id})
    return {TaskState(state): count for state, count in rows}


async def complete_settled(sql: Writer, now_ms: int) -> list[tuple[str, str]]:
    """Complete every running campaign, of any tenant, whose tasks are all settled; answers (tenant, id)."""
    states = msgspec.json.encode(_UNSETTLED).decode()
    return [(row[0], row[1]) for row in await sql.change(_COMPLETE, {"unsettled": states, "now_ms": now_ms})]
