"""Texts that nothing ties to a person, walked through for whoever is forgotten: chats, plans, reports, agents.

A chat that planned calls to this person alone is emptied whole, with the agent that was made for it. Elsewhere an
entry, a line or a text that names the person goes (`app.domain.erasure.Marks`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from app.domain.erasure import Marks
from app.domain.personal_data import ERASED, FREE_TEXT
from app.store.db import Row, SqlValue, Tx
from app.store.erasing import Counts, added

ROWS = 50
"""Rows of a transaction; a message may carry a table of two million characters."""
LIST_ROWS = 500


class Walk(msgspec.Struct, frozen=True, kw_only=True):
    """One table: the columns of its key, and those that are read; `named` ones lose no more than the name."""

    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    named: tuple[str, ...] = ()
    number_only: bool = False
    """Looked through for the number and not for names: these are words that agents say to everybody."""
    only: str = "1 = 1"
    """SQL: which rows."""
    goes: Sequence[str] = ()
    """Statements that take a row away which names the person, with what hangs on it; empty: it loses the words."""


WALKS: Final = (
    Walk(table="plans", key=("id",), columns=("plan", "forecast")),
    Walk(table="conversation_turns", key=("conversation_id", "seq"), columns=("text", "content", "lookups")),
    Walk(table="conversations", key=("id",), columns=("display_name",)),
    Walk(table="campaign_reports", key=("id",), columns=("words", "numbers", "last_error")),
    Walk(table="lifecycle_rounds", key=("id",), columns=("refusals", "summary")),
    Walk(table="idempotency_keys", key=("id",), columns=("answer",)),
    Walk(table="campaigns", key=("id",), columns=("pause_reason",), named=("name",)),
    Walk(
        table="contact_imports",
        key=("id",),
        columns=("options", "columns", "notes", "problem"),
        named=("name",),
    ),
    Walk(
        table="agents",
        number_only=True,
        key=("id",),
        columns=(
            "prompt",
            "greeting",
            "tools",
            "few_shot",
            "data_to_fill",
            "http_tools",
            "mcp",
            "s3_file_paths",
            "transfer_targets",
            "voicemail_message",
        ),
        named=("name",),
    ),
    Walk(table="agent_versions", number_only=True, key=("agent_id", "version"), columns=("body",)),
    Walk(table="tryouts", key=("id",), columns=("body", "objective", "steps")),
    Walk(table="rehearsals", key=("id",), columns=("result", "problem")),
    Walk(
        table="webhook_events",
        key=("id",),
        columns=("data",),
        only="kind IN ('report.ready', 'number.opted_out')",  # others are found by their task, call or question
        goes=(
            "DELETE FROM webhook_deliveries WHERE tenant_id = :tenant_id AND event_id = :k0",
            "DELETE FROM webhook_events WHERE tenant_id = :tenant_id AND id = :k0",
        ),
    ),
)
"""A plan that is open and names the person can be confirmed no more."""
_SUPERSEDE = "UPDATE plans SET state = 'superseded' WHERE tenant_id = :tenant_id AND id = :id AND state = 'open'"
_ALONE = """
    SELECT DISTINCT p.conversation_id FROM tasks t JOIN plans p ON p.campaign_id = t.campaign_id
    WHERE t.tenant_id = :tenant_id AND (t.number = :number OR t.number = :pseudonym) AND p.tenant_id = :tenant_id
        AND NOT EXISTS (SELECT 1 FROM plans o JOIN tasks x ON x.campaign_id = o.campaign_id
            WHERE o.conversation_id = p.conversation_id AND x.number <> :number AND x.number <> :pseudonym)
        AND NOT EXISTS (SELECT 1 FROM plans o WHERE o.conversation_id = p.conversation_id AND o.state = 'open')
    LIMIT :limit
"""
_AGENTS = """
    SELECT DISTINCT t.agent_id FROM plans p JOIN tasks t ON t.campaign_id = p.campaign_id
    WHERE p.tenant_id = :tenant_id AND p.conversation_id = :id AND NOT EXISTS (SELECT 1 FROM calls c
        WHERE c.agent_id = t.agent_id AND c.number_requested <> :number AND c.number_requested <> :pseudonym)
        AND NOT EXISTS (SELECT 1 FROM tasks x WHERE x.agent_id = t.agent_id
            AND x.number <> :number AND x.number <> :pseudonym)
