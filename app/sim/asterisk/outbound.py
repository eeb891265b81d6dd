"""The other kind of event websocket: this Asterisk dials its client (`type=outbound_websocket`, persistent).

As measured on 22.10.1: the application is registered at the start and stays active, whoever is connected. Events
without a connection wait in memory and go out in order, with their old timestamps, on the next one; then comes
ApplicationRegistered, which the first connection after a start gets *first*. Refused, Asterisk tries again every
`reconnect_interval_s`; a connection that broke is tried again at once. When somebody takes the application by a
websocket of his own, this one goes on to be told that it is registered, and hears nothing any more.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from app.sim.asterisk.channels import Json
from app.sim.asterisk.exchange import Exchange
from app.sim.asterisk.faults import Faults
from app.sim.asterisk.settings import stamp
from app.sim.asterisk.sockets import Outbox

CONNECT_S = 2.0


class OutboundWebsocket(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in websocket_client.conf and in the section of ari.conf."""

    uri: str
    app: str
    username: str
    password: str
    reconnect_interval_s: float = 0.5


class Caller:
    """Keeps one application connected to `config.uri`."""

    def __init__(self, config: OutboundWebsocket, exchange: Exchange, faults: Faults) -> None:
        self.tries = 0
        """Connections attempted so far."""
        self._config = config
        self._exchange = exchange
        self._faults = faults
        self._kept: list[Json] = []
        self._first = True
        self._outbox: Outbox | None = None
        self._socket: ClientConnection | None = None
        self._away_until_s = 0.0

    @property
    def connected(self) -> bool:
        """Whether events leave now."""
        return self._outbox is not None

    def register(self) -> None:
        """This Asterisk starts: nothing is kept from before."""
        self._kept, self._first = [self._registered()], True
        self._exchange.attach_app(self._config.app, self.deliver, subscribe_all=False)

    def deliver(self, event: Json) -> None:
        """Send one event, or keep it."""
        if self._outbox is None:
            self._kept.append(event)
        else:
            self._outbox.deliver(event)

    def send_raw(self, data: bytes) -> None:
        """Send any bytes as a text frame, if there is a connection."""
        if self._outbox is not None:
            self._outbox.send_raw(data)

    def drop(self, away_s: float = 0.0) -> None:
        """Cut the connection without a closing handshake; no new one for `away_s` seconds."""
        self._away_until_s = asyncio.get_running_loop().time() + away_s
        self._outbox = None  # from now on events are kept
        if self._socket is not None:
            self._socket.transport.abort()

    async def run(self, write_timeout_s: float) -> None:
        """Connect, replay, carry, and again."""
        while True:
            await asyncio.sleep(max(0.0, self._away_until_s - asyncio.get_running_loop().time()))
            try:
                self._socket = await self._connect()
            except (OSError, TimeoutError, WebSocketException):
                await asyncio.sleep(self._config.reconnect_interval_s)
                continue
            async with self._socket:
                await self._carry(self._socket, write_timeout_s)

    async def _connect(self) -> ClientConnection:
        self.tries += 1
        login = f"{self._config.username}:{self._config.password}".encode()
        return await connect(
            self._config.uri,
            subprotocols=[Subprotocol("ari")],
            additional_headers={"Authorization": "Basic " + base64.b64encode(login).decode()},
            user_agent_header=None,
            compression=None,
            proxy=None,
            open_timeout=CONNECT_S,
            ping_interval=None,
            close_timeout=0.1,
        )

    async def _carry(self, socket: ClientConnection, write_timeout_s: float) -> None:
        outbox = Outbox(self._faults)
        for event in self._kept:
            outbox.deliver(event)
        if not self._first:
            outbox.deliver(self._registered())
        self._kept, self._first, self._outbox = [], False, outbox
        self._exchange.changes.notify()
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(outbox.write(_text(socket), socket.transport.abort, write_timeout_s))
                await socket.wait_closed()
                writer.cancel()
        finally:
            outbox.close()
            if self._outbox is outbox:
                self._outbox = None
            self._exchange.changes.notify()

    def _registered(self) -> Json:
        return {
            "type": "ApplicationRegistered",
            "timestamp": stamp(),
            "application": self._config.app,
            "asterisk_id": self._exchange.settings.asterisk_id,
        }


def _text(socket: ClientConnection) -> Callable[[bytes], Awaitable[None]]:
    async def send(data: bytes) -> None:
        try:
            await socket.send(data, text=True)
        except ConnectionClosed as closed:
            raise ConnectionError from closed

    return send
