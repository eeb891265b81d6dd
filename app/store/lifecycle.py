"""Rows of `lifecycle_rounds` and `lifecycle_decisions`: carried out in one fenced transaction, and listed."""

from collections.abc import Sequence

import msgspec

from app.domain.feedback import FeedbackRequest, FeedbackState
from app.domain.lifecycle.model import Action, Grant, Refusal, Stand, stand_of
from app.domain.task import CallTask
from app.errors import NotFoundError
from app.ids import new_id
from app.store import budgets, feedback, lifecycle_turns, task_changes, tasks
from app.store.db import DIALING, Reader, Row, Tx
from app.store.lifecycle_turns import Turn
from app.store.rows import to_params, to_struct, with_columns, with_values

PAGE = 50
DAY_MS = 86_400_000
UNPRICED_MICRO_USD = 10_000
"""What a round of a model without a known price counts against the budget: a cent."""
KEPT_REFUSALS = 30


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `refusals` is JSON."""

    id: str
    tenant_id: str
    model: str
    prompt_version: str
    asked: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_micro_usd: int | None
    price_table: str
    shown: int
    applied: int
    refused: int
    refusals: str
    summary: str
    created_ms: int


class StoredDecision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, with its round's model, prompt and cost, and with whom the task is about."""

    id: str
    task_id: str
    action: Action
    reason: str
    before: Stand
    after: Stand
    question_id: str | None
    undone_by: str | None
    undone_ms: int | None
    created_ms: int
    model: str
    prompt_version: str
    round_cost_micro_usd: int | None
    number: str
    callee_name: str


_ADD_ROUND = with_values("INSERT INTO lifecycle_rounds ($columns) VALUES ($values)", Round)
_ROUNDS = with_columns(
    """
    SELECT $columns FROM lifecycle_rounds WHERE tenant_id = :tenant_id
    ORDER BY created_ms DESC, id DESC LIMIT :limit
    """,
    Round,
)
_SPENT = """
    SELECT coalesce(sum(coalesce(cost_micro_usd, :unpriced)), 0) FROM lifecycle_rounds
    WHERE tenant_id = :tenant_id AND created_ms > :since_ms
"""
_ADD = """
    INSERT INTO lifecycle_decisions (id, tenant_id, round_id, task_id, action, reason, before, after, question_id,
        created_ms)
    VALUES (:id, :tenant_id, :round_id, :task_id, :action, :reason, :before, :after, :question_id, :now_ms)
"""
_SELECT = """
    SELECT d.id, d.task_id, d.action, d.reason, d.before, d.after, d.question_id, d.undone_by, d.undone_ms,
        d.created_ms, r.model, r.prompt_version, r.cost_micro_usd, t.number, t.callee_name
    FROM lifecycle_decisions d JOIN lifecycle_rounds r ON r.id = d.round_id JOIN tasks t ON t.id = d.task_id
    WHERE d.tenant_id = :tenant_id
"""
_NEWEST = f"""{_SELECT} AND (d.created_ms, d.id) < (:place_ms, :after_id)
    ORDER BY d.created_ms DESC, d.id DESC LIMIT :limit"""
_OF_TASK = f"{_SELECT} AND d.task_id = :task_id ORDER BY d.created_ms DESC, d.id DESC LIMIT :limit"
_GET = f"{_SELECT} AND d.id = :id"
_PHASE = "SELECT phase FROM task_phases WHERE tenant_id = :tenant_id AND task_id = :task_id"
_SET_PHASE = """
    INSERT INTO task_phases (task_id, tenant_id, phase) VALUES (:task_id, :tenant_id, :phase)
    ON CONFLICT (task_id) DO UPDATE SET phase = excluded.phase
"""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a round's questions to the model brought and cost; `summary` are the model's words."""

    model: str
    prompt_version: str
    asked: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_micro_usd: int | None
    price_table: str
    shown: int
    summary: str


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A round that was written down: tasks that changed, and how many wishes were refused."""

    round_id: str
    task_ids: tuple[str, ...]
    refused: int


async def carry_out(
    tx: Tx, turn: Turn, asked: Asked, grants: Sequence[Grant], refusals: Sequence[Refusal], *, now_ms: int
) -> Done:
    """Write a round: every granted wish whose task still stands as it was seen; the others are refused as moved.

    Raises LeaseLost, StoreError; then nothing was written.
    """
    await tx.exclusive(DIALING)
    await lifecycle_turns.end(tx, turn)
    round_id = new_id(now_ms)
    refused = list(refusals)
    ready: list[tuple[Grant, CallTask]] = []
    for grant in sorted(grants, key=lambda one: one.task.id):  # rows are always locked in this order
        current = await tasks.get(tx, turn.tenant_id, grant.task.id)
        hold = await task_changes.hold_of(tx, turn.tenant_id, current.id)
        phase = await phase_of(tx, turn.tenant_id, current.id)
        if stand_of(current, hold, phase) == grant.seen or _after_phase(grant, ready, current.id):
            ready.append((grant, current))
            continue
        moved = "The task was called or changed while the model was thinking."
        refused.append(Refusal(task_id=current.id, action=grant.action, code="moved", sentence=moved))
    kept = msgspec.json.encode(refused[:KEPT_REFUSALS]).decode()
    written = Round(
        **msgspec.structs.asdict(asked),
        id=round_id,
        tenant_id=turn.tenant_id,
        applied=len(ready),
        refused=len(refused),
        refusals=kept,
        created_ms=now_ms,
    )
    await tx.execute(_ADD_ROUND, to_params(written))
    for grant, current in ready:
        await _apply(tx, round_id, grant, current, now_ms)
    if asked.cost_micro_usd:
        await budgets.charge(tx, budgets.tenant_month(turn.tenant_id, None, now_ms), asked.cost_micro_usd)
    changed = dict.fromkeys(current.id for _, current in ready)
    return Done(round_id=round_id, task_ids=tuple(changed), refused=len(refused))


