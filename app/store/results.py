"""Rows of `results` and `result_values`: what calls found out, the newest value by agent, recipient and field.

Written where values are: by the agent while it talks, and by the analysis of an ended call. A value the agent took
down is not replaced by what the analysis read out of the same call.
"""

from collections.abc import Mapping, Sequence

import msgspec

from app.domain.fields import shown
from app.store.db import Reader, Tx
from app.store.rows import to_params, to_struct, with_columns, with_values

Key = tuple[int, str]
"""Where a page ends: `updated_ms` and task of its last row (a task belongs to one agent and one number)."""
TOTALS_OF = 2_000
"""Totals are of the newest rows up to this many."""
MAX_VALUES = 8


class ResultValue(msgspec.Struct, frozen=True, kw_only=True):
    """One value and its proof. `value` is JSON text; `audio_ms` counts from the answer of the call; `seq` is the
    number of the turn in the store, 0 when it is not known.
    """

    field: str
    value: str
    call_id: str
    item_id: str
    quote: str
    audio_ms: int
    at_ms: int
    seq: int = 0

    @property
    def text(self) -> str:
        """The value as people read it."""
        return shown(self.value)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient of one agent. `outcome` is that of the last analysis, empty while there is none."""

    tenant_id: str
    agent_id: str
    number: str
    campaign_id: str | None
    task_id: str
    call_id: str
    outcome: str
    updated_ms: int


class ResultRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table, with its values by field."""

    result: Result
    agent_name: str
    callee_name: str
    fields: Mapping[str, ResultValue]


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows; empty: any. At most `number` (E.164, exactly) beside agent and campaign."""

    agent_id: str = ""
    campaign_id: str = ""
    number: str = ""


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows have a field, and its most frequent values as people read them."""

    name: str
    count: int
    values: tuple[tuple[str, int], ...]
    different: int


def _fenced(statement: str, table: str, call: str) -> str:
    """With `$newer` written out: what an earlier call found out, told late, replaces nothing of a later one."""
    begun = "coalesce((SELECT created_ms FROM calls WHERE id = {0}), 0)"
    return statement.replace("$newer", f"{begun.format(f'{table}.call_id')} <= {begun.format(call)}")


