"""`/agents`, one of them, its versions, and the forms that make the next one."""

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from app.domain.agent import Agent
from app.domain.people import Permission
from web.agents.page import AgentPages, FileForm, RestoreForm
from web.auth import needs, signed_in

Asked = Request[object, object, State]


def agent_page_routes(pages: AgentPages) -> list[HTTPRouteHandler]:
    """People see agents by SEE; files, which may hold secrets, and every change need RULE."""
    return [*_reading(pages), *_changing(pages)]


def _reading(pages: AgentPages) -> list[HTTPRouteHandler]:
    @get("/agents", opt=needs(Permission.SEE), media_type=MediaType.HTML)
    async def agents_page(request: Asked, after: FromQuery[str] = "") -> Response[str]:
        return await pages.listing(signed_in(request), after[:200])

    @get("/agents/{agent_id:str}", opt=needs(Permission.SEE), media_type=MediaType.HTML)
    async def agent_page(request: Asked, agent_id: FromPath[str]) -> Response[str]:
        return await pages.one(signed_in(request), agent_id)

    @get("/agents/new", opt=needs(Permission.RULE), media_type=MediaType.HTML)
    async def new_agent_page(request: Asked, example: FromQuery[str] = "") -> Response[str]:
        return await pages.blank(signed_in(request), example)

    @get("/agents/{agent_id:str}/file", opt=needs(Permission.RULE))
    async def agent_file(request: Asked, agent_id: FromPath[str]) -> Response[str]:
        return await pages.file(signed_in(request), agent_id)

    @get("/agents/{agent_id:str}/versions/{version:int}", opt=needs(Permission.RULE), media_type=MediaType.HTML)
    async def agent_version_page(
        request: Asked, agent_id: FromPath[str], version: FromPath[int], before: FromQuery[int | None] = None
    ) -> Response[str]:
        return await pages.version(signed_in(request), agent_id, version, before)

    return [agents_page, agent_page, new_agent_page, agent_file, agent_version_page]


def _changing(pages: AgentPages) -> list[HTTPRouteHandler]:
    may = needs(Permission.RULE)

    @post("/agents", opt=may, media_type=MediaType.HTML)
    async def make_agent(request: Asked, data: URLEncodedBody[FileForm]) -> Response[str] | Redirect:
        return _on(await pages.create(request, data.text))

    @post("/agents/{agent_id:str}", opt=may, media_type=MediaType.HTML)
    async def change_agent(
        request: Asked, agent_id: FromPath[str], data: URLEncodedBody[FileForm]
    ) -> Response[str] | Redirect:
        return _on(await pages.change(request, agent_id, data))

    @post("/agents/{agent_id:str}/restore", opt=may, media_type=MediaType.HTML)
    async def restore_agent(
        request: Asked, agent_id: FromPath[str], data: URLEncodedBody[RestoreForm]
    ) -> Response[str] | Redirect:
        return _on(await pages.restore(request, agent_id, data.version))

    return [make_agent, change_agent, restore_agent]


def _on(done: Response[str] | Agent) -> Response[str] | Redirect:
    """To the agent's page, or what is wrong."""
    return Redirect(f"/agents/{done.id}", status_code=303) if isinstance(done, Agent) else done
