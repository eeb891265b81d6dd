"""Takes away what was said with tasks, calls and numbers. Every statement is made of `app.domain.personal_data`.

What stays of a task: that it was tried, when, with what outcome and at what cost. A pseudonym stands for the
number.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from app.domain.personal_data import OF_NUMBERS, OF_TASKS
from app.domain.personal_table import Road, Table
from app.store import history, retold
from app.store.db import SqlValue, Tx

Counts = dict[str, int]
"""Rows by table."""
_LISTED = "IN (SELECT value FROM json_each(:ids))"
_EVENTS = """IN (SELECT e.id FROM webhook_events e WHERE e.subject IN (SELECT value FROM json_each(:subjects)))"""
"""By the index of subjects; the statement itself names the tenant."""
_HERE: Final[Mapping[Road, str]] = {
    Road.TASK: "task_id IN (SELECT value FROM json_each(:tasks))",
    Road.CALL: "call_id IN (SELECT value FROM json_each(:calls))",
    Road.SUBJECT: f"id {_EVENTS}",
    Road.EVENT: f"event_id {_EVENTS}",
    Road.NUMBER: "number = :number",
    Road.CONTACT: "contact_id IN (SELECT c.id FROM contacts c"
    " WHERE c.tenant_id = :tenant_id AND c.number = :number)",
}
_OF_ITSELF: Final = {
    "tasks": "id IN (SELECT value FROM json_each(:tasks))",
    "results": "number = :number AND task_id IN (SELECT value FROM json_each(:tasks))",
    "result_values": "number = :number AND call_id IN (SELECT value FROM json_each(:calls))"
    " AND agent_id IN (SELECT c.agent_id FROM calls c WHERE c.id IN (SELECT value FROM json_each(:calls)))",
    "legal_holds": "kind = 'recipient' AND subject = :number AND lifted_ms IS NOT NULL",
}
"""Where the road's own column has another name, or no index."""
_CALLS = f"SELECT id, node FROM calls WHERE tenant_id = :tenant_id AND task_id {_LISTED} ORDER BY id"  # noqa: S608
_NUMBER = f"SELECT number FROM tasks WHERE tenant_id = :tenant_id AND id {_LISTED} LIMIT 1"  # noqa: S608
_QUESTIONS = f"SELECT id FROM feedback_requests WHERE tenant_id = :tenant_id AND task_id {_LISTED}"  # noqa: S608
_NAMES = f"SELECT call_id, path FROM recordings WHERE tenant_id = :tenant_id AND call_id {_LISTED}"  # noqa: S608
_REMOVE = """
    INSERT INTO file_removals (call_id, tenant_id, node, names, since_ms)
    VALUES (:call_id, :tenant_id, :node, :names, :now_ms) ON CONFLICT (call_id) DO NOTHING
"""
_AS_TARGET = """
    UPDATE call_transfers SET number = :pseudonym, number_dialed = :pseudonym
    WHERE tenant_id = :tenant_id AND number = :number
"""
_SAME_CONSENTS = """
    DELETE FROM consents WHERE tenant_id = :tenant_id AND number = :pseudonym AND purpose IN
        (SELECT c.purpose FROM consents c WHERE c.tenant_id = :tenant_id AND c.number = :number)
"""
"""Somebody who is forgotten again: of two consents for a purpose the newer one stays as the proof."""
_OWN = "SELECT id FROM dnd_list WHERE tenant_id = :tenant_id AND number = :number"


