"""Rows of `agents`: the personas that speak."""

import msgspec

from app.domain.agent import Agent
from app.errors import ConflictError, ConstraintFailed, NotFoundError, ValidationFailed
from app.store.db import Reader, Row, Writer
from app.store.rows import to_params, with_columns

_INSERT = """
    INSERT INTO agents (id, tenant_id, name, prompt, greeting, voice, language, opening, tools,
        turn_preset, created_ms, updated_ms)
    VALUES (:id, :tenant_id, :name, :prompt, :greeting, :voice, :language, :opening, :tools,
        :turn_preset, :now_ms, :now_ms)
"""
_UPDATE = """
    UPDATE agents SET name = :name, prompt = :prompt, greeting = :greeting, voice = :voice, language = :language,
        opening = :opening, tools = :tools, turn_preset = :turn_preset, updated_ms = :now_ms
    WHERE tenant_id = :tenant_id AND id = :id
"""
_SELECT = with_columns("SELECT $columns FROM agents WHERE tenant_id = :tenant_id", Agent)
_GET = f"{_SELECT} AND id = :agent_id"
_BY_NAME = f"{_SELECT} AND name = :name"
_LIST = f"{_SELECT} ORDER BY name"


async def create(sql: Writer, agent: Agent, now_ms: int) -> Agent:
    """Store a new agent. Raises ConflictError when the tenant has one of this name."""
    if not agent.name.strip():
        raise ValidationFailed("An agent needs a name.")
    try:
        await sql.execute(_INSERT, _params(agent, now_ms))
    except ConstraintFailed as refused:
        raise ConflictError(
            f"There is an agent named {agent.name!r} already, or a value is out of range."
        ) from refused
    return agent


async def update(sql: Writer, agent: Agent, now_ms: int) -> Agent:
    """Replace an agent's fields. Raises NotFoundError, ConflictError for a name that is taken."""
    try:
        changed = await sql.execute(_UPDATE, _params(agent, now_ms))
    except ConstraintFailed as refused:
        raise ConflictError(
            f"There is an agent named {agent.name!r} already, or a value is out of range."
        ) from refused
    if not changed:
        raise NotFoundError("There is no such agent.")
    return agent


async def get(sql: Reader, tenant_id: str, agent_id: str) -> Agent:
    """One agent. Raises NotFoundError."""
    return _found(await sql.one(_GET, {"tenant_id": tenant_id, "agent_id": agent_id}))


async def by_name(sql: Reader, tenant_id: str, name: str) -> Agent:
    """One agent by its name. Raises NotFoundError."""
    return _found(await sql.one(_BY_NAME, {"tenant_id": tenant_id, "name": name}))


async def list_agents(sql: Reader, tenant_id: str) -> list[Agent]:
    """All agents of a tenant, by name."""
    return [_agent(row) for row in await sql.fetch(_LIST, {"tenant_id": tenant_id})]


def _params(agent: Agent, now_ms: int) -> dict[str, str | int | float | bytes | None]:
    return to_params(agent) | {"tools": msgspec.json.encode(agent.tools).decode(), "now_ms": now_ms}


def _agent(row: Row) -> Agent:
    fields = dict(zip(Agent.__struct_fields__, row, strict=True))
    return msgspec.convert(fields | {"tools": msgspec.json.decode(fields["tools"])}, Agent)


def _found(row: Row | None) -> Agent:
    if row is None:
        raise NotFoundError("There is no such agent.")
    return _agent(row)
