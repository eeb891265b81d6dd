"""The event stream against a scripted server: drops, reconnects, the gate, and losing the application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from stasis import stream as stream_module
from stasis.errors import AriTimeout
from stasis.events import ApplicationReplaced, Event, MalformedEvent, StasisStart, UnknownEvent
from stasis.stream import DialInStream, EventStream, StreamState
from tests.unit.stasis.ari_server import WS_CLOSED, AriServer, ari_server

pytestmark = pytest.mark.anyio
START = '{"type":"StasisStart","application":"opendeep-n1","args":["callee","a"],"channel":{"id":"od-n1-a-c"}}'
REPLACED = '{"type":"ApplicationReplaced","application":"opendeep-n1"}'
FILTER = "/applications/opendeep-n1/eventFilter"


class Listener:
    """Keeps what the stream said; `reconcile` waits for permission when `held`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.states: list[StreamState] = []
        self.reconciled = 0
        self.may_reconcile = asyncio.Event()
        self.may_reconcile.set()
        self.errors: list[AriTimeout] = []
        self.watch: EventStream | None = None
        self.gates: list[bool] = []
        self._notes: asyncio.Queue[None] = asyncio.Queue()

    def on_event(self, event: Event) -> None:
        self.events.append(event)
        self._notes.put_nowait(None)

    def on_state(self, state: StreamState) -> None:
        self.states.append(state)
        if self.watch is not None:
            self.gates.append(self.watch.gate.is_open)
        self._notes.put_nowait(None)

    async def reconcile(self) -> None:
        await self.may_reconcile.wait()
        self.reconciled += 1
        if self.errors:
            raise self.errors.pop()

    async def until_events(self, count: int) -> list[Event]:
        async with asyncio.timeout(5):
            while len(self.events) < count:
                await self._notes.get()
        return self.events

    async def until_state(self, state: StreamState, count: int = 1) -> None:
        async with asyncio.timeout(5):
            while self.states.count(state) < count:
                await self._notes.get()


@asynccontextmanager
async def running(timeout_s: float = 2.0) -> AsyncIterator[tuple[AriServer, DialInStream, Listener]]:
    async with ari_server(timeout_s) as (server, client):
        server.answers("PUT", FILTER, (200, b'{"name":"opendeep-n1"}'))
        stream = DialInStream(client, backoff_s=(0.01, 0.02))
        listener = Listener()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(
                stream.run(on_event=listener.on_event, on_state=listener.on_state, reconcile=listener.reconcile)
            )
            yield server, stream, listener
            task.cancel()


async def open_gate(stream: EventStream) -> None:
    async with asyncio.timeout(5):
        await stream.gate.wait_open()


async def test_connects_filters_reconciles_and_opens_the_gate() -> None:
    async with running() as (server, stream, listener):
        assert not stream.gate.is_open
        await open_gate(stream)
        assert stream.state is StreamState.CONNECTED
        assert listener.states == [StreamState.CONNECTING, StreamState.CONNECTED]
        websocket = next(seen for seen in server.seen if seen.method == "WS")
        assert websocket.query == {"app": "opendeep-n1"}
        assert websocket.authorization.startswith("Basic ")
        chosen = next(seen.body for seen in server.seen if seen.path == FILTER)
        assert list(chosen) == ["disallowed"]
        assert {"type": "ChannelVarset"} in chosen["disallowed"]
    assert not stream.gate.is_open


async def test_events_flow_while_reconcile_is_under_way_and_the_gate_stays_closed() -> None:
    async with running() as (server, stream, listener):
        listener.may_reconcile.clear()
        socket = await server.until_sockets(1)
        await socket.send_str(START)
        await listener.until_events(1)
        assert not stream.gate.is_open
        listener.may_reconcile.set()
        await open_gate(stream)
        assert isinstance(listener.events[0], StasisStart)


async def test_unknown_and_malformed_events_are_not_fatal() -> None:
    async with running() as (server, stream, listener):
        socket = await server.until_sockets(1)
        for frame in ('{"type":"RESTResponse"}', "{", '{"type":"StasisStart","channel":5}'):
            await socket.send_str(frame)
        await socket.send_bytes(b"\xff\xfe")
        await socket.send_bytes(START.encode())
        kinds = [type(event) for event in await listener.until_events(5)]
        assert kinds == [UnknownEvent, MalformedEvent, MalformedEvent, MalformedEvent, StasisStart]
        assert stream.state is StreamState.CONNECTED


@pytest.mark.parametrize("how", ["clean close", "abort", "too large"])
async def test_any_end_of_the_websocket_is_a_drop_and_a_new_connection(how: str) -> None:
    async with running() as (server, stream, listener):
        await open_gate(stream)
        socket = await server.until_sockets(1)
        match how:
            case "clean close":
                await socket.close(code=WS_CLOSED)
            case "abort":
                assert socket._req is not None
                assert socket._req.transport is not None
                socket._req.transport.abort()
            case _:
                await socket.send_str("x" * (2 << 20))
        await listener.until_state(StreamState.LOST)
        await server.until_sockets(2)
        await server.until_hits("PUT", FILTER, 2)
        await listener.until_state(StreamState.CONNECTED, 2)
        await open_gate(stream)
        assert listener.states == [
            StreamState.CONNECTING,
            StreamState.CONNECTED,
            StreamState.LOST,
            StreamState.CONNECTING,
            StreamState.CONNECTED,
        ]
        assert listener.reconciled == 2


