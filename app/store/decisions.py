"""Rows of `decisions`: what admission said of a task, with its evidence. One row per dial, and one per rule that
put the task off, with how often and when last.
"""

from typing import Literal

import msgspec

from app.domain.admission import Decision, Defer, Dial, Evidence
from app.store.db import Reader, Tx
from app.store.rows import to_struct, with_columns

PASSING = frozenset({"hold", "caps", "pace", "due", "test_mode"})
"""Rules about the moment: their sentence says everything, and their facts are not kept."""


class StoredDecision(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `subject` is the call of a dial, else the rule; `evidence` is JSON, empty when none was kept."""

    task_id: str
    subject: str
    tenant_id: str
    result: Literal["dial", "defer", "suppress"]
    rule: str
    sentence: str
    until_ms: int | None
    evidence: str
    times: int
    first_ms: int
    last_ms: int


_ADD = """
    INSERT INTO decisions (task_id, subject, tenant_id, result, rule, sentence, until_ms, evidence, times,
    first_ms,
        last_ms)
    VALUES (:task_id, :subject, :tenant_id, :result, :rule, :sentence, :until_ms, :evidence, 1, :now_ms, :now_ms)
    ON CONFLICT (task_id, subject) DO UPDATE SET result = excluded.result, rule = excluded.rule,
        sentence = excluded.sentence, until_ms = excluded.until_ms, evidence = excluded.evidence,
        times = decisions.times + 1, last_ms = excluded.last_ms
"""
_OF_TASK = with_columns(
    """
    SELECT $columns FROM decisions WHERE tenant_id = :tenant_id AND task_id = :task_id
    ORDER BY last_ms DESC, first_ms DESC LIMIT :limit
    """,
    StoredDecision,
)

_OF_CALL = with_columns(
    "SELECT $columns FROM decisions WHERE tenant_id = :tenant_id AND task_id = :task_id AND subject = :call_id",
    StoredDecision,
)


async def add(
    tx: Tx, tenant_id: str, task_id: str, decision: Decision, now_ms: int, *, call_id: str | None = None
) -> None:
    """Keep a decision; a dial names its call."""
    dial = isinstance(decision, Dial)
    rule = "" if isinstance(decision, Dial) else decision.rule
    params = {
        "task_id": task_id,
        "subject": call_id if dial and call_id else rule,
        "tenant_id": tenant_id,
        "result": str(decision.__struct_config__.tag),
        "rule": rule,
        "sentence": decision.sentence,
        "until_ms": decision.until_ms if isinstance(decision, Defer) else None,
        "evidence": "" if rule in PASSING else _written(decision.evidence),
        "now_ms": now_ms,
    }
    await tx.execute(_ADD, params)


async def of_task(sql: Reader, tenant_id: str, task_id: str, limit: int = 20) -> list[StoredDecision]:
    """What was decided of a task, newest first."""
    rows = await sql.fetch(_OF_TASK, {"tenant_id": tenant_id, "task_id": task_id, "limit": limit})
    return [to_struct(StoredDecision, row) for row in rows]


async def of_call(sql: Reader, tenant_id: str, task_id: str, call_id: str) -> StoredDecision | None:
    """Why a call was allowed, if it was dialed."""
    row = await sql.one(_OF_CALL, {"tenant_id": tenant_id, "task_id": task_id, "call_id": call_id})
    return None if row is None else to_struct(StoredDecision, row)


def _written(evidence: Evidence) -> str:
    return msgspec.json.encode(evidence).decode()
