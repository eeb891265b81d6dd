"""What pages and programs read of campaigns, a page at a time; each query costs as much in a campaign of a million
tasks as in a small one.
"""

import msgspec

from app.domain.campaign_figures import STAGES, Stage
from app.domain.task import TaskState
from app.store import calls
from app.store.calls import WallCall
from app.store.campaigns import Campaign, CampaignState
from app.store.db import Reader, Row
from app.store.rows import to_struct, with_columns

Key = tuple[int, str]
"""Where a page ends: `created_ms` and id of its last row."""
COUNTED_TO = 1_000
"""Tasks in a state that has no count of its own are counted up to this."""

_LIST = with_columns(
    """
    SELECT $columns FROM campaigns
    WHERE tenant_id = :tenant_id AND (:state IS NULL OR state = :state)
        AND (created_ms, id) < (:before_ms, :before_id)
    ORDER BY created_ms DESC, id DESC LIMIT :limit
    """,
    Campaign,
)
_SPENT = """
    SELECT id, spent_micro_usd, reserved_micro_usd FROM budget_accounts
    WHERE id IN (SELECT value FROM json_each(:ids))
"""
_FIRST_DUE = """
    WITH RECURSIVE p (priority) AS (
        SELECT (SELECT priority FROM tasks WHERE state = 'pending' AND coalesce(campaign_id, tenant_id) = :lane
            ORDER BY priority DESC LIMIT 1)
        UNION ALL
        SELECT (SELECT t.priority FROM tasks t WHERE t.state = 'pending'
            AND coalesce(t.campaign_id, t.tenant_id) = :lane AND t.priority < p.priority
            ORDER BY t.priority DESC LIMIT 1)
        FROM p WHERE p.priority IS NOT NULL)
    SELECT (SELECT t.id FROM tasks t WHERE t.state = 'pending' AND coalesce(t.campaign_id, t.tenant_id) = :lane
            AND t.priority = p.priority ORDER BY t.next_action_time, t.id LIMIT 1),
        (SELECT t.next_action_time FROM tasks t WHERE t.state = 'pending'
            AND coalesce(t.campaign_id, t.tenant_id) = :lane
            AND t.priority = p.priority ORDER BY t.next_action_time, t.id LIMIT 1) AS due
    FROM p WHERE p.priority IS NOT NULL ORDER BY due LIMIT 1
"""
"""Down the priorities of the lane, each one step in its index."""
_IN_STATE = """
    SELECT count(*) FROM (SELECT 1 AS one FROM tasks WHERE campaign_id = :campaign_id AND state = :state
        LIMIT :limit) AS counted
"""
_LIVE = """
    SELECT c.id FROM tasks t JOIN calls c ON c.task_id = t.id AND c.state <> 'ended'
    WHERE t.tenant_id = :tenant_id AND t.campaign_id = :campaign_id AND t.state IN ('claimed', 'in_call')
    ORDER BY c.id LIMIT :limit
"""


class CampaignTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task as the list shows it; `last_call_id` None: it was never called."""

    id: str
    number: str
    callee_name: str
    state: TaskState
    reached: int
    current_attempt_count: int
    max_attempts: int
    next_action_time: int
    overall_conclusion: str
    created_ms: int
    last_call_id: str | None


_TASK = """
    SELECT t.id, t.number, t.callee_name, t.state, t.reached, t.current_attempt_count, t.max_attempts,
        t.next_action_time, t.overall_conclusion, t.created_ms,
        (SELECT c.id FROM calls c WHERE c.task_id = t.id ORDER BY c.attempt_number DESC LIMIT 1)
    FROM tasks t WHERE t.tenant_id = :tenant_id AND t.campaign_id = :campaign_id
        AND (t.created_ms, t.id) < (:before_ms, :before_id)
"""
_NEWEST_FIRST = " ORDER BY t.created_ms DESC, t.id DESC LIMIT :limit"
_TASKS_IN_STATE = f"{_TASK} AND t.state = :one{_NEWEST_FIRST}"
_TASKS_AT_STAGE = f"{_TASK} AND t.reached = :one AND t.reached > 0{_NEWEST_FIRST}"
_CALL_IDS = """
    SELECT id FROM calls WHERE tenant_id = :tenant_id AND campaign_id = :campaign_id AND outcome = :outcome
        AND (created_ms, id) < (:before_ms, :before_id)
    ORDER BY created_ms DESC, id DESC LIMIT :limit
