"""Rows of `calls`: read, list, move forward, and the rows of the wallboard. Their begin and end: `attempts`."""

import msgspec

from app.domain.call import Call, CallState, earlier
from app.errors import NotFoundError
from app.store import outbox
from app.store.db import Reader, Tx, Writer, within
from app.store.rows import to_struct, with_columns

_GET = with_columns("SELECT $columns FROM calls WHERE tenant_id = :tenant_id AND id = :call_id", Call)
_ALIVE_OF_TASK = with_columns(
    "SELECT $columns FROM calls WHERE tenant_id = :tenant_id AND task_id = :task_id AND state <> 'ended'", Call
)
_OF_TASK = with_columns(
    "SELECT $columns FROM calls WHERE tenant_id = :tenant_id AND task_id = :task_id ORDER BY attempt_number", Call
)
_ALIVE_ON_NODE = with_columns(
    "SELECT $columns FROM calls WHERE node = :node AND state <> 'ended' ORDER BY id", Call
)
_SET_STATE = """
    UPDATE calls SET state = :state,
        ringing_ms = CASE WHEN :state = 'ringing' THEN coalesce(ringing_ms, :now_ms) ELSE ringing_ms END,
        answered_ms = CASE WHEN :state IN ('answered', 'bridged') THEN coalesce(answered_ms, :now_ms)
            ELSE answered_ms END
    WHERE tenant_id = :tenant_id AND id = :call_id AND state IN (SELECT value FROM json_each(:earlier))
"""
_WAS_ANSWERED = """
    SELECT answered_ms FROM calls WHERE tenant_id = :tenant_id AND id = :call_id FOR UPDATE
"""

MOST_ALIVE = 1_000
"""Living calls a wall shows; more than any cap allows."""


class WallCall(msgspec.Struct, frozen=True, kw_only=True):
    """What the console shows of a call: the row, its task and agent, and the last words of both sides."""

    id: str
    state: CallState
    outcome: str | None
    ended_by: str | None
    hangup_cause: int | None
    detail: str
    number_requested: str
    number_dialed: str
    attempt_number: int
    created_ms: int
    answered_ms: int | None
    ended_ms: int | None
    cost_micro_usd: int
    callee_name: str
    objective: str
    agent_name: str
    callee_words: str | None
    agent_words: str | None
    task_id: str = ""
    campaign_id: str = ""
    campaign_name: str = ""
    direction: str = "outbound"
    answered_by: str = ""
    transfer: str | None = None
    """Where a transfer that is under way stands (`app.domain.transfer`)."""
    line: str | None = None
    """The last order about who hears whom that was carried out: a kind of `app.domain.command`."""
    speaker: str = "agent"
    """Whose words `agent_words` are: the agent's, or an operator's who speaks in its place."""
    delay_ms: int | None = None
    """How long the callee last waited for the agent's answer to begin (`app.domain.call.Turn.delay_ms`)."""


_CARD = """
    SELECT c.id, c.state, c.outcome, c.ended_by, c.hangup_cause, c.detail, c.number_requested, c.number_dialed,
        c.attempt_number, c.created_ms, c.answered_ms, c.ended_ms, c.cost_micro_usd,
        t.callee_name, t.objective, a.name,
        (SELECT w.text FROM call_transcripts w WHERE w.call_id = c.id AND w.speaker = 'callee'
            ORDER BY w.seq DESC LIMIT 1),
        (SELECT w.text FROM call_transcripts w WHERE w.call_id = c.id AND w.speaker <> 'callee'
            ORDER BY w.seq DESC LIMIT 1),
        c.task_id, coalesce(k.id, ''), coalesce(k.name, ''), c.direction, c.answered_by,
        (SELECT x.state FROM call_transfers x WHERE x.call_id = c.id AND x.state <> 'over'),
        (SELECT m.kind FROM commands m WHERE m.call_id = c.id AND m.state = 'done'
            AND m.kind IN ('hold', 'unhold', 'mute', 'unmute', 'take_over', 'hand_back')
            ORDER BY m.seq DESC LIMIT 1),
        coalesce((SELECT w.speaker FROM call_transcripts w WHERE w.call_id = c.id AND w.speaker <> 'callee'
            ORDER BY w.seq DESC LIMIT 1), 'agent'),
        (SELECT w.stop_to_response_ms + w.response_to_delta_ms + w.delta_to_rtp_ms FROM call_transcripts w
            WHERE w.call_id = c.id AND w.speaker = 'agent' AND w.stop_to_response_ms IS NOT NULL
                AND w.response_to_delta_ms IS NOT NULL AND w.delta_to_rtp_ms IS NOT NULL
            ORDER BY w.seq DESC LIMIT 1)
"""
_OF = """
    JOIN tasks t ON t.id = c.task_id JOIN agents a ON a.id = c.agent_id
        LEFT JOIN campaigns k ON k.id = t.campaign_id
    WHERE c.tenant_id = :tenant_id
"""
_WALL = f"{_CARD} FROM calls c {_OF}"
_WALL_ALIVE = f"{_WALL} AND c.state <> 'ended' ORDER BY c.created_ms DESC, c.id DESC LIMIT :most"
_WALL_ENDED = f"{_WALL} AND c.state = 'ended' ORDER BY c.created_ms DESC, c.id DESC LIMIT :limit"
_WALL_SOME = f"{_CARD} FROM json_each(:ids) j CROSS JOIN calls c {_OF} AND c.id = j.value"
"""CROSS JOIN: the ids lead, each is one step; without statistics a planner would look through all calls."""
_TOTALS = """
    SELECT count(*) FILTER (WHERE state <> 'ended'), count(*) FILTER (WHERE state = 'ended'),
        coalesce(sum(cost_micro_usd), 0)
    FROM calls WHERE tenant_id = :tenant_id
"""


