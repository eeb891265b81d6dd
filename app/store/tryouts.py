"""Rows of `tryouts`: test calls in the browser. Nothing but their own pages and the engine reads them."""

from collections.abc import Sequence

import msgspec

from app.domain.tryout import (
    ALIVE_AT_ONCE,
    ALIVE_MS,
    ASKED_PER_HOUR,
    BEGINS_WITHIN_MS,
    KEPT_WISH_MS,
    NewTryout,
    Tryout,
    TryoutState,
)
from app.errors import ConflictError, NotFoundError
from app.store import budgets, tenants
from app.store.db import Reader, SqlValue, Tx
from app.store.erasing import Counts
from app.store.rows import to_params, to_struct, with_columns, with_values

_ADD = with_values(
    """
    INSERT INTO tryouts ($columns, tenant_id, state, mic_id, node, model, ended_by, reason, cost_micro_usd,
        unpriced, steps, created_ms)
    VALUES ($values, :tenant_id, 'asked', '', '', '', '', '', 0, 0, '[]', :now_ms)
    """,
    NewTryout,
)
_GET = with_columns("SELECT $columns FROM tryouts WHERE tenant_id = :tenant_id AND id = :id", Tryout)
_OF_AGENT = with_columns(
    "SELECT $columns FROM tryouts WHERE tenant_id = :tenant_id AND agent_id = :agent_id "
    "AND state IN ('live', 'ended') ORDER BY id DESC LIMIT :limit",
    Tryout,
)
_WANT = """
    UPDATE tryouts SET state = 'wanted', mic_id = :mic_id, wanted_ms = :now_ms
    WHERE tenant_id = :tenant_id AND id = :id AND (state = 'asked' OR (state = 'wanted' AND mic_id = ''))
"""
_WANTED = with_columns(
    """
    SELECT $columns FROM tryouts w WHERE w.state = 'wanted' AND w.wanted_ms > :since_ms AND w.mic_id <> ''
        AND :at_once > (SELECT count(*) FROM tryouts a
            WHERE a.tenant_id = w.tenant_id AND a.state = 'live' AND a.live_ms > :alive_ms)
    ORDER BY w.wanted_ms LIMIT 8
    """,
    Tryout,
)
"""Without those of tenants that have enough alive: they would stand in the way of everybody else's."""
_ALIVE = "SELECT count(*) FROM tryouts WHERE tenant_id = :tenant_id AND state = 'live' AND live_ms > :alive_ms"
_ASKED = "SELECT count(*) FROM tryouts WHERE tenant_id = :tenant_id AND id > :since_id"
_OLD = """
    SELECT id FROM tryouts WHERE tenant_id = :tenant_id AND (
        (state = 'ended' AND created_ms < :before_ms)
        OR (state IN ('asked', 'wanted') AND created_ms < :wished_ms))
    ORDER BY id LIMIT 500
"""
_DELETE = "DELETE FROM tryouts WHERE tenant_id = :tenant_id AND id IN (SELECT value FROM json_each(:ids))"
_TAKE = """
    UPDATE tryouts SET state = 'live', node = :node, model = :model, live_ms = :now_ms
    WHERE tenant_id = :tenant_id AND id = :id AND state = 'wanted' AND mic_id = :mic_id
"""
_SPEND = """
    UPDATE tryouts SET cost_micro_usd = cost_micro_usd + :micro_usd, unpriced = unpriced + :unpriced
    WHERE tenant_id = :tenant_id AND id = :id
"""
_END = """
    UPDATE tryouts SET state = 'ended', ended_by = :ended_by, reason = :reason, steps = :steps, ended_ms = :now_ms
    WHERE tenant_id = :tenant_id AND id = :id AND state <> 'ended'
"""
_LEAVE = """
    UPDATE tryouts SET mic_id = '' WHERE tenant_id = :tenant_id AND id = :id AND mic_id = :mic_id
"""
_LOST = """
    UPDATE tryouts SET state = 'ended', ended_by = 'system_failure', reason = 'the engine was stopped',
        ended_ms = :now_ms
    WHERE state = 'live' AND (node = :node OR live_ms <= :alive_ms)
"""
AN_HOUR_MS = 3_600_000
NO_MONEY = "The month's budget is spent: an owner can raise it, or the test call waits for the next month."


async def room_micro_usd(sql: Reader, tenant_id: str, now_ms: int) -> int | None:
    """What is left of the tenant's month, without what is set aside for calls; None: there is no limit. Raises
    NotFoundError, ConflictError for a tenant that may not call at all.
    """
    terms = await tenants.terms(sql, tenant_id)
    if terms.state != "active":
        raise ConflictError("This organisation is suspended: no agent speaks for it.")
    account = budgets.tenant_month(tenant_id, terms.budget_micro_usd, now_ms)
    (month,) = await budgets.facts(sql, (account,), 0)
    if month.limit_micro_usd is None:
        return None
    return max(0, month.limit_micro_usd - month.spent_micro_usd - month.reserved_micro_usd)


