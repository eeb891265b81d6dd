"""`/tasks`, `/tasks/{id}` and its form."""

from typing import Annotated

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter, URLEncodedBody
from litestar.response import Redirect

from app.domain.people import Permission
from app.errors import ConflictError, ValidationFailed
from web.auth import needs, signed_in
from web.task_pages.page import ChangeForm, TaskPages
from web.task_pages.view import read_filter

Asked = Request[object, object, State]


def task_page_routes(pages: TaskPages) -> list[HTTPRouteHandler]:
    """People see tasks by SEE and change them by PLAN."""

    @get("/tasks", opt=needs(Permission.SEE), media_type=MediaType.HTML)
    async def tasks_page(
        request: Asked,
        *,
        wanted_state: Annotated[
            str, QueryParameter(name="state")
        ] = "",  # `state` is a name of the framework's own
        campaign: FromQuery[str] = "",
        due: FromQuery[str] = "",
        q: FromQuery[str] = "",
        after: FromQuery[str] = "",
    ) -> Response[str]:
        person = signed_in(request)
        wanted = read_filter(wanted_state, campaign, due, q, full_numbers=person.may(Permission.SEE_NUMBERS))
        return await pages.listing(person, wanted, after[:200])

    @get("/tasks/{task_id:str}", opt=needs(Permission.SEE), media_type=MediaType.HTML)
    async def task_page(request: Asked, task_id: FromPath[str]) -> Response[str]:
        return await pages.one(request, task_id)

    @post("/tasks/{task_id:str}", opt=needs(Permission.PLAN), media_type=MediaType.HTML)
    async def task_change(
        request: Asked, task_id: FromPath[str], data: URLEncodedBody[ChangeForm]
    ) -> Response[str] | Redirect:
        try:
            await pages.change(request, task_id, data)
        except (ValidationFailed, ConflictError) as refused:
            status = 409 if isinstance(refused, ConflictError) else 422
            return await pages.one(request, task_id, status, typed=data, refusal=refused.message)
        return Redirect(f"/tasks/{task_id}", status_code=303)

    return [tasks_page, task_page, task_change]
