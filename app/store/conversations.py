"""Rows of `conversations`, `conversation_turns` and `plans`: what was said to the planner, and what came of it.

One reply is written at a time: whoever writes it holds a claim on the conversation, which runs out by itself when
its process dies. Plans change their state here and in `app.llm.orchestrator` only.
"""

import msgspec

from app.domain.plan import Plan
from app.domain.plan_forecast import Forecast
from app.domain.planning import LookedUp, PlannerTurn, PlanState, TurnContent
from app.errors import ConflictError, NotFoundError
from app.store.db import Reader, Row, Tx, Writer
from app.store.rows import to_struct, with_columns, with_values


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `owner` is the actor who began it; nobody else reads it."""

    id: str
    tenant_id: str
    owner: str
    display_name: str
    answering_until_ms: int | None
    created_ms: int
    updated_ms: int


class StoredPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One row."""

    id: str
    tenant_id: str
    conversation_id: str
    turn_seq: int
    state: PlanState
    plan: Plan
    forecast: Forecast
    campaign_id: str | None
    confirmed_by: str
    created_ms: int
    confirmed_ms: int | None


class PlanFate(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a plan."""

    id: str
    state: PlanState
    campaign_id: str | None


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation in a list: the words that began it (empty when it began with a table only)."""

    id: str
    display_name: str
    first_words: str
    updated_ms: int


class _Turn(msgspec.Struct, frozen=True, kw_only=True):
    conversation_id: str
    tenant_id: str
    seq: int
    role: str
    kind: str
    text: str
    content: str
    lookups: str
    client_key: str | None
    model: str
    prompt_version: str
    asked: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_micro_usd: int | None
    price_table: str
    created_ms: int


_INSERT = with_values(
    "INSERT INTO conversations ($columns) VALUES ($values) ON CONFLICT (id) DO NOTHING", Conversation
)
_GET = with_columns(
    "SELECT $columns FROM conversations WHERE tenant_id = :tenant_id AND owner = :owner AND id = :id", Conversation
)
_LIST = with_columns(
    "SELECT $columns FROM conversations WHERE tenant_id = :tenant_id AND owner = :owner "
    "ORDER BY updated_ms DESC, id DESC LIMIT :limit",
    Conversation,
)
_THREADS = """
    SELECT c.id, c.display_name, coalesce((SELECT substr(t.text, 1, 200) FROM conversation_turns t
        WHERE t.conversation_id = c.id AND t.seq = 1), ''), c.updated_ms
    FROM conversations c WHERE c.tenant_id = :tenant_id AND c.owner = :owner
        AND EXISTS (SELECT 1 FROM conversation_turns t WHERE t.conversation_id = c.id)
    ORDER BY c.updated_ms DESC, c.id DESC LIMIT :limit
"""
_FATES = with_columns(
    "SELECT $columns FROM plans WHERE tenant_id = :tenant_id AND conversation_id = :id", PlanFate
)
_RENAME = """
    UPDATE conversations SET display_name = :name WHERE tenant_id = :tenant_id AND owner = :owner AND id = :id
        AND NOT EXISTS (SELECT 1 FROM conversation_turns t WHERE t.conversation_id = conversations.id)
"""
_CLAIM = """
    UPDATE conversations SET answering_until_ms = :until_ms, updated_ms = :now_ms
    WHERE tenant_id = :tenant_id AND id = :id AND (answering_until_ms IS NULL OR answering_until_ms <= :now_ms)
"""
_EXTEND = """
    UPDATE conversations SET answering_until_ms = :later_ms
    WHERE tenant_id = :tenant_id AND id = :id AND answering_until_ms = :until_ms
"""
_RELEASE = """
    UPDATE conversations SET answering_until_ms = NULL, updated_ms = :now_ms
    WHERE tenant_id = :tenant_id AND id = :id AND answering_until_ms = :until_ms
"""
_TURN = with_values("INSERT INTO conversation_turns ($columns) VALUES ($values)", _Turn)
_TURNS = with_columns(
    "SELECT $columns FROM conversation_turns WHERE tenant_id = :tenant_id AND conversation_id = :id ORDER BY seq",
    _Turn,
)
_TURNS_AFTER = with_columns(
    "SELECT $columns FROM conversation_turns "
    "WHERE tenant_id = :tenant_id AND conversation_id = :id AND seq > :seq ORDER BY seq",
    _Turn,
)
_MORE_COST = """
    UPDATE conversation_turns SET cost_micro_usd = cost_micro_usd + :more
    WHERE tenant_id = :tenant_id AND conversation_id = :id
        AND seq = (SELECT max(t.seq) FROM conversation_turns t WHERE t.conversation_id = :id)
"""
_PLAN = with_values("INSERT INTO plans ($columns) VALUES ($values)", StoredPlan)
_PLANS = with_columns("SELECT $columns FROM plans WHERE tenant_id = :tenant_id", StoredPlan)
_SUPERSEDE = """
    UPDATE plans SET state = 'superseded' WHERE tenant_id = :tenant_id AND conversation_id = :id AND state = 'open'
"""
_CONFIRM = """
    UPDATE plans SET state = 'confirmed', campaign_id = :campaign_id, confirmed_by = :by, confirmed_ms = :now_ms
    WHERE tenant_id = :tenant_id AND id = :id AND state = 'open'
"""


async def create(sql: Writer, conversation: Conversation) -> Conversation:
    """A new conversation without turns, or the one that has this id already. Raises NotFoundError when that is
    somebody else's.
    """
    if await sql.execute(_INSERT, msgspec.structs.asdict(conversation)):
        return conversation
    return await get(sql, conversation.tenant_id, conversation.owner, conversation.id)


async def get(sql: Reader, tenant_id: str, owner: str, conversation_id: str) -> Conversation:
    """One of the owner's. Raises NotFoundError."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "owner": owner, "id": conversation_id})
    if row is None:
        raise NotFoundError("There is no such conversation.")
    return to_struct(Conversation, row)


async def list_own(sql: Reader, tenant_id: str, owner: str, limit: int = 50) -> list[Conversation]:
    """The owner's, the one that moved last first."""
    rows = await sql.fetch(_LIST, {"tenant_id": tenant_id, "owner": owner, "limit": limit})
    return [to_struct(Conversation, row) for row in rows]


async def threads(sql: Reader, tenant_id: str, owner: str, limit: int = 50) -> list[Thread]:
    """The owner's in which something was said, the one that moved last first."""
    rows = await sql.fetch(_THREADS, {"tenant_id": tenant_id, "owner": owner, "limit": limit})
    return [to_struct(Thread, row) for row in rows]


async def fates(sql: Reader, tenant_id: str, conversation_id: str) -> dict[str, PlanFate]:
    """What became of every plan of a conversation, by plan."""
    rows = await sql.fetch(_FATES, {"tenant_id": tenant_id, "id": conversation_id})
    return {one.id: one for one in (to_struct(PlanFate, row) for row in rows)}


async def rename(sql: Writer, tenant_id: str, owner: str, conversation_id: str, name: str) -> None:
    """Change the name shown in the chat. Raises ConflictError once something was said, NotFoundError."""
    params = {"tenant_id": tenant_id, "owner": owner, "id": conversation_id, "name": name.strip()[:100]}
    if not await sql.execute(_RENAME, params):
        await get(sql, tenant_id, owner, conversation_id)
        raise ConflictError("The name can be changed until the first message is sent.")


async def claim(sql: Writer, conversation: Conversation, until_ms: int, now_ms: int) -> None:
    """Become the one who replies, until `until_ms` at most. Raises ConflictError while somebody else does."""
    params = {"tenant_id": conversation.tenant_id, "id": conversation.id, "until_ms": until_ms, "now_ms": now_ms}
    if not await sql.execute(_CLAIM, params):
        raise ConflictError("The last message is still being answered; wait for the reply.", retryable=True)


async def extend(sql: Writer, conversation: Conversation, until_ms: int, later_ms: int) -> bool:
    """Renew a claim; False when it is no longer the caller's."""
    params = {"tenant_id": conversation.tenant_id, "id": conversation.id}
    return await sql.execute(_EXTEND, {**params, "until_ms": until_ms, "later_ms": later_ms}) == 1


async def release(sql: Writer, conversation: Conversation, until_ms: int, now_ms: int) -> bool:
    """Give the claim back; False when it had run out and somebody else took it."""
    params = {"tenant_id": conversation.tenant_id, "id": conversation.id, "until_ms": until_ms, "now_ms": now_ms}
    return await sql.execute(_RELEASE, params) == 1


async def add_turn(sql: Writer, conversation: Conversation, turn: PlannerTurn) -> None:
    """Store a turn under its number. Raises ConstraintFailed for a number or client key that is taken."""
    given = msgspec.structs.asdict(turn) | {
        "conversation_id": conversation.id,
        "tenant_id": conversation.tenant_id,
        "content": _json(turn.content),
        "lookups": _json(turn.lookups),
    }
    await sql.execute(_TURN, given)


async def add_cost(sql: Writer, tenant_id: str, conversation_id: str, more_micro_usd: int | None) -> None:
    """What is known only after the last turn was stored; a conversation without turns carries nothing. None: a
    price is not known, so the turn's cost is not either.
    """
    params = {"tenant_id": tenant_id, "id": conversation_id, "more": more_micro_usd}
    await sql.execute(_MORE_COST, params)


async def turns_after(sql: Reader, tenant_id: str, conversation_id: str, seq: int) -> list[PlannerTurn]:
    """What was said after the turn of this number, oldest first."""
    params = {"tenant_id": tenant_id, "id": conversation_id, "seq": seq}
    return [_turn(row) for row in await sql.fetch(_TURNS_AFTER, params)]


async def turns(sql: Reader, tenant_id: str, conversation_id: str) -> list[PlannerTurn]:
    """Everything that was said, oldest first."""
    return [_turn(row) for row in await sql.fetch(_TURNS, {"tenant_id": tenant_id, "id": conversation_id})]


async def add_plan(tx: Tx, new: StoredPlan) -> None:
    """Store a plan in the transaction of its turn; the one before it is superseded."""
    await supersede(tx, new.tenant_id, new.conversation_id)
    given = msgspec.structs.asdict(new) | {"plan": _json(new.plan), "forecast": _json(new.forecast)}
    await tx.execute(_PLAN, given)


async def supersede(sql: Writer, tenant_id: str, conversation_id: str) -> None:
    """The open plan of a conversation cannot be confirmed any more."""
    await sql.execute(_SUPERSEDE, {"tenant_id": tenant_id, "id": conversation_id})


async def get_plan(sql: Reader, tenant_id: str, plan_id: str) -> StoredPlan:
    """One plan; inside a transaction nobody else changes it meanwhile. Raises NotFoundError."""
    locked = " FOR UPDATE" if getattr(sql, "in_transaction", False) else ""
    row = await sql.one(f"{_PLANS} AND id = :id{locked}", {"tenant_id": tenant_id, "id": plan_id})
    if row is None:
        raise NotFoundError("There is no such plan.")
    return _plan(row)


async def open_plan(sql: Reader, tenant_id: str, conversation_id: str) -> StoredPlan | None:
    """The plan that can be confirmed, if there is one."""
    statement = f"{_PLANS} AND conversation_id = :id AND state = 'open'"
    row = await sql.one(statement, {"tenant_id": tenant_id, "id": conversation_id})
    return None if row is None else _plan(row)


async def confirm(tx: Tx, stored: StoredPlan, campaign_id: str, by: str, now_ms: int) -> None:
    """Tie a plan to its campaign, in the campaign's transaction. Raises ConflictError unless it is open."""
    params = {
        "tenant_id": stored.tenant_id,
        "id": stored.id,
        "campaign_id": campaign_id,
        "by": by,
        "now_ms": now_ms,
    }
    if not await tx.execute(_CONFIRM, params):
        raise ConflictError("The plan is not open any more.")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _turn(row: Row) -> PlannerTurn:
    fields = dict(zip(_Turn.__struct_fields__, row, strict=True))
    fields["content"] = msgspec.json.decode(fields["content"], type=TurnContent)
    fields["lookups"] = msgspec.json.decode(fields["lookups"], type=tuple[LookedUp, ...])
    return PlannerTurn(**{name: fields[name] for name in PlannerTurn.__struct_fields__})


def _plan(row: Row) -> StoredPlan:
    fields = dict(zip(StoredPlan.__struct_fields__, row, strict=True))
    fields["plan"] = msgspec.json.decode(fields["plan"], type=Plan)
    fields["forecast"] = msgspec.json.decode(fields["forecast"], type=Forecast)
    return StoredPlan(**fields)
