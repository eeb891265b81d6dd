"""A scripted ARI on loopback: answers by (method, path), keeps requests, serves the event websocket."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from stasis.client import AriClient

DROP = -1
"""Instead of a status: close the connection without an answer."""
HANG = -2
"""Never answer."""


class Seen(msgspec.Struct, frozen=True):
    method: str
    path: str
    query: dict[str, str]
    body: Any
    authorization: str


class AriServer:
    """`script[(method, path)]` is a list of (status, body); the last one stays. Unscripted: 204."""

    def __init__(self) -> None:
        pong = b'{"asterisk_id":"1","ping":"pong","timestamp":"2026-01-01T00:00:00.000+0000"}'
        self.script: dict[tuple[str, str], list[tuple[int, bytes]]] = {("GET", "/asterisk/ping"): [(200, pong)]}
        self.seen: list[Seen] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.refuse_events = False
        self.changed = asyncio.Condition()
        self.released = asyncio.Event()
        self.hits: dict[tuple[str, str], int] = defaultdict(int)

    def answers(self, method: str, path: str, *replies: tuple[int, bytes]) -> None:
        self.script[method, path] = list(replies)

    async def rest(self, request: web.Request) -> web.StreamResponse:
        raw_path = request.rel_url.raw_path.removeprefix("/ari")
        data = await request.read()
        self.seen.append(
            Seen(
                request.method,
                raw_path,
                dict(request.query),
                msgspec.json.decode(data) if data else None,
                request.headers.get("Authorization", ""),
            )
        )
        key = (request.method, raw_path)
        replies = self.script.get(key, [(204, b"")])
        status, body = replies[min(self.hits[key], len(replies) - 1)]
        self.hits[key] += 1
        await self._notify()
        if status == HANG:
            await self.released.wait()
        if status in {DROP, HANG}:
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        return web.Response(status=status, body=body, content_type="application/json")

    async def events(self, request: web.Request) -> web.StreamResponse:
        if self.refuse_events:
            return web.json_response({"message": "Authentication required"}, status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.seen.append(
            Seen("WS", "/events", dict(request.query), None, request.headers.get("Authorization", ""))
        )
        self.sockets.append(socket)
        await self._notify()
        async for _ in socket:
            pass
        return socket

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until_sockets(self, count: int) -> web.WebSocketResponse:
        """The newest websocket, once there have been `count` of them."""
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(lambda: len(self.sockets) >= count)
        return self.sockets[-1]

    async def until_hits(self, method: str, path: str, count: int) -> None:
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(lambda: self.hits[method, path] >= count)


@asynccontextmanager
async def ari_server(timeout_s: float = 2.0) -> AsyncIterator[tuple[AriServer, AriClient]]:
    """A server on a free port and a client that talks to it."""
    server = AriServer()
    app = web.Application()
    app.router.add_get("/ari/events", server.events)
    app.router.add_route("*", "/ari/{rest:.*}", server.rest)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        url = f"http://127.0.0.1:{port}/ari"
        async with AriClient(url, "opendeep", "s3cret:pass", "opendeep-n1", timeout_s=timeout_s) as client:
            yield server, client
    finally:
        server.released.set()
        await runner.cleanup()


async def free_port() -> int:
    """A port nobody listens on (any more)."""
    listener = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port: int = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    return port


WS_CLOSED = aiohttp.WSCloseCode.GOING_AWAY
