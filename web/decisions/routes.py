"""`/decisions` and its undo."""

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from app.domain.people import Permission
from app.errors import ConflictError
from web.auth import needs
from web.decisions.page import Decisions

Asked = Request[object, object, State]


def decision_routes(decisions: Decisions) -> list[HTTPRouteHandler]:
    """People see decisions by SEE and undo them by PLAN."""

    @get("/decisions", opt=needs(Permission.SEE), media_type=MediaType.HTML)
    async def decisions_page(request: Asked, after: FromQuery[str] = "") -> Response[str]:
        return await decisions.page(request, after[:200])

    @post("/decisions/{decision_id:str}/undo", opt=needs(Permission.PLAN), media_type=MediaType.HTML)
    async def undo(request: Asked, decision_id: FromPath[str]) -> Response[str] | Redirect:
        try:
            await decisions.undo(request, decision_id)
        except ConflictError as refused:
            return await decisions.page(request, status=409, refusal=refused.message)
        return Redirect("/decisions", status_code=303)

    return [decisions_page, undo]
