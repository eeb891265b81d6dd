"""One HTTP tool, one request: arguments checked, put into path, query or body, the answer cut to what is told."""

from collections.abc import Mapping

import msgspec

from app.domain.argument_schema import ArgumentSchema
from app.domain.outside_tool import HttpTool
from app.domain.url_template import filled, names_in, with_query
from app.errors import ValidationFailed
from app.guarded_http import Fetched, Unreachable
from app.outside_tools.answer import ToolAnswer, error, is_json, readable, result
from app.outside_tools.way import Way

ACCEPT = "application/json, text/plain;q=0.9, text/*;q=0.5"


class Request(msgspec.Struct, frozen=True):
    """What leaves, without the headers of the tool."""

    url: str
    body: bytes | None


async def ask(tool: HttpTool, arguments: str, way: Way) -> ToolAnswer:
    """Call it. Raises ValidationFailed before anything leaves, ToolFailed, UrlRefused or FetchFailed."""
    given = ArgumentSchema(tool.parameters).read(arguments)
    request = request_of(tool, given)
    headers = {"Accept": ACCEPT, **way.headers(tool.headers, tool.url)}
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    fetched, tries = await _fetched(tool, request, headers, way)
    return _told(tool, fetched, tries, way)


def request_of(tool: HttpTool, arguments: Mapping[str, object]) -> Request:
    """Where the arguments go. Raises ValidationFailed for one that would lead elsewhere."""
    placed = names_in(tool.url)
    url = filled(tool.url, arguments)
    rest = {name: value for name, value in arguments.items() if name not in placed}
    try:
        if tool.method == "GET":
            return Request(with_query(url, rest), None)
        return Request(url, msgspec.json.encode(rest))
    except UnicodeEncodeError:
        raise ValidationFailed("The arguments have characters that cannot be sent.") from None


async def _fetched(tool: HttpTool, request: Request, headers: dict[str, str], way: Way) -> tuple[Fetched, int]:
    """Once more only where nothing can have been done: a GET without a connection."""
    async with way.client(tool.timeout_s) as client:
        try:
            return await client.fetch(
                request.url, way.rules, method=tool.method, headers=headers, body=request.body
            ), 1
        except Unreachable:
            if tool.method != "GET":
                raise
        return await client.fetch(request.url, way.rules, headers=headers), 2


def _told(tool: HttpTool, fetched: Fetched, tries: int, way: Way) -> ToolAnswer:
    status = str(fetched.status)
    body = fetched.body.decode("utf-8", "replace")
    text = way.redacted(body, tool.headers)
    if not 200 <= fetched.status < 300:
        said = text if readable(fetched.content_type) and "html" not in fetched.content_type.lower() else ""
        return error(f"{tool.name} answered with HTTP {status}; it did not work.", status, said=said, tries=tries)
    if not text.strip():
        return result("done", status, tries)
    if not readable(fetched.content_type):
        kind = way.redacted(fetched.content_type, tool.headers)[:60]
        return error(f"{tool.name} answered with something that is no text.", status, said=kind, tries=tries)
    if is_json(fetched.content_type):
        try:
            return result(way.hidden(msgspec.json.decode(body), tool.headers), status, tries)
        except (msgspec.DecodeError, RecursionError):
            return error(f"{tool.name} answered with JSON that cannot be read.", status, tries=tries)
    return result(text, status, tries)
