"""Rehearsals: ask for one, look at one."""

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from app.domain.people import Permission
from web.auth import needs, signed_in
from web.rehearsals.page import Rehearsals, RehearseForm

Asked = Request[object, object, State]


def rehearsal_routes(pages: Rehearsals) -> list[HTTPRouteHandler]:
    """Everybody sees how an agent did; who plans calls may rehearse it."""

    @post("/agents/{agent_id:str}/rehearsals", opt=needs(Permission.PLAN), media_type=MediaType.HTML)
    async def rehearse(
        request: Asked, agent_id: FromPath[str], data: URLEncodedBody[RehearseForm]
    ) -> Response[str] | Redirect:
        done = await pages.ask(request, agent_id, data)
        return Redirect(f"/rehearsals/{done}", status_code=303) if isinstance(done, str) else done

    @get("/rehearsals/{rehearsal_id:str}", opt=needs(Permission.SEE), media_type=MediaType.HTML)
    async def rehearsal_page(request: Asked, rehearsal_id: FromPath[str]) -> Response[str]:
        return await pages.one(signed_in(request), rehearsal_id)

    return [rehearse, rehearsal_page]
