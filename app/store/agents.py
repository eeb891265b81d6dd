"""Rows of `agents`: the personas that speak, and of `agent_versions`: each as it was."""

from typing import Final

import msgspec

from app.domain.agent import Agent
from app.domain.fields import check_specs
from app.domain.outside_tool import check_outside_tools
from app.errors import ConflictError, ConstraintFailed, NotFoundError, ValidationFailed
from app.store.db import Reader, Row, Tx, Writer, within
from app.store.rows import to_params, with_columns, with_values

_INSERT = with_values(
    "INSERT INTO agents ($columns, created_ms, updated_ms) VALUES ($values, :now_ms, :now_ms)", Agent
)
_CHANGED = ", ".join(f"{name} = :{name}" for name in Agent.__struct_fields__ if name not in {"id", "tenant_id"})
_UPDATE = f"UPDATE agents SET {_CHANGED}, updated_ms = :now_ms WHERE tenant_id = :tenant_id AND id = :id"  # noqa: S608 - names of our fields
_KEEP = """
    INSERT INTO agent_versions (agent_id, version, tenant_id, body, made_by, created_ms)
    VALUES (:agent_id, :version, :tenant_id, :body, :made_by, :now_ms)
"""
_SELECT = with_columns("SELECT $columns FROM agents WHERE tenant_id = :tenant_id", Agent)
_GET = f"{_SELECT} AND id = :agent_id"
_BY_NAME = f"{_SELECT} AND name = :name"
_LIST = f"{_SELECT} ORDER BY name"
_PAGE = f"{_SELECT} AND name > :after ORDER BY name LIMIT :limit"
_VERSION = """
    SELECT body FROM agent_versions WHERE tenant_id = :tenant_id AND agent_id = :agent_id AND version = :version
"""
_VERSIONS = """
    SELECT version, made_by, created_ms FROM agent_versions
    WHERE tenant_id = :tenant_id AND agent_id = :agent_id AND version < :before ORDER BY version DESC LIMIT :limit
"""
_JSON: Final = (
    "tools",
    "few_shot",
    "data_to_fill",
    "http_tools",
    "mcp",
    "s3_file_paths",
    "transfer_targets",
)
"""Columns that hold JSON."""


class AgentVersion(msgspec.Struct, frozen=True, kw_only=True):
    """When a version was made, and by whom (a user's id; None: not by a person)."""

    version: int
    made_by: str | None
    created_ms: int


async def create(sql: Writer, agent: Agent, now_ms: int, *, made_by: str | None = None) -> Agent:
    """Store a new agent, as version 1. Raises ConflictError when the tenant has one of this name."""
    agent = msgspec.structs.replace(agent, version=1)
    _check(agent)
    async with within(sql) as tx:
        await _write(tx, _INSERT, agent, made_by, now_ms)
    return agent


async def update(sql: Writer, agent: Agent, now_ms: int, *, made_by: str | None = None) -> Agent:
    """Replace an agent's fields, as its next version; nothing is done when nothing changed.

    Raises NotFoundError, ConflictError for a name that is taken.
    """
    _check(agent)
    async with within(sql) as tx:
        await tx.exclusive(changing(agent.id))  # two people at once: the second meets the version of the first
        now = await get(tx, agent.tenant_id, agent.id)
        if msgspec.structs.replace(agent, version=now.version) == now:
            return now
        agent = msgspec.structs.replace(agent, version=now.version + 1)
        await _write(tx, _UPDATE, agent, made_by, now_ms)
    return agent


def changing(agent_id: str) -> str:
    """What `Tx.exclusive` holds while an agent's next version is made."""
    return f"agent {agent_id}"


async def get(sql: Reader, tenant_id: str, agent_id: str) -> Agent:
    """One agent. Raises NotFoundError."""
    return _found(await sql.one(_GET, {"tenant_id": tenant_id, "agent_id": agent_id}))


async def get_version(sql: Reader, tenant_id: str, agent_id: str, version: int) -> Agent:
    """The agent as it was in one version; one that was never kept is the agent as it is. Raises NotFoundError."""
    key = {"tenant_id": tenant_id, "agent_id": agent_id, "version": version}
    row = await sql.one(_VERSION, key)
    return await get(sql, tenant_id, agent_id) if row is None else msgspec.json.decode(row[0], type=Agent)


async def kept_version(sql: Reader, tenant_id: str, agent_id: str, version: int) -> Agent:
    """The agent as it was in one version. Raises NotFoundError for one that was never kept, too."""
    now = await get(sql, tenant_id, agent_id)
    kept = now if version == now.version else await get_version(sql, tenant_id, agent_id, version)
    if kept.version != version:
        raise NotFoundError("There is no such version of this agent.")
    return kept


async def versions(
    sql: Reader, tenant_id: str, agent_id: str, *, before: int | None = None, limit: int = 10_000
) -> list[AgentVersion]:
    """The versions of an agent, newest first; those before a version for the next page."""
    place = {"before": before if before is not None else (1 << 31) - 1, "limit": limit}
    rows = await sql.fetch(_VERSIONS, {"tenant_id": tenant_id, "agent_id": agent_id, **place})
    return [AgentVersion(version=row[0], made_by=row[1], created_ms=row[2]) for row in rows]


async def by_name(sql: Reader, tenant_id: str, name: str) -> Agent:
    """One agent by its name. Raises NotFoundError."""
    return _found(await sql.one(_BY_NAME, {"tenant_id": tenant_id, "name": name}))


async def list_agents(sql: Reader, tenant_id: str) -> list[Agent]:
    """All agents of a tenant, by name."""
    return [_agent(row) for row in await sql.fetch(_LIST, {"tenant_id": tenant_id})]


async def page(sql: Reader, tenant_id: str, *, after: str, limit: int) -> list[Agent]:
    """Some agents of a tenant by name, those behind the name `after`."""
    rows = await sql.fetch(_PAGE, {"tenant_id": tenant_id, "after": after, "limit": limit})
    return [_agent(row) for row in rows]


def _check(agent: Agent) -> None:
    """Raises ValidationFailed for what no call could be made with."""
    if not agent.name.strip():
        raise ValidationFailed("An agent needs a name.")
    check_specs(agent.data_to_fill)
    check_outside_tools(agent.http_tools, agent.mcp)
    names = [one.name for one in agent.transfer_targets]
    if len(names) != len(set(names)):
        raise ValidationFailed("Two people to transfer to have the same name.")


async def _write(tx: Tx, statement: str, agent: Agent, made_by: str | None, now_ms: int) -> None:
    """The row, and the version as it is kept."""
    try:
        await tx.execute(statement, _params(agent) | {"now_ms": now_ms})
    except ConstraintFailed as refused:
        sentence = f"There is an agent named {agent.name!r} already, or a value is out of range."
        raise ConflictError(sentence) from refused
    body = msgspec.json.encode(agent).decode()
    who = {"agent_id": agent.id, "version": agent.version, "tenant_id": agent.tenant_id}
    await tx.execute(_KEEP, who | {"body": body, "made_by": made_by, "now_ms": now_ms})


def _params(agent: Agent) -> dict[str, str | int | float | bytes | None]:
    encoded = {name: msgspec.json.encode(getattr(agent, name)).decode() for name in _JSON}
    return to_params(agent) | encoded


def _agent(row: Row) -> Agent:
    fields = dict(zip(Agent.__struct_fields__, row, strict=True))
    return msgspec.convert(fields | {name: msgspec.json.decode(fields[name]) for name in _JSON}, Agent)


def _found(row: Row | None) -> Agent:
    if row is None:
        raise NotFoundError("There is no such agent.")
    return _agent(row)