_PUT = with_values(
    """
    INSERT INTO results ($columns) VALUES ($values)
    ON CONFLICT (tenant_id, agent_id, number) DO UPDATE SET campaign_id = excluded.campaign_id,
        task_id = excluded.task_id, call_id = excluded.call_id, updated_ms = excluded.updated_ms,
        outcome = CASE WHEN excluded.outcome <> '' THEN excluded.outcome ELSE results.outcome END
    WHERE $newer
    """,
    Result,
)
_PUT_VALUE = """
    INSERT INTO result_values (tenant_id, agent_id, number, field, value, call_id, item_id, quote, audio_ms, at_ms)
    VALUES (:tenant_id, :agent_id, :number, :field, :value, :call_id, :item_id, :quote, :audio_ms, :at_ms)
    ON CONFLICT (tenant_id, agent_id, number, field) DO UPDATE SET value = excluded.value,
        call_id = excluded.call_id, item_id = excluded.item_id, quote = excluded.quote,
        audio_ms = excluded.audio_ms, at_ms = excluded.at_ms
    WHERE (:replaces = 1 OR result_values.call_id <> excluded.call_id) AND $newer
"""
_TASK = "SELECT agent_id, number, campaign_id FROM tasks WHERE tenant_id = :tenant_id AND id = :task_id"
_BEHIND = "(r.updated_ms, r.task_id) < (:before_ms, :before_task)"
_ORDER = "ORDER BY r.updated_ms DESC, r.task_id DESC LIMIT :limit"
_WALK = "(r.agent_id, r.number) > (:after_agent, :after_number) $which ORDER BY r.agent_id, r.number LIMIT :limit"
_WALK_OF_AGENT = "r.number > :after_number $which ORDER BY r.number LIMIT :limit"
"""Of one agent: with the agent in its order the database would sort all its rows for each page."""
_LIST = with_columns(
    """
    SELECT $columns, a.name, t.callee_name FROM results r JOIN agents a ON a.id = r.agent_id
        JOIN tasks t ON t.id = r.task_id
    WHERE r.tenant_id = :tenant_id
    """,
    Result,
    "r",
)
_VALUES = """
    SELECT v.agent_id, v.number, v.field, v.value, v.call_id, v.item_id, v.quote, v.audio_ms, v.at_ms,
        coalesce((SELECT w.seq FROM call_transcripts w
            WHERE w.call_id = v.call_id AND w.item_id = v.item_id AND w.speaker = 'callee'), 0)
    FROM result_values v WHERE v.tenant_id = :tenant_id
        AND v.agent_id IN (SELECT value FROM json_each(:agents))
        AND v.number IN (SELECT value FROM json_each(:numbers))
    ORDER BY v.field
"""
_FIELDS = """
    SELECT DISTINCT v.field FROM results r
    JOIN result_values v ON v.tenant_id = r.tenant_id AND v.agent_id = r.agent_id AND v.number = r.number
    WHERE r.tenant_id = :tenant_id $which ORDER BY v.field
"""
_TOTALS = """
    SELECT field, value, n, of_field, different FROM (
        SELECT g.field, g.value, g.n, sum(g.n) OVER (PARTITION BY g.field) AS of_field,
            count(*) OVER (PARTITION BY g.field) AS different,
            row_number() OVER (PARTITION BY g.field ORDER BY g.n DESC, g.value) AS place
        FROM (
            SELECT v.field, v.value, count(*) AS n FROM (
                SELECT r.agent_id, r.number FROM results r WHERE r.tenant_id = :tenant_id $which
                ORDER BY r.updated_ms DESC, r.task_id DESC LIMIT :limit) k
            JOIN result_values v ON v.tenant_id = :tenant_id AND v.agent_id = k.agent_id AND v.number = k.number
            GROUP BY v.field, v.value) g) f
    WHERE place <= :values ORDER BY field, place
"""
_PUT_OUTCOME = """
    UPDATE results SET outcome = :outcome, call_id = :call_id
    WHERE tenant_id = :tenant_id AND agent_id = :agent_id AND number = :number AND $newer
"""
_COUNT = (
    "SELECT count(*) FROM (SELECT 1 AS one FROM results r WHERE r.tenant_id = :tenant_id $which LIMIT :limit) k"
)


async def note(
    tx: Tx,
    tenant_id: str,
    task_id: str,
    call_id: str,
    values: Sequence[ResultValue],
    *,
    outcome: str = "",
    replaces: bool = True,
    now_ms: int,
) -> None:
    """Take values of a call down. `replaces` False: those of the same call that are there stay."""
    row = await tx.one(_TASK, {"tenant_id": tenant_id, "task_id": task_id})
    if row is None:
        return
    agent_id, number, campaign_id = row
    if not values:
        if outcome:  # nothing new was found out, but what came of it is news
            who = {
                "tenant_id": tenant_id,
                "agent_id": agent_id,
                "number": number,
                "outcome": outcome,
                "call_id": call_id,
            }
            await tx.execute(_fenced(_PUT_OUTCOME, "results", ":call_id"), who)
        return
    result = Result(
        tenant_id=tenant_id,
        agent_id=agent_id,
        number=number,
        campaign_id=campaign_id,
        task_id=task_id,
        call_id=call_id,
        outcome=outcome,
        updated_ms=now_ms,
    )
    await tx.execute(_fenced(_PUT, "results", ":call_id"), to_params(result))
    where = {"tenant_id": tenant_id, "agent_id": agent_id, "number": number, "replaces": int(replaces)}
    for value in values:
        params = to_params(value) | where
        del params["seq"]
        await tx.execute(_fenced(_PUT_VALUE, "result_values", ":call_id"), params)