async def erase_tasks(
    tx: Tx, tenant_id: str, task_ids: Sequence[str], stands: str, *, since_ms: int, now_ms: int
) -> Counts:
    """Take away the words of tasks that are settled and in no call, all of one number, with all their calls. The
    files of their recordings are put on the list of what has to go. `stands`: the pseudonym. `since_ms`: calling
    rules look back so far, and go on knowing the attempts since.
    """
    tasks = _json(task_ids)
    of: dict[str, SqlValue] = {"tenant_id": tenant_id, "ids": tasks}
    calls = await tx.fetch(_CALLS, of)
    questions = [row[0] for row in await tx.fetch(_QUESTIONS, of)]
    call_ids = [row[0] for row in calls]
    await remove_files(tx, tenant_id, [(row[0], row[1]) for row in calls], now_ms=now_ms)
    await history.keep_attempts(tx, tenant_id, call_ids, since_ms)
    number = await tx.one(_NUMBER, of)
    params: dict[str, SqlValue] = {
        "tenant_id": tenant_id,
        "number": number[0] if number else "",
        "tasks": tasks,
        "calls": _json(call_ids),
        "subjects": _json([*task_ids, *call_ids, *questions]),
        "pseudonym": stands,
        "now_ms": now_ms,
    }
    done = await _each(tx, OF_TASKS, params)
    return added(done, await retold.forget(tx, tenant_id, task_ids, number[0] if number else "", stands))


async def erase_number(tx: Tx, tenant_id: str, number: str, stands: str, *, now_ms: int) -> Counts:
    """Take away what is known of a number beyond its tasks: contact, preferences, the evidence of consents, what
    was told of its do-not-call entry. The entry itself stays.
    """
    listed = await tx.fetch(_OWN, {"tenant_id": tenant_id, "number": number})
    params: dict[str, SqlValue] = {
        "tenant_id": tenant_id,
        "number": number,
        "subjects": _json([row[0] for row in listed]),
        "pseudonym": stands,
        "now_ms": now_ms,
    }
    of = {name: params[name] for name in ("tenant_id", "number", "pseudonym")}
    await tx.execute(_SAME_CONSENTS, of)
    told = [table for table in OF_TASKS if table.road in (Road.SUBJECT, Road.EVENT)]
    done = await _each(tx, [*told, *OF_NUMBERS], params)
    done = added(done, await retold.forget_number(tx, tenant_id, number, stands))
    return added(done, {"call_transfers": await tx.execute(_AS_TARGET, of)})


async def remove_files(tx: Tx, tenant_id: str, calls: Sequence[tuple[str, str]], *, now_ms: int) -> None:
    """Put the recordings of calls (id, the engine that made it) on the list of files that have to go."""
    names: dict[str, list[str]] = {}
    for call_id, path in await tx.fetch(_NAMES, {"tenant_id": tenant_id, "ids": _json([one for one, _ in calls])}):
        names.setdefault(call_id, []).append(path)
    rows: list[Mapping[str, SqlValue]] = [
        {
            "call_id": call_id,
            "tenant_id": tenant_id,
            "node": node,
            "names": _json(names.get(call_id, [])),
            "now_ms": now_ms,
        }
        for call_id, node in calls
    ]
    if rows:
        await tx.many(_REMOVE, rows)


async def _each(tx: Tx, tables: Sequence[Table], params: Mapping[str, SqlValue]) -> Counts:
    done: Counts = {}
    for table in tables:
        sql = statement(table)
        given = {name: value for name, value in params.items() if f":{name}" in sql}
        if rows := await tx.execute(sql, given):
            done[table.name] = rows
    return done


def statement(table: Table) -> str:
    """The one statement that takes away what a table says of a task or a number."""
    where = f"{_whose(table)} AND {_OF_ITSELF.get(table.name) or _HERE[table.road]}"
    if table.goes:
        return f"DELETE FROM {table.name} WHERE {where}"  # noqa: S608 - names of our own tables
    sets = ", ".join(f"{column} = {value}" for column, value in table.becomes.items())
    return f"UPDATE {table.name} SET {sets} WHERE {where}"  # noqa: S608 - names of our own tables


def _whose(table: Table) -> str:
    """The tenant, checked and not searched by: without statistics SQLite would take an index of the tenant's rows
    for the shorter way, and read them all.
    """
    by_tenant = table.road in (Road.NUMBER, Road.CONTACT) or table.name in ("results", "result_values")
    return "tenant_id = :tenant_id" if by_tenant else "coalesce(tenant_id, '') = :tenant_id"


def added(one: Mapping[str, int], other: Mapping[str, int]) -> Counts:
    """Two counts together."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def _json(values: Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()
