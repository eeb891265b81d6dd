"""Signing in and out: by password, by a one-time link (`/enter#secret`), and the person's own page."""

from urllib.parse import urlsplit

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, JSONBody, URLEncodedBody
from litestar.response import Redirect

from app.people.door import Door, NotLetIn
from web.auth import PUBLIC, caller_of, person_of, session_cookie
from web.render import Templates

Asked = Request[object, object, State]


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """The form of the sign-in page."""

    email: str = ""
    password: str = ""
    following: str = "/"


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What stood behind the `#` of an entry link."""

    secret: str


def sign_in_routes(door: Door, templates: Templates) -> list[HTTPRouteHandler]:
    """`/sign-in`, `/enter`, `/sign-out`."""

    @get("/sign-in", opt=PUBLIC, media_type=MediaType.HTML)
    async def sign_in_page(following: FromQuery[str] = "/") -> Response[str]:
        return _page(templates, local(following))

    @post("/sign-in", opt=PUBLIC, media_type=MediaType.HTML)
    async def sign_in(request: Asked, data: URLEncodedBody[Credentials]) -> Response[str] | Redirect:
        try:
            entry = await door.by_password(data.email, data.password, caller_of(request))
        except NotLetIn as refused:
            status = 429 if refused.code == "too_many_tries" else 401
            return _page(templates, local(data.following), data.email, refused.message, status)
        return Redirect(local(data.following), status_code=303, cookies=[session_cookie(request, entry.secret)])

    @get("/enter", opt=PUBLIC, media_type=MediaType.HTML)
    async def enter_page() -> str:
        return templates.render("enter.html")

    @post("/enter", opt=PUBLIC, status_code=204)
    async def enter(request: Asked, data: JSONBody[Link]) -> Response[None]:
        entry = await door.by_link(data.secret, caller_of(request))
        return Response(None, status_code=204, cookies=[session_cookie(request, entry.secret)])

    @post("/sign-out", opt=PUBLIC)
    async def sign_out(request: Asked) -> Redirect:
        person = person_of(request)
        if person is not None and person.via == "session":
            await door.leave(person, caller_of(request))
        return Redirect("/sign-in", status_code=303, cookies=[session_cookie(request, None)])

    return [sign_in_page, sign_in, enter_page, enter, sign_out]


def local(address: str) -> str:
    """An address of ours to go on to: a path, and nothing a browser could read as another host."""
    parts = urlsplit(address.strip())
    if parts.scheme or parts.netloc or not address.startswith("/") or address.startswith("//") or "\\" in address:
        return "/"
    return address


def _page(
    templates: Templates, following: str, email: str = "", refusal: str = "", status: int = 200
) -> Response[str]:
    text = templates.render("sign_in.html", following=following, email=email, refusal=refusal)
    return Response(text, status_code=status, media_type=MediaType.HTML)
