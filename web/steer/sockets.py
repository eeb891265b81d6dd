"""What the websockets about one living call share: who may open one, what ends it, and the audit log."""

import asyncio
from collections.abc import Awaitable, Callable

from litestar import WebSocket
from litestar.datastructures import State

from app.clock import Clock
from app.domain.call import CallState
from app.domain.people import Person
from app.errors import NotFoundError, StoreError
from app.ids import is_id
from app.store import audit, calls
from app.store.audit import Deed
from app.store.db import Database
from web.auth import caller_of, signed_in

Socket = WebSocket[object, object, State]
StillIn = Callable[[Socket], Awaitable[bool]]
LOOK_S = 2.0
STILL_THERE_S = 15.0
NO_CALL, NOT_ALIVE, SIGNED_OUT = 4404, 4409, 4401
"""Why we close: as the HTTP status, plus 4000."""


class CallSockets:
    """One per console."""

    def __init__(self, db: Database, clock: Clock, still_in: StillIn) -> None:
        self._db = db
        self._clock = clock
        self._still_in = still_in

    async def admit(self, socket: Socket, call_id: str) -> Person | None:
        """Open the websocket; None: it was closed again, there is no such living call of theirs."""
        await socket.accept()
        person = signed_in(socket)
        refusal = await self._refusal(person, call_id)
        if refusal is None:
            return person
        await socket.close(code=refusal, reason="no such call" if refusal == NO_CALL else "the call is over")
        return None

    async def watch(self, socket: Socket, person: Person, call_id: str) -> None:
        """Close for a session that has ended and for a call that is over."""
        looks = 0
        while True:
            await asyncio.sleep(LOOK_S)
            looks += 1
            try:
                if looks * LOOK_S >= STILL_THERE_S:
                    if not await self._still_in(socket):
                        await socket.close(code=SIGNED_OUT, reason="signed out")
                        return
                    looks = 0
                over = await self._refusal(person, call_id) is not None
            except StoreError:  # a short trouble of the store must not cut a voice off: the next look tells
                continue
            if over:
                await socket.close(code=NOT_ALIVE, reason="the call is over")
                return

    async def note(self, socket: Socket, call_id: str, action: str, detail: dict[str, int]) -> None:
        """One entry of the audit log."""
        person = signed_in(socket)
        deed = Deed(
            actor=person.actor,
            action=action,
            object=f"call:{call_id}",
            detail=detail,
            address=caller_of(socket).address,
        )
        async with self._db.tx() as tx:
            await audit.add(tx, person.tenant_id, deed, self._clock.unix_ms())

    async def _refusal(self, person: Person, call_id: str) -> int | None:
        try:
            call = await calls.get(self._db, person.tenant_id, call_id) if is_id(call_id) else None
        except NotFoundError:
            call = None
        if call is None:
            return NO_CALL
        return NOT_ALIVE if call.state is CallState.ENDED else None
