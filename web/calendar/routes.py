"""`/calendar`."""

from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery

from app.domain.people import Permission
from web.auth import needs, signed_in
from web.calendar.page import Calendar


def calendar_routes(calendar: Calendar) -> list[HTTPRouteHandler]:
    """The heatmap; country and purpose choose the calling hours that lie over it."""

    @get("/calendar", opt=needs(Permission.SEE), media_type=MediaType.HTML)
    async def calendar_page(
        request: Request[object, object, State], country: FromQuery[str] = "", purpose: FromQuery[str] = ""
    ) -> Response[str]:
        return await calendar.page(signed_in(request), country, purpose)

    return [calendar_page]
