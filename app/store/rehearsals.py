"""Rows of `rehearsals`: asked for by people, run by one engine, kept with the agent's version."""

from collections.abc import Sequence

import msgspec

from app.domain.agent import Agent
from app.domain.rehearsal import (
    AN_HOUR_MS,
    LIMIT_S,
    MODEL,
    MOST_PER_HOUR,
    MOST_WAITING,
    Rehearsal,
    RehearsalSaid,
)
from app.errors import ConflictError, NotFoundError
from app.store.db import Reader, SqlValue, Tx, Writer
from app.store.erasing import Counts
from app.store.rows import to_struct, with_columns

_ADD = """
    INSERT INTO rehearsals (id, tenant_id, agent_id, agent_version, asked_by, state, model, over, total, passed,
        failed, result, problem, node, created_ms)
    VALUES (:id, :tenant_id, :agent_id, :agent_version, :asked_by, 'waiting', :model, 0, 0, 0, 0, '{}', '', '',
        :now_ms)
"""
_ASKED = """
    SELECT count(*), count(*) FILTER (WHERE state IN ('waiting', 'running')),
        count(*) FILTER (WHERE state IN ('waiting', 'running') AND agent_id = :agent_id
            AND agent_version = :version)
    FROM rehearsals WHERE tenant_id = :tenant_id AND created_ms > :since_ms
"""
_COLUMNS = with_columns("SELECT $columns FROM rehearsals", Rehearsal)
_GET = f"{_COLUMNS} WHERE tenant_id = :tenant_id AND id = :id"
_OF_AGENT = f"{_COLUMNS} WHERE tenant_id = :tenant_id AND agent_id = :agent_id ORDER BY id DESC LIMIT :limit"
_NEWEST = f"""
    {_COLUMNS} WHERE tenant_id = :tenant_id AND agent_id = :agent_id AND agent_version = :version
        AND state <> 'failed' ORDER BY id DESC LIMIT 1
"""
_AGENT_OF = """
    SELECT a.id, a.name, a.version FROM agents a WHERE a.tenant_id = :tenant_id AND a.id = (
        SELECT t.agent_id FROM tasks t WHERE t.campaign_id = :campaign_id AND t.tenant_id = :tenant_id LIMIT 1)
"""
_WAITING = f"{_COLUMNS} WHERE state = 'waiting' ORDER BY created_ms LIMIT 1"
_TAKE = """
    UPDATE rehearsals SET state = 'running', node = :node, started_ms = :now_ms
    WHERE id = :id AND tenant_id = :tenant_id AND state = 'waiting'
"""
_TELL = """
    UPDATE rehearsals SET over = :over, total = :total
    WHERE id = :id AND tenant_id = :tenant_id AND state = 'running'
"""
_FINISH = """
    UPDATE rehearsals SET state = 'done', over = total, passed = :passed, failed = :failed, result = :result,
        done_ms = :now_ms
    WHERE id = :id AND tenant_id = :tenant_id AND state = 'running'
"""
_FAIL = """
    UPDATE rehearsals SET state = 'failed', problem = :problem, done_ms = :now_ms
    WHERE id = :id AND tenant_id = :tenant_id AND state IN ('waiting', 'running')
"""
_LOST = """
    UPDATE rehearsals SET state = 'failed', problem = 'The engine was stopped meanwhile; rehearse again.',
        done_ms = :now_ms
    WHERE state = 'running' AND (node = :node OR started_ms < :since_ms)
"""
_OLD = """
    SELECT id FROM rehearsals WHERE tenant_id = :tenant_id AND state IN ('done', 'failed')
        AND created_ms < :before_ms ORDER BY created_ms LIMIT 100
"""
_DELETE = "DELETE FROM rehearsals WHERE tenant_id = :tenant_id AND id IN (SELECT value FROM json_each(:ids))"


class CampaignRehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """The agent that speaks for a campaign, and its newest rehearsal; None: not rehearsed in this version."""

    agent_id: str
    agent_name: str
    agent_version: int
    newest: Rehearsal | None


