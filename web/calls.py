"""The wallboard, what was said on a call, and the live websocket of every page."""

import asyncio
from collections.abc import Awaitable, Callable

from litestar import MediaType, Request, Response, WebSocket, get, websocket
from litestar.datastructures import State
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery

from app.domain.people import Permission
from app.errors import StoreError
from web.auth import needs, signed_in
from web.live import Hub, Hubs, Viewer
from web.masks import without_numbers
from web.pages import CallPage, Pages

MAX_CLIENT_MESSAGE = 1_024
STILL_THERE_S = 15.0
"""How often an open websocket is asked whether its session still stands."""
Asked = Request[object, object, State]
Socket = WebSocket[object, object, State]
StillIn = Callable[[Socket], Awaitable[bool]]


def call_routes(pages: Pages, hubs: Hubs, still_in: StillIn) -> list[BaseRouteHandler]:
    """`/`, `/calls/{id}/lines`, `/live`."""

    @get("/", opt=needs(Permission.SEE), media_type=MediaType.HTML)
    async def wallboard(request: Asked, call: FromQuery[str | None] = None) -> Response[str]:
        status, text = await pages.wallboard(signed_in(request), call)
        return Response(text, status_code=status, media_type=MediaType.HTML)

    @get("/calls/{call_id:str}/lines", opt=needs(Permission.SEE))
    async def call_json(request: Asked, call_id: FromPath[str]) -> CallPage:
        return await pages.call(signed_in(request), call_id)

    @websocket("/live", opt=needs(Permission.SEE))
    async def live(socket: Socket) -> None:
        person = signed_in(socket)
        await _serve(socket, hubs.of(person.tenant_id), still_in, full=person.may(Permission.SEE_NUMBERS))

    return [wallboard, call_json, live]


async def _serve(socket: Socket, hub: Hub, still_in: StillIn, *, full: bool) -> None:
    """Snapshot, then frames, until the browser goes or its session ends. `full`: questions of agents, and whatever
    else people wrote, with the telephone numbers in them.
    """
    await socket.accept()
    with hub.watch() as viewer:
        await hub.reload()
        async with asyncio.TaskGroup() as group:
            children = [
                group.create_task(_send(socket, hub, viewer, full=full)),
                group.create_task(_watch(socket, still_in)),
            ]
            try:
                while len(await socket.receive_data("text")) <= MAX_CLIENT_MESSAGE:
                    pass  # a browser has nothing to say; reading is how its leaving is noticed
                await socket.close(code=1009)
            except (WebSocketDisconnect, RuntimeError):
                pass  # gone, or closed by `_watch`
            finally:
                for child in children:
                    child.cancel()


async def _watch(socket: Socket, still_in: StillIn) -> None:
    """Close the websocket of a session that has ended; 4401 sends the page to the sign-in."""
    while True:
        await asyncio.sleep(STILL_THERE_S)
        try:
            there = await still_in(socket)
        except StoreError:  # the page tells of the store by its light; the next look tells of the session
            continue
        if not there:
            await socket.close(code=4401, reason="signed out")
            return


async def _send(socket: Socket, hub: Hub, viewer: Viewer, *, full: bool) -> None:
    try:
        while True:
            frame = await viewer.next()
            data = hub.snapshot() if frame is None else frame
            await socket.send_text((data if full else without_numbers(data)).decode())
    except (WebSocketDisconnect, RuntimeError, OSError):
        pass  # gone while we were sending; the reading side ends the connection
