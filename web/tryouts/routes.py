"""Test calls: begin one, talk on its page, look at it afterwards."""

from litestar import MediaType, Request, Response, get, post, websocket
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from app.domain.people import Permission
from app.domain.tryout import Tryout
from web.auth import needs, signed_in
from web.steer.sockets import Socket, StillIn
from web.tryouts.line import TryoutLine
from web.tryouts.page import TryForm, TryoutPages

Asked = Request[object, object, State]


def tryout_routes(pages: TryoutPages, still_in: StillIn) -> list[BaseRouteHandler]:
    """Whoever may plan calls may try an agent: it costs money. A draft is a file, which needs RULE."""
    may, line = needs(Permission.PLAN), TryoutLine(pages.settings, pages.db, pages.bus, pages.clock, still_in)

    @post("/agents/{agent_id:str}/test-calls", opt=may, media_type=MediaType.HTML)
    async def try_version(
        request: Asked, agent_id: FromPath[str], data: URLEncodedBody[TryForm]
    ) -> Response[str] | Redirect:
        return _on(await pages.ask(request, agent_id, data, draft=False))

    @post("/agents/{agent_id:str}/test-calls/draft", opt=needs(Permission.RULE), media_type=MediaType.HTML)
    async def try_draft(
        request: Asked, agent_id: FromPath[str], data: URLEncodedBody[TryForm]
    ) -> Response[str] | Redirect:
        return _on(await pages.ask(request, agent_id, data, draft=True))

    @get("/test-calls/{tryout_id:str}", opt=may, media_type=MediaType.HTML)
    async def tryout_page(request: Asked, tryout_id: FromPath[str]) -> Response[str]:
        return await pages.one(signed_in(request), tryout_id)

    @websocket("/test-calls/{tryout_id:str}/line", opt=may)
    async def tryout_line(socket: Socket, tryout_id: FromPath[str]) -> None:
        await line.serve(socket, tryout_id)

    return [try_version, try_draft, tryout_page, tryout_line]


def _on(done: Response[str] | Tryout) -> Response[str] | Redirect:
    return Redirect(f"/test-calls/{done.id}", status_code=303) if isinstance(done, Tryout) else done