"""
_NAMELESS = f"""
    UPDATE campaigns SET name = '{ERASED}' WHERE tenant_id = :tenant_id AND id IN (
        SELECT campaign_id FROM plans WHERE tenant_id = :tenant_id AND conversation_id = :id)
"""  # noqa: S608 - a constant
_AGENT = f"""
    UPDATE agents SET name = '{ERASED} ' || substr(id, 21), prompt = '', greeting = '', few_shot = '[]',
        data_to_fill = '[]', voicemail_message = '' WHERE tenant_id = :tenant_id AND id = :id
"""  # noqa: S608 - a constant
_BODIES = "SELECT version, body FROM agent_versions WHERE tenant_id = :tenant_id AND agent_id = :id"
_BODY = (
    "UPDATE agent_versions SET body = :body WHERE tenant_id = :tenant_id AND agent_id = :id AND version = :version"
)
_OF_AGENT: Mapping[str, object] = {"prompt": "", "greeting": "", "few_shot": [], "data_to_fill": []}
_LISTS = Walk(
    table="contact_import_rows", key=("import_id", "seq"), columns=("number", "cells", "made", "sentence")
)
_BEHIND = "AND (import_id > :k0 OR (import_id = :k0 AND seq > :k1))"
_LIST_ROWS = f"""
    SELECT import_id, seq, number, cells, made, sentence FROM contact_import_rows
    WHERE tenant_id = :tenant_id {_BEHIND} ORDER BY import_id, seq LIMIT :limit
"""  # noqa: S608 - a constant
_DROP_ROW = "DELETE FROM contact_import_rows WHERE tenant_id = :tenant_id AND import_id = :k0 AND seq = :k1"
_LEFT_FILES = """
    DELETE FROM contact_import_pieces WHERE tenant_id = :tenant_id AND import_id IN (SELECT id FROM contact_imports
        WHERE tenant_id = :tenant_id AND state IN ('review', 'done', 'failed', 'cancelled'))
