"""The list of tasks as people filter it, a page at a time. Each kind of filter reads along one index, so a page
costs the same among a thousand tasks and a million.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from app.domain.task import TaskState
from app.store.db import Reader, SqlValue
from app.store.rows import to_struct

PAGE = 50
LAST = "\U0010ffff"
"""Sorts behind every text."""
DAY_MS = 86_400_000
Due = Literal["overdue", "day", "week", "later"]


class TaskRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list. Times are UTC epoch milliseconds."""

    id: str
    state: TaskState
    number: str
    callee_name: str
    objective: str
    campaign_id: str | None
    campaign_name: str | None
    priority: int
    next_action_time: int
    current_attempt_count: int
    max_attempts: int
    overall_conclusion: str
    created_ms: int


class TaskFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for. `digits`: the last ones of the number, four or more. `name`: how the recipient begins.

    `due` looks at tasks that wait, whatever `states` say.
    """

    states: tuple[TaskState, ...] = ()
    campaign_id: str = ""
    due: Due | None = None
    digits: str = ""
    name: str = ""


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """The last line of a page: its place in the order (time or name) and its id."""

    place: str
    id: str

    @property
    def text(self) -> str:
        """For an address."""
        return f"{self.id}.{self.place}"


class TaskPage(msgspec.Struct, frozen=True, kw_only=True):
    """Lines in order; `following` None: there are no more."""

    rows: tuple[TaskRow, ...]
    following: Cursor | None


def cursor_of(text: str) -> Cursor | None:
    """What `Cursor.text` wrote; None for anything else."""
    id_, dot, place = text.partition(".")
    return Cursor(place=place, id=id_) if dot and id_ else None


_SELECT = """
    SELECT t.id, t.state, t.number, t.callee_name, t.objective, t.campaign_id, c.name, t.priority,
        t.next_action_time, t.current_attempt_count, t.max_attempts, t.overall_conclusion, t.created_ms
    FROM tasks t LEFT JOIN campaigns c ON c.id = t.campaign_id WHERE t.tenant_id = :tenant_id
"""
_IN_CAMPAIGN = _SELECT.replace("t.tenant_id =", "t.tenant_id || '' =")
"""An index that begins with the tenant is of no use where the campaign is known; not every planner sees that."""
_NEWEST = " AND (t.created_ms, t.id) < (:place_ms, :after_id) ORDER BY t.created_ms DESC, t.id DESC LIMIT :limit"
_NEWEST_FOUND = _NEWEST.replace("t.created_ms", "t.created_ms + 0")
"""Where another index has found few rows: else a planner may walk along all tasks for their order."""
_SOONEST = """
    AND t.state = 'pending' AND t.next_action_time >= :from_ms AND t.next_action_time < :to_ms
    AND (t.next_action_time, t.id) > (:place_ms, :after_id) ORDER BY t.next_action_time, t.id LIMIT :limit
"""
_REST = """
    AND (:campaign_id IS NULL OR t.campaign_id = :campaign_id)
    AND (:states IS NULL OR t.state IN (SELECT value FROM json_each(:states)))
    AND (:from_ms IS NULL OR (t.next_action_time >= :from_ms AND t.next_action_time < :to_ms))