async def test_the_gate_is_closed_before_the_drop_is_told() -> None:
    async with running() as (server, stream, listener):
        await open_gate(stream)
        listener.watch = stream
        listener.may_reconcile.clear()
        await (await server.until_sockets(1)).close()
        await listener.until_state(StreamState.CONNECTED, 2)
        assert listener.gates == [False, False, False]


async def test_a_drop_during_reconcile_never_opens_the_gate_of_the_next_connection() -> None:
    async with running() as (server, stream, listener):
        listener.may_reconcile.clear()
        await (await server.until_sockets(1)).close()
        await server.until_sockets(2)
        assert not stream.gate.is_open
        listener.may_reconcile.set()
        await open_gate(stream)
        assert listener.reconciled == 1


async def test_a_failed_reconcile_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "RECONCILE_RETRY_S", 0.01)
    async with running() as (_, stream, listener):
        listener.errors = [AriTimeout("no answer"), AriTimeout("no answer")]
        await open_gate(stream)
        assert listener.reconciled == 3


async def test_a_failed_filter_does_not_keep_the_gate_closed() -> None:
    async with running() as (server, stream, _):
        server.answers("PUT", FILTER, (404, b'{"message":"no such application"}'))
        await open_gate(stream)


async def test_losing_the_application_is_final() -> None:
    async with ari_server() as (server, client):
        server.answers("PUT", FILTER, (200, b'{"name":"opendeep-n1"}'))
        stream = DialInStream(client, backoff_s=(0.01, 0.02))
        listener = Listener()
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            group.create_task(
                stream.run(on_event=listener.on_event, on_state=listener.on_state, reconcile=listener.reconcile)
            )
            await open_gate(stream)
            socket = await server.until_sockets(1)
            await socket.send_str(REPLACED.replace("-n1", "-n2"))
            await socket.send_str(REPLACED)
        assert stream.state is StreamState.REPLACED
        assert listener.states[-1] is StreamState.REPLACED
        assert not stream.gate.is_open
        assert len(server.sockets) == 1
        assert [type(event) for event in listener.events] == [ApplicationReplaced] * 2


async def test_a_server_that_refuses_is_asked_again() -> None:
    async with ari_server() as (server, client):
        server.refuse_events = True
        server.answers("PUT", FILTER, (200, b'{"name":"opendeep-n1"}'))
        stream = DialInStream(client, backoff_s=(0.01, 0.02))
        listener = Listener()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(
                stream.run(on_event=listener.on_event, on_state=listener.on_state, reconcile=listener.reconcile)
            )
            await listener.until_state(StreamState.LOST, 2)
            server.refuse_events = False
            await open_gate(stream)
            task.cancel()
        assert StreamState.CONNECTED in listener.states


async def test_a_frozen_server_is_noticed_by_the_missing_pong() -> None:
    async with ari_server() as (server, client):
        server.answers("PUT", FILTER, (200, b'{"name":"opendeep-n1"}'))
        frozen = await asyncio.start_server(_upgrade_then_silence, "127.0.0.1", 0)
        client._base_url = f"http://127.0.0.1:{frozen.sockets[0].getsockname()[1]}/ari"
        stream = DialInStream(client, heartbeat_s=0.05, backoff_s=(5.0, 5.0))
        listener = Listener()
        async with frozen, asyncio.TaskGroup() as group:
            task = group.create_task(
                stream.run(on_event=listener.on_event, on_state=listener.on_state, reconcile=listener.reconcile)
            )
            await listener.until_state(StreamState.LOST)
            task.cancel()
        assert listener.states == [StreamState.CONNECTING, StreamState.CONNECTED, StreamState.LOST]


async def _upgrade_then_silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    import base64
    import hashlib

    head = await reader.readuntil(b"\r\n\r\n")
    key = next(
        line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    while await reader.read(1024):
        pass  # pings come in and get no pong
    writer.close()


async def test_the_request_timeout_does_not_end_the_websocket() -> None:
    async with running(timeout_s=0.1) as (server, stream, listener):
        await open_gate(stream)
        socket = await server.until_sockets(1)
        long_after = asyncio.Event()
        asyncio.get_running_loop().call_later(0.15, long_after.set)
        await long_after.wait()
        await socket.send_str(START)
        await listener.until_events(1)
        assert listener.states == [StreamState.CONNECTING, StreamState.CONNECTED]


def test_the_backoff_doubles_is_bounded_and_never_in_step() -> None:
    async def delays() -> list[float]:
        async with ari_server() as (_, client):
            stream = DialInStream(client, backoff_s=(0.5, 15.0))
            return [stream._delay_s() for _ in range(40)]

    values = asyncio.run(delays())
    for index, delay in enumerate(values):
        longest = min(15.0, 0.5 * 2**index)
        assert longest / 2 <= delay <= longest
    assert len(set(values)) == 40
