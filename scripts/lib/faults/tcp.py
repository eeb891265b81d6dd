"""A TCP connection that goes wrong on demand: cut, refused, half-open, stalled, slow, cut in mid-frame.

Used by tests and promises between any client and any server of ours on loopback; byte for byte while nothing is
ordered.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

CHUNK_BYTES = 65_536
LOOK_S = 0.01


class TcpRelay:
    """Listens on `port` and passes on to `target_port`. The attributes may be changed at any time.

    Towards the client flows what the server says, towards the server what the client says.
    """

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.down = False
        """New connections are reset at once."""
        self.dead = False
        """Half-open: takes every byte, passes on none and says nothing."""
        self.stalled = False
        """Reads nothing: buffers fill and writers wait. What was held goes on afterwards."""
        self.bytes_per_s: int | None = None
        """Slow: each direction of each connection passes on so much; None is as fast as it comes."""
        self.accepted = 0
        self.carrying = 0
        """Connections in progress."""
        self.swallowed = 0
        """Bytes lost while `dead`."""
        self.cuts = 0
        """How often an ordered cut (`cut_after`) has struck."""
        self._target_port = target_port
        self._cut_after: int | None = None
        self._ends: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Reset everything that is connected now, as a network that goes away and comes back does."""
        for end in tuple(self._ends):
            _reset(end)

    def close(self) -> None:
        """End everything that is connected now in order, with a FIN to both sides."""
        for end in tuple(self._ends):
            end.close()

    def cut_after(self, size_bytes: int) -> None:
        """Pass on so many more bytes towards clients, over all connections, then `cut` in the middle of them."""
        self._cut_after = size_bytes

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self.down:
            _reset(writer)
            return
        self.accepted += 1
        self.carrying += 1
        try:
            await self._carry(reader, writer)
        finally:
            self.carrying -= 1

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            _reset(writer)
            return
        self._ends |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer, to_client=False))
                group.create_task(self._pump(far_reader, writer, to_client=True))
        finally:
            self._ends -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_client: bool) -> None:
        with suppress(OSError):
            while data := await self._next(reader):
                if self.dead:
                    self.swallowed += len(data)
                    continue
                whole = len(data)
                if to_client:
                    data = self._before_cut(data)
                writer.write(data)
                await writer.drain()
                if len(data) < whole:
                    self.cuts += 1
                    await asyncio.sleep(LOOK_S)  # what was written leaves before the reset
                    self.cut()
                elif self.bytes_per_s is not None:
                    await asyncio.sleep(len(data) / self.bytes_per_s)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _next(self, reader: asyncio.StreamReader) -> bytes:
        await self._let_pass()
        size = CHUNK_BYTES if self.bytes_per_s is None else max(1, min(CHUNK_BYTES, self.bytes_per_s // 20))
        data = await reader.read(size)
        await self._let_pass()
        return data

    async def _let_pass(self) -> None:
        while self.stalled:  # noqa: ASYNC110 - a flag that tests set wakes nobody
            await asyncio.sleep(LOOK_S)

    def _before_cut(self, data: bytes) -> bytes:
        """What of `data` goes through before an ordered cut; all of it when none is due."""
        if self._cut_after is None:
            return data
        if len(data) <= self._cut_after:
            self._cut_after -= len(data)
            return data
        left, self._cut_after = self._cut_after, None
        return data[:left]


def _reset(end: asyncio.StreamWriter) -> None:
    """RST instead of FIN: an abort alone is an orderly end to the peer unless bytes of it are unread."""
    raw = end.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.transport.abort()


@asynccontextmanager
async def tcp_relay(target_port: int, port: int = 0) -> AsyncGenerator[TcpRelay]:
    """Listens while the block runs, on `port` or a free one; leaving it breaks what is left."""
    between = TcpRelay(target_port)
    server = await asyncio.start_server(between.carry, "127.0.0.1", port)
    between.port = server.sockets[0].getsockname()[1]
    try:
        yield between
    finally:
        server.close()
        between.stalled = False
        while between.carrying:  # `wait_closed` does not wait for them
            between.cut()
            await asyncio.sleep(LOOK_S / 10)
        await server.wait_closed()


def free_port() -> int:
    """A TCP port of loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
