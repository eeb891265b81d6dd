"""The stream that Asterisk opens to us: who may connect, replay and gate, newer wins, deaf or frozen peers."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from stasis import dialed_stream
from stasis.client import AriClient
from stasis.dialed_stream import PROBE, DialedByAsteriskStream
from stasis.events import (
    ApplicationRegistered,
    ApplicationReplaced,
    ChannelUserevent,
    LateStasisStart,
    MalformedEvent,
    StasisStart,
)
from stasis.stream import EventStream, StreamState
from tests.unit.stasis.ari_server import DROP, AriServer, ari_server, free_port
from tests.unit.stasis.test_stream import FILTER, START, Listener, open_gate

pytestmark = pytest.mark.anyio

REGISTERED = '{"type":"ApplicationRegistered","application":"opendeep-n1"}'
ECHO = json.dumps({"type": "ChannelUserevent", "application": "opendeep-n1", "eventname": PROBE})
USER_EVENT = f"/events/user/{PROBE}"
PASSWORD = "pass:w\u00f6rd"
LOGIN = f"asterisk:{PASSWORD}"
CONNECTING, CONNECTED, LOST = StreamState.CONNECTING, StreamState.CONNECTED, StreamState.LOST


def basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


HANDSHAKE = (
    "GET /ari HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: nWotDwAAAACkV6t0AAAAAA==\r\n"
    f"Sec-WebSocket-Protocol: ari\r\nAuthorization: {basic(LOGIN)}\r\n\r\n"
).encode()


def aged(age_s: float) -> str:
    stamp = datetime.fromtimestamp(time.time() - age_s, UTC).isoformat(timespec="milliseconds")
    return json.dumps({**json.loads(START), "timestamp": stamp.replace("+00:00", "+0000")})


class House:
    """The stream under test and a peer that behaves as Asterisk does."""

    def __init__(self, server: AriServer, client: AriClient, stream: DialedByAsteriskStream) -> None:
        self.server = server
        self.client = client
        self.stream = stream
        self.listener = Listener()
        self.stack = AsyncExitStack()
        self.echoes = 0

    @property
    def uri(self) -> str:
        return f"ws://{self.stream.address[0]}:{self.stream.address[1]}"

    async def dial(self, path: str = "/ari", login: str = LOGIN, protocol: str | None = "ari") -> ClientConnection:
        """What Asterisk sends; refused while nobody listens yet, as there."""
        for _ in range(500):
            try:
                return await self.stack.enter_async_context(
                    connect(
                        self.uri + path,
                        subprotocols=[Subprotocol(protocol)] if protocol else None,
                        additional_headers={"Authorization": basic(login)} if login else None,
                        compression=None,
                        proxy=None,
                        close_timeout=0.2,
                    )
                )
            except ConnectionRefusedError:
                await asyncio.sleep(0.005)
        raise AssertionError

    async def arrive(self, *replay: str) -> ClientConnection:
        """A connection of Asterisk with its replay, up to the echo of the probe."""
        socket = await self.dial()
        for event in (*replay, REGISTERED):
            await socket.send(event)
        await self.echo(socket)
        return socket

    async def echo(self, socket: ClientConnection) -> None:
        self.echoes += 1
        await self.server.until_hits("POST", USER_EVENT, self.echoes)
        await socket.send(ECHO)


@asynccontextmanager
async def house(**options: float) -> AsyncIterator[House]:
    async with ari_server() as (server, client):
        server.answers("PUT", FILTER, (200, b'{"name":"opendeep-n1"}'))
        stream = DialedByAsteriskStream(
            client,
            host="127.0.0.1",
            port=await free_port(),
            username="asterisk",
            password=PASSWORD,
            **options,
        )
        here = House(server, client, stream)
        listener = here.listener
        async with asyncio.TaskGroup() as group, here.stack:
            task = group.create_task(
                stream.run(on_event=listener.on_event, on_state=listener.on_state, reconcile=listener.reconcile)
            )
            yield here
            task.cancel()


def test_it_is_an_event_stream() -> None:
    stream: EventStream = DialedByAsteriskStream(
        AriClient("http://127.0.0.1:1/ari", "a", "b", "c"), host="127.0.0.1", port=1, username="a", password="b"
    )
    assert stream.state is LOST


@pytest.mark.parametrize(
    ("path", "login", "protocol", "status"),
    [
        ("/", LOGIN, "ari", 404),
        ("/ari/", LOGIN, "ari", 404),
        ("/ari?app=x", LOGIN, "ari", 404),
        ("/other", "", "ari", 404),
        ("/ari", "", "ari", 401),
        ("/ari", "asterisk:", "ari", 401),
        ("/ari", LOGIN + " ", "ari", 401),
        ("/ari", "asterisk:Pass:w\u00f6rd", "ari", 401),
        ("/ari", "opendeep:pass:w\u00f6rd", "ari", 401),
        ("/ari", LOGIN, None, 400),
        ("/ari", LOGIN, "media", 400),
    ],
)
async def test_who_is_turned_away(path: str, login: str, protocol: str | None, status: int) -> None:
    async with house() as here:
        with pytest.raises(InvalidStatus) as refused:
            await here.dial(path, login, protocol)
        assert refused.value.response.status_code == status
        assert ("WWW-Authenticate" in refused.value.response.headers) is (status == 401)
        assert here.listener.states == [CONNECTING]
        socket = await here.dial()
        assert socket.subprotocol == "ari"
        await here.listener.until_state(CONNECTED)


async def test_replay_then_registered_then_proof_then_reconcile_then_the_gate() -> None:
    async with house() as here:
        listener = here.listener
        socket = await here.dial()
        for _ in range(20):
            await socket.send(aged(1.0))
        await listener.until_events(20)
        await here.server.until_hits("PUT", FILTER, 1)
        for _ in range(3):
            await here.client.applications.user_event("another", "round-trip")
        assert (listener.reconciled, here.server.hits["POST", USER_EVENT]) == (0, 0)
        listener.may_reconcile.clear()
        await socket.send(REGISTERED)
        await here.echo(socket)
        await listener.until_events(22)
        await socket.send(START)
        await listener.until_events(23)
        assert not here.stream.gate.is_open
        listener.may_reconcile.set()
        await open_gate(here.stream)
        kinds = [type(event) for event in listener.events]
        assert kinds == [*[StasisStart] * 20, ApplicationRegistered, ChannelUserevent, StasisStart]
        assert listener.states == [CONNECTING, CONNECTED]
        probe = next(seen for seen in here.server.seen if seen.path == USER_EVENT)
        assert probe.body == {"application": "opendeep-n1"}
        assert [seen.method for seen in here.server.seen if seen.path == FILTER] == ["PUT"]
    assert not here.stream.gate.is_open


async def test_only_replayed_answers_are_judged_by_their_age() -> None:
    """On a live stream an old timestamp is the other machine's clock."""
    async with house() as here:
        socket = await here.arrive(aged(10.0), aged(1.0))
        await socket.send(aged(10.0))
        events = await here.listener.until_events(5)
        starts = [type(event) for event in events if isinstance(event, StasisStart)]
        assert starts == [LateStasisStart, StasisStart, StasisStart]


