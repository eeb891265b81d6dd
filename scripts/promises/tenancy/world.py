"""Two tenants with a row in every table, each full of words that belong to it alone.

PARAMETERS says which row stands for a path parameter, `rows.py` what is stored. A new table with a `tenant_id`
needs a row there, a new parameter an entry here: the promise fails and says so until it has one.
"""

import re
import sqlite3
import wave
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from app.clock import SystemClock
from app.domain.agent import Agent, Example, TransferTarget
from app.domain.fields import FieldSpec
from app.domain.outside_tool import HttpTool
from app.domain.people import Role
from app.people.door import Door
from app.store import agents, users
from app.store.sqlite import SqliteDatabase
from scripts.promises.tenancy.rows import NOW, NUMBER, mark, row_id, rows
from tests.unit.app.door_world import HERE, QUICK, add_user

TENANTS = ("default", "other")
BOTH_WAYS = (("default", "other"), ("other", "default"))
"""(who asks, whose rows)."""
PLAIN = {"version": "1", "deed": "link", "step": "pause", "part": "1", "seq": "1", "file_path": "style.css"}
"""Parameters that name nothing of a tenant by themselves, each with a value."""
PARAMETERS: dict[str, str] = {
    "agent_id": "agent",
    "call_id": "call",
    "campaign_id": "campaign",
    "command_id": "command",
    "conversation_id": "conversation",
    "plan_id": "plan",
    "question_id": "question",
    "task_id": "task",
    "token_id": "token",
    "user_id": "user",
    "contact_id": "contact",
    "spare_contact_id": "spare_contact",
    "decision_id": "decision",
    "import_id": "import",
    "entry_id": "dnc",
    "webhook_id": "webhook",
    "message_id": "message",
    "tryout_id": "tryout",
    "rehearsal_id": "rehearsal",
    "call": "call",
    "ended_call_id": "ended",
    "erasure_id": "erasure",
    "hold_id": "hold",
}
"""Path, query and body names -> the row of `rows.py` (or of `_people`) that is the example."""
OF_ENDED_CALLS = ("/calls/{call_id}/audio/{part}", "/api/v1/calls/{call_id}/recordings/{part}")
"""Routes whose `call_id` is the `ended_call_id` of PARAMETERS: only such a call has a recording."""
OF_SPARE_CONTACTS = ("/contacts/{contact_id}/delete",)
"""The page's way to delete a contact has one of its own: the programs' way needs one too."""
WITHOUT_ROWS = {"sessions", "entry_links", "idempotency_keys", "audit_log"}
"""Tables that the promise itself fills by signing in and asking."""
_CHOICES = re.compile(
    r"^\s*(?:ALTER TABLE \w+ ADD COLUMN )?(\w+)\s[^\n]*?CHECK\s*\(\1 IN \('([^']*)'", re.MULTILINE
)

_OWNED = """
    UPDATE conversations SET owner = 'user:' || (SELECT id FROM users WHERE tenant_id = :t AND role = 'operator')
    WHERE tenant_id = :t
"""
"""A conversation belongs to one person."""


async def fill(db: SqliteDatabase) -> dict[tuple[str, Role, str], str]:
    """Both tenants. Answers what lets in: (tenant, role, "cookie" or "token") -> the secret."""
    secrets: dict[tuple[str, Role, str], str] = {}
    await users.add_tenant(db, TENANTS[1], mark(TENANTS[1]), NOW)
    for tenant in TENANTS:
        secrets |= await _people(db, tenant)
        await _agent(db, tenant)
        for table, given in rows(tenant):
            await _put(db, tenant, table, given)
        await db.execute(_OWNED, {"t": tenant})
    return secrets


async def _people(db: SqliteDatabase, tenant: str) -> dict[tuple[str, Role, str], str]:
    """A user and a token of each role, and one of each that nobody holds."""
    door, secrets = Door(db, SystemClock(), QUICK), {}
    for role in Role:
        user = await add_user(db, role, tenant=tenant)
        entry = await door.by_link(await door.link(user, mark(tenant)), HERE)
        secrets[tenant, role, "cookie"] = entry.secret
        secrets[tenant, role, "token"] = (await door.token(tenant, f"{role} {mark(tenant)}", role, "a test"))[1]
        if role is Role.OPERATOR:
            await db.execute("UPDATE users SET name = :n WHERE id = :id", {"n": mark(tenant), "id": user.id})
    target = await add_user(db, Role.VIEWER, tenant=tenant, email=f"{mark(tenant)}@{tenant}.example")
    token, _ = await door.token(tenant, f"spare {mark(tenant)}", Role.VIEWER, "a test")
    for table, old, name in (("users", target.id, "user"), ("api_tokens", token.id, "token")):
        params = {"id": old, "new": row_id(tenant, name)}
        await db.execute(f"UPDATE {table} SET id = :new WHERE id = :id", params)  # two constants
    return secrets


async def _agent(db: SqliteDatabase, tenant: str) -> None:
    word = mark(tenant)
    agent = Agent(
        id=row_id(tenant, "agent"),
        tenant_id=tenant,
        name=f"Agent {word}",
        prompt=f"You are {word}.",
        greeting=word,
        few_shot=(Example(callee=word, agent=word),),
        data_to_fill=(FieldSpec(name="day", help=word),),
        http_tools=(HttpTool(name="look", description=word, url=f"https://{word}.example/", headers={"x": word}),),
        transfer_targets=(TransferTarget(name=word, number=NUMBER[:-1] + "6"),),
        voicemail_message=word,
    )
    await agents.create(db, agent, NOW)
    await agents.update(db, msgspec.structs.replace(agent, greeting=f"Hello, {word}"), NOW)


async def _put(db: SqliteDatabase, tenant: str, table: str, given: Mapping[str, Any]) -> None:
    """One row: what is needed and not given is the first allowed value, the tenant's word, the moment, or 1."""
    info = await db.fetch(f"SELECT name, type, \"notnull\", dflt_value FROM pragma_table_info('{table}')")
    (sql,) = (await db.fetch("SELECT sql FROM sqlite_master WHERE name = :n", {"n": table}))[0]
    choices = dict(_CHOICES.findall(sql))
    values: dict[str, Any] = {"tenant_id": tenant} | dict(given)
    for name, kind, required, default in info:
        if name in values or not required or default is not None:
            continue
        if kind == "TEXT":
            values[name] = choices.get(name, mark(tenant))
        else:
            values[name] = NOW if name.endswith("_ms") or name == "next_action_time" else 1
    names = ", ".join(values)
    params = ", ".join(f":{name}" for name in values)
    await db.execute(f"INSERT INTO {table} ({names}) VALUES ({params})", values)


def record(folder: Path) -> None:
    """A second of sound for the ended call of each tenant; its samples are the tenant's word."""
    folder.mkdir(parents=True, exist_ok=True)
    for tenant in TENANTS:
        with wave.open(str(folder / f"{row_id(tenant, 'ended')}.wav"), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(8_000)
            file.writeframes((mark(tenant) + "  ").encode() * 2_000)


def tenant_tables(path: Path) -> set[str]:
    """Tables whose rows belong to a tenant."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            row[0]
            for row in connection.execute(
                "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c "
                "WHERE m.type = 'table' AND c.name = 'tenant_id'"
            )
        }


def dump(path: Path, tenant: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a tenant, to see that nobody else changed one."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: sorted(
                connection.execute(f"SELECT * FROM {table} WHERE tenant_id = ?", (tenant,)).fetchall(), key=repr
            )
            for table in sorted(tenant_tables(path))
        }