async def page(sql: Reader, tenant_id: str, which: Filter, before: Key | None, limit: int) -> list[ResultRow]:
    """Newest first, those behind `before`, each with all its values."""
    ms, task_id = before or (1 << 62, "")
    params = _params(which) | {
        "tenant_id": tenant_id,
        "before_ms": ms,
        "before_task": task_id,
        "limit": limit,
    }
    return await _read(sql, tenant_id, f"{_LIST} AND {_BEHIND} {_conditions(which)} {_ORDER}", params)


async def walk(sql: Reader, tenant_id: str, which: Filter, after: tuple[str, str], limit: int) -> list[ResultRow]:
    """By agent and number, those behind `after` (("", "") at first): unlike the place in `page`, this one does not
    change while calls go on, so who reads everything reads every row once.
    """
    params = _params(which) | {"tenant_id": tenant_id, "after_number": after[1], "limit": limit}
    if not which.agent_id:
        params["after_agent"] = after[0]
    walk = _WALK_OF_AGENT if which.agent_id else _WALK
    return await _read(sql, tenant_id, f"{_LIST} AND {walk.replace('$which', _conditions(which))}", params)


async def _read(sql: Reader, tenant_id: str, statement: str, params: Mapping[str, str | int]) -> list[ResultRow]:
    rows = await sql.fetch(statement, params)
    results = [(to_struct(Result, row[:-2]), row[-2], row[-1]) for row in rows]
    found = await _values(sql, tenant_id, [one for one, _, _ in results])
    return [
        ResultRow(
            result=one,
            agent_name=agent,
            callee_name=callee,
            fields=found.get((one.agent_id, one.number), {}),
        )
        for one, agent, callee in results
    ]


async def totals(sql: Reader, tenant_id: str, which: Filter, most: int = TOTALS_OF) -> list[Total]:
    """By field, over the newest `most` rows."""
    params = _params(which) | {"tenant_id": tenant_id, "limit": most, "values": MAX_VALUES}
    counted: dict[str, list[tuple[str, int]]] = {}
    sums: dict[str, tuple[int, int]] = {}
    for field, value, n, of_field, different in await sql.fetch(
        _TOTALS.replace("$which", _conditions(which)), params
    ):
        counted.setdefault(field, []).append((shown(value), n))
        sums[field] = int(of_field), different
    return [
        Total(name=field, count=sums[field][0], values=tuple(values), different=sums[field][1])
        for field, values in counted.items()
    ]


async def fields(sql: Reader, tenant_id: str, which: Filter) -> list[str]:
    """Every field that any row has; reads all of them, so for exports only."""
    params = _params(which) | {"tenant_id": tenant_id}
    return [row[0] for row in await sql.fetch(_FIELDS.replace("$which", _conditions(which)), params)]


async def count(sql: Reader, tenant_id: str, which: Filter, most: int = TOTALS_OF) -> int:
    """How many rows there are, counted up to `most` + 1."""
    params = _params(which) | {"tenant_id": tenant_id, "limit": most + 1}
    row = await sql.one(_COUNT.replace("$which", _conditions(which)), params)
    return row[0] if row else 0


async def _values(
    sql: Reader, tenant_id: str, results: Sequence[Result]
) -> dict[tuple[str, str], dict[str, ResultValue]]:
    params = {
        "tenant_id": tenant_id,
        "agents": msgspec.json.encode(sorted({one.agent_id for one in results})).decode(),
        "numbers": msgspec.json.encode(sorted({one.number for one in results})).decode(),
    }
    found: dict[tuple[str, str], dict[str, ResultValue]] = {}
    for agent_id, number, *value in await sql.fetch(_VALUES, params):
        one = to_struct(ResultValue, tuple(value))
        found.setdefault((agent_id, number), {})[one.field] = one
    return found


def _conditions(which: Filter) -> str:
    """Written out only when they are asked for, so that each has its index."""
    parts = {"agent_id": which.agent_id, "campaign_id": which.campaign_id, "number": which.number}
    return "".join(f" AND r.{name} = :{name}" for name, value in parts.items() if value)


def _params(which: Filter) -> dict[str, str | int]:
    parts = {"agent_id": which.agent_id, "campaign_id": which.campaign_id, "number": which.number}
    return {name: value for name, value in parts.items() if value}