@pytest.mark.parametrize("how", ["close", "abort", "too large"])
async def test_any_end_is_a_drop_and_the_next_connection_goes_on(how: str) -> None:
    async with house() as here:
        socket = await here.arrive()
        await open_gate(here.stream)
        here.listener.watch = here.stream
        match how:
            case "close":
                await socket.close()
            case "abort":
                socket.transport.abort()
            case _:
                await socket.send("x" * (2 << 20))
        await here.listener.until_state(LOST)
        await here.arrive(aged(5.0))
        await open_gate(here.stream)
        assert here.listener.states == [CONNECTING, CONNECTED, LOST, CONNECTING, CONNECTED]
        assert here.listener.gates == [False, False, False]
        assert here.listener.reconciled == 2
        assert any(isinstance(event, LateStasisStart) for event in here.listener.events)


async def test_a_newer_connection_wins() -> None:
    async with house() as here:
        old = await here.arrive()
        await open_gate(here.stream)
        new = await here.arrive(START)
        await open_gate(here.stream)
        with pytest.raises(ConnectionClosed):
            await old.recv()
        assert here.listener.states == [CONNECTING, CONNECTED, LOST, CONNECTING, CONNECTED]
        before = len(here.listener.events)
        await new.send(START)
        await here.listener.until_events(before + 1)


