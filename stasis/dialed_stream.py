"""The event stream of an Asterisk that dials us: `type=outbound_websocket` of ari.conf, Asterisk 22.5 or later.

We are a small websocket server; REST stays on HTTP. Asterisk comes back by itself (0.5 s, for ever), keeps its
application active while we are away and then tells in order what happened, ending with `ApplicationRegistered`.
Durable, not certain: what it wrote into a connection that was dead already is lost, so every connection is
reconciled. Same states and gate as `DialInStream`, chosen by `app` through ARI_EVENTS.
"""

import asyncio
import base64
import hmac
import logging
import time
from collections.abc import Callable
from http import HTTPStatus

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from stasis.client import MAX_EVENT_BYTES, AriClient
from stasis.errors import AriError
from stasis.events import ApplicationRegistered, ChannelUserevent, decode
from stasis.replay import judged
from stasis.stream import HEARTBEAT_S, OnEvent, OnState, Reconcile, SettledStream, StreamState

log = logging.getLogger(__name__)

SUBPROTOCOL = Subprotocol("ari")
PROBE = "opendeep-heard"
"""Name of the user event by which a connection proves that it is not deaf."""
ECHO_S = 2.0
PROBE_AGAIN_S = 2.0
LISTEN_AGAIN_S = 2.0
"""The port may still belong to the process we replace."""
CLOSE_S = 0.5
"""For the closing handshake; a frozen Asterisk takes part in none."""


class DialedByAsteriskStream(SettledStream):
    """Listens on `host`:`port`; answers only `path`, only this login, only subprotocol `ari`, one connection at a
    time: a newer one is Asterisk after a break we have not noticed yet. `wall_clock` gives Unix seconds.
    """

    def __init__(
        self,
        client: AriClient,
        *,
        host: str,
        port: int,
        username: str,
        password: str,
        path: str = "/ari",
        heartbeat_s: float = HEARTBEAT_S,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(client)
        self.address = (host, port)
        """Where it listens; with port 0 the real one once it does."""
        self._path = path
        self._login = b"Basic " + base64.b64encode(f"{username}:{password}".encode())
        self._heartbeat_s = heartbeat_s
        self._wall_clock = wall_clock
        self._newest: ServerConnection | None = None
        self._arrived = asyncio.Event()
        self._replayed = asyncio.Event()
        self._echoed = asyncio.Event()

    async def run(self, *, on_event: OnEvent, on_state: OnState, reconcile: Reconcile) -> None:
        async with await self._listen(on_state):
            while True:
                self._enter(StreamState.CONNECTING, on_state)
                socket = await self._next()
                if await self._connected(self._read(socket, on_event), reconcile, on_state):
                    self._enter(StreamState.REPLACED, on_state)
                    return
                self._enter(StreamState.LOST, on_state)

    async def _listen(self, on_state: OnState) -> Server:
        while True:
            self._enter(StreamState.CONNECTING, on_state)
            try:
                server = await serve(
                    self._welcome,
                    *self.address,
                    process_request=self._refusal,
                    subprotocols=[SUBPROTOCOL],
                    compression=None,  # Asterisk ends a connection whose answer names an extension
                    server_header=None,
                    ping_interval=self._heartbeat_s,
                    ping_timeout=self._heartbeat_s / 2,
                    close_timeout=CLOSE_S,
                    max_size=MAX_EVENT_BYTES,
                )
            except OSError as error:
                log.error("ARI events: cannot listen on %s:%d: %s", *self.address, error)
                self._enter(StreamState.LOST, on_state)
                await asyncio.sleep(LISTEN_AGAIN_S)
            else:
                self.address = (self.address[0], server.sockets[0].getsockname()[1])
                return server

    def _refusal(self, socket: ServerConnection, request: Request) -> Response | None:
        """The answer to somebody who is not our Asterisk."""
        if request.path != self._path:
            return socket.respond(HTTPStatus.NOT_FOUND, "not found\n")
        given = " ".join(request.headers.get_all("Authorization"))
        if hmac.compare_digest(given.encode(errors="surrogateescape"), self._login):
            return None
        log.warning("ARI events: somebody with a wrong name or password was turned away")
        refusal = socket.respond(HTTPStatus.UNAUTHORIZED, "wrong name or password\n")
        refusal.headers["WWW-Authenticate"] = 'Basic realm="opendeep"'
        return refusal

    async def _welcome(self, socket: ServerConnection) -> None:
        """A connection that passed: `run` reads it, this only holds it open."""
        if self._newest is not None:
            self._newest.transport.abort()
        self._newest = socket
        self._arrived.set()
        await socket.wait_closed()

    async def _next(self) -> ServerConnection:
        """The newest connection, once it is a new one: after a pause of ours several may wait."""
        await self._arrived.wait()
        self._arrived.clear()
        assert self._newest is not None
        return self._newest

    async def _read(self, socket: ServerConnection, on_event: OnEvent) -> bool:
        self._replayed.clear()
        try:
            while True:
                event = decode(await socket.recv(decode=False))
                on_event(event if self._replayed.is_set() else judged(event, self._wall_clock()))
                if isinstance(event, ApplicationRegistered):
                    self._replayed.set()
                elif isinstance(event, ChannelUserevent) and event.eventname == PROBE:
                    self._echoed.set()
                elif self._takes_ours(event):
                    return True
        except ConnectionClosed as closed:
            log.info("ARI events: connection ended: %s", closed)
            return False

    async def _prove(self) -> None:
        """The replay is over and an event of our own came back. The second matters: whoever opened a websocket for
        our application took it for good, and Asterisk goes on to call this connection registered. Calls made now
        would be answered by nobody.
        """
        await self._replayed.wait()
        app = self._client.app
        while True:
            self._echoed.clear()
            try:
                await self._client.applications.user_event(app, PROBE)
                async with asyncio.timeout(ECHO_S):
                    await self._echoed.wait()
                    return
            except AriError as error:
                log.warning("ARI events: no event can be sent to %s: %s", app, error)
            except TimeoutError:
                log.error("ARI events: the events of %s go elsewhere; restart Asterisk", app)
            await asyncio.sleep(PROBE_AGAIN_S)
