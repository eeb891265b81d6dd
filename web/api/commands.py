"""`/api/v1/calls/{call_id}/commands`: orders to a living call."""

from typing import Annotated

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from app.domain.command import Command
from app.domain.people import Permission
from app.store.db import Tx
from web.api.once import Once
from web.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, paging
from web.auth import caller_of, needs, signed_in
from web.steer.desk import SteerDesk, read_order
from web.steer.panel import Order, order_of

Asked = Request[object, object, State]


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An order: `kind` is what (whisper, say, mute, transfer ...), `payload` its values. `id` makes it one order
    however often it is sent.
    """

    kind: Annotated[str, msgspec.Meta(max_length=64)]
    payload: dict[str, object] = {}
    id: str | None = None


def command_api(desk: SteerDesk, once: Once) -> list[HTTPRouteHandler]:
    """Orders of a call: give one, list all."""
    may = needs(Permission.STEER)

    @post("/calls/{call_id:str}/commands", opt=may, status_code=202)
    async def order_command(request: Asked, call_id: FromPath[str], data: JSONBody[NewOrder]) -> Response[Order]:
        """Order something of a living call; the row says what came of it."""
        person, address, news = signed_in(request), caller_of(request).address, list[Command]()
        body = read_order(msgspec.json.encode(data))

        async def deed(tx: Tx) -> Order:
            command = await desk.take(tx, person, call_id, body, address)
            news[:] = [command]
            return order_of(command, person.actor)

        taken = await once.do(request, deed, status=202)
        for command in news:
            await desk.wake(command)
        return taken

    @get("/calls/{call_id:str}/commands", opt=may)
    async def list_commands(
        request: Asked, call_id: FromPath[str], cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> Page[Order]:
        """Everything that was ordered of a call, oldest first."""
        at = paging(request, f"commands {call_id}", cursor, limit, int)
        after = int(at.after[0]) if at.after else 0
        rows = [one for one in await desk.orders(signed_in(request), call_id) if one.seq > after]
        return at.page(rows, key=lambda row: (row.seq,), shown=lambda row: row)

    return [order_command, list_commands]
