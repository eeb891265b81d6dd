"""`/calls/{id}/audio`: both directions of a living call to one browser, binary, as they are spoken.

What is listened in on comes over the bus, asked for again and again while the browser is there. A browser that is
slow loses frames, here; nobody waits for it. Beginning and end are in the audit log.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Awaitable, Callable

from litestar import WebSocket
from litestar.datastructures import State
from litestar.exceptions import WebSocketDisconnect

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.call import CallState
from app.domain.messages import CallAudio, ListenWanted, audio_topic, voice_topic
from app.domain.people import Person
from app.domain.voice import LISTEN_AGAIN_S, LISTEN_FOR_MS, signed
from app.errors import NotFoundError
from app.ids import is_id
from app.store import audit, calls
from app.store.audit import Deed
from app.store.db import Database
from web.auth import caller_of, signed_in

Socket = WebSocket[object, object, State]
StillIn = Callable[[Socket], Awaitable[bool]]
QUEUE = 25
"""Frames that may wait for a browser: half a second."""
STILL_THERE_S = 15.0
NO_CALL, NOT_ALIVE, SIGNED_OUT = 4404, 4409, 4401
"""Why we close: as the HTTP status, plus 4000."""
CODECS = {"ulaw": 0, "alaw": 1, "pcm16": 2}
_HEAD = struct.Struct("<BBHI")


def packed(audio: CallAudio, seq: int) -> bytes:
    """One frame on the websocket, little-endian: version 1, codec, length of the callee's part, number; then the
    callee's part and the rest, the agent's.
    """
    return _HEAD.pack(1, CODECS[audio.codec], len(audio.callee), seq & 0xFFFFFFFF) + audio.callee + audio.agent


class Outlet:
    """What waits for one browser: the oldest goes when it is too much."""

    def __init__(self) -> None:
        self.sent = 0
        self._passed = 0
        self._frames: deque[bytes] = deque(maxlen=QUEUE)
        self._more = asyncio.Event()

    @property
    def lost(self) -> int:
        """Frames that came and did not leave; the browser sees the gap in their numbers."""
        return self._passed - self.sent - len(self._frames)

    def put(self, audio: CallAudio) -> None:
        """Never waits."""
        self._passed += 1
        self._frames.append(packed(audio, self._passed))
        self._more.set()

    async def next(self) -> bytes:
        """The oldest that waits."""
        while not self._frames:
            self._more.clear()
            await self._more.wait()
        self.sent += 1
        return self._frames.popleft()


class Listening:
    """Serves one websocket after the other; one per console."""

    def __init__(self, settings: Settings, db: Database, bus: Bus, clock: Clock, still_in: StillIn) -> None:
        self._key = settings.command_key.get_secret_value().encode()
        self._db = db
        self._bus = bus
        self._clock = clock
        self._still_in = still_in

    async def serve(self, socket: Socket, call_id: str) -> None:
        """Until the browser goes, its session or the call ends."""
        await socket.accept()
        person = signed_in(socket)
        refusal = await self._refusal(person, call_id)
        if refusal is not None:
            await socket.close(code=refusal, reason="no such call" if refusal == NO_CALL else "the call is over")
            return
        outlet, began = Outlet(), self._clock.monotonic()
        await self._note(socket, call_id, "listening_began", {})
        try:
            await self._follow(socket, person, call_id, outlet)
        finally:
            heard_s = round(self._clock.monotonic() - began)
            told = {"seconds": heard_s, "frames": outlet.sent, "lost": outlet.lost}
            await asyncio.shield(self._note(socket, call_id, "listening_ended", told))

    async def _follow(self, socket: Socket, person: Person, call_id: str, outlet: Outlet) -> None:
        async with asyncio.TaskGroup() as group:
            children = [
                group.create_task(self._ask(person.tenant_id, call_id)),
                group.create_task(self._hear(call_id, outlet)),
                group.create_task(_send(socket, outlet)),
                group.create_task(self._watch(socket, person, call_id)),
            ]
            try:
                while True:
                    await socket.receive_data(
                        "text"
                    )  # a browser has nothing to say; this is how its leaving shows
            except (WebSocketDisconnect, RuntimeError):
                pass
            finally:
                for child in children:
                    child.cancel()

    async def _ask(self, tenant_id: str, call_id: str) -> None:
        while True:
            until_ms = self._clock.unix_ms() + LISTEN_FOR_MS
            wanted = ListenWanted(tenant_id=tenant_id, call_id=call_id, until_ms=until_ms, mac="")
            await self._bus.publish(voice_topic(call_id), signed(wanted, self._key))
            await asyncio.sleep(LISTEN_AGAIN_S)

    async def _hear(self, call_id: str, outlet: Outlet) -> None:
        with self._bus.subscribe(audio_topic(call_id)) as messages:
            async for message in messages:
                if isinstance(message, CallAudio) and message.call_id == call_id:
                    outlet.put(message)

    async def _watch(self, socket: Socket, person: Person, call_id: str) -> None:
        """Close for a session that has ended and for a call that is over."""
        looks = 0
        while True:
            await asyncio.sleep(LISTEN_AGAIN_S)
            looks += 1
            if looks * LISTEN_AGAIN_S >= STILL_THERE_S:
                looks = 0
                if not await self._still_in(socket):
                    await socket.close(code=SIGNED_OUT, reason="signed out")
                    return
            if await self._refusal(person, call_id) is not None:
                await socket.close(code=NOT_ALIVE, reason="the call is over")
                return

    async def _refusal(self, person: Person, call_id: str) -> int | None:
        try:
            call = await calls.get(self._db, person.tenant_id, call_id) if is_id(call_id) else None
        except NotFoundError:
            call = None
        if call is None:
            return NO_CALL
        return NOT_ALIVE if call.state is CallState.ENDED else None

    async def _note(self, socket: Socket, call_id: str, action: str, detail: dict[str, int]) -> None:
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


async def _send(socket: Socket, outlet: Outlet) -> None:
    try:
        while True:
            await socket.send_data(await outlet.next(), mode="binary")
    except (WebSocketDisconnect, RuntimeError, OSError):
        pass  # gone while we were sending; the reading side ends the connection
