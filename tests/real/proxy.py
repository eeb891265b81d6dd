"""A wire between the engine and Asterisk's ARI port that a test can cut: plain TCP, both ways, byte for byte."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress


class Wire:
    """`port` is where the engine connects; `cut` breaks every connection, `down` also refuses new ones."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.down = False
        self.accepted = 0
        self._target_port = target_port
        self._ends: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Reset everything that is connected now, as a network that goes away and comes back does."""
        for one in tuple(self._ends):
            one.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        self.accepted += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._ends |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer))
                group.create_task(self._pump(far_reader, writer))
        finally:
            self._ends -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def wire(target_port: int) -> AsyncGenerator[Wire]:
    """Listens while the block runs; leaving it breaks what is left."""
    between = Wire(target_port)
    server = await asyncio.start_server(between.carry, "127.0.0.1", 0)
    between.port = server.sockets[0].getsockname()[1]
    try:
        yield between
    finally:
        server.close()
        between.cut()
        await server.wait_closed()