"""
_ALL = _SELECT + _NEWEST
_OF_STATE = f"{_SELECT} AND t.state = :state {_NEWEST}"
_OF_CAMPAIGN = f"{_IN_CAMPAIGN} AND t.campaign_id = :campaign_id AND t.state = :state {_NEWEST}"
_DUE = _SELECT + _SOONEST
_CAMPAIGN_DUE = f"{_IN_CAMPAIGN} AND t.campaign_id = :campaign_id {_SOONEST}"
_BY_DIGITS = f"""{_SELECT} AND substr(t.number, length(t.number) - 3) = :tail
    AND substr(t.number, length(t.number) - :length + 1) = :digits {_REST} {_NEWEST_FOUND}"""
_BY_NAME = f"""{_SELECT} AND t.callee_name <> '' AND lower(t.callee_name) >= lower(:name)
    AND lower(t.callee_name) < lower(:beyond) {_REST}
    AND (lower(t.callee_name), t.id) > (:place, :after_id) ORDER BY lower(t.callee_name), t.id LIMIT :limit"""


async def page(
    sql: Reader, tenant_id: str, wanted: TaskFilter, now_ms: int, *, after: Cursor | None = None, limit: int = PAGE
) -> TaskPage:
    """Newest first; what is due, soonest first; recipients by name."""
    params: dict[str, SqlValue] = {"tenant_id": tenant_id, "limit": limit + 1}
    if wanted.name:
        rows = await _read(sql, _BY_NAME, params | _rest(wanted, now_ms) | _named(wanted.name, after))
        return _page(rows, limit, place_of(wanted))
    if wanted.digits:
        tail = {"tail": wanted.digits[-4:], "digits": wanted.digits, "length": len(wanted.digits)}
        rows = await _read(sql, _BY_DIGITS, params | _rest(wanted, now_ms) | tail | _older(after))
        return _page(rows, limit, place_of(wanted))
    if wanted.due:
        from_ms, to_ms = _span(wanted.due, now_ms)
        params |= {"from_ms": from_ms, "to_ms": to_ms, **_later(after)}
        if wanted.campaign_id:
            rows = await _read(sql, _CAMPAIGN_DUE, params | {"campaign_id": wanted.campaign_id})
        else:
            rows = await _read(sql, _DUE, params)
        return _page(rows, limit, place_of(wanted))
    return await _by_state(sql, params | _older(after), wanted, limit)


def place_of(wanted: TaskFilter) -> Callable[[TaskRow], str]:
    """What a line's place in the order of a filter is, for its cursor."""
    if wanted.name:
        return lambda row: lowered(row.callee_name)
    if wanted.due and not wanted.digits:
        return lambda row: str(row.next_action_time)
    return lambda row: str(row.created_ms)


def lowered(name: str) -> str:
    """As both databases lower a name: the letters A to Z only."""
    return name.translate({code: code + 32 for code in range(ord("A"), ord("Z") + 1)})


async def _by_state(sql: Reader, params: dict[str, SqlValue], wanted: TaskFilter, limit: int) -> TaskPage:
    """The first lines of each state, put together: every one of them is a step along an index."""
    states = wanted.states or (tuple(TaskState) if wanted.campaign_id else ())
    rows: list[TaskRow] = [] if states else await _read(sql, _ALL, params)
    for state in states:
        if wanted.campaign_id:
            more = {"campaign_id": wanted.campaign_id, "state": str(state)}
            rows += await _read(sql, _OF_CAMPAIGN, params | more)
        else:
            rows += await _read(sql, _OF_STATE, params | {"state": str(state)})
    rows.sort(key=lambda row: (row.created_ms, row.id), reverse=True)
    return _page(rows, limit, place_of(wanted))


async def _read(sql: Reader, statement: str, params: dict[str, SqlValue]) -> list[TaskRow]:
    return [to_struct(TaskRow, row) for row in await sql.fetch(statement, params)]


def _page(rows: list[TaskRow], limit: int, place: Callable[[TaskRow], str]) -> TaskPage:
    shown = tuple(rows[:limit])
    following = Cursor(place=place(shown[-1]), id=shown[-1].id) if len(rows) > limit else None
    return TaskPage(rows=shown, following=following)


def _rest(wanted: TaskFilter, now_ms: int) -> dict[str, SqlValue]:
    states = (TaskState.PENDING,) if wanted.due else wanted.states
    from_ms, to_ms = _span(wanted.due, now_ms) if wanted.due else (None, None)
    return {
        "campaign_id": wanted.campaign_id or None,
        "states": msgspec.json.encode(sorted(states)).decode() if states else None,
        "from_ms": from_ms,
        "to_ms": to_ms,
    }


def _span(due: Due, now_ms: int) -> tuple[int, int]:
    match due:
        case "overdue":
            return 0, now_ms
        case "day":
            return now_ms, now_ms + DAY_MS
        case "week":
            return now_ms, now_ms + 7 * DAY_MS
        case "later":
            return now_ms + 7 * DAY_MS, 1 << 62


def _older(after: Cursor | None) -> dict[str, SqlValue]:
    return {"place_ms": _ms(after, 1 << 62), "after_id": after.id if after else LAST}


def _later(after: Cursor | None) -> dict[str, SqlValue]:
    return {"place_ms": _ms(after, -1), "after_id": after.id if after else ""}


def _named(name: str, after: Cursor | None) -> dict[str, SqlValue]:
    place, after_id = (after.place, after.id) if after else (lowered(name), "")
    return {"name": name, "beyond": name + LAST, "place": place, "after_id": after_id}


def _ms(after: Cursor | None, otherwise: int) -> int:
    """A cursor comes out of an address: anything may stand there."""
    if after is None or not (after.place.isascii() and after.place.isdigit() and len(after.place) < 17):
        return otherwise
    return int(after.place)