async def test_after_a_pause_of_ours_only_the_newest_connection_counts() -> None:
    """Those that Asterisk gave up meanwhile wait in the kernel, and all come at once."""
    async with house() as here:
        await (await here.dial()).close()
        await here.listener.until_state(CONNECTING, 2)
        given_up = [await asyncio.open_connection(*here.stream.address) for _ in range(8)]
        for _, writer in given_up:
            writer.write(HANDSHAKE)
        for _, writer in given_up[::2]:
            writer.transport.abort()
        for _, writer in given_up[1::2]:
            writer.close()
        await here.arrive()
        await open_gate(here.stream)
        assert here.listener.reconciled == 1
        assert here.listener.states.count(CONNECTED) <= 3


async def test_garbage_is_counted_and_harms_nothing() -> None:
    async with house() as here:
        socket = await here.arrive()
        await open_gate(here.stream)
        for frame in ("{", '{"type":"StasisStart","channel":5}', b"\xff\xfe"):
            await socket.send(frame)
        await socket.send(b"\xff", text=True)
        await socket.send(START)
        kinds = [type(event) for event in await here.listener.until_events(7)]
        assert kinds[2:] == [*[MalformedEvent] * 4, StasisStart]
        assert here.stream.state is CONNECTED


async def test_losing_the_application_is_final() -> None:
    async with ari_server() as (server, client):
        stream = DialedByAsteriskStream(
            client, host="127.0.0.1", port=await free_port(), username="asterisk", password=PASSWORD
        )
        here = House(server, client, stream)
        async with asyncio.timeout(5), here.stack, asyncio.TaskGroup() as group:
            listener = here.listener
            group.create_task(
                stream.run(on_event=listener.on_event, on_state=listener.on_state, reconcile=listener.reconcile)
            )
            socket = await here.arrive()
            await open_gate(stream)
            await socket.send('{"type":"ApplicationReplaced","application":"opendeep-n2"}')
            await socket.send('{"type":"ApplicationReplaced","application":"opendeep-n1"}')
        assert stream.state is StreamState.REPLACED
        assert not stream.gate.is_open
        assert [type(event) for event in listener.events[-2:]] == [ApplicationReplaced] * 2
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*stream.address)


@pytest.mark.parametrize("fault", ["no echo", "404", "no answer"])
async def test_a_deaf_connection_never_opens_the_gate(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Asterisk calls a connection registered whose application somebody else took."""
    monkeypatch.setattr(dialed_stream, "ECHO_S", 0.02)
    monkeypatch.setattr(dialed_stream, "PROBE_AGAIN_S", 0.01)
    async with house() as here:
        if fault == "404":
            here.server.answers("POST", USER_EVENT, (404, b'{"message":"Application not found"}'))
        elif fault == "no answer":
            here.server.answers("POST", USER_EVENT, (DROP, b""))
        socket = await here.dial()
        await socket.send(REGISTERED)
        await here.server.until_hits("POST", USER_EVENT, 3)
        assert not here.stream.gate.is_open
        assert here.listener.reconciled == 0
        here.server.answers("POST", USER_EVENT, (204, b""))
        await socket.send(ECHO.replace(PROBE, "of-somebody-else"))
        here.echoes = here.server.hits["POST", USER_EVENT]
        await here.echo(socket)
        await open_gate(here.stream)


async def test_a_frozen_asterisk_is_noticed_by_the_missing_pong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialed_stream, "CLOSE_S", 0.05)
    async with house(heartbeat_s=0.05) as here:
        await here.arrive()
        await open_gate(here.stream)
        reader, writer = await asyncio.open_connection(*here.stream.address)
        writer.write(HANDSHAKE)
        assert b"101" in await reader.readline()
        await here.listener.until_state(CONNECTED, 2)
        await here.listener.until_state(LOST, 2)
        writer.close()


async def test_a_taken_port_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialed_stream, "LISTEN_AGAIN_S", 0.01)
    port = await free_port()
    other = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", port)
    async with ari_server() as (server, client):
        stream = DialedByAsteriskStream(
            client, host="127.0.0.1", port=port, username="asterisk", password=PASSWORD
        )
        here = House(server, client, stream)
        listener = here.listener
        async with asyncio.TaskGroup() as group, here.stack:
            task = group.create_task(
                stream.run(on_event=listener.on_event, on_state=listener.on_state, reconcile=listener.reconcile)
            )
            await listener.until_state(LOST, 2)
            other.close()
            await other.wait_closed()
            await here.arrive()
            await open_gate(stream)
            task.cancel()
