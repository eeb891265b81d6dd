"""`/data` and its forms."""

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from app.domain.people import Permission
from app.errors import AppError, StoreError, ValidationFailed
from app.store.legal_holds import Held
from web.auth import needs
from web.keeping.desk import days_of
from web.keeping.page import KeepingPage
from web.problems import status_of

Asked = Request[object, object, State]


class DaysForm(msgspec.Struct, frozen=True, kw_only=True):
    """Days by kind, as typed."""

    recordings: str = ""
    talks: str = ""
    chats: str = ""
    webhooks: str = ""


class ForgetForm(msgspec.Struct, frozen=True, kw_only=True):
    """A number, and the same number once more."""

    number: str = ""
    again: str = ""


class HoldForm(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept, and why."""

    kind: Held = "recipient"
    subject: str = ""
    reason: str = ""


def keeping_routes(pages: KeepingPage) -> list[HTTPRouteHandler]:
    """People see it by AUDIT and change it by ERASE."""
    may, html, desk = needs(Permission.ERASE), MediaType.HTML, pages.desk

    @get("/data", opt=needs(Permission.AUDIT), media_type=html)
    async def data_page(request: Asked) -> Response[str]:
        return await pages.page(request)

    @post("/data/days", opt=may, media_type=html)
    async def set_days(request: Asked, data: URLEncodedBody[DaysForm]) -> Response[str] | Redirect:
        try:
            days = days_of(msgspec.structs.asdict(data))
            async with desk.db.tx() as tx:
                await desk.set_days(tx, request, days)
        except AppError as refused:
            return await _refused(pages, request, refused)
        return Redirect("/data", status_code=303)

    @post("/data/forget", opt=may, media_type=html)
    async def forget(request: Asked, data: URLEncodedBody[ForgetForm]) -> Response[str] | Redirect:
        try:
            if desk.read(data.number) != desk.read(data.again):
                raise ValidationFailed("The two numbers are not the same; nothing was erased.")
            async with desk.db.tx() as tx:
                await desk.erase(tx, request, data.number)
        except AppError as refused:
            return await _refused(pages, request, refused)
        return Redirect("/data#erasures", status_code=303)

    @post("/data/holds", opt=may, media_type=html)
    async def place_hold(request: Asked, data: URLEncodedBody[HoldForm]) -> Response[str] | Redirect:
        try:
            async with desk.db.tx() as tx:
                await desk.place_hold(tx, request, data.kind, data.subject, data.reason)
        except AppError as refused:
            return await _refused(pages, request, refused)
        return Redirect("/data#holds", status_code=303)

    @post("/data/holds/{hold_id:str}/lift", opt=may, media_type=html)
    async def lift_hold(request: Asked, hold_id: FromPath[str]) -> Redirect:
        async with desk.db.tx() as tx:
            await desk.lift_hold(tx, request, hold_id)
        return Redirect("/data#holds", status_code=303)

    return [data_page, set_days, forget, place_hold, lift_hold]


async def _refused(pages: KeepingPage, request: Asked, error: AppError) -> Response[str]:
    """The page with what is wrong. A database that is away is no mistake of a person."""
    if isinstance(error, StoreError):
        raise error
    return await pages.page(request, status=status_of(error), refusal=error.message)
