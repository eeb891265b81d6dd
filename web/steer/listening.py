"""`/calls/{id}/audio`: both directions of a living call to one browser, binary, as they are spoken.

What is listened in on comes over the bus, asked for again and again while the browser is there. A browser that is
slow loses frames, here; nobody waits for it. Beginning and end are in the audit log.
"""

import asyncio
import struct
from collections import deque

from litestar.exceptions import WebSocketDisconnect

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.messages import CallAudio, ListenWanted, audio_topic, voice_topic
from app.domain.people import Person
from app.domain.voice import LISTEN_AGAIN_S, LISTEN_FOR_MS, signed
from web.steer.sockets import CallSockets, Socket

QUEUE = 25
"""Frames that may wait for a browser: half a second."""
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

    def __init__(self, settings: Settings, bus: Bus, clock: Clock, sockets: CallSockets) -> None:
        self._key = settings.command_key.get_secret_value().encode()
        self._bus = bus
        self._clock = clock
        self._sockets = sockets

    async def serve(self, socket: Socket, call_id: str) -> None:
        """Until the browser goes, its session or the call ends."""
        person = await self._sockets.admit(socket, call_id)
        if person is None:
            return
        outlet, began = Outlet(), self._clock.monotonic()
        await self._sockets.note(socket, call_id, "listening_began", {})
        try:
            await self._follow(socket, person, call_id, outlet)
        finally:
            heard_s = round(self._clock.monotonic() - began)
            told = {"seconds": heard_s, "frames": outlet.sent, "lost": outlet.lost}
            await asyncio.shield(self._sockets.note(socket, call_id, "listening_ended", told))

    async def _follow(self, socket: Socket, person: Person, call_id: str, outlet: Outlet) -> None:
        async with asyncio.TaskGroup() as group:
            children = [
                group.create_task(self._ask(person.tenant_id, call_id)),
                group.create_task(self._hear(call_id, outlet)),
                group.create_task(_send(socket, outlet)),
                group.create_task(self._sockets.watch(socket, person, call_id)),
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


async def _send(socket: Socket, outlet: Outlet) -> None:
    try:
        while True:
            await socket.send_data(await outlet.next(), mode="binary")
    except (WebSocketDisconnect, RuntimeError, OSError):
        pass  # gone while we were sending; the reading side ends the connection
