"""A redis-server of one's own on a free loopback port; `scripts.lib.faults.tcp` has a relay to put before it.

For tests and promises; the system's instance is never touched. All it writes lies in the folder it is given.
"""

import asyncio
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from scripts.lib.faults.tcp import free_port

START_S = 10.0


def missing() -> str | None:
    """Why there can be no redis-server here; None when there can."""
    return None if shutil.which("redis-server") else "redis-server is missing (apt-get install redis-server)"


class RedisServer:
    """`start`, `kill` and `start` again keep the port."""

    def __init__(self, folder: Path, password: str = "") -> None:
        self.folder = folder
        self.password = password
        self.port = free_port()
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
