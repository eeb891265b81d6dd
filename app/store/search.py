"""What the command palette finds: calls, tasks and campaigns by the beginning of an id, by number, by name.

Each question is one range of an index and stops at a handful of rows, however many there are.
"""

from typing import Literal

import msgspec

from app.store.db import Reader, Row
from app.store.rows import to_struct
from app.store.task_lists import lowered

Kind = Literal["call", "task", "campaign"]
PER_KIND = 5
CAMPAIGNS_LOOKED = 300
"""Campaigns are searched by name among the newest ones."""
_AFTER = "\U0010ffff"

_OWN = "coalesce(tenant_id, '') = :tenant_id"
"""Not to be found by an index: without statistics a planner would look at all rows of a tenant instead."""
_CALLS = """
    SELECT 'call', c.id, t.callee_name, c.number_requested, c.state, c.created_ms
    FROM calls c JOIN tasks t ON t.id = c.task_id
    WHERE coalesce(c.tenant_id, '') = :tenant_id AND c.id >= :low AND c.id < :high ORDER BY c.id LIMIT :limit
"""
_CALLS_OF = """
    SELECT 'call', c.id, t.callee_name, c.number_requested, c.state, c.created_ms
    FROM json_each(:ids) j CROSS JOIN tasks t JOIN calls c ON c.task_id = t.id
    WHERE t.id = j.value AND c.tenant_id = :tenant_id ORDER BY c.created_ms DESC, c.id DESC LIMIT :limit
"""
_TASK = "SELECT 'task', id, callee_name, number, state, created_ms FROM tasks WHERE"
_TASKS = f"{_TASK} {_OWN} AND id >= :low AND id < :high ORDER BY id LIMIT :limit"
_BY_NUMBER = f"{_TASK} {_OWN} AND number >= :low AND number < :high ORDER BY number LIMIT :limit"
_BY_TAIL = (
    f"{_TASK} tenant_id = :tenant_id AND substr(number, length(number) - 3) = :last AND number LIKE :tail "
    "LIMIT :limit"
)
_BY_NAME = (
    f"{_TASK} tenant_id = :tenant_id AND callee_name <> '' "
    "AND lower(callee_name) >= :low AND lower(callee_name) < :high ORDER BY lower(callee_name), id LIMIT :limit"
)
_CAMPAIGNS = """
    SELECT 'campaign', id, name, '', state, created_ms FROM (
        SELECT id, name, state, created_ms FROM campaigns WHERE tenant_id = :tenant_id
        ORDER BY created_ms DESC, id DESC LIMIT :looked) AS newest
    WHERE lower(name) LIKE :name ESCAPE '!' OR lower(name) LIKE :begun ESCAPE '!' OR (id >= :low AND id < :high)
    ORDER BY created_ms DESC, id DESC LIMIT :limit
"""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One row that fits. `number` is in full: mask it before it leaves."""

    kind: Kind
    id: str
    name: str
    number: str
    state: str
    created_ms: int


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """What a text may mean; empty: it cannot mean that."""

    text: str
    id_begins: str = ""
    number_begins: str = ""
    number_ends: str = ""


async def find(sql: Reader, tenant_id: str, sought: Sought) -> list[Found]:
    """Campaigns, then calls, then tasks; at most PER_KIND of each."""
    base = {"tenant_id": tenant_id, "limit": PER_KIND}
    ids = base | {"low": sought.id_begins or "~", "high": sought.id_begins + "g"}
    # Both databases lower A to Z only: a name that begins with another letter is tried with its capital too.
    name, begun = lowered(sought.text), lowered(sought.text[:1].upper() + sought.text[1:])
    patterns = {"name": _anywhere(name), "begun": _anywhere(begun)}
    found = await sql.fetch(_CAMPAIGNS, ids | patterns | {"looked": CAMPAIGNS_LOOKED})
    tasks: list[Row] = []
    for one in sorted({name, begun}):
        tasks += await sql.fetch(_BY_NAME, base | {"low": one, "high": one + _AFTER})
    if sought.number_begins:
        low = sought.number_begins
        tasks += await sql.fetch(_BY_NUMBER, base | {"low": low, "high": low + ":"})
    if sought.number_ends:
        tail = sought.number_ends
        tasks += await sql.fetch(_BY_TAIL, base | {"last": tail[-4:], "tail": f"%{tail}"})
    calls: list[Row] = []
    if sought.id_begins:
        calls += await sql.fetch(_CALLS, ids)
        tasks += await sql.fetch(_TASKS, ids)
    tasks = list({row[1]: row for row in tasks}.values())[:PER_KIND]
    known = msgspec.json.encode([row[1] for row in tasks]).decode()
    calls += await sql.fetch(_CALLS_OF, base | {"ids": known})
    calls = list({row[1]: row for row in calls}.values())[:PER_KIND]
    return [to_struct(Found, row) for row in (*found, *calls, *tasks)]


def _anywhere(name: str) -> str:
    plain = "".join(f"!{sign}" if sign in "!%_" else sign for sign in name)
    return f"%{plain}%"