async def ask(tx: Tx, tenant_id: str, new: NewTryout, now_ms: int) -> None:
    """Keep the wish for a test call. Raises ConflictError when the tenant has enough of them alive, wishes too
    often, or has no money left.
    """
    await tx.exclusive(f"tryouts {tenant_id}")
    if await room_micro_usd(tx, tenant_id, now_ms) == 0:
        raise ConflictError(NO_MONEY)
    alive = await _alive(tx, tenant_id, now_ms)
    if alive >= ALIVE_AT_ONCE:
        raise ConflictError(
            f"{alive} test calls are under way; at most {ALIVE_AT_ONCE} may be at once. End one, then try again."
        )
    since_id = f"{(now_ms - AN_HOUR_MS) << 80:032x}"
    (asked,) = await tx.one(_ASKED, {"tenant_id": tenant_id, "since_id": since_id}) or (0,)
    if asked >= ASKED_PER_HOUR:
        raise ConflictError(
            f"{asked} test calls were asked for within an hour; at most {ASKED_PER_HOUR} may be. Try again later."
        )
    await tx.execute(_ADD, to_params(new) | {"tenant_id": tenant_id, "now_ms": now_ms})


async def _alive(sql: Reader, tenant_id: str, now_ms: int) -> int:
    (alive,) = await sql.one(_ALIVE, {"tenant_id": tenant_id, "alive_ms": now_ms - ALIVE_MS}) or (0,)
    return alive


async def get(sql: Reader, tenant_id: str, tryout_id: str) -> Tryout:
    """One of them. Raises NotFoundError."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "id": tryout_id})
    if row is None:
        raise NotFoundError("There is no such test call.")
    return to_struct(Tryout, row)


async def of_agent(sql: Reader, tenant_id: str, agent_id: str, *, limit: int) -> Sequence[Tryout]:
    """The newest ones of an agent that came about."""
    rows = await sql.fetch(_OF_AGENT, {"tenant_id": tenant_id, "agent_id": agent_id, "limit": limit})
    return [to_struct(Tryout, row) for row in rows]


async def want(tx: Tx, tenant_id: str, tryout_id: str, mic_id: str, now_ms: int) -> bool:
    """A microphone is there. False: another one is, or the test call is over. One that left before any engine took
    the call may come again.
    """
    params = {"tenant_id": tenant_id, "id": tryout_id, "mic_id": mic_id, "now_ms": now_ms}
    return await tx.execute(_WANT, params) == 1


async def wanted(sql: Reader, now_ms: int) -> Sequence[Tryout]:
    """Of all tenants: those that an engine is to take now, the oldest first."""
    params = {"since_ms": now_ms - BEGINS_WITHIN_MS, "alive_ms": now_ms - ALIVE_MS, "at_once": ALIVE_AT_ONCE}
    return [to_struct(Tryout, row) for row in await sql.fetch(_WANTED, params)]


async def leave(tx: Tx, tenant_id: str, tryout_id: str, mic_id: str) -> None:
    """That microphone has gone: whoever runs the test call ends it."""
    await tx.execute(_LEAVE, {"tenant_id": tenant_id, "id": tryout_id, "mic_id": mic_id})


async def take(tx: Tx, one: Tryout, node: str, model: str, now_ms: int) -> bool:
    """This engine runs it. False: another one has taken it, its microphone has gone, or the tenant has enough
    alive.
    """
    await tx.exclusive(f"tryouts {one.tenant_id}")
    if await _alive(tx, one.tenant_id, now_ms) >= ALIVE_AT_ONCE:
        return False
    whose = {"tenant_id": one.tenant_id, "id": one.id, "mic_id": one.mic_id}
    return await tx.execute(_TAKE, whose | {"node": node, "model": model, "now_ms": now_ms}) == 1


async def spend(tx: Tx, tenant_id: str, tryout_id: str, micro_usd: int | None, now_ms: int) -> None:
    """Count what a response or a transcription cost, here and in the tenant's month. None: it has no price."""
    spent = {"micro_usd": micro_usd or 0, "unpriced": int(micro_usd is None)}
    await tx.execute(_SPEND, spent | {"tenant_id": tenant_id, "id": tryout_id})
    if micro_usd:
        await budgets.charge(tx, budgets.tenant_month(tenant_id, None, now_ms), micro_usd)


async def end(tx: Tx, one: Tryout, *, ended_by: str, reason: str, steps: str, now_ms: int) -> bool:
    """It is over. False: it was before."""
    told = {"ended_by": ended_by, "reason": reason, "steps": steps, "now_ms": now_ms}
    return await tx.execute(_END, told | {"tenant_id": one.tenant_id, "id": one.id}) == 1


async def lost(tx: Tx, node: str, now_ms: int) -> int:
    """What a former process of this engine left alive is over, and what no engine can be at any more; how many
    those were. An empty `node` is no engine's.
    """
    return await tx.execute(_LOST, {"node": node, "now_ms": now_ms, "alive_ms": now_ms - ALIVE_MS})


async def sweep(tx: Tx, tenant_id: str, before_ms: int, now_ms: int) -> Counts:
    """Some that are too old, and wishes that nothing came of."""
    params: dict[str, SqlValue] = {"tenant_id": tenant_id}
    rows = await tx.fetch(_OLD, params | {"before_ms": before_ms, "wished_ms": now_ms - KEPT_WISH_MS})
    if not rows:
        return {}
    ids = msgspec.json.encode([row[0] for row in rows]).decode()
    return {"tryouts": await tx.execute(_DELETE, params | {"ids": ids})}


def waits(one: Tryout) -> bool:
    """Its page may open a microphone."""
    return one.state is TryoutState.ASKED or (one.state is TryoutState.WANTED and not one.mic_id)


def over(one: Tryout, now_ms: int) -> bool:
    """Nothing comes of it any more: ended, or wished for too long ago."""
    if one.state is TryoutState.WANTED and one.mic_id:
        return now_ms - (one.wanted_ms or 0) > BEGINS_WITHIN_MS
    return one.state is TryoutState.ENDED
