"""Serves the console beside the engine."""

import asyncio
import pkgutil
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import uvicorn

from app.cli.house import House
from app.config import Settings
from app.errors import ConflictError

CONSOLE = "web.app:create_app"
"""The console by name: `app` does not import `web`, and an installation may leave it out."""


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
