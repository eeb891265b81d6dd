"""Runs one claimed task's call and always writes down an end: the one place between "claimed" and "concluded".

A fault of ours inside a call is caught here, named, and stored as the call's end; it harms no other call. The end
is written until it is stored: a task is never left in progress because a database was busy.
"""

import asyncio
from contextlib import suppress
from typing import TypeVar

import structlog

from app.calls.board import CallOrder, Switchboard
from app.calls.conclude import conclude_task
from app.calls.run import PhoneCall
from app.calls.storing import until_stored
from app.crash_points import crash_here
from app.domain.call import Call, CallEnd
from app.domain.task import CallTask
from app.errors import StoreError
from app.store import attempts, calls, leases
from media.errors import MediaError
from media.protocol import CloseLeg
from stasis.errors import AriError
from stasis.ledger import forget
from stasis.outcome import CallResult, EndedBy, Outcome

log = structlog.get_logger()
T = TypeVar("T")

LAST_TURNS_S = 20.0
"""How long a slow store may take for the last reports of a call before its task is concluded without them."""


async def supervise(board: Switchboard, order: CallOrder, task: CallTask) -> None:
    """Make the call of `order` and conclude its task. Only cancellation gets out: then the process is stopping,
    the claim runs out, and whoever finds it settles the call by what the exchange and the media worker know.
    """
    call: PhoneCall | None = None
    fault = ""
    try:
        call = PhoneCall(board, order)
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(_keep_lease(board, task, order))
            if not order.leased:  # a call-back to a settled task
                keeper.cancel()
            await call.run()
            keeper.cancel()
    except* Exception as faults:
        log.exception("call failed by a fault of ours", call_id=order.call_id)
        fault = _sentence(faults)
        await _clear_away(board, order)
    if call is None or not call.let_gone:
        await _finish(board, order, call.result if call is not None else None, fault)


def _sentence(faults: BaseExceptionGroup[Exception]) -> str:
    """The first fault inside nested groups."""
    first: BaseException = faults
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return f"{type(first).__name__}: {first}"


async def _clear_away(board: Switchboard, order: CallOrder) -> None:
    """What a call that broke off has left: its leg is closed, its channels are strays from now on."""
    with suppress(MediaError):
        await board.media.send(CloseLeg(call_id=order.call_id))
    board.ari.look_for_strays()


async def _finish(board: Switchboard, order: CallOrder, result: CallResult | None, fault: str) -> None:
    crash_here("before_end_stored")

    async def close() -> tuple[CallTask, CallEnd]:
        async with board.db.tx() as tx:
            row = await calls.get(tx, order.tenant_id, order.call_id)
            end = fault_end(row, fault) if result is None else call_end(board, order, result)
            log.info("call ended", call_id=row.id, outcome=end.outcome, ended_by=end.ended_by)
            task = await attempts.finish_call(
                tx, order.tenant_id, end, board.clock.unix_ms(), token=order.lease_token
            )
            return task, end

    task, end = await until_stored(close, order.call_id)
    board.metrics.ended(end)
    crash_here("after_end_stored")
    await board.announce(order)
    await _forget(board, order)
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_TURNS_S):
            await board.media.stored()  # what was said last is part of what is judged
    crash_here("before_conclude")
    await until_stored(lambda: conclude_task(board, task, order.lease_token), order.call_id)
    crash_here("after_conclude")
    await board.announce(order)


async def _forget(board: Switchboard, order: CallOrder) -> None:
    """Asterisk need not remember this call any more; if it cannot be told, a few bytes stay until it restarts."""
    if board.ari.gate.is_open:
        with suppress(AriError):
            await forget(board.ari.client, order.call_id)


async def _keep_lease(board: Switchboard, task: CallTask, order: CallOrder) -> None:
    """Renew the claim while the call lives. A lost claim ends the call: somebody else speaks for the task now."""
    lease_ms = board.settings.lease_s * 1000
    while True:
        await asyncio.sleep(board.settings.lease_s / 3)
        until = board.clock.unix_ms() + lease_ms
        try:
            held = await leases.renew(board.db, task.tenant_id, task.id, order.lease_token, until)
        except StoreError as error:
            log.warning("lease not renewed", call_id=order.call_id, error=error.message)
            continue
        if not held and (call := board.calls.get(order.call_id)) is not None:
            call.hang_up(EndedBy.SYSTEM_FAILURE, "the claim of this task was lost")
            return


def call_end(board: Switchboard, order: CallOrder, result: CallResult) -> CallEnd:
    """The result with its monotonic times turned into wall time."""
    now_s, now_ms = board.clock.monotonic(), board.clock.unix_ms()

    def wall(at: float | None) -> int | None:
        return None if at is None else now_ms - round((now_s - at) * 1000)

    return CallEnd(
        call_id=order.call_id,
        outcome=str(result.outcome),
        ended_by=str(result.ended_by),
        dialed=result.dialed,
        hangup_cause=result.hangup_cause,
        tech_cause=result.tech_cause,
        sip_call_id=result.sip_call_id,
        ringing_ms=wall(result.ringing_at),
        answered_ms=wall(result.answered_at),
        ended_ms=wall(result.ended_at) or now_ms,
        detail=result.detail,
    )


def fault_end(row: Call, fault: str) -> CallEnd:
    """An end that says nothing about the callee; whether somebody was dialed is what the row says."""
    return CallEnd(
        call_id=row.id,
        outcome=str(Outcome.FAILED),
        ended_by=str(EndedBy.SYSTEM_FAILURE),
        dialed=row.dialed,
        detail=fault,
    )
