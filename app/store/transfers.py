"""Rows of `call_transfers`. `begin` is the intent: committed before anything rings, the last place to refuse."""

from typing import Final

import msgspec

from app.domain.admission_site import Site
from app.domain.call import Call, CallState
from app.domain.number import NumberRefused, check_country, parse_number
from app.domain.pacing import TOKEN_MICRO, next_token_ms, taken
from app.domain.transfer import ALIVE, CallTransfer, NewTransfer
from app.store import calls, dnd, tasks, tenants, trunks
from app.store.db import DIALING, Reader, Tx, Writer
from app.store.rows import to_params, to_struct, with_columns, with_values

MOST = 9
"""Transfers of one call."""
TEST_MODE_BUSY = "Test mode is on and its one line is taken by a call: nobody else is called. Nothing was done."

_INSERT = with_values("INSERT INTO call_transfers ($columns) VALUES ($values)", CallTransfer)
_OF_CALL = with_columns(
    "SELECT $columns FROM call_transfers WHERE tenant_id = :tenant_id AND call_id = :call_id ORDER BY seq",
    CallTransfer,
)
_LINES = """
    SELECT (SELECT count(*) FROM calls WHERE state NOT IN ('prepare', 'ended')),
        (SELECT count(*) FROM call_transfers WHERE state <> 'over'),
        (SELECT count(*) FROM calls WHERE state <> 'ended' AND number_dialed = :number),
        (SELECT count(*) FROM call_transfers WHERE state <> 'over' AND number_dialed = :number)
"""
_MOVE = """
    UPDATE call_transfers SET state = :state, outcome = :outcome, detail = :detail,
        ringing_ms = CASE WHEN :state = 'ringing' THEN :now_ms ELSE ringing_ms END,
        answered_ms = CASE WHEN answered_ms IS NULL AND :state IN ('answered', 'joining') THEN :now_ms
            ELSE answered_ms END,
        joined_ms = CASE WHEN joined_ms IS NULL AND :state = 'joined' THEN :now_ms ELSE joined_ms END,
        ended_ms = CASE WHEN :state = 'over' THEN :now_ms ELSE ended_ms END
    WHERE tenant_id = :tenant_id AND call_id = :call_id AND seq = :seq AND state <> 'over'
"""
_CLOSE_LEFT = """
    UPDATE call_transfers SET state = 'over', ended_ms = :now_ms, detail = 'the call ended',
        outcome = CASE WHEN joined_ms IS NULL THEN 'canceled' ELSE 'connected' END
    WHERE tenant_id = :tenant_id AND call_id = :call_id AND state <> 'over'
"""
_CALL_LIVES: Final = frozenset(CallState) - {CallState.PREPARE, CallState.ENDING, CallState.ENDED}


class TransferRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody is rung. `again_ms`: only the pace is in the way; when the trunk has its next token (UTC epoch)."""

    sentence: str
    again_ms: int | None = None


async def begin(
    tx: Tx, tenant_id: str, call_id: str, wish: NewTransfer, now_ms: int, *, site: Site, token: int | None
) -> CallTransfer | TransferRefusal:
    """Commit the intent to ring the target, or say why not. `token`: of the task's claim, None when none is held.

    Refused are numbers that are never dialed, countries the site does not call, numbers on a do-not-call list, a
    phone that is on a line of ours already, and one call more than the trunk may carry. In test mode the redirect
    number is dialed, once at a time. Raises LeaseLost, NotFoundError, StoreError.
    """
    await tx.exclusive(DIALING)
    call = await calls.get(tx, tenant_id, call_id)
    if token is not None:
        tasks.check_token(await tasks.get(tx, tenant_id, call.task_id), token)
    earlier = await of_call(tx, tenant_id, call_id)
    refused = _unfit(call, earlier) or await _forbidden(tx, call, wish, site)
    if refused is not None:
        return TransferRefusal(sentence=refused)
    bucket = await trunks.bucket(tx, site.trunk, site.calls_per_second, now_ms)
    if bucket.tokens_micro < TOKEN_MICRO:
        at_ms = next_token_ms(bucket, site.calls_per_second)
        return TransferRefusal(sentence="The trunk is busy beginning other calls.", again_ms=at_ms)
    await trunks.put(tx, site.trunk, taken(bucket))
    row = CallTransfer(
        call_id=call_id,
        seq=len(earlier) + 1,
        tenant_id=tenant_id,
        target=wish.target,
        number=wish.number,
        number_dialed=site.target(wish.number),
        mode=wish.mode,
        reason=wish.reason,
        wanted_by=wish.wanted_by,
        state=ALIVE,
        outcome=None,
        detail="",
        dialing_ms=now_ms,
    )
    await tx.execute(_INSERT, to_params(row))
    return row


def _unfit(call: Call, earlier: list[CallTransfer]) -> str | None:
    if call.state not in _CALL_LIVES:
        return "The call is not in progress any more. Nothing was done."
    if any(one.outcome is None for one in earlier):
        return "The call is being transferred already. Nothing was done."
    if len(earlier) >= MOST:
        return "This call was transferred too often. Nothing was done."
    return None


async def _forbidden(tx: Tx, call: Call, wish: NewTransfer, site: Site) -> str | None:
    try:
        number = parse_number(wish.number, fictional=site.fictional)
        if not site.fictional:
            terms = await tenants.terms(tx, call.tenant_id)
            own = terms.allowed_countries
            check_country(number, [one for one in site.allowed_countries if own is None or one in own])
    except NumberRefused as refused:
        return f"{wish.target} cannot be called: {refused.message} Nothing was done."
    dialed = site.target(number)
    if not site.may_dial(dialed):
        return "Test mode is on without a number that may be dialed. Nothing was done."
    if await dnd.is_listed(tx, call.tenant_id, [number, dialed]):
        return f"{wish.target} is on a do-not-call list. Nothing was done."
    lines = await tx.one(_LINES, {"number": dialed})
    living, others, calls_there, transfers_there = lines or (0, 0, 1, 0)
    if calls_there + transfers_there:
        taken_line = f"{wish.target} is on a call of ours already. Nothing was done."
        return TEST_MODE_BUSY if site.test_mode else taken_line
    if living + others >= site.max_concurrent_calls:
        return "All lines are taken. Nothing was done."
    return None


async def of_call(sql: Reader, tenant_id: str, call_id: str) -> list[CallTransfer]:
    """All transfers of a call, first one first."""
    rows = await sql.fetch(_OF_CALL, {"tenant_id": tenant_id, "call_id": call_id})
    return [to_struct(CallTransfer, row) for row in rows]


async def move(
    sql: Writer, row: CallTransfer, state: str, outcome: str | None, detail: str, *, now_ms: int
) -> bool:
    """Write down how far it has come. False: it was over already."""
    params = {"tenant_id": row.tenant_id, "call_id": row.call_id, "seq": row.seq, "now_ms": now_ms}
    return await sql.execute(_MOVE, params | {"state": state, "outcome": outcome, "detail": detail}) == 1


async def close_left(tx: Tx, tenant_id: str, call_id: str, now_ms: int) -> None:
    """The call has ended: so has whatever nobody saw the end of."""
    await tx.execute(_CLOSE_LEFT, {"tenant_id": tenant_id, "call_id": call_id, "now_ms": now_ms})
