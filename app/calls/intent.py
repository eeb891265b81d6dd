"""Commits the intent to dial one prepared call, and shows the committed row to the wall. Called by
`app.calls.dial`.
"""

import asyncio

import structlog

from app.calls.board import CallOrder, Switchboard
from app.errors import StoreError
from app.store import attempts
from app.store.attempts import DialRefusal
from app.store.db import DIALING
from stasis.errors import NotSent

log = structlog.get_logger()


async def commit_intent(board: Switchboard, order: CallOrder, channel_id: str) -> DialRefusal | None:
    """None: committed, and `channel_id` may be originated once. Any fault is a refusal: nobody is dialed."""
    try:
        async with board.db.tx() as tx:
            await tx.exclusive(DIALING)
            now_ms = board.clock.unix_ms()  # after the wait for the lock: the pace counts from here
            hold = board.readiness.hold()
            committed = await attempts.begin_call(
                tx, order.tenant_id, order.new, order.lease_token, now_ms, site=board.site, hold=hold
            )
        if isinstance(committed, DialRefusal):
            if committed.again_ms is None:  # else it waits a moment for the trunk, and is asked again
                board.metrics.not_dialed.labels(committed.code).inc()
            return committed
        board.guard.permit(channel_id, committed)
    except StoreError as error:
        return DialRefusal(code="store", sentence=f"The intent could not be stored: {error.message}")
    except NotSent as refused:
        log.error("the wall refused a committed call", call_id=order.call_id, reason=str(refused))
        return DialRefusal(code="wall", sentence=f"Not dialed: {refused}")
    return None


async def until_again(board: Switchboard, again_ms: int) -> None:
    """Wait for the trunk's token."""
    await asyncio.sleep(max(0, again_ms - board.clock.unix_ms()) / 1000)
