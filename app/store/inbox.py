"""What waits for a person: questions of calls that go on, and those that parked tasks wait for."""

import msgspec

from app.domain.feedback import WAYS
from app.store.db import Reader

WAYS_STORED = msgspec.json.encode(WAYS).decode()
"""As the column `suggestions` has them, for the parameter `ways`."""
OVERTAKEN = """
    (EXISTS (SELECT 1 FROM feedback_requests w WHERE w.task_id = f.task_id AND w.id <> f.id
        AND w.suggestions = :ways AND w.created_ms >= f.created_ms)
    OR (f.call_id IS NULL OR f.suggestions = :ways) AND EXISTS (SELECT 1 FROM calls c
        WHERE c.task_id = f.task_id AND c.answered_ms IS NOT NULL AND c.created_ms > f.created_ms))
"""
"""A condition of SQL: the parked task does not wait for the answer to `f`; in Python: `app.store.feedback`."""
_PAGE = f"""
    SELECT f.id, f.question, f.suggestions, CASE WHEN t.state = 'waiting_user' THEN 1 ELSE 0 END AS parked,
        f.deadline_ms, f.created_ms, coalesce(f.call_id, ''), t.number, t.callee_name, t.objective
    FROM feedback_requests f JOIN tasks t ON t.id = f.task_id
    WHERE f.tenant_id = :tenant_id
        AND ((f.state = 'open' AND t.state = 'in_call')
            OR (f.state <> 'answered' AND t.state = 'waiting_user' AND NOT {OVERTAKEN}))
        AND (CASE WHEN t.state = 'waiting_user' THEN 1 ELSE 0 END, f.deadline_ms, f.id)
            > (:after_parked, :after_ms, :after_id)
    ORDER BY parked, f.deadline_ms, f.id LIMIT :limit
"""  # noqa: S608 - a constant


class Inbox(msgspec.Struct, frozen=True, kw_only=True):
    """A question as people see it, with whom the call is about. `parked`: no callee waits any more."""

    id: str
    question: str
    suggestions: tuple[str, ...]
    parked: bool
    deadline_ms: int
    created_ms: int
    call_id: str
    number: str
    callee_name: str
    objective: str


async def page(
    sql: Reader, tenant_id: str, limit: int = 100, *, after: tuple[bool, int, str] | None = None
) -> list[Inbox]:
    """What waits for a person, the most urgent first: callees on the line, then parked tasks. `after` is what
    the page before ended with: parked, deadline_ms, id.
    """
    parked, deadline_ms, last_id = after or (-1, 0, "")
    place = {"after_parked": int(parked), "after_ms": deadline_ms, "after_id": last_id}
    rows = await sql.fetch(_PAGE, {"tenant_id": tenant_id, "limit": limit, "ways": WAYS_STORED, **place})
    found: list[Inbox] = []
    for row in rows:
        fields = dict(zip(Inbox.__struct_fields__, row, strict=True))
        fields |= {"suggestions": msgspec.json.decode(fields["suggestions"]), "parked": bool(fields["parked"])}
        found.append(msgspec.convert(fields, Inbox))
    return found
