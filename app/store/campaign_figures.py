"""Rows of `campaign_counts` and `campaign_hours`: what campaigns have come to, counted as it happens.

Tasks are counted when they are stored, calls when they end, stages when a call ends and again when its attempt is
concluded (the last words may come after the end). Settled tasks count themselves, by a trigger.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from app.domain.campaign_figures import CallFacts, Figures, Stage, read_counts, stage_after
from app.domain.task import TaskState
from app.store.db import Reader, Row, Tx

HOUR_MS = 3_600_000

_COUNT = """
    INSERT INTO campaign_counts (campaign_id, name, n) VALUES (:campaign_id, :name, :n)
    ON CONFLICT (campaign_id, name) DO UPDATE SET n = campaign_counts.n + excluded.n
"""
_HOUR = """
    INSERT INTO campaign_hours (campaign_id, hour, outcome, calls) VALUES (:campaign_id, :hour, :outcome, 1)
    ON CONFLICT (campaign_id, hour, outcome) DO UPDATE SET calls = campaign_hours.calls + 1
"""
_OWN = "UPDATE calls SET campaign_id = :campaign_id WHERE tenant_id = :tenant_id AND id = :call_id"
_FACTS = """
    SELECT t.campaign_id, t.id, t.reached, t.state, c.dialed, c.answered_ms IS NOT NULL, c.answered_by,
        EXISTS (SELECT 1 FROM call_transcripts w WHERE w.call_id = c.id AND w.speaker = 'callee')
            AND EXISTS (SELECT 1 FROM call_transcripts w WHERE w.call_id = c.id AND w.speaker = 'agent'),
        c.outcome, c.created_ms, c.ended_ms - c.answered_ms
    FROM calls c JOIN tasks t ON t.id = c.task_id
    WHERE c.tenant_id = :tenant_id AND t.campaign_id IS NOT NULL
"""
_OF_CALL = f"{_FACTS} AND c.id = :call_id"
_LAST = f"{_FACTS} AND c.task_id = :task_id AND c.state = 'ended' ORDER BY c.attempt_number DESC LIMIT 1"
_STEP = "UPDATE tasks SET reached = :stage WHERE tenant_id = :tenant_id AND id = :task_id AND reached = :stage - 1"
_DIALED = "SELECT count(*) FROM calls WHERE task_id = :task_id AND dialed = 1"
_COUNTS = """
    SELECT k.campaign_id, k.name, k.n FROM campaign_counts k JOIN campaigns c ON c.id = k.campaign_id
    WHERE c.tenant_id = :tenant_id AND k.campaign_id IN (SELECT value FROM json_each(:ids))
"""
_OUTCOMES = """
    SELECT h.campaign_id, h.outcome, sum(h.calls) FROM campaign_hours h JOIN campaigns c ON c.id = h.campaign_id
    WHERE c.tenant_id = :tenant_id AND h.campaign_id IN (SELECT value FROM json_each(:ids))
    GROUP BY h.campaign_id, h.outcome
"""
_HOURS = """
    SELECT h.hour, sum(h.calls), sum(CASE WHEN h.outcome = 'completed' THEN h.calls ELSE 0 END)
    FROM campaign_hours h JOIN campaigns c ON c.id = h.campaign_id
    WHERE c.tenant_id = :tenant_id AND h.campaign_id = :campaign_id
    GROUP BY h.hour ORDER BY h.hour DESC LIMIT :limit
"""


class Hour(msgspec.Struct, frozen=True):
    """Calls that began in one hour (counted from 1970, UTC), and those of them that somebody answered."""

    hour: int
    calls: int
    answered: int


async def tasks_added(tx: Tx, campaign_ids: Iterable[str | None]) -> None:
    """Count new tasks, each by the campaign it belongs to."""
    for campaign_id, n in sorted(Counter(one for one in campaign_ids if one is not None).items()):
        await _count(tx, campaign_id, "tasks", n)


async def call_ended(tx: Tx, tenant_id: str, call_id: str) -> None:
    """Count a call of a campaign that has just ended, if it dialed somebody or was an answered call-back."""
    row = await tx.one(_OF_CALL, {"tenant_id": tenant_id, "call_id": call_id})
    if row is None or not (row[4] or row[5]):
        return
    campaign_id, task_id, dialed, outcome, created_ms = row[0], row[1], row[4], row[8], row[9]
    await tx.execute(_OWN, {"tenant_id": tenant_id, "call_id": call_id, "campaign_id": campaign_id})
    await tx.execute(_HOUR, {"campaign_id": campaign_id, "hour": created_ms // HOUR_MS, "outcome": outcome})
    if row[10]:
        await _count(tx, campaign_id, "talk_ms", row[10])
    if dialed:
        (nth,) = await tx.one(_DIALED, {"task_id": task_id}) or (0,)
        await _count(tx, campaign_id, f"attempt:{nth}", 1)
    await _reach(tx, tenant_id, row)


async def concluded(tx: Tx, tenant_id: str, task_id: str) -> None:
    """Look again how far the last call of a task came, now that every word of it is there."""
    row = await tx.one(_LAST, {"tenant_id": tenant_id, "task_id": task_id})
    if row is not None:
        await _reach(tx, tenant_id, row)


async def of_campaigns(sql: Reader, tenant_id: str, campaign_ids: Sequence[str]) -> dict[str, Figures]:
    """The figures of each; those of a campaign nothing is known of are all 0."""
    params = {"tenant_id": tenant_id, "ids": msgspec.json.encode(list(campaign_ids)).decode()}
    counts: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for campaign_id, name, n in await sql.fetch(_COUNTS, params):
        counts[campaign_id][name] = n
    outcomes: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for campaign_id, outcome, n in await sql.fetch(_OUTCOMES, params):
        outcomes[campaign_id][outcome] = int(n)
    return {one: read_counts(counts[one], outcomes[one]) for one in campaign_ids}


async def hours(sql: Reader, tenant_id: str, campaign_id: str, limit: int = 48) -> list[Hour]:
    """The last hours in which a call of the campaign began, oldest first."""
    params = {"tenant_id": tenant_id, "campaign_id": campaign_id, "limit": limit}
    rows = await sql.fetch(_HOURS, params)
    return [Hour(hour, int(calls), int(answered)) for hour, calls, answered in reversed(rows)]


async def _reach(tx: Tx, tenant_id: str, row: Row) -> None:
    campaign_id, task_id, reached, state, dialed, answered, answered_by, both_spoke, *_ = row
    facts = CallFacts(
        dialed=bool(dialed), answered=bool(answered), answered_by=answered_by, both_spoke=bool(both_spoke)
    )
    for stage in range(reached + 1, stage_after(Stage(reached), facts, TaskState(state)) + 1):
        if await tx.execute(_STEP, {"tenant_id": tenant_id, "task_id": task_id, "stage": stage}) == 1:
            await _count(tx, campaign_id, f"reached:{stage}", 1)


async def _count(tx: Tx, campaign_id: str, name: str, n: int) -> None:
    params: Mapping[str, str | int] = {"campaign_id": campaign_id, "name": name, "n": n}
    await tx.execute(_COUNT, params)