"""


class Account(msgspec.Struct, frozen=True):
    """Money of a campaign in micro-USD: spent, and set aside for living calls."""

    spent_micro_usd: int = 0
    reserved_micro_usd: int = 0


async def list_page(
    sql: Reader, tenant_id: str, *, state: CampaignState | None = None, before: Key | None = None, limit: int = 25
) -> list[Campaign]:
    """Newest first, those behind `before`."""
    params = {"tenant_id": tenant_id, "state": state, "limit": limit, **_before(before)}
    return [to_struct(Campaign, row) for row in await sql.fetch(_LIST, params)]


async def accounts(sql: Reader, campaign_ids: list[str]) -> dict[str, Account]:
    """What each has spent; the ids are of campaigns the caller has read for its tenant."""
    ids = msgspec.json.encode([f"campaign:{one}" for one in campaign_ids]).decode()
    rows = await sql.fetch(_SPENT, {"ids": ids})
    found = {name.removeprefix("campaign:"): Account(spent, reserved) for name, spent, reserved in rows}
    return {one: found.get(one, Account()) for one in campaign_ids}


async def first_due(sql: Reader, campaign_id: str) -> tuple[str, int] | None:
    """The pending task that is due first and when (UTC ms); None: nothing waits."""
    row = await sql.one(_FIRST_DUE, {"lane": campaign_id})
    return None if row is None or row[0] is None else (row[0], row[1])


async def in_state(sql: Reader, campaign_id: str, state: TaskState, most: int = COUNTED_TO) -> int:
    """How many tasks are in a state, counted up to `most` + 1."""
    params = {"campaign_id": campaign_id, "state": state, "limit": most + 1}
    row = await sql.one(_IN_STATE, params)
    return row[0] if row else 0


async def live_calls(sql: Reader, tenant_id: str, campaign_id: str, limit: int = 1_000) -> list[str]:
    """Ids of calls of the campaign that have not ended."""
    params = {"tenant_id": tenant_id, "campaign_id": campaign_id, "limit": limit}
    return [row[0] for row in await sql.fetch(_LIVE, params)]


async def tasks_in(
    sql: Reader, tenant_id: str, campaign_id: str, states: tuple[TaskState, ...], *, before: Key | None, limit: int
) -> list[CampaignTask]:
    """Tasks in any of these states, newest first; each state is read by its index and the pages are merged."""
    found: list[Row] = []
    for state in states:
        found += await sql.fetch(_TASKS_IN_STATE, _where(tenant_id, campaign_id, before, limit) | {"one": state})
    return _merged(found, limit)


async def tasks_reached(
    sql: Reader, tenant_id: str, campaign_id: str, stage: Stage, *, before: Key | None, limit: int
) -> list[CampaignTask]:
    """Tasks that came at least to a stage, newest first."""
    found: list[Row] = []
    for one in STAGES[STAGES.index(stage) :]:
        params = _where(tenant_id, campaign_id, before, limit) | {"one": one.value}
        found += await sql.fetch(_TASKS_AT_STAGE, params)
    return _merged(found, limit)


async def calls_with(
    sql: Reader, tenant_id: str, campaign_id: str, outcome: str, *, before: Key | None, limit: int
) -> list[WallCall]:
    """Ended calls of the campaign with an outcome, newest first."""
    params = _where(tenant_id, campaign_id, before, limit) | {"outcome": outcome}
    ids = [row[0] for row in await sql.fetch(_CALL_IDS, params)]
    found = await calls.wall_some(sql, tenant_id, ids)
    return sorted(found, key=lambda call: (call.created_ms, call.id), reverse=True)


def _merged(rows: list[Row], limit: int) -> list[CampaignTask]:
    found = [to_struct(CampaignTask, row) for row in rows]
    return sorted(found, key=lambda task: (task.created_ms, task.id), reverse=True)[:limit]


def _where(tenant_id: str, campaign_id: str, before: Key | None, limit: int) -> dict[str, str | int]:
    return {"tenant_id": tenant_id, "campaign_id": campaign_id, "limit": limit, **_before(before)}


def _before(key: Key | None) -> dict[str, str | int]:
    return {"before_ms": key[0] if key else 1 << 62, "before_id": key[1] if key else ""}
