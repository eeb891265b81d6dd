"""A redis-server of one's own on a free loopback port, and a relay before it that can go dead without a word.

For tests and promises; the system's instance is never touched. All it writes lies in the folder it is given.
"""

import asyncio
import shutil
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

START_S = 10.0


def missing() -> str | None:
    """Why there can be no redis-server here; None when there can."""
    return None if shutil.which("redis-server") else "redis-server is missing (apt-get install redis-server)"


class RedisServer:
    """`start`, `kill` and `start` again keep the port."""

    def __init__(self, folder: Path, password: str = "") -> None:
        self.folder = folder
        self.password = password
        self.port = _free_port()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return self.url_through(self.port)

    def url_through(self, port: int) -> str:
        """The address for who goes through a relay."""
        login = f":{self.password}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{port}/0"

    async def start(self) -> None:
        """Returns when it answers."""
        password = ["--requirepass", self.password] if self.password else []
        plain = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.folder)]
        self._process = await asyncio.create_subprocess_exec(
            "redis-server",
            *("--port", str(self.port), *plain, *password),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(START_S):
            while not await self._answers():
                assert self._process.returncode is None, "redis-server ended instead of starting"
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """SIGKILL, as a crash does."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            return (await reader.readline())[:1] in {b"+", b"-"}
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def redis_server(folder: Path, password: str = "") -> AsyncGenerator[RedisServer]:
    """A running one. Raises FileNotFoundError when there is none to run; ask `missing` first."""
    server = RedisServer(folder, password)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


class Relay:
    """Plain TCP to `target_port`. While `dead` it takes every byte, passes on none and says nothing."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.dead = False
        self.swallowed = 0
        self._target_port = target_port
        self._ends: set[asyncio.StreamWriter] = set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
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
                if self.dead:
                    self.swallowed += len(data)
                else:
                    writer.write(data)
                    await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def abort(self) -> None:
        """Reset every connection."""
        for end in tuple(self._ends):
            end.transport.abort()


@asynccontextmanager
async def relay(target_port: int) -> AsyncGenerator[Relay]:
    """Listens on a free port while the block runs."""
    between = Relay(target_port)
    server = await asyncio.start_server(between.carry, "127.0.0.1", 0)
    between.port = server.sockets[0].getsockname()[1]
    try:
        yield between
    finally:
        server.close()
        between.abort()
        await server.wait_closed()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
