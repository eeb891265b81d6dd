"""The stream of ARI events: connect, read, notice the drop, connect again.

`EventStream` is what its users see; `DialInStream` is the websocket we open (`GET /events`), `dialed_stream` has
the one Asterisk opens. The reader awaits nothing but the socket: Asterisk drops a client that does not read for
`websocket_write_timeout`.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol

import aiohttp

from stasis.client import AriClient
from stasis.errors import AriError
from stasis.events import ApplicationReplaced, Event, decode

log = logging.getLogger(__name__)

DISALLOWED_EVENTS = (
    "ChannelVarset",
    "ChannelDialplan",
    "ChannelCallerId",
    "ChannelConnectedLine",
    "DeviceStateChanged",
    "EndpointStateChange",
    "PeerStatusChange",
    "ContactStatusChange",
)
"""Frequent and never read here."""

HEARTBEAT_S = 6.0
"""Ping interval. A frozen Asterisk keeps its TCP open: it is noticed after 1.5 intervals, that is below 10 s."""
STABLE_S = 30.0
"""A connection that lived this long resets the backoff."""
RECONCILE_RETRY_S = 1.0


class StreamState(StrEnum):
    CONNECTING = "connecting"
    CONNECTED = "connected"
    LOST = "lost"
    REPLACED = "replaced"


OnEvent = Callable[[Event], None]
OnState = Callable[[StreamState], None]
Reconcile = Callable[[], Awaitable[object]]


class Gate:
    """Open only while the stream is connected *and* reconciled: no originate outside. Asterisk accepts one
    while our application is away, and then hangs up on the person who answers.
    """

    def __init__(self) -> None:
        self._opened = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()

    def open(self) -> None:
        self._opened.set()

    def close(self) -> None:
        self._opened.clear()

    async def wait_open(self) -> None:
        await self._opened.wait()


class EventStream(Protocol):
    """A source of events. `run` ends only by cancellation or as REPLACED, which is final for this process."""

    @property
    def state(self) -> StreamState: ...

    @property
    def gate(self) -> Gate: ...

    async def run(self, *, on_event: OnEvent, on_state: OnState, reconcile: Reconcile) -> None: ...


class SettledStream:
    """What both kinds do with an open connection: read it, settle it meanwhile, keep the gate closed until then.

    `on_event` must return at once; `reconcile` is called after each connect while events already flow, and the
    gate opens when it returns (an AriError makes it try again).
    """

    def __init__(self, client: AriClient) -> None:
        self.state = StreamState.LOST
        self.gate = Gate()
        self._client = client

    def _enter(self, state: StreamState, on_state: OnState) -> None:
        if state is self.state:
            return
        self.state = state
        log.info("ARI events: %s", state)
        on_state(state)

    async def _connected(self, reading: Awaitable[bool], reconcile: Reconcile, on_state: OnState) -> bool:
        """Wait for the end of a connection, however it ends. True when another client took our application."""
        try:
            self._enter(StreamState.CONNECTED, on_state)
            async with asyncio.TaskGroup() as group:
                settling = group.create_task(self._settle(reconcile))
                replaced = await reading
                settling.cancel()
        finally:
            self.gate.close()
        return replaced

    def _takes_ours(self, event: Event) -> bool:
        return isinstance(event, ApplicationReplaced) and event.application in {"", self._client.app}

    async def _settle(self, reconcile: Reconcile) -> None:
        """What a new connection needs beside reading: the event filter, then reconcile, then the open gate."""
        try:
            await self._client.applications.filter_events(self._client.app, DISALLOWED_EVENTS)
        except AriError as error:
            log.warning("ARI events: no filter, more events than needed: %s", error)
        await self._prove()
        while True:
            try:
                await reconcile()
            except AriError as error:
                log.warning("ARI events: not reconciled yet: %s", error)
                await asyncio.sleep(RECONCILE_RETRY_S)
            else:
                self.gate.open()
                return

    async def _prove(self) -> None:
        """Wait until it is certain that this connection carries the events of our application from now on."""


class DialInStream(SettledStream):
    """The event websocket we open: the newest one of a name gets the events, what happens without one is lost."""

    def __init__(
        self, client: AriClient, *, heartbeat_s: float = HEARTBEAT_S, backoff_s: tuple[float, float] = (0.5, 15.0)
    ) -> None:
        super().__init__(client)
        self._heartbeat_s = heartbeat_s
        self._first_s, self._longest_s = backoff_s
        self._failures = 0

    async def run(self, *, on_event: OnEvent, on_state: OnState, reconcile: Reconcile) -> None:
        while True:
            self._enter(StreamState.CONNECTING, on_state)
            try:
                socket = await self._client.open_events(self._heartbeat_s)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("ARI events: cannot connect: %s", error)
            else:
                since = asyncio.get_running_loop().time()
                async with socket:
                    replaced = await self._connected(self._read(socket, on_event), reconcile, on_state)
                if replaced:
                    self._enter(StreamState.REPLACED, on_state)
                    return
                if asyncio.get_running_loop().time() - since >= STABLE_S:
                    self._failures = 0
            self._enter(StreamState.LOST, on_state)
            await asyncio.sleep(self._delay_s())

    def _delay_s(self) -> float:
        """Doubling from the first to the longest, of which a random half, so that processes fall out of step."""
        longest = min(self._longest_s, self._first_s * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return longest * random.uniform(0.5, 1.0)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, on_event: OnEvent) -> bool:
        # The iterator ends without an exception on a clean close, on a missing pong and on a broken socket alike.
        async for message in socket:
            if message.type not in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
                break
            event = decode(message.data)
            on_event(event)
            if self._takes_ours(event):
                return True
        return False