async def ask(tx: Tx, agent: Agent, rehearsal_id: str, by: str, now_ms: int) -> None:
    """A rehearsal of this version. Raises ConflictError when it is under way, or when it was asked too often."""
    tenant_id, agent_id, number = agent.tenant_id, agent.id, agent.version
    await tx.exclusive(f"rehearsals {tenant_id}")
    params = {"tenant_id": tenant_id, "agent_id": agent_id, "version": number, "since_ms": now_ms - AN_HOUR_MS}
    asked, waiting, same = await tx.one(_ASKED, params) or (0, 0, 0)
    if same:
        raise ConflictError("A rehearsal of this version is under way; its result appears here.")
    if waiting >= MOST_WAITING:
        raise ConflictError(f"{waiting} rehearsals are under way or wait; at most {MOST_WAITING} may.")
    if asked >= MOST_PER_HOUR:
        raise ConflictError(f"{asked} rehearsals were asked for within an hour; at most {MOST_PER_HOUR} may be.")
    row = {"id": rehearsal_id, "agent_id": agent_id, "agent_version": number, "asked_by": by, "model": MODEL}
    await tx.execute(_ADD, row | {"tenant_id": tenant_id, "now_ms": now_ms})


async def get(sql: Reader, tenant_id: str, rehearsal_id: str) -> Rehearsal:
    """One of them. Raises NotFoundError."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "id": rehearsal_id})
    if row is None:
        raise NotFoundError("There is no such rehearsal.")
    return to_struct(Rehearsal, row)


async def of_agent(sql: Reader, tenant_id: str, agent_id: str, *, limit: int) -> Sequence[Rehearsal]:
    """The newest ones of an agent, of all its versions."""
    rows = await sql.fetch(_OF_AGENT, {"tenant_id": tenant_id, "agent_id": agent_id, "limit": limit})
    return [to_struct(Rehearsal, row) for row in rows]


async def newest(sql: Reader, tenant_id: str, agent_id: str, version: int) -> Rehearsal | None:
    """The newest one of this version that came, or will come, to a verdict."""
    row = await sql.one(_NEWEST, {"tenant_id": tenant_id, "agent_id": agent_id, "version": version})
    return None if row is None else to_struct(Rehearsal, row)


async def of_campaign(sql: Reader, tenant_id: str, campaign_id: str) -> CampaignRehearsal | None:
    """How the agent of a campaign, as it is now, was rehearsed; None: the campaign has no agent yet."""
    row = await sql.one(_AGENT_OF, {"tenant_id": tenant_id, "campaign_id": campaign_id})
    if row is None:
        return None
    agent_id, name, version = row
    found = await newest(sql, tenant_id, agent_id, version)
    return CampaignRehearsal(agent_id=agent_id, agent_name=name, agent_version=version, newest=found)


async def waiting(sql: Reader) -> Rehearsal | None:
    """Of all tenants: the one that has waited longest."""
    row = await sql.one(_WAITING)
    return None if row is None else to_struct(Rehearsal, row)


async def take(sql: Writer, one: Rehearsal, node: str, now_ms: int) -> bool:
    """This engine runs it. False: another one does."""
    params = {"id": one.id, "tenant_id": one.tenant_id, "node": node, "now_ms": now_ms}
    return await sql.execute(_TAKE, params) == 1


async def tell(sql: Writer, one: Rehearsal, said: RehearsalSaid) -> None:
    """How far it is."""
    params = {"over": said.over, "total": said.total, "id": one.id, "tenant_id": one.tenant_id}
    await sql.execute(_TELL, params)


async def finish(sql: Writer, one: Rehearsal, said: RehearsalSaid, result: str, now_ms: int) -> None:
    """Its result; personas are counted as passed or failed."""
    passed = sum(each.passed for each in said.results or ())
    failed = len(said.results or ()) - passed
    params = {"passed": passed, "failed": failed, "result": result, "now_ms": now_ms}
    await sql.execute(_FINISH, params | {"id": one.id, "tenant_id": one.tenant_id})


async def fail(sql: Writer, one: Rehearsal, problem: str, now_ms: int) -> None:
    """It came to no verdict."""
    await sql.execute(_FAIL, {"id": one.id, "tenant_id": one.tenant_id, "problem": problem, "now_ms": now_ms})


async def lost(sql: Writer, node: str, now_ms: int) -> int:
    """What a former process of this engine was at, and what no engine can be at any more, has failed."""
    since_ms = now_ms - 2 * LIMIT_S * 1000
    return await sql.execute(_LOST, {"node": node, "now_ms": now_ms, "since_ms": since_ms})


async def sweep(tx: Tx, tenant_id: str, before_ms: int, now_ms: int) -> Counts:
    """Some that are too old."""
    del now_ms
    params: dict[str, SqlValue] = {"tenant_id": tenant_id}
    rows = await tx.fetch(_OLD, params | {"before_ms": before_ms})
    if not rows:
        return {}
    ids = msgspec.json.encode([row[0] for row in rows]).decode()
    return {"rehearsals": await tx.execute(_DELETE, params | {"ids": ids})}
