"""The console: one page of calls, live. `create_app` is everything; `app.engine` or a server of its own runs it.

Reads the store and the bus, never the engine. Exactly one process of it per bus, because the hub lives in memory.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from litestar import Litestar, MediaType, Request, Response, WebSocket, get, websocket
from litestar.datastructures import State
from litestar.exceptions import WebSocketDisconnect
from litestar.params import FromPath, FromQuery
from litestar.static_files import (
    create_static_files_router,  # pyright: ignore[reportUnknownVariableType] - unparametrised generics of theirs
)

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import AppError, ConflictError, NotFoundError, StoreError, ValidationFailed
from app.store import calls
from app.store.db import Database
from web.guard import add_headers, guard
from web.live import Hub, Viewer
from web.pages import CallPage, Pages

log = structlog.get_logger()

STATIC = Path(__file__).parent / "static"
MAX_CLIENT_MESSAGE = 1_024
_STATUS: tuple[tuple[type[AppError], int], ...] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (ValidationFailed, 422),
    (StoreError, 503),
)


def create_app(settings: Settings, db: Database, bus: Bus, clock: Clock) -> Litestar:
    """The ASGI application over an opened database; the caller closes it after the application has shut down."""
    hub = Hub(db, bus, clock, DEFAULT_TENANT_ID)
    pages = Pages(settings, db, clock, DEFAULT_TENANT_ID)

    @get("/", media_type=MediaType.HTML)
    async def calls_page(call: FromQuery[str | None] = None) -> Response[str]:
        status, text = await pages.calls(call)
        return Response(text, status_code=status, media_type=MediaType.HTML)

    @get("/calls/{call_id:str}")
    async def call_json(call_id: FromPath[str]) -> CallPage:
        return await pages.call(call_id)

    @get("/health")
    async def health() -> Response[dict[str, object]]:
        return await _health(settings, db)

    @websocket("/live")
    async def live(socket: WebSocket[object, object, State]) -> None:
        await _serve(socket, hub)

    @asynccontextmanager
    async def hub_life(_app: Litestar) -> AsyncGenerator[None]:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(hub.run())
            try:
                yield
            finally:
                running.cancel()

    return Litestar(
        route_handlers=[
            calls_page,
            call_json,
            health,
            live,
            create_static_files_router(path="/static", directories=[STATIC]),
        ],
        lifespan=[hub_life],
        middleware=[guard(settings.allowed_hosts)],
        before_send=[add_headers],
        exception_handlers={AppError: _app_error},
        openapi_config=None,
        logging_config=None,  # the process has set up its logs; Litestar's default would replace them
        debug=False,
    )


async def _health(settings: Settings, db: Database) -> Response[dict[str, object]]:
    facts: dict[str, object] = {"test_mode": settings.app_test_mode, "simulate": settings.simulate}
    try:
        alive, ended, cost = await calls.totals(db, DEFAULT_TENANT_ID)
    except StoreError as error:
        return Response({"ok": False, "store": error.message, **facts}, status_code=503)
    counted = {"calls_alive": alive, "calls_ended": ended, "cost_micro_usd": cost}
    return Response({"ok": True, "store": "ok", **counted, **facts})


async def _serve(socket: WebSocket[object, object, State], hub: Hub) -> None:
    """Snapshot, then frames, until the browser goes."""
    await socket.accept()
    await hub.reload()
    with hub.watch() as viewer:
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(_send(socket, hub, viewer))
            try:
                while len(await socket.receive_data("text")) <= MAX_CLIENT_MESSAGE:
                    pass  # a browser has nothing to say; reading is how its leaving is noticed
                await socket.close(code=1009)
            except WebSocketDisconnect:
                pass
            finally:
                sending.cancel()


async def _send(socket: WebSocket[object, object, State], hub: Hub, viewer: Viewer) -> None:
    try:
        while True:
            frame = await viewer.next()
            await socket.send_text((hub.snapshot() if frame is None else frame).decode())
    except (WebSocketDisconnect, RuntimeError, OSError):
        pass  # gone while we were sending; the reading side ends the connection


def _app_error(_request: Request[object, object, State], error: AppError) -> Response[dict[str, str]]:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if status >= 500:
        log.error("request failed", code=error.code, error=error.message)
    return Response({"code": error.code, "message": error.message}, status_code=status)
