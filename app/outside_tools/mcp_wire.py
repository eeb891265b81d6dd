"""Messages of the Model Context Protocol and what is read from them. Pure.

Two generations are spoken: 2026-07-28, where every request carries version and client itself, and the revisions
2025-03-26 to 2025-11-25, which begin with `initialize` and may have a session.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

import msgspec

from app.domain.argument_schema import ArgumentSchema
from app.domain.outside_tool import definition_hash
from app.errors import ValidationFailed
from app.outside_tools.answer import ToolAnswer, error, result
from app.outside_tools.errors import ToolFailed

MODERN = "2026-07-28"
HANDSHAKE = ("2025-11-25", "2025-06-18", "2025-03-26")
"""Revisions that begin with `initialize`, newest first."""
CLIENT = {"name": "opendeep", "version": "1"}
UNSUPPORTED_VERSION = -32022
MODERN_ERRORS = frozenset({-32020, -32021, UNSUPPORTED_VERSION})
METHOD_NOT_FOUND = -32601
MAX_TOOLS = 500
"""Tools read of one server, over all pages."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PLAIN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")
_ENCODED = re.compile(r"=\?base64\?.*\?=", re.DOTALL)
SESSION_ID = re.compile(r"[\x21-\x7e]{1,1000}")

Json = dict[str, Any]


class RpcError(msgspec.Struct, frozen=True):
    """`data` is whatever the server adds."""

    code: int
    message: str = ""
    data: Any = None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Anything a server sends: a response (`result` or `error`), a request or a notification (`method`)."""

    id: int | str | None = None
    method: str = ""
    result: Json | None = None
    error: RpcError | None = None

    @property
    def is_request(self) -> bool:
        """The server wants something from us."""
        return bool(self.method) and self.id is not None


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as its server describes it."""

    name: str
    description: str
    schema: Mapping[str, object]

    @property
    def hash(self) -> str:
        """What it is pinned by."""
        return definition_hash(self.name, self.description, self.schema)


class _Tool(msgspec.Struct):
    name: str
    inputSchema: dict[str, object]
    description: object = ""


def request(number: int, method: str, params: Json, version: str) -> bytes:
    """A request's body; of the modern revision with who asks in which version."""
    if version == MODERN:
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": CLIENT,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params = {**params, "_meta": meta}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


def notification(method: str) -> bytes:
    """A message that nobody answers."""
    return msgspec.json.encode({"jsonrpc": "2.0", "method": method})


def reply(message: Message) -> bytes:
    """Our answer to a server's request: we are here, and offer nothing else."""
    if message.method == "ping":
        return msgspec.json.encode({"jsonrpc": "2.0", "id": message.id, "result": {}})
    refusal = {"code": METHOD_NOT_FOUND, "message": "Method not found"}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": message.id, "error": refusal})


def messages(data: bytes | str) -> list[Message]:
    """One message, or a batch (2025-03-26). Raises ToolFailed for anything else."""
    try:
        found: list[Message] | Message = msgspec.json.decode(data, type=list[Message] | Message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ToolFailed(
            "The MCP server answered with something that is no MCP message.", status="nonsense"
        ) from None
    return found if isinstance(found, list) else [found]


def definitions(listed: Json) -> tuple[list[Definition], str | None]:
    """The tools of one page, and the cursor of the next. A tool that is damaged is left out, not the others."""
    found: list[Definition] = []
    tools, cursor = listed.get("tools"), listed.get("nextCursor")
    if not isinstance(tools, list):
        raise ToolFailed("The MCP server's list of tools cannot be read.", status="nonsense")
    for one in cast("list[Any]", tools):
        with suppress(msgspec.ValidationError):
            tool = msgspec.convert(one, _Tool)
            said = tool.description if isinstance(tool.description, str) else ""
            found.append(Definition(name=tool.name, description=said, schema=tool.inputSchema))
    return found, cursor if isinstance(cursor, str) else None


def _unchanged(value: object) -> object:
    return value


def told(answer: Json, name: str, hide: Callable[[object], object] = _unchanged) -> ToolAnswer:
    """The result of a tool for the model: structured content if there is any, else its texts. `hide` takes secrets
    out of either, before anything is cut.
    """
    kind = answer.get("resultType", "complete")
    if kind != "complete":
        return error(f"{name} wants more than this call can give it; it did not work.", "incomplete")
    texts = str(hide("\n".join(_texts(answer.get("content")))))
    if answer.get("isError") is True:
        return error(f"{name} reports an error; it did not work.", "tool error", said=texts)
    if "structuredContent" in answer:
        return result(hide(answer["structuredContent"]), "ok")
    return result(texts or "done", "ok")


def _texts(content: object) -> Iterator[str]:
    for one in cast("list[Any]", content) if isinstance(content, list) else []:
        match one:
            case {"type": "text", "text": str(text)} | {"type": "resource", "resource": {"text": str(text)}}:
                yield text
            case {"type": "resource_link", "name": str(name)}:
                yield f"(a document: {name})"
            case {"type": str(kind)}:
                yield f"({kind[:20]} left out)"
            case _:
                pass


def header_value(value: str) -> str:
    """A value as a header may carry it: plain ASCII as it is, everything else in the sentinel form."""
    if _PLAIN.fullmatch(value) and not _ENCODED.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def mirrored_headers(schema: Mapping[str, object], arguments: Mapping[str, object]) -> dict[str, str]:
    """Arguments that the server wants repeated as `Mcp-Param-*` headers. Raises ValidationFailed for annotations
    that are not allowed; the tool may then not be used.
    """
    found: dict[str, object] = {}
    for name, path in _annotated(schema, ()):
        if name.lower() in {known.lower() for known in found}:
            raise ValidationFailed("two of its arguments have the same x-mcp-header.")
        found[name] = _at(arguments, path)
    if sum(1 for _ in _marks(schema)) != len(found):
        raise ValidationFailed("x-mcp-header stands where it is not allowed.")
    return {f"Mcp-Param-{name}": header_value(_header_text(one)) for name, one in found.items() if one is not None}


def _annotated(schema: Mapping[str, object], path: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    properties = schema.get("properties")
    for key, inner in cast("dict[str, Any]", properties).items() if isinstance(properties, dict) else ():
        if not isinstance(inner, dict):
            continue
        part = cast("dict[str, object]", inner)
        mark = part.get("x-mcp-header")
        if mark is not None:
            if not isinstance(mark, str) or _TOKEN.fullmatch(mark) is None:
                raise ValidationFailed("an x-mcp-header is no name of a header.")
            if part.get("type") not in {"string", "integer", "boolean"}:
                raise ValidationFailed(f"x-mcp-header {mark!r} stands at no string, integer or boolean.")
            yield mark, (*path, key)
        yield from _annotated(part, (*path, key))


def _marks(value: object) -> Iterator[object]:
    if isinstance(value, list):
        for one in cast("list[object]", value):
            yield from _marks(one)
    elif isinstance(value, dict):
        for key, inner in cast("dict[str, object]", value).items():
            if key == "x-mcp-header":
                yield inner
            else:
                yield from _marks(inner)


def _at(arguments: Mapping[str, object], path: tuple[str, ...]) -> object:
    value: object = arguments
    for key in path:
        value = _inside(value, key)
    return value


def _inside(value: object, key: str) -> object:
    return cast("dict[str, object]", value).get(key) if isinstance(value, dict) else None


def _header_text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def check_definition(one: Definition) -> str:
    """Why a tool cannot be offered at all; empty: it can."""
    try:
        ArgumentSchema(one.schema)
        mirrored_headers(one.schema, {})
    except ValidationFailed as problem:
        return problem.message
    return ""
