"""Everything a simulated session sends: checked against the API's types, journalled, in one order.

`send` never waits, so a state change and its events are one step; `pump` is the only writer of the socket.
"""

import asyncio
from random import Random
from string import ascii_letters, digits
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from app.sim.realtime.journal import Journal
from app.sim.realtime.protocol_check import Json, Refusal, check_server

_AUDIO = "response.output_audio.delta"


class Clock:
    """Milliseconds since the upgrade."""

    def __init__(self) -> None:
        self._start = asyncio.get_running_loop().time()

    @property
    def ms(self) -> float:
        """Rounded to a tenth."""
        return round((asyncio.get_running_loop().time() - self._start) * 1_000, 1)


class _Close(msgspec.Struct, frozen=True, kw_only=True):
    code: int
    reason: str


class _Abort(msgspec.Struct, frozen=True):
    pass


class Outbox:
    """Queue of one session towards its client."""

    def __init__(self, journal: Journal, clock: Clock, random: Random) -> None:
        self._queue: asyncio.Queue[str | bytes | _Close | _Abort] = asyncio.Queue()
        self._journal = journal
        self._clock = clock
        self._random = random
        self.changed = asyncio.Condition()
        """Notified after every frame; tests wait on it."""

    def new_id(self, prefix: str) -> str:
        """An id like the API's, from the seed."""
        return f"{prefix}_{''.join(self._random.choices(ascii_letters + digits, k=21))}"

    def send(self, type: str, **fields: Any) -> None:
        """Queue one event; raises `InvalidServerEvent` when the API's types do not allow it."""
        event: Json = {"type": type, "event_id": self.new_id("event"), **fields}
        self._queue.put_nowait(check_server(event))
        self._journal.add(self._clock.ms, "out", type, _summary(event))

    def refuse(self, refusal: Refusal) -> None:
        """Queue the `error` event about a client event."""
        self.send("error", error=msgspec.to_builtins(refusal))

    def raw(self, frame: str | bytes, label: str) -> None:
        """Queue a frame as it is: for faults that no API would send."""
        self._queue.put_nowait(frame)
        self._journal.add(self._clock.ms, "out", label, f"{len(frame)} bytes")

    def close(self, code: int, reason: str = "") -> None:
        """Close frame after everything queued."""
        self._queue.put_nowait(_Close(code=code, reason=reason))
        self._journal.add(self._clock.ms, "note", "close", f"{code} {reason}".strip())

    def abort(self) -> None:
        """Reset the TCP connection after everything queued."""
        self._queue.put_nowait(_Abort())
        self._journal.add(self._clock.ms, "note", "abort")

    async def pump(self, connection: ServerConnection) -> None:
        """Write until the connection ends."""
        try:
            while await self._write(connection, await self._queue.get()):
                async with self.changed:
                    self.changed.notify_all()
        except ConnectionClosed:
            self._journal.add(self._clock.ms, "note", "peer closed")

    async def _write(self, connection: ServerConnection, entry: str | bytes | _Close | _Abort) -> bool:
        match entry:
            case _Close():
                await connection.close(entry.code, entry.reason)
            case _Abort():
                connection.transport.abort()
            case _:
                await connection.send(entry)
                return True
        return False


def _summary(event: Json) -> str:
    """What a reader of the journal wants to see of an event, without audio."""
    match event:
        case {"type": "error", "error": {"code": code, "message": message}}:
            return f"{code}: {message}"
        case {"type": "response.done", "response": {"id": response_id, "status": status}}:
            return f"{response_id} {status}"
        case {"transcript": str(words)} | {"text": str(words)} | {"arguments": str(words)}:
            return words
        case {"type": str(kind), "delta": str(delta)} if kind != _AUDIO:
            return delta
        case {"audio_start_ms": int(at_ms)} | {"audio_end_ms": int(at_ms)}:
            return f"{event.get('item_id', '')} {at_ms} ms"
        case {"item_id": str(item_id)}:
            return item_id
        case _:
            return ""
