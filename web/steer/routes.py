"""Routes of steering: the same orders for pages; for programs they are in `web/api/commands.py`."""

from litestar import Request, get, post, websocket
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.people import Permission
from web.auth import caller_of, needs, signed_in
from web.steer.desk import SteerDesk, read_order
from web.steer.listening import Listening
from web.steer.microphone import Microphones
from web.steer.panel import Order, Panel
from web.steer.sockets import CallSockets, Socket

Asked = Request[object, object, State]


def voices(settings: Settings, bus: Bus, clock: Clock, sockets: CallSockets) -> tuple[Listening, Microphones]:
    """The sound of calls, out to browsers and in from them."""
    return Listening(settings, bus, clock, sockets), Microphones(settings, bus, clock, sockets)


def steer_routes(desk: SteerDesk, listening: Listening, microphones: Microphones) -> list[BaseRouteHandler]:
    """Orders of a call, one order, what can be ordered, and the sound of the call."""
    may = needs(Permission.STEER)

    async def ordered(request: Asked, call_id: str) -> Order:
        body = read_order(await request.body())
        return await desk.order(signed_in(request), call_id, body, caller_of(request).address)

    @get("/calls/{call_id:str}/steering", opt=may)
    async def steering(request: Asked, call_id: FromPath[str]) -> Panel:
        return await desk.panel(signed_in(request), call_id)

    @post("/calls/{call_id:str}/commands", opt=may, status_code=202)
    async def order(request: Asked, call_id: FromPath[str]) -> Order:
        return await ordered(request, call_id)

    @get("/calls/{call_id:str}/commands/{command_id:str}", opt=may)
    async def order_state(request: Asked, call_id: FromPath[str], command_id: FromPath[str]) -> Order:
        return await desk.one(signed_in(request), call_id, command_id)

    @websocket("/calls/{call_id:str}/audio", opt=may)
    async def audio(socket: Socket, call_id: FromPath[str]) -> None:
        await listening.serve(socket, call_id)

    @websocket("/calls/{call_id:str}/microphone", opt=may)
    async def microphone(socket: Socket, call_id: FromPath[str]) -> None:
        await microphones.serve(socket, call_id)

    return [steering, order, order_state, audio, microphone]
