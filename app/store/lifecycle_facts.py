"""Collects what the lifecycle agent is shown: a bounded number of open tasks, the urgent ones and the next ones of
a walk over all of them, each with what is known of it.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from app.domain.analysis.judgement import Decision, Judgement
from app.domain.analysis.when import Reach
from app.domain.command import CommandKind, Reschedule, read_payload
from app.domain.lifecycle.model import Action, Block, OpenTask, Past
from app.domain.task import CallTask
from app.domain.task_change import TaskHold
from app.store import task_changes
from app.store.db import Reader, Row
from app.store.lifecycle_turns import Turn
from app.store.rows import to_struct, with_columns

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
OVERDUE, SOON, HELD, WALK = 15, 15, 10, 20
"""How many of each kind are shown at most."""
AT_ONCE_MS = 60_000
"""What is due within a minute of its making was planned for no time of its own."""
_OF_THE_TIME = frozenset({Action.HOLD, Action.MOVE, Action.RELEASE})
LAST = "\U0010ffff"

_PENDING = "SELECT $columns FROM tasks WHERE tenant_id = :tenant_id AND state = 'pending'"
_OVERDUE = with_columns(
    f"{_PENDING} AND next_action_time < :now_ms ORDER BY next_action_time, id LIMIT :limit", CallTask
)
_SOON = with_columns(
    f"{_PENDING} AND next_action_time >= :now_ms ORDER BY next_action_time, id LIMIT :limit", CallTask
)
_WALK = with_columns(
    f"{_PENDING} AND (created_ms, id) < (:after_ms, :after_id) ORDER BY created_ms DESC, id DESC LIMIT :limit",
    CallTask,
)
_HELD = with_columns(
    """
    SELECT $columns FROM task_holds WHERE tenant_id = :tenant_id AND until_ms > :now_ms
    ORDER BY until_ms, task_id LIMIT :limit
    """,
    TaskHold,
)
_AMONG = "id IN (SELECT value FROM json_each(:ids))"
_SOME = with_columns(f"{_PENDING} AND {_AMONG}", CallTask)
_BLOCKS = (
    "SELECT task_id, rule, times, last_ms FROM decisions WHERE $these AND result <> 'dial' ORDER BY last_ms DESC"
)
_OUTCOMES = "SELECT task_id, outcome FROM calls WHERE $these AND state = 'ended' ORDER BY attempt_number"
_JUDGED = """
    SELECT task_id, call_id, decision, judgement FROM analyses WHERE $these AND state = 'done' ORDER BY created_ms
"""
_ORDERED = """
    SELECT k.task_id, o.call_id, o.payload FROM commands o JOIN calls k ON k.id = o.call_id
    WHERE o.tenant_id = :tenant_id AND o.kind = :kind AND o.state = 'done'
        AND k.task_id IN (SELECT value FROM json_each(:ids)) ORDER BY k.attempt_number, o.seq
"""
_MOVED = "SELECT task_id, change FROM task_changes WHERE $these ORDER BY seq"
_PHASES = "SELECT task_id, phase FROM task_phases WHERE $these"
_PAST = """
    SELECT task_id, action, created_ms, undone_ms FROM lifecycle_decisions WHERE $these AND created_ms > :since_ms
"""
_ASKED = "SELECT task_id FROM feedback_requests WHERE $these AND created_ms > :since_ms"
_OF_THESE = "tenant_id = :tenant_id AND task_id IN (SELECT value FROM json_each(:ids))"
_CAMPAIGNS = """
    SELECT id, name, state FROM campaigns
    WHERE tenant_id = :tenant_id AND id IN (SELECT value FROM json_each(:ids))
"""


class Walked(msgspec.Struct, frozen=True, kw_only=True):
    """What a round looks at, and where the walk stands after it."""

    tasks: tuple[OpenTask, ...]
    after_ms: int | None
    after_id: str


async def open_tasks(
    sql: Reader, turn: Turn, reach: Callable[[CallTask], Awaitable[Reach]], now_ms: int
) -> Walked:
    """The tasks of a tenant's turn. Those of campaigns that are over are left out."""
    of = {"tenant_id": turn.tenant_id, "now_ms": now_ms}
    found: dict[str, CallTask] = {}
    after_ms = 1 << 62 if turn.after_ms is None else turn.after_ms
    after = {"after_ms": after_ms, "after_id": turn.after_id or LAST, "limit": WALK}
    walked = _tasks(await sql.fetch(_WALK, {"tenant_id": turn.tenant_id, **after}))
    holds = [to_struct(TaskHold, row) for row in await sql.fetch(_HELD, of | {"limit": HELD})]
    held = {"tenant_id": turn.tenant_id, "ids": _ids(one.task_id for one in holds)}
    for some in (
        _tasks(await sql.fetch(_OVERDUE, of | {"limit": OVERDUE})),
        _tasks(await sql.fetch(_SOON, of | {"limit": SOON})),
        _tasks(await sql.fetch(_SOME, held)),
        walked,
    ):
        found |= {task.id: task for task in some}
    known = await _known(sql, turn.tenant_id, list(found.values()), reach, now_ms)
    last = walked[-1] if len(walked) == WALK else None
    return Walked(tasks=tuple(known), after_ms=last.created_ms if last else None, after_id=last.id if last else "")


