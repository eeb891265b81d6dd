"""All resources under `/api/v1`, with `openapi.json` made of the routes and a page to read it."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from app.domain.people import Permission
from web.api.once import FILE
from web.api.reference import chapters
from web.auth import NEEDS, needs, signed_in
from web.problems import MEDIA_TYPE
from web.render import Templates

Asked = Request[object, object, State]
PREFIX = "/api/v1"
OPEN_API_TYPE = "application/vnd.oai.openapi+json"
DESCRIPTION = (
    'Show a key of the page "People" as `Authorization: Bearer odt_...`; it may do what its role may. Lists come '
    "in pages: ask again with `cursor` = `next_cursor` until that is null. A POST with an `Idempotency-Key` (1 to "
    "200 visible characters, a UUID for instance) is done once, however often it is sent within a day. There are "
    "so many requests a minute (`RateLimit-Limit`); 429 says in `Retry-After` when to go on. Whatever "
    "goes wrong is answered as problem details (RFC 9457): `code` is for programs, `detail` for people. Times are "
    "UTC epoch milliseconds, amounts of money millionths of a US dollar, telephone numbers E.164."
)
RATE = {
    "Retry-After": "Seconds until the next request is welcome.",
    "RateLimit-Limit": "Requests in a minute.",
    "RateLimit-Remaining": "How many of them are left.",
    "RateLimit-Reset": "Seconds until the minute is over.",
}
"""Headers of an answer that refuses because of too many requests; all but the first stand in every answer."""
PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "status": {"type": "integer", "description": "The HTTP status."},
        "code": {"type": "string", "description": "What happened, for programs."},
        "detail": {"type": "string", "description": "What happened and what to do, in a sentence."},
        "errors": {
            "type": "array",
            "description": "What does not fit, and where.",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "in": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def api_router(templates: Templates, resources: Sequence[BaseRouteHandler]) -> Router:
    """`/api/v1` with the given routes, `/openapi.json` and `/docs`."""
    may = needs(Permission.SEE)

    @cache
    def described() -> dict[str, Any]:
        return description(resources)

    @get("/openapi.json", opt=may, include_in_schema=False)
    async def openapi() -> Response[dict[str, Any]]:
        return Response(described(), media_type=OPEN_API_TYPE)

    @get("/docs", opt=may, include_in_schema=False, media_type=MediaType.HTML)
    async def docs(request: Asked) -> str:
        return templates.render(
            "api.html", signed_in(request), f"{PREFIX}/docs", about=DESCRIPTION, chapters=chapters(described())
        )

    return Router(PREFIX, route_handlers=[*resources, openapi, docs])


def description(resources: Sequence[BaseRouteHandler]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes. Litestar makes it; added is what holds for all of them."""
    config = OpenAPIConfig(
        title="OpenDeep",
        version="1",
        description=DESCRIPTION,
        use_handler_docstrings=True,
        components=Components(
            security_schemes={"key": SecurityScheme(type="http", scheme="bearer", description="A key of People.")}
        ),
        security=[{"key": []}],
    )
    # An application that is never served: so exactly these routes are described, and no schema page is mounted.
    aside = Litestar([Router(PREFIX, route_handlers=list(resources))], openapi_config=config, logging_config=None)
    document: dict[str, Any] = aside.openapi_schema.to_schema()
    document["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    opts = _opts(aside)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            _complete(method, operation, opts.get((method.upper(), path), {}))
    return document


def _complete(method: str, operation: dict[str, Any], opt: Mapping[str, Any]) -> None:
    """What Litestar cannot know: permission, problem details, files, the key that makes a POST happen once."""
    text = operation.pop("description", "") or operation.get("summary", "")
    sentence, _, rest = text.partition("\n")
    operation["summary"] = sentence.rstrip(".")
    needed = f"Needs the permission `{opt[NEEDS]}`." if NEEDS in opt else ""
    operation["description"] = "\n\n".join(part for part in (rest.strip(), needed) if part)
    operation["tags"] = [operation["tags"][0]] if operation.get("tags") else []
    operation["responses"].pop("400", None)
    operation["responses"]["default"] = {
        "description": "What went wrong",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    operation["responses"]["429"] = {
        "description": "Too many requests in this minute",
        "headers": {name: {"description": told, "schema": {"type": "integer"}} for name, told in RATE.items()},
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if FILE in opt:
        file = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
        operation["requestBody"] = {"required": True, "content": dict.fromkeys(opt[FILE], file)}
    if method == "post":
        operation.setdefault("parameters", []).append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "Sent again with the same key, the request is done once and answered alike.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 200},
            }
        )


def _opts(app: Litestar) -> dict[tuple[str, str], Mapping[str, Any]]:
    """(method, path) -> what a route declares."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for route in app.routes:
        for one in getattr(route, "route_handlers", ()):
            for method in one.http_methods:
                found[str(method), route.path_format] = one.opt
    return found
