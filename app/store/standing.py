"""How things stand over all tenants, for whoever watches the installation: bounded counts over partial indexes."""

import msgspec

from app.store.db import Reader

MOST = 1000
"""Nothing is counted beyond; more than this means the same to whoever is woken by it."""

_DUE = """
    SELECT count(*), min(d.next_action_time) FROM (
        SELECT next_action_time FROM tasks WHERE state = 'pending' AND next_action_time <= :now_ms
        ORDER BY next_action_time LIMIT :most
    ) d
"""
_UNJUDGED = "SELECT count(*) FROM (SELECT 1 FROM tasks WHERE state = 'analyzing' LIMIT :most) a"
_QUESTIONS = "SELECT count(*) FROM (SELECT 1 FROM feedback_requests WHERE state = 'open' LIMIT :most) q"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Counts are at most `MOST`. `oldest_due_ms`: how long the earliest due task has been due; 0: none is."""

    due: int
    oldest_due_ms: int
    unjudged: int
    questions: int


async def read(sql: Reader, now_ms: int) -> Standing:
    """As the rows are now. Raises StoreError."""
    params = {"now_ms": now_ms, "most": MOST}
    due, earliest_ms = (await sql.fetch(_DUE, params))[0]
    (unjudged,) = (await sql.fetch(_UNJUDGED, {"most": MOST}))[0]
    (questions,) = (await sql.fetch(_QUESTIONS, {"most": MOST}))[0]
    late_ms = 0 if earliest_ms is None else max(0, now_ms - earliest_ms)
    return Standing(due=due, oldest_due_ms=late_ms, unjudged=unjudged, questions=questions)