async def _known(
    sql: Reader,
    tenant_id: str,
    tasks: Sequence[CallTask],
    reach: Callable[[CallTask], Awaitable[Reach]],
    now_ms: int,
) -> list[OpenTask]:
    params: dict[str, Any] = {"tenant_id": tenant_id, "ids": _ids(task.id for task in tasks)}
    recent = params | {"since_ms": now_ms - WEEK_MS}

    async def fetch(statement: str, given: dict[str, Any]) -> list[Row]:
        return await sql.fetch(statement.replace("$these", _OF_THESE), given)

    holds = await task_changes.holds_of(sql, tenant_id, [task.id for task in tasks])
    blocks = _grouped(await fetch(_BLOCKS, params))
    outcomes = dict(await fetch(_OUTCOMES, params))
    judged = _grouped(await fetch(_JUDGED, params))
    ordered = _grouped(await sql.fetch(_ORDERED, params | {"kind": CommandKind.RESCHEDULE}))
    changes = [(task_id, msgspec.json.decode(change)) for task_id, change in await fetch(_MOVED, params)]
    moved = {task_id: change for task_id, change in changes if change.get("change") == "reschedule"}
    phases = dict(await fetch(_PHASES, params))
    past = _grouped(await fetch(_PAST, recent))
    asked = Counter(row[0] for row in await fetch(_ASKED, recent))
    campaigns = {"tenant_id": tenant_id, "ids": _ids({task.campaign_id for task in tasks if task.campaign_id})}
    named = {id_: (name, state) for id_, name, state in await sql.fetch(_CAMPAIGNS, campaigns)}
    return [
        OpenTask(
            task=task,
            reach=await reach(task),
            hold=holds.get(task.id),
            blocks=tuple(Block(rule=rule, times=times, last_ms=at) for rule, times, at in blocks.get(task.id, ())),
            last_outcome=outcomes.get(task.id) or "",
            promised=_promised(task, judged.get(task.id, ()), ordered.get(task.id, ()), moved.get(task.id))
            or _first(task, now_ms, touched=bool(blocks.get(task.id)) or _put_off(past.get(task.id, ()))),
            phase=phases.get(task.id, ""),
            campaign=named.get(task.campaign_id or "", ("", ""))[0],
            past=_past(past.get(task.id, ()), asked=bool(asked[task.id]), now_ms=now_ms),
        )
        for task in tasks
        if task.campaign_id is None or named.get(task.campaign_id, ("", ""))[1] in {"active", "paused"}
    ]


def _promised(task: CallTask, judged: Sequence[Row], ordered: Sequence[Row], moved: dict[str, Any] | None) -> bool:
    """Whether the time the task waits for was named: by the callee on a call, by a person during one, or by one
    here. Where a person ordered another call, the time the callee named is not the one that was taken. Not only
    the last call counts: a call-back in which nobody said a word leaves that time as it is.
    """
    at_ms, orders = task.next_action_time, dict(ordered)
    return (
        any(_ordered_ms(payload) == at_ms for payload in orders.values())
        or any(_named(made, claim, at_ms) for call_id, made, claim in judged if call_id not in orders)
        or (moved is not None and moved.get("at_ms") == at_ms)
    )


def _ordered_ms(payload: str) -> int | None:
    order = read_payload(CommandKind.RESCHEDULE, payload)
    return order.wished_ms if isinstance(order, Reschedule) else None


def _named(decision: str, judgement: str, at_ms: int) -> bool:
    """Whether the callee named this time: a retry is only taken at a time that words of the callee prove."""
    if "{}" in (decision, judgement) or msgspec.json.decode(judgement, type=Judgement).retry is None:
        return False
    return msgspec.json.decode(decision, type=Decision).conclusion.retry_at_ms == at_ms


def _first(task: CallTask, now_ms: int, *, touched: bool) -> bool:
    """Whether the task waits for the first time somebody planned it for. `touched`: put off by a rule since, or by
    a decision of the lifecycle agent that stands.
    """
    tried = task.current_attempt_count or task.not_dialed_count
    return not (tried or touched) and task.next_action_time > max(now_ms, task.created_ms + AT_ONCE_MS)


def _put_off(rows: Sequence[Row]) -> bool:
    """Whether a decision that stands chose the time: a priority or a phase leaves it alone."""
    return any(undone_ms is None and Action(action) in _OF_THE_TIME for action, _, undone_ms in rows)


def _past(rows: Sequence[Row], *, asked: bool, now_ms: int) -> Past:
    return Past(
        today=sum(created_ms > now_ms - DAY_MS for _, created_ms, _ in rows),
        undone=frozenset(Action(action) for action, _, undone_ms in rows if undone_ms is not None),
        asked=asked,
    )


def _grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for task_id, *rest in rows:
        found.setdefault(task_id, []).append(tuple(rest))
    return found


def _tasks(rows: Sequence[Row]) -> list[CallTask]:
    return [to_struct(CallTask, row) for row in rows]


def _ids(ids: Any) -> str:
    return msgspec.json.encode(sorted(ids)).decode()
