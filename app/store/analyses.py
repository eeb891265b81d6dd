"""Rows of `analyses`: which ended calls wait for a text model, and what came of it.

A waiting row holds its task in state analyzing and keeps the scheduler's own conclusion off it (`leases`). Work is
claimed by the lease of the task, so every write is fenced like those of a call.
"""

from typing import Literal

import msgspec

from app.domain.analysis.judgement import Decision, Judgement
from app.domain.task import CallTask
from app.store import outbox, tasks
from app.store.db import Reader, Tx, Writer
from app.store.rows import to_params, to_struct, with_columns, with_values


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `judgement` and `decision` are JSON, `{}` until there is one; `asked` counts answers."""

    call_id: str
    tenant_id: str
    task_id: str
    state: Literal["waiting", "done"]
    tries: int
    next_try_ms: int
    last_error: str
    model: str
    prompt_version: str
    asked: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_micro_usd: int | None
    price_table: str
    judgement: str
    decision: str
    created_ms: int
    done_ms: int | None

    @property
    def decided(self) -> Decision | None:
        """The decision, once there is one."""
        return msgspec.json.decode(self.decision, type=Decision) if self.decision != "{}" else None


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What an examination brought and cost. `judgement` None: none that could be read."""

    model: str
    prompt_version: str
    asked: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_micro_usd: int | None
    price_table: str
    judgement: Judgement | None


_QUEUE = with_values("INSERT INTO analyses ($columns) VALUES ($values) ON CONFLICT (call_id) DO NOTHING", Analysis)
_GET = with_columns("SELECT $columns FROM analyses WHERE tenant_id = :tenant_id AND call_id = :call_id", Analysis)
_OF_TASK = with_columns(
    "SELECT $columns FROM analyses WHERE tenant_id = :tenant_id AND task_id = :task_id ORDER BY created_ms",
    Analysis,
)
_CLAIM = with_columns(
    """
    WITH waiting AS MATERIALIZED (
        SELECT t.id FROM tasks t JOIN analyses a ON a.task_id = t.id
        WHERE a.state = 'waiting' AND a.next_try_ms <= :now_ms AND t.state = 'analyzing'
            AND (t.lease_until IS NULL OR t.lease_until < :now_ms)
        ORDER BY a.next_try_ms, a.call_id LIMIT :limit FOR UPDATE OF t SKIP LOCKED)
    UPDATE tasks SET lease_owner = :owner, lease_token = lease_token + 1, lease_until = :lease_until,
        updated_ms = :now_ms
    WHERE state = 'analyzing' AND id IN (SELECT id FROM waiting)
    RETURNING $columns
    """,
    CallTask,
)
_LET_GO = """
    UPDATE tasks SET lease_owner = NULL, lease_until = NULL
    WHERE state = 'analyzing' AND lease_owner = :owner
        AND id IN (SELECT task_id FROM analyses WHERE state = 'waiting')
"""
_NEXT_TRY = "SELECT min(next_try_ms) FROM analyses WHERE state = 'waiting'"
_DEFER = """
    UPDATE analyses SET tries = tries + 1, next_try_ms = :next_try_ms, last_error = :error
    WHERE tenant_id = :tenant_id AND call_id = :call_id AND state = 'waiting'
"""
_FINISH = """
    UPDATE analyses SET state = 'done', done_ms = :now_ms, model = :model, prompt_version = :prompt_version,
        asked = :asked, input_tokens = :input_tokens, cached_tokens = :cached_tokens,
        output_tokens = :output_tokens, cost_micro_usd = :cost_micro_usd, price_table = :price_table,
        judgement = :judgement, decision = :decision
    WHERE tenant_id = :tenant_id AND call_id = :call_id AND state = 'waiting'
"""


async def queue(tx: Tx, task: CallTask, call_id: str, now_ms: int) -> CallTask:
    """Let an ended call wait for its examination; the claim of its task is given back. Twice is once."""
    fresh = Analysis(
        call_id=call_id,
        tenant_id=task.tenant_id,
        task_id=task.id,
        state="waiting",
        tries=0,
        next_try_ms=now_ms,
        last_error="",
        model="",
        prompt_version="",
        asked=0,
        input_tokens=0,
        cached_tokens=0,
        output_tokens=0,
        cost_micro_usd=None,
        price_table="",
        judgement="{}",
        decision="{}",
        created_ms=now_ms,
        done_ms=None,
    )
    await tx.execute(_QUEUE, to_params(fresh))
    return await _give_back(tx, task, now_ms)


async def claim_due(sql: Writer, now_ms: int, owner: str, lease_ms: int, limit: int) -> list[CallTask]:
    """Claim tasks whose examination is due, longest waiting first; each goes to one caller only."""
    params = {"owner": owner, "now_ms": now_ms, "lease_until": now_ms + lease_ms, "limit": limit}
    return [to_struct(CallTask, row) for row in await sql.change(_CLAIM, params)]


async def let_go(sql: Writer, owner: str) -> int:
    """Give back what a former process of this name held when it stopped; answers how many that were."""
    return await sql.execute(_LET_GO, {"owner": owner})


async def next_try_ms(sql: Reader) -> int | None:
    """When the next examination is due; None when none waits."""
    row = await sql.one(_NEXT_TRY)
    return row[0] if row else None


async def get(sql: Reader, tenant_id: str, call_id: str) -> Analysis | None:
    """The analysis of a call, if it has one."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "call_id": call_id})
    return None if row is None else to_struct(Analysis, row)


async def of_task(sql: Reader, tenant_id: str, task_id: str) -> list[Analysis]:
    """The analyses of a task's calls, first one first."""
    rows = await sql.fetch(_OF_TASK, {"tenant_id": tenant_id, "task_id": task_id})
    return [to_struct(Analysis, row) for row in rows]


async def defer(tx: Tx, task: CallTask, call_id: str, error: str, *, next_try_ms: int, now_ms: int) -> None:
    """The model gave no answer: the task goes on waiting. Raises LeaseLost."""
    current = await tasks.get(tx, task.tenant_id, task.id)
    tasks.check_token(current, task.lease_token)
    params = {
        "tenant_id": task.tenant_id,
        "call_id": call_id,
        "error": error[:500],
        "next_try_ms": next_try_ms,
    }
    await tx.execute(_DEFER, params)
    await _give_back(tx, current, now_ms)


async def finish(
    tx: Tx, task: CallTask, call_id: str, examined: Examined, decision: Decision, *, now_ms: int
) -> bool:
    """Store judgement and decision once. False: it was done before."""
    params = to_params(examined) | {
        "tenant_id": task.tenant_id,
        "call_id": call_id,
        "judgement": msgspec.json.encode(examined.judgement).decode() if examined.judgement else "{}",
        "decision": msgspec.json.encode(decision).decode(),
        "now_ms": now_ms,
    }
    if await tx.execute(_FINISH, params) != 1:
        return False
    told = {
        "action": decision.action,
        "result": decision.outcome,
        "summary": decision.summary,
        "collected": {one.field: one.value for one in decision.collected},
        "opted_out": decision.opt_out is not None,
    }
    await outbox.note_call(tx, task.tenant_id, "call.outcome", call_id, now_ms=now_ms, more=told)
    return True


async def _give_back(tx: Tx, task: CallTask, now_ms: int) -> CallTask:
    task = msgspec.structs.replace(task, lease_owner=None, lease_until=None, updated_ms=now_ms)
    await tasks.save(tx, task)
    return task
