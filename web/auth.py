"""Who is asking, and whether they may: a middleware finds the person, a guard holds routes to what they declare.

Every route says what it needs (`opt=needs(Permission.SEE)`), or that everybody may have it (`opt=PUBLIC`); one
that says nothing is refused to all. Requests that change something must come from our own pages: their Origin is
ours, unless a program's token is shown, which no foreign page can send.
"""

from collections.abc import Callable, Mapping
from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.exceptions import NotAuthorizedException
from litestar.handlers.base import BaseRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from app.domain.people import Permission, Person
from app.errors import AppError
from app.people.door import Caller, Door
from app.store.sessions import ABSOLUTE_MS
from web.guard import origin_allowed

NEEDS = "needs"
EVERYBODY = "everybody"
PUBLIC: dict[str, Any] = {NEEDS: EVERYBODY}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
COOKIE, SECURE_COOKIE = "opendeep", "__Host-opendeep"
Connection = ASGIConnection[Any, Any, Any, Any]


class NotSignedIn(AppError):
    """Nobody known is asking (HTTP 401)."""

    code = "not_signed_in"


class NotAllowed(AppError):
    """The person may not do this (HTTP 403)."""

    code = "not_allowed"


def needs(permission: Permission) -> dict[str, Any]:
    """`opt` of a route: what a person must be granted."""
    return {NEEDS: permission}


def identify(door: Door) -> Callable[[ASGIApp], ASGIApp]:
    """Middleware: puts the `Person` of the cookie or token, or None, into the request's state."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def identified(scope: Scope, receive: Receive, send: Send) -> None:
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            scope["state"]["person"] = await _person(door, headers, secure=scope["scheme"] in {"https", "wss"})
            await app(scope, receive, send)

        return identified

    return wrap


async def _person(door: Door, headers: Mapping[str, str], *, secure: bool) -> Person | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind:  # whoever shows a token is judged by it alone
        return await door.by_token(token.strip()) if kind.lower() == "bearer" else None
    wanted = cookie_name(secure=secure)
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == wanted and value:
            return await door.by_cookie(value)
    return None


def require(connection: Connection, handler: BaseRouteHandler) -> None:
    """Guard of the whole application. Raises NotSignedIn, NotAllowed; for a websocket what closes it."""
    try:
        _judge(connection, handler.opt.get(NEEDS))
    except AppError as refused:
        if connection.scope["type"] == "websocket":
            raise NotAuthorizedException(refused.message) from refused
        raise


def _judge(connection: Connection, wanted: object) -> None:
    headers, person = connection.headers, person_of(connection)
    changing = connection.scope["type"] == "http" and connection.scope["method"] not in SAFE_METHODS
    by_token = person is not None and person.via == "token"
    if changing and not by_token and not origin_allowed(headers.get("origin"), headers.get("host", "")):
        raise NotAllowed("This request does not come from a page of ours.")
    if wanted == EVERYBODY:
        return
    if person is None:
        raise NotSignedIn("Sign in first.")
    if not isinstance(wanted, Permission) or not person.may(wanted):
        raise NotAllowed(
            f"Your role ({person.role}) does not allow this; an owner of your organisation can change it."
        )


def person_of(connection: Connection) -> Person | None:
    """Who is asking."""
    return connection.scope["state"].get("person")


def signed_in(connection: Connection) -> Person:
    """Who is asking, on a route that needs somebody."""
    person = person_of(connection)
    if person is None:
        raise NotSignedIn("Sign in first.")
    return person


def caller_of(connection: Connection) -> Caller:
    """Where the request comes from; behind a proxy on this machine what that says (uvicorn reads its headers)."""
    client = connection.client
    return Caller(address=client.host if client else "unknown", browser=connection.headers.get("user-agent", ""))


def cookie_name(*, secure: bool) -> str:
    """`__Host-` binds a cookie to this host and to https; browsers refuse the name without."""
    return SECURE_COOKIE if secure else COOKIE


def session_cookie(connection: Connection, secret: str | None) -> Cookie:
    """The cookie that holds a session, or (None) that removes it."""
    secure = connection.scope["scheme"] == "https"
    return Cookie(
        key=cookie_name(secure=secure),
        value=secret or "",
        max_age=ABSOLUTE_MS // 1000 if secret else 0,
        path="/",
        httponly=True,
        secure=secure,
        samesite="lax",
    )