async def newest(
    sql: Reader, tenant_id: str, *, after: tuple[int, str] | None = None, limit: int = PAGE
) -> list[StoredDecision]:
    """Decisions, newest first, those behind (created_ms, id) for the next page."""
    place_ms, after_id = after or (1 << 62, "\U0010ffff")
    params = {"tenant_id": tenant_id, "place_ms": place_ms, "after_id": after_id, "limit": limit}
    return [_stored(row) for row in await sql.fetch(_NEWEST, params)]


async def of_task(sql: Reader, tenant_id: str, task_id: str, limit: int = 50) -> list[StoredDecision]:
    """What it decided of a task, oldest first."""
    params = {"tenant_id": tenant_id, "task_id": task_id, "limit": limit}
    return [_stored(row) for row in await sql.fetch(_OF_TASK, params)]


async def get(sql: Reader, tenant_id: str, decision_id: str) -> StoredDecision:
    """One decision. Raises NotFoundError."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "id": decision_id})
    if row is None:
        raise NotFoundError("There is no such decision.")
    return _stored(row)


async def rounds(sql: Reader, tenant_id: str, limit: int = 10) -> list[Round]:
    """The last rounds, newest first."""
    rows = await sql.fetch(_ROUNDS, {"tenant_id": tenant_id, "limit": limit})
    return [to_struct(Round, row) for row in rows]


async def spent_today(sql: Reader, tenant_id: str, now_ms: int) -> int:
    """Micro-USD of the last 24 hours; rounds of unknown cost count UNPRICED_MICRO_USD."""
    params = {"tenant_id": tenant_id, "since_ms": now_ms - DAY_MS, "unpriced": UNPRICED_MICRO_USD}
    row = await sql.one(_SPENT, params)
    return int(row[0]) if row else 0


async def phase_of(sql: Reader, tenant_id: str, task_id: str) -> str:
    """The phase a task is in; empty when nobody noted one."""
    row = await sql.one(_PHASE, {"tenant_id": tenant_id, "task_id": task_id})
    return row[0] if row else ""


async def set_phase(tx: Tx, tenant_id: str, task_id: str, phase: str) -> None:
    """Note where a task stands."""
    await tx.execute(_SET_PHASE, {"task_id": task_id, "tenant_id": tenant_id, "phase": phase})


def _after_phase(grant: Grant, ready: Sequence[tuple[Grant, CallTask]], task_id: str) -> bool:
    """Two decisions about one task in a round: a phase and something else, judged by what was seen before both."""
    return any(one.task.id == task_id and one.seen == grant.seen for one, _ in ready)


async def _apply(tx: Tx, round_id: str, grant: Grant, current: CallTask, now_ms: int) -> None:
    task = grant.task
    question_id: str | None = None
    if grant.action is Action.SET_PHASE:
        await set_phase(tx, task.tenant_id, task.id, grant.phase)
        task = current
    else:
        await tasks.save(tx, task)
        await task_changes.set_hold(tx, task, grant.hold)
    if grant.action is Action.ASK_USER:
        question_id = new_id(now_ms)
        await feedback.ask(tx, _question(question_id, grant, now_ms))
    after = stand_of(task, grant.hold, grant.phase)
    await tx.execute(
        _ADD,
        {
            "id": new_id(now_ms),
            "tenant_id": task.tenant_id,
            "round_id": round_id,
            "task_id": task.id,
            "action": grant.action,
            "reason": grant.reason,
            "before": msgspec.json.encode(grant.seen).decode(),
            "after": msgspec.json.encode(after).decode(),
            "question_id": question_id,
            "now_ms": now_ms,
        },
    )


def _question(question_id: str, grant: Grant, now_ms: int) -> FeedbackRequest:
    return FeedbackRequest(
        id=question_id,
        tenant_id=grant.task.tenant_id,
        task_id=grant.task.id,
        call_id=None,
        question=grant.question,
        suggestions=grant.suggestions,
        state=FeedbackState.OPEN,
        answer=None,
        answered_by=None,
        created_ms=now_ms,
        deadline_ms=now_ms,
        answered_ms=None,
    )


def _stored(row: Row) -> StoredDecision:
    fields = dict(zip(StoredDecision.__struct_fields__, row, strict=True))
    fields |= {name: msgspec.json.decode(fields[name], type=Stand) for name in ("before", "after")}
    return msgspec.convert(fields, StoredDecision)
