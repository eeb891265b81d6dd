"""The TCP relay: each way of going wrong does what it says, and nothing else."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from scripts.lib.faults.tcp import TcpRelay, tcp_relay

pytestmark = pytest.mark.anyio
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def echo() -> AsyncGenerator[TcpRelay]:
    """A server that says back what it hears, behind a relay."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append(writer)
        await serve(reader, writer)
        open_ones.remove(writer)

    open_ones: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(served, "127.0.0.1", 0)
    async with server:
        async with tcp_relay(server.sockets[0].getsockname()[1]) as between:
            yield between
        while open_ones:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


@asynccontextmanager
async def client(between: TcpRelay) -> AsyncGenerator[Ends]:
    reader, writer = await asyncio.open_connection("127.0.0.1", between.port)
    yield reader, writer
    writer.transport.abort()


async def said(ends: Ends, data: bytes, timeout_s: float = 2.0) -> bytes:
    reader, writer = ends
    writer.write(data)
    async with asyncio.timeout(timeout_s):
        return await reader.readexactly(len(data))


async def test_bytes_go_through_as_they_are() -> None:
    data = bytes(range(256)) * 1000
    async with echo() as between, client(between) as ends:
        assert await said(ends, data) == data
        assert (between.accepted, between.swallowed) == (1, 0)


async def test_a_cut_resets_what_is_there_and_lets_in_the_next() -> None:
    async with echo() as between:
        async with client(between) as (reader, writer):
            assert await said((reader, writer), b"one") == b"one"
            between.cut()
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)
        async with client(between) as again:
            assert await said(again, b"two") == b"two"


async def test_down_lets_nobody_in() -> None:
    async with echo() as between:
        between.down = True
        async with client(between) as (reader, _):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        assert between.accepted == 0


async def test_dead_takes_everything_and_says_nothing() -> None:
    async with echo() as between, client(between) as ends:
        assert await said(ends, b"hello") == b"hello"
        between.dead = True
        with pytest.raises(TimeoutError):
            await said(ends, b"is there anybody?", 0.2)
        between.dead = False
        assert await said(ends, b"again") == b"again"
        assert between.swallowed == len("is there anybody?")


async def test_stalled_holds_back_and_loses_nothing() -> None:
    async with echo() as between, client(between) as ends:
        assert await said(ends, b"hello") == b"hello"
        between.stalled = True
        reader, writer = ends
        writer.write(b"patience")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.readexactly(1)
        between.stalled = False
        async with asyncio.timeout(2.0):
            assert await reader.readexactly(8) == b"patience"


async def test_slow_takes_its_time() -> None:
    loop = asyncio.get_running_loop()
    async with echo() as between, client(between) as ends:
        between.bytes_per_s = 2_000
        began = loop.time()
        assert await said(ends, b"x" * 600) == b"x" * 600
        assert loop.time() - began > 0.25, "600 bytes at 2,000 a second"


async def test_a_cut_in_the_middle_of_a_frame() -> None:
    async with echo() as between, client(between) as (reader, writer):
        assert await said((reader, writer), b"whole") == b"whole"
        between.cut_after(3)
        writer.write(b"broken off")
        async with asyncio.timeout(2.0):
            assert await reader.readexactly(3) == b"bro"
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