async def get(sql: Reader, tenant_id: str, call_id: str) -> Call:
    """One call. Raises NotFoundError."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "call_id": call_id})
    if row is None:
        raise NotFoundError("There is no such call.")
    return to_struct(Call, row)


async def lock(tx: Tx, call_id: str) -> None:
    """Hold the row to the end of the transaction: what is numbered per call, and its end, happen one by one."""
    await tx.one("SELECT 1 FROM calls WHERE id = :call_id FOR UPDATE", {"call_id": call_id})


async def alive_of_task(sql: Reader, tenant_id: str, task_id: str) -> Call:
    """The attempt of a task that has not ended; there is at most one. Raises NotFoundError."""
    row = await sql.one(_ALIVE_OF_TASK, {"tenant_id": tenant_id, "task_id": task_id})
    if row is None:
        raise NotFoundError("The task has no call in progress.")
    return to_struct(Call, row)


async def of_task(sql: Reader, tenant_id: str, task_id: str) -> list[Call]:
    """All attempts of a task, first one first."""
    rows = await sql.fetch(_OF_TASK, {"tenant_id": tenant_id, "task_id": task_id})
    return [to_struct(Call, row) for row in rows]


async def alive_on_node(sql: Reader, node: str) -> list[Call]:
    """Calls of all tenants that this node has not seen the end of, for reconciliation with its exchange."""
    return [to_struct(Call, row) for row in await sql.fetch(_ALIVE_ON_NODE, {"node": node})]


async def set_state(sql: Writer, tenant_id: str, call_id: str, state: CallState | str, now_ms: int) -> bool:
    """Move a call forward and stamp the time. False: it is there already or further, nothing was changed.

    `ended` is only reached through `attempts.finish_call`; asking for it here raises ValueError.
    """
    state = CallState(state)
    if state is CallState.ENDED:
        raise ValueError("a call ends through attempts.finish_call")
    params = {
        "tenant_id": tenant_id,
        "call_id": call_id,
        "state": state,
        "now_ms": now_ms,
        "earlier": msgspec.json.encode(earlier(state)).decode(),
    }
    async with within(sql) as tx:
        row = await tx.one(_WAS_ANSWERED, {"tenant_id": tenant_id, "call_id": call_id})
        if await tx.execute(_SET_STATE, params) != 1:
            return False
        if state is CallState.RINGING:
            await outbox.note_call(tx, tenant_id, "call.ringing", call_id, now_ms=now_ms)
        elif state in {CallState.ANSWERED, CallState.BRIDGED} and row is not None and row[0] is None:
            await outbox.note_call(tx, tenant_id, "call.answered", call_id, now_ms=now_ms)
    return True


async def set_answered_by(sql: Writer, tenant_id: str, call_id: str, verdict: str) -> None:
    """Who answered, as far as answer supervision knows by now."""
    params = {"tenant_id": tenant_id, "call_id": call_id, "verdict": verdict}
    await sql.execute(
        "UPDATE calls SET answered_by = :verdict WHERE tenant_id = :tenant_id AND id = :call_id", params
    )


async def tenant_of(sql: Reader, call_id: str) -> str | None:
    """Whose call it is; for reports of the media worker, which know only the call."""
    row = await sql.one("SELECT tenant_id FROM calls WHERE id = :call_id", {"call_id": call_id})
    return row[0] if row else None


async def wall(sql: Reader, tenant_id: str, ended: int = 30) -> list[WallCall]:
    """Every living call, then the newest that ended, as the console shows them; newest first."""
    rows = await sql.fetch(_WALL_ALIVE, {"tenant_id": tenant_id, "most": MOST_ALIVE})
    rows += await sql.fetch(_WALL_ENDED, {"tenant_id": tenant_id, "limit": ended})
    return [to_struct(WallCall, row) for row in rows]


async def wall_some(sql: Reader, tenant_id: str, call_ids: list[str]) -> list[WallCall]:
    """The same for some calls; unknown ids are left out."""
    ids = msgspec.json.encode(call_ids).decode()
    return [to_struct(WallCall, row) for row in await sql.fetch(_WALL_SOME, {"tenant_id": tenant_id, "ids": ids})]


async def totals(sql: Reader, tenant_id: str) -> tuple[int, int, int]:
    """How many calls are alive, how many ended, and what all of them cost in micro-USD."""
    row = await sql.one(_TOTALS, {"tenant_id": tenant_id})
    return (row[0], row[1], row[2]) if row else (0, 0, 0)
