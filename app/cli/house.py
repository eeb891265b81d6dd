"""Opens what a command needs, in order: the lock of the data directory, database, simulators, engine, console."""

import asyncio
import contextlib
import fcntl
import os
import pkgutil
import signal
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from app.bus import Bus, MemoryBus
from app.clock import Clock, SystemClock
from app.config import Settings
from app.engine import Engine
from app.errors import ConflictError
from app.sim.world import SimWorld, sim_world
from app.store.db import Database
from app.store.sqlite import SqliteDatabase

CONSOLE = "web.app:create_app"
"""The console by name: `app` does not import `web`, and an installation may leave it out."""
LOCK_NAME = "engine.lock"


@dataclass(frozen=True)
class House:
    """What a command works with."""

    settings: Settings
    db: Database
    bus: Bus
    clock: Clock
    engine: Engine
    world: SimWorld | None
    """The simulators, when everything is simulated."""


def private_folder(folder: Path) -> None:
    """Make a folder, and those above it, that only this account can enter: they hold what people said."""
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            each.mkdir(mode=0o700)


@contextmanager
def engine_lock(settings: Settings) -> Generator[None]:
    """Only one engine per data directory: two would take each other's Stasis application. Raises ConflictError."""
    folder = settings.runtime_dir
    private_folder(folder)
    handle = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConflictError(f"OpenDeep is running already with the data directory {settings.home}.") from error
        os.truncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())  # for `opendeep drain`
        yield
    finally:
        os.close(handle)


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncGenerator[Database]:
    """The database alone, migrated."""
    private_folder(settings.home)
    url = settings.database_url.get_secret_value()
    if not url:
        async with SqliteDatabase(settings.database_path) as db:
            yield db
        return
    from app.store.postgres import PostgresDatabase  # noqa: PLC0415 - only those who use it wait for the driver

    async with PostgresDatabase(url, schema=settings.database_schema) as shared:
        yield shared


@asynccontextmanager
async def open_bus(settings: Settings) -> AsyncGenerator[Bus]:
    """The bus of one process, or of all that share REDIS_URL."""
    if not settings.redis_url:
        yield MemoryBus()
        return
    from app.bus.redis import RedisBus  # noqa: PLC0415 - redis-py takes 0.4 s, which most commands do not owe it

    async with RedisBus(settings.redis_url).running() as bus:
        yield bus


@asynccontextmanager
async def open_house(settings: Settings) -> AsyncGenerator[House]:
    """Everything, with the engine running. Raises ConflictError when another engine owns the data directory."""
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(engine_lock(settings))
        private_folder(settings.recordings_dir)
        bus = await stack.enter_async_context(open_bus(settings))
        db = await stack.enter_async_context(open_store(settings))
        world = None
        if settings.simulate:
            world = await stack.enter_async_context(sim_world(settings))
            settings = world.settings
        engine = await stack.enter_async_context(Engine(settings, db, bus, clock).running())
        yield House(settings, db, bus, clock, engine, world)


async def serve_console(house: House, stop: asyncio.Event) -> None:
    """The console on WEB_HOST:WEB_PORT until `stop` is set. Raises ConflictError when the port is taken."""
    create_app: Callable[..., Any] = pkgutil.resolve_name(CONSOLE)
    application = create_app(house.settings, house.db, house.bus, house.clock)
    config = uvicorn.Config(
        application,
        host=house.settings.web_host,
        port=house.settings.web_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(_until_exit(server, house.settings))
        await stop.wait()
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Leaves signals to us: they end calls before they end the process."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def _until_exit(server: uvicorn.Server, settings: Settings) -> None:
    try:
        await server.serve()
    except SystemExit as refused:  # uvicorn's way to say that it cannot listen
        where = f"{settings.web_host}:{settings.web_port}"
        raise ConflictError(f"The console cannot listen on {where}; set WEB_PORT to a free port.") from refused


@contextmanager
def stop_on_signals() -> Generator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
