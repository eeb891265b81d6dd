"""The websocket of speaking with the planner."""

from litestar import websocket
from litestar.handlers import BaseRouteHandler
from litestar.params import FromQuery

from app.domain.people import Permission
from web.auth import needs
from web.spoken.desk import Socket, SpokenDesk, Wanted


def spoken_routes(desk: SpokenDesk) -> list[BaseRouteHandler]:
    """`/api/chat/voice`: whoever may plan in writing may speak."""

    @websocket("/api/chat/voice", opt=needs(Permission.PLAN))
    async def voice(
        socket: Socket,
        *,
        conversation_id: FromQuery[str] = "",
        display_name: FromQuery[str] = "",
        client_key: FromQuery[str] = "",
        time_zone: FromQuery[str] = "",
        resumed: FromQuery[bool] = False,
    ) -> None:
        await desk.serve(
            socket,
            Wanted(
                conversation_id=conversation_id,
                display_name=display_name[:100],
                client_key=client_key[:200],
                time_zone=time_zone[:60],
                resumed=resumed,
            ),
        )

    return [voice]
