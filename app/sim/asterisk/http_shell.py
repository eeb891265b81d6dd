"""The HTTP shell of the simulated ARI: authentication, parsing, faults, and replies in Asterisk's form.

One catch-all handler, so that unknown paths, methods and bodies get Asterisk's answers and not a web framework's.
"""

import asyncio
import base64
import binascii
from contextlib import suppress
from typing import cast

import msgspec
from aiohttp import web

from app.sim.asterisk.channels import Json
from app.sim.asterisk.desk import Desk
from app.sim.asterisk.faults import Failure, Faults
from app.sim.asterisk.params import Params, Reply, refused
from app.sim.asterisk.routes import Route, find
from app.sim.asterisk.sockets import EventSocket

_REALM = 'Basic realm="Asterisk REST Interface"'
_LEAD_S = 0.02
"""How far StasisStart goes ahead of the reply."""
_CHANNEL_MAKERS = frozenset({"/channels", "/channels/externalMedia"})


class Oddity(msgspec.Struct, frozen=True):
    """Something Asterisk accepts or ignores in silence, but that a client should not do."""

    method: str
    path: str
    what: str


class HttpShell:
    """`handle` answers every request below /ari."""

    def __init__(self, desk: Desk, faults: Faults, credentials: tuple[str, str]) -> None:
        self.sockets: list[EventSocket] = []
        self.oddities: list[Oddity] = []
        self.requests: list[tuple[str, str]] = []
        """Method and path below /ari of every request that passed authentication."""
        self.write_timeout_s = 2.0
        self.stasis_start_before_reply = False
        self._desk = desk
        self._faults = faults
        self._credentials = credentials
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Let go of requests that wait for ever."""
        self._closing.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        path = request.rel_url.raw_path
        if not path.startswith("/ari/"):
            return _respond(refused(404, "Resource not found"))
        path = path.removeprefix("/ari")
        if not self._authorized(request, path):
            return _respond(refused(401, "Authentication required"))
        await self._thaw()
        if path == "/events" and request.method == "GET":
            return await self._serve_events(request)
        self.requests.append((request.method, path))
        return await self._serve_verb(request, path)

    def _authorized(self, request: web.Request, path: str) -> bool:
        user, password = self._credentials
        key = request.query.get("api_key")
        if key is not None:
            self._odd(request, path, "api_key in the URL lands in logs; send Authorization")
            return key == f"{user}:{password}"
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            return scheme == "Basic" and base64.b64decode(token) == f"{user}:{password}".encode()
        except binascii.Error:
            return False

    def _odd(self, request: web.Request, path: str, what: str) -> None:
        self.oddities.append(Oddity(request.method, path, what))

    async def _thaw(self) -> None:
        if asyncio.get_running_loop().time() >= self._faults.frozen_until_s:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._faults.frozen_until_s):
                await self._closing.wait()

    async def _serve_events(self, request: web.Request) -> web.StreamResponse:
        if not request.query.get("app"):
            return _respond(refused(400, "HTTP request is missing param: [app]"))
        messages: list[str] = []
        socket = EventSocket(request, self._faults, messages)
        self.sockets.append(socket)
        try:
            return await socket.serve(self._desk.exchange, self.write_timeout_s)
        finally:
            self.sockets.remove(socket)
            for message in messages:
                self._odd(request, "/events", message)

    async def _serve_verb(self, request: web.Request, path: str) -> web.StreamResponse:
        failure = self._faults.strike(request.method, path)
        if failure == "timeout":
            return await self._never_answer()
        if isinstance(failure, int):
            return _respond(refused(failure, "Simulated failure"))
        reply = await self._answer(request, path)
        if failure == "twice":
            reply = await self._answer(request, path)
        if self.stasis_start_before_reply and path in _CHANNEL_MAKERS and reply.status == 200:
            await self._wait_for_stasis(reply)
        return self._finish(request, reply, failure)

    def _finish(self, request: web.Request, reply: Reply, failure: Failure | None) -> web.StreamResponse:
        if failure == "lost_reply" and request.transport is not None:
            request.transport.abort()
        return _respond(reply)

    async def _never_answer(self) -> web.StreamResponse:
        await self._closing.wait()
        return _respond(refused(503, "Nobody waits for this any more"))

    async def _wait_for_stasis(self, reply: Reply) -> None:
        exchange, channel_id = self._desk.exchange, str(cast("Json", reply.body)["id"])

        def settled() -> bool:
            channel = exchange.channels.get(channel_id)
            return channel is None or channel.in_stasis

        with suppress(TimeoutError):
            await exchange.changes.wait_until(settled, 1.0)
        await asyncio.sleep(_LEAD_S)

    async def _answer(self, request: web.Request, path: str) -> Reply:
        found = find(request.method, path)
        if isinstance(found, Reply):
            self._odd(request, path, "no such verb in ARI")
            return found
        route, in_path = found
        body = await self._body(request, path)
        if isinstance(body, Reply):
            return body
        self._note_unknown(request, path, route, body)
        params = Params(path=in_path, query=dict(request.query), body=body)
        reply = route.verb(self._desk, params)
        for oddity in params.oddities:
            self._odd(request, path, oddity)
        return reply

    async def _body(self, request: web.Request, path: str) -> Json | Reply:
        data = await request.read()
        if not data:
            return {}
        if request.content_type != "application/json":
            self._odd(request, path, f"a body of type {request.content_type} is ignored")
            return {}
        try:
            parsed: object = msgspec.json.decode(data)
        except msgspec.DecodeError:
            return refused(400, "Error parsing request body")
        return cast("Json", parsed) if isinstance(parsed, dict) else {}

    def _note_unknown(self, request: web.Request, path: str, route: Route, body: Json) -> None:
        for name in (*request.query, *body):
            if name not in route.known and name != "api_key":
                self._odd(request, path, f"unknown parameter {name} is ignored")


def _respond(reply: Reply) -> web.Response:
    headers = {"Server": "Asterisk/22.10.1"}
    if reply.status == 401:
        headers["WWW-Authenticate"] = _REALM
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    return web.Response(
        status=reply.status, headers=headers, body=msgspec.json.encode(reply.body), content_type="application/json"
    )
