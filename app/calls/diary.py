"""What happens in one call, written to the store in order and beside the call: a slow disk is never heard.

Two commits lay between "answered" and the first word while the call waited for them. Lines that a process did not
get to write before it died are found out again by reconciliation. Run and fed by `app.calls.run`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from app.calls.board import CallOrder, Switchboard
from app.calls.storing import until_stored
from app.domain.feedback import TOLD
from app.errors import StoreError
from app.store import calls, events
from stasis.call_model import CallState

log = structlog.get_logger()

DECIDING = frozenset({TOLD})
"""Notes that decide whether somebody is called again: they wait for a store that is away."""
Line = Callable[[], Awaitable[None]]


class Diary:
    """`state`, `note` and `write` never wait; `run` writes until it is cancelled."""

    def __init__(self, board: Switchboard, order: CallOrder) -> None:
        self._board = board
        self._order = order
        self._lines: asyncio.Queue[Line] = asyncio.Queue()

    def state(self, state: CallState) -> None:
        """The call has come this far; told to screens when it is stored."""
        at_ms = self._board.clock.unix_ms()
        self._lines.put_nowait(lambda: self._store_state(state, at_ms))

    def note(self, kind: str, detail: str) -> None:
        """A row of the call's events."""
        at_ms = self._board.clock.unix_ms()
        self._lines.put_nowait(lambda: self._store_note(kind, detail, at_ms))

    def write(self, line: Line) -> None:
        """Another line about this call, in its place among the others; it must not raise errors of ours."""
        self._lines.put_nowait(line)

    async def run(self) -> None:
        """Write, one line after the other."""
        while True:
            line = await self._lines.get()
            try:
                await line()
            finally:
                self._lines.task_done()

    async def written(self) -> None:
        """Wait until everything so far is stored or was refused by the store."""
        await self._lines.join()

    async def _store_state(self, state: CallState, at_ms: int) -> None:
        order = self._order
        try:
            if state is not CallState.DIALING:  # begin_call stores that one, together with the intent
                await calls.set_state(self._board.db, order.tenant_id, order.call_id, state, at_ms)
        except StoreError as error:
            log.warning("call state not stored", call_id=order.call_id, error=error.message)
        await self._board.announce(order)

    async def _store_note(self, kind: str, detail: str, at_ms: int) -> None:
        order = self._order
        add = partial(
            events.add, self._board.db, order.tenant_id, order.call_id, kind, {"detail": detail}, at_ms=at_ms
        )
        try:
            await (until_stored(add, order.call_id) if kind in DECIDING else add())
        except StoreError as error:
            log.warning("call event not stored", call_id=order.call_id, kind=kind, error=error.message)
