"""The event websockets: one per client connection, each with an ordered queue and one writer.

The HTTP shell hands a connection over; the exchange delivers events into it. A replaced socket stays open and
silent, a slow reader is dropped (websocket_write_timeout), and faults can delay, reorder or inject. `Outbox`, the
queue alone, also serves the websocket this Asterisk opens (outbound.py).
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec
from aiohttp import WSMsgType, web

from app.sim.asterisk.channels import Json
from app.sim.asterisk.exchange import Exchange
from app.sim.asterisk.faults import Faults


class Outbox:
    """Events of one connection on their way out, in order unless a fault holds one back."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._late: set[asyncio.TimerHandle] = set()

    def deliver(self, event: Json) -> None:
        """Queue one event, in its turn unless a fault holds it back."""
        self.send_raw(msgspec.json.encode(event), self._faults.delay_of(str(event.get("type"))))

    def send_raw(self, data: bytes, held_back_s: float | None = None) -> None:
        """Queue any bytes as a text frame."""
        loop = asyncio.get_running_loop()
        if held_back_s is None:
            self._queue.put_nowait((loop.time() + self._faults.event_delay_s, data))
        else:
            self._late.add(loop.call_later(held_back_s, self._queue.put_nowait, (0.0, data)))

    async def write(
        self, send: Callable[[bytes], Awaitable[None]], drop: Callable[[], None], timeout_s: float
    ) -> None:
        """Until cancelled. `send` may raise ConnectionError; `drop` is called when it takes too long."""
        while True:
            due, data = await self._queue.get()
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            try:
                async with asyncio.timeout(timeout_s):
                    with suppress(ConnectionError):
                        await send(data)
            except TimeoutError:
                drop()

    def close(self) -> None:
        """The connection is gone."""
        for handle in self._late:
            handle.cancel()


class EventSocket:
    """One open websocket and the applications it asked for."""

    def __init__(self, request: web.Request, faults: Faults, oddities: list[str]) -> None:
        self.apps = [name.strip() for name in request.query.get("app", "").split(",") if name.strip()]
        self.web_socket = web.WebSocketResponse(autoping=True)
        self._request = request
        self._oddities = oddities
        self._outbox = Outbox(faults)
        self.deliver = self._outbox.deliver
        self.send_raw = self._outbox.send_raw

    async def serve(self, exchange: Exchange, write_timeout_s: float) -> web.WebSocketResponse:
        """Register the applications, then carry events until the connection ends."""
        subscribe_all = self._request.query.get("subscribeAll", "") == "true"
        await self.web_socket.prepare(self._request)
        try:
            async with asyncio.TaskGroup() as group:
                for name in self.apps:
                    exchange.attach_app(name, self.deliver, subscribe_all=subscribe_all)
                writer = group.create_task(self._outbox.write(self._send, self.drop, write_timeout_s))
                await self._read()
                writer.cancel()
        finally:
            for name in self.apps:
                exchange.detach_app(name, self.deliver)
            self._outbox.close()
        return self.web_socket

    def drop(self) -> None:
        """Cut the connection without a closing handshake."""
        transport = self._request.transport
        if transport is not None:
            transport.abort()

    async def _send(self, data: bytes) -> None:
        await self.web_socket.send_frame(data, WSMsgType.TEXT)

    async def _read(self) -> None:
        async for message in self.web_socket:
            if message.type is WSMsgType.TEXT:
                self._oddities.append("a message on the event websocket; REST over websocket is not simulated")
