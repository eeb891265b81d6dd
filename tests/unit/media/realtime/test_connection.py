"""The WebSocket shell against a small server on loopback: refusals, hangs, closes, garbage, a slow network."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from media.errors import MediaUsageError
from media.realtime import connection as module
from media.realtime.client_events import append_frame
from media.realtime.connection import ConnectError, RealtimeConnection
from media.realtime.events import MalformedServerEvent, ServerEvent, SessionCreated, UnknownServerEvent

pytestmark = pytest.mark.anyio

Peer = Callable[[ServerConnection], Awaitable[None]]


def url_of(server: Server, scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"


@asynccontextmanager
async def serving(peer: Peer, **options: object) -> AsyncIterator[str]:
    server = await serve(peer, "127.0.0.1", 0, compression=None, **options)  # type: ignore[arg-type]
    try:
        yield url_of(server)
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def opened(peer: Peer, **options: object) -> AsyncIterator[RealtimeConnection]:
    async with serving(peer, **options) as url:
        connection = RealtimeConnection(url, "sk-test", "gpt-realtime-2.1")
        await connection.open()
        try:
            yield connection
        finally:
            await connection.close()


async def received(connection: RealtimeConnection) -> tuple[list[ServerEvent], int, str]:
    events: list[ServerEvent] = []
    async with asyncio.timeout(5):
        ended = await connection.receive(events.append)
    return events, ended.code, ended.reason


async def test_key_and_model_go_into_the_upgrade() -> None:
    seen: list[tuple[str, str | None, str | None]] = []

    async def peer(server: ServerConnection) -> None:
        request = server.request
        assert request is not None
        seen.append(
            (request.path, request.headers.get("Authorization"), request.headers.get("Sec-WebSocket-Extensions"))
        )

    async with opened(peer) as connection:
        _, code, _ = await received(connection)
    assert code == 1000
    assert seen == [("/v1/realtime?model=gpt-realtime-2.1", "Bearer sk-test", None)]


async def test_a_url_with_a_query_and_no_key() -> None:
    seen: list[tuple[str, str | None]] = []

    async def peer(server: ServerConnection) -> None:
        assert server.request is not None
        seen.append((server.request.path, server.request.headers.get("Authorization")))

    async with serving(peer) as url:
        connection = RealtimeConnection(f"{url}?deployment=a", "", "my model")
        await connection.open()
        await received(connection)
        await connection.close()
    assert seen == [("/v1/realtime?deployment=a&model=my%20model", None)]


async def test_events_both_ways() -> None:
    async def peer(server: ServerConnection) -> None:
        await server.send('{"type":"session.created","session":{"id":"s1"}}')
        first, second = await server.recv(), await server.recv()
        assert isinstance(first, str)
        assert isinstance(second, str)
        await server.send(json.dumps({"type": json.loads(first)["type"] + "." + json.loads(second)["event_id"]}))

    async with opened(peer) as connection:
        connection.send(b'{"type":"echo"}')
        assert connection.append(append_frame(b"\xff" * 160, 7), 160) == 0
        events, _, _ = await received(connection)
    assert isinstance(events[0], SessionCreated)
    assert events[1] == UnknownServerEvent(type="echo.a7")


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, b'{"error":{"code":"invalid_api_key","message":"Incorrect API key"}}', "invalid_api_key"),
        (429, b'{"error":{"code":"insufficient_quota","message":"pay"}}', "insufficient_quota"),
        (503, b"<html>busy</html>", ""),
        (500, b"", ""),
        (404, b"\xff\xfe", ""),
    ],
)
async def test_a_refused_upgrade_tells_status_and_code(status: int, body: bytes, code: str) -> None:
    def refuse(server: ServerConnection, request: Request) -> Response:
        response = server.respond(HTTPStatus(status), "")
        response.body = body
        del response.headers["Content-Length"]
        response.headers["Content-Length"] = str(len(body))
        return response

    async def peer(_: ServerConnection) -> None:
        raise AssertionError("not reached")

    async with serving(peer, process_request=refuse) as url:
        with pytest.raises(ConnectError) as caught:
            await RealtimeConnection(url, "sk-test", "m").open()
    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.message


async def test_a_server_that_hangs_in_the_upgrade() -> None:
    release = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectError, match=r"no answer within 0\.1 s") as caught:
            await RealtimeConnection(f"ws://127.0.0.1:{port}/", "k", "m", open_timeout_s=0.1).open()
        release.set()
    assert caught.value.status is None


async def test_nobody_listens_and_not_a_websocket_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for url in (f"ws://127.0.0.1:{port}/v1/realtime", "http://127.0.0.1/v1/realtime", "ws://[::1", "nonsense"):
        with pytest.raises(ConnectError):
            await RealtimeConnection(url, "k", "m").open()


async def test_something_else_than_http_answers() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectError):
            await RealtimeConnection(f"ws://127.0.0.1:{port}/", "k", "m").open()


@pytest.mark.parametrize("code", [1001, 1011, 1013])
async def test_close_codes(code: int) -> None:
    async def peer(server: ServerConnection) -> None:
        await server.close(code, "going")

    async with opened(peer) as connection:
        assert await received(connection) == ([], code, "going")


async def test_a_cut_connection_is_1006() -> None:
    async def peer(server: ServerConnection) -> None:
        server.transport.abort()

    async with opened(peer) as connection:
        _, code, _ = await received(connection)
        assert code == 1006
        connection.send(b"{}")
        assert connection.append(append_frame(b"\xff" * 160, 1), 160) == 0


async def test_garbage_is_an_event_and_the_connection_goes_on() -> None:
    async def peer(server: ServerConnection) -> None:
        await server.send("not json")
        await server.send(b"\xff\xfe\x00")
        await server.send(b"\xc3\x28{", text=True)
        await server.send('{"type":"' + "x" * 2_000_000 + '"}')

    async with opened(peer) as connection:
        events, code, _ = await received(connection)
    assert [type(event) for event in events] == [MalformedServerEvent] * 3 + [UnknownServerEvent]
    assert code == 1000


async def test_a_frame_beyond_the_limit_closes_with_1009(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FRAME_BYTES", 100_000)

    async def peer(server: ServerConnection) -> None:
        await server.send("x" * 200_000)
        await server.wait_closed()

    async with opened(peer) as connection:
        events, code, _ = await received(connection)
    assert (events, code) == ([], 1009)


async def test_a_network_that_takes_nothing_drops_the_oldest_audio() -> None:
    resume = asyncio.Event()
    appended: list[str] = []

    async def peer(server: ServerConnection) -> None:
        server.transport.pause_reading()
        await resume.wait()
        server.transport.resume_reading()
        async for message in server:
            appended.append(json.loads(message)["event_id"])
            if appended[-1] == "a99999":
                return

    async with opened(peer) as connection:
        dropped = number = 0
        while dropped < 80_000 and number < 90_000:
            number += 1
            dropped += connection.append(append_frame(b"\xff" * 160, number), 160)
            if number % 50 == 0:
                await asyncio.sleep(0)
        resume.set()
        assert dropped == connection.audio_dropped_bytes == 80_000
        ended = asyncio.Event()
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:

            async def listen() -> None:
                await connection.receive(lambda _: None)
                ended.set()

            tasks.create_task(listen())
            while not ended.is_set():
                dropped += connection.append(append_frame(b"\xff" * 160, 99_999), 160)
                await asyncio.sleep(0.005)
    sent = [int(event_id[1:]) for event_id in appended]
    assert sent == sorted(sent)
    kept = [number for number in sent if number < 99_999]
    assert len(kept) == number - dropped // 160
    assert kept[-1] == number


async def test_one_open_each_and_in_order() -> None:
    async def peer(server: ServerConnection) -> None:
        await server.wait_closed()

    fresh = RealtimeConnection("ws://127.0.0.1:1/", "k", "m")
    with pytest.raises(MediaUsageError):
        await fresh.receive(lambda _: None)
    assert fresh.append(b"", 160) == 160
    fresh.send(b"{}")
    await fresh.close()
    async with opened(peer) as connection:
        with pytest.raises(MediaUsageError):
            await connection.open()