"""
_OLD_TURNS = next(table for table in FREE_TEXT if table.name == "conversation_turns")


async def walk(
    tx: Tx, tenant_id: str, marks: Marks, step: Walk, after: Sequence[str | int]
) -> tuple[Counts, list[str | int] | None]:
    """Look through the next rows of a table; answers how many lost something, and the key to go on behind, None at
    the end.
    """
    marks = Marks(marks.number, ()) if step.number_only else marks
    rows = await tx.fetch(_page(step, begun=bool(after)), _place(step, tenant_id, after) | {"limit": ROWS})
    hit = 0
    for row in rows:
        changes = _changes(step, row, marks)
        if not changes:
            continue
        hit += 1
        key = {f"k{n}": row[n] for n in range(len(step.key))}
        for statement in step.goes:
            await tx.execute(statement, {"tenant_id": tenant_id, **key})
        if step.goes:
            continue
        sets = ", ".join(f"{name} = :{name}" for name in changes)
        found = " AND ".join(f"{name} = :k{n}" for n, name in enumerate(step.key))
        statement = f"UPDATE {step.table} SET {sets} WHERE tenant_id = :tenant_id AND {found}"  # noqa: S608
        await tx.execute(statement, {"tenant_id": tenant_id, **key, **changes})
        if step.table == "plans":
            await tx.execute(_SUPERSEDE, {"tenant_id": tenant_id, "id": row[0]})
    counts = {step.table: hit} if hit else {}
    return counts, list(rows[-1][: len(step.key)]) if len(rows) == ROWS else None


async def walk_lists(
    tx: Tx, tenant_id: str, marks: Marks, after: Sequence[str | int]
) -> tuple[Counts, list[str | int] | None]:
    """Look through the next rows of uploaded lists, as `walk` does; a row that names the person goes. Files whose
    rows are stored, or never will be, go with the first look.
    """
    if not after:
        await tx.execute(_LEFT_FILES, {"tenant_id": tenant_id})
    sql = _LIST_ROWS if after else _LIST_ROWS.replace(_BEHIND, "")
    place = _place(_LISTS, tenant_id, after) | {"limit": LIST_ROWS}
    rows = await tx.fetch(sql, place)
    theirs = [row for row in rows if row[2] == marks.number or any(marks.in_text(text) for text in row[3:])]
    for row in theirs:
        await tx.execute(_DROP_ROW, {"tenant_id": tenant_id, "k0": row[0], "k1": row[1]})
    counts = {_LISTS.table: len(theirs)} if theirs else {}
    return counts, list(rows[-1][:2]) if len(rows) == LIST_ROWS else None


async def empty_own_chats(tx: Tx, tenant_id: str, number: str, stands: str, *, now_ms: int) -> Counts:
    """Empty some conversations that planned calls to this number alone; nothing when none is left."""
    whose: dict[str, SqlValue] = {"tenant_id": tenant_id, "number": number, "pseudonym": stands}
    counts: Counts = {}
    for (conversation_id,) in await tx.fetch(_ALONE, whose | {"limit": 5}):
        this = {"tenant_id": tenant_id, "id": conversation_id}
        for (agent_id,) in await tx.fetch(_AGENTS, whose | {"id": conversation_id}):
            counts = added(counts, await _empty_agent(tx, tenant_id, agent_id))
        counts = added(counts, {"campaigns": await tx.execute(_NAMELESS, this)})
        counts = added(counts, await empty_chat(tx, tenant_id, conversation_id, now_ms=now_ms))
    return counts


async def empty_chat(tx: Tx, tenant_id: str, conversation_id: str, *, now_ms: int) -> Counts:
    """Take away what was said in a conversation; its turns and what they cost stay, its plans go."""
    this: dict[str, SqlValue] = {"tenant_id": tenant_id, "id": conversation_id}
    sets = ", ".join(f"{column} = {value}" for column, value in _OLD_TURNS.becomes.items())
    here = "WHERE tenant_id = :tenant_id AND conversation_id = :id"
    turns = await tx.execute(f"UPDATE conversation_turns SET {sets} {here}", this)  # noqa: S608 - constants
    plans = await tx.execute(f"DELETE FROM plans {here}", this)  # noqa: S608 - a constant
    statement = "UPDATE conversations SET display_name = '', erased_ms = :now_ms WHERE tenant_id = :tenant_id"
    await tx.execute(f"{statement} AND id = :id", this | {"now_ms": now_ms})
    return {"conversation_turns": turns, "plans": plans}


async def _empty_agent(tx: Tx, tenant_id: str, agent_id: str) -> Counts:
    this: dict[str, SqlValue] = {"tenant_id": tenant_id, "id": agent_id}
    for version, body in await tx.fetch(_BODIES, this):
        now = msgspec.json.decode(body, type=dict[str, Any])
        now |= {name: value for name, value in _OF_AGENT.items() if name in now}
        now |= {"name": ERASED} if "name" in now else {}
        emptied = msgspec.json.encode(now).decode()
        await tx.execute(_BODY, this | {"version": version, "body": emptied})
    return {"agents": await tx.execute(_AGENT, this)}


def _page(step: Walk, *, begun: bool) -> str:
    names = ", ".join((*step.key, *step.columns, *step.named))
    order = ", ".join(step.key)
    behind = ""
    if begun and len(step.key) == 1:
        behind = f"AND {step.key[0]} > :k0"
    elif begun:
        behind = f"AND ({step.key[0]} > :k0 OR ({step.key[0]} = :k0 AND {step.key[1]} > :k1))"
    where = f"tenant_id = :tenant_id AND {step.only} {behind}"
    return f"SELECT {names} FROM {step.table} WHERE {where} ORDER BY {order} LIMIT :limit"  # noqa: S608


def _place(step: Walk, tenant_id: str, after: Sequence[str | int]) -> dict[str, SqlValue]:
    found: dict[str, SqlValue] = {"tenant_id": tenant_id}
    for n, value in enumerate(after[: len(step.key)]):
        found[f"k{n}"] = value
    return found


def _changes(step: Walk, row: Row, marks: Marks) -> dict[str, SqlValue]:
    """The columns of a row that name the person, as they are without that."""
    first = len(step.key)
    changes: dict[str, SqlValue] = {}
    for name, text in zip((*step.columns, *step.named), row[first:], strict=True):
        if not text:
            continue
        now = marks.without_names(text) if name in step.named else marks.without_json(text)
        if now == text:
            continue
        own = f" {row[0][20:]}" if step.table == "agents" and name in step.named else ""
        changes[name] = now + own  # names of agents are unique
    return changes
