"""What the chat tells about calls that were planned in it: who has not been told, and what became of a task."""

from collections.abc import Sequence

import msgspec

from app.domain.follow_up import CallNews
from app.domain.task import TaskState
from app.store.db import Reader, Row, Tx

MAX_UNTOLD = 500
"""Calls told at one turn; the rest follows at the next."""
MAX_FOUND = 10
NEWEST_PLANS = 50

_NOTE = """
    UPDATE calls SET main_agent_informed_user = 0, planned_in = (SELECT p.conversation_id
        FROM tasks t JOIN plans p ON p.campaign_id = t.campaign_id WHERE t.id = calls.task_id)
    WHERE id = :call_id AND EXISTS (
        SELECT 1 FROM tasks t JOIN plans p ON p.campaign_id = t.campaign_id WHERE t.id = calls.task_id)
"""
_COLUMNS = """
    t.id, t.campaign_id, t.callee_name, t.number, t.objective, t.state, t.current_attempt_count, t.max_attempts,
    coalesce(k.id, ''), coalesce(k.outcome, ''), coalesce(k.ended_ms, 0), t.next_action_time, t.overall_conclusion,
    coalesce((SELECT g.state FROM campaigns g WHERE g.id = t.campaign_id), ''),
    (SELECT count(*) FROM tenant_holds h WHERE h.tenant_id = t.tenant_id)
"""
_UNTOLD = f"""
    SELECT {_COLUMNS} FROM calls k JOIN tasks t ON t.id = k.task_id
    WHERE k.tenant_id = :tenant_id AND k.planned_in = :conversation_id AND k.main_agent_informed_user = 0
        AND k.state = 'ended' AND t.state <> 'analyzing'
    ORDER BY k.ended_ms LIMIT :limit
"""  # noqa: S608 - a constant
_TOLD = """
    UPDATE calls SET main_agent_informed_user = 1 WHERE tenant_id = :tenant_id AND main_agent_informed_user = 0
        AND id IN (SELECT value FROM json_each(:ids))
"""
_WITH_NEWS = """
    SELECT c.id FROM (SELECT id, updated_ms FROM conversations WHERE tenant_id = :tenant_id AND owner = :owner
        ORDER BY updated_ms DESC, id DESC LIMIT :limit) c
    WHERE EXISTS (SELECT 1 FROM calls k JOIN tasks t ON t.id = k.task_id
        WHERE k.planned_in = c.id AND k.main_agent_informed_user = 0 AND t.state <> 'analyzing')
"""
_FIND = f"""
    SELECT {_COLUMNS} FROM tasks t
    LEFT JOIN calls k ON k.task_id = t.id AND k.attempt_number = (
        SELECT max(n.attempt_number) FROM calls n WHERE n.task_id = t.id)
    WHERE t.tenant_id = :tenant_id AND t.campaign_id IN (
        SELECT p.campaign_id FROM plans p JOIN conversations c ON c.id = p.conversation_id
        WHERE c.tenant_id = :tenant_id AND c.owner = :owner AND p.state = 'confirmed'
            AND (:conversation_id = '' OR c.id = :conversation_id)
        ORDER BY p.confirmed_ms DESC LIMIT :plans)
        AND (:number = '' OR t.number = :number)
        AND (:name = '' OR lower(t.callee_name) LIKE :name ESCAPE '!')
    ORDER BY t.updated_ms DESC, t.id DESC LIMIT :limit
"""  # noqa: S608 - a constant
_FOUND_OUT = """
    SELECT call_id, name, value FROM collected_fields
    WHERE tenant_id = :tenant_id AND call_id IN (SELECT value FROM json_each(:ids)) ORDER BY created_ms, name
"""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which tasks: of one conversation or (empty) all of the owner, with a number or with a part of a name."""

    conversation_id: str = ""
    number: str = ""
    name: str = ""


async def note_ended(tx: Tx, call_id: str) -> None:
    """In the transaction in which a call ends: whoever planned it in a chat is to be told."""
    await tx.execute(_NOTE, {"call_id": call_id})


async def untold(sql: Reader, tenant_id: str, conversation_id: str) -> list[CallNews]:
    """Ended calls of a conversation of which its owner was not told, as soon as it is decided what follows."""
    params = {"tenant_id": tenant_id, "conversation_id": conversation_id, "limit": MAX_UNTOLD}
    return await _with_finds(sql, tenant_id, await sql.fetch(_UNTOLD, params))


async def told(tx: Tx, tenant_id: str, call_ids: Sequence[str]) -> int:
    """The owner has been told of these, in the transaction of the reply that tells; answers how many were new."""
    ids = msgspec.json.encode(list(call_ids)).decode()
    return await tx.execute(_TOLD, {"tenant_id": tenant_id, "ids": ids})


async def with_news(sql: Reader, tenant_id: str, owner: str, limit: int = 50) -> list[str]:
    """Those of the owner's newest conversations in which something has not been told."""
    params = {"tenant_id": tenant_id, "owner": owner, "limit": limit}
    return [row[0] for row in await sql.fetch(_WITH_NEWS, params)]


async def find(sql: Reader, tenant_id: str, owner: str, wanted: Wanted) -> list[CallNews]:
    """Tasks that the owner planned in the chat, the one that moved last first."""
    params = {
        "tenant_id": tenant_id,
        "owner": owner,
        "conversation_id": wanted.conversation_id,
        "number": wanted.number,
        "name": f"%{_escaped(wanted.name.lower())}%" if wanted.name else "",
        "plans": NEWEST_PLANS,
        "limit": MAX_FOUND,
    }
    return await _with_finds(sql, tenant_id, await sql.fetch(_FIND, params))


async def has_plans(sql: Reader, tenant_id: str, owner: str) -> bool:
    """Whether the owner ever confirmed a plan: else there is nothing to follow up."""
    statement = """
        SELECT 1 FROM conversations c JOIN plans p ON p.conversation_id = c.id AND p.state = 'confirmed'
        WHERE c.tenant_id = :tenant_id AND c.owner = :owner LIMIT 1
    """
    return await sql.one(statement, {"tenant_id": tenant_id, "owner": owner}) is not None


async def _with_finds(sql: Reader, tenant_id: str, rows: Sequence[Row]) -> list[CallNews]:
    ids = msgspec.json.encode([row[8] for row in rows if row[8]]).decode()
    found: dict[str, list[tuple[str, str]]] = {}
    for call_id, name, value in await sql.fetch(_FOUND_OUT, {"tenant_id": tenant_id, "ids": ids}):
        found.setdefault(call_id, []).append((name, value))
    return [_news(row, tuple(found.get(row[8], ()))) for row in rows]


def _news(row: Row, found: tuple[tuple[str, str], ...]) -> CallNews:
    return CallNews(
        task_id=row[0],
        campaign_id=row[1] or "",
        callee_name=row[2],
        number=row[3],
        objective=row[4],
        state=TaskState(row[5]),
        attempts=row[6],
        max_attempts=row[7],
        call_id=row[8],
        outcome=row[9],
        ended_ms=row[10],
        next_ms=row[11],
        summary=row[12],
        paused=row[13] == "paused",
        held=row[14] > 0,
        found=found,
    )


def _escaped(text: str) -> str:
    """For LIKE ... ESCAPE '!'."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
