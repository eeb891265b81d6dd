"""Functions of other people's systems that an agent may call: HTTP requests, tools of an MCP server. Pure.

What may leave is fixed here by the owner of the agent, not by the model: address, method, headers and, for MCP,
the hash of each tool's description, so that a server cannot change what a tool claims to do.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal, cast
from urllib.parse import urlsplit

import msgspec

from app.domain.argument_schema import ArgumentSchema
from app.domain.tenant import DEFAULT_TENANT_ID
from app.domain.url_template import names_in
from app.errors import ValidationFailed

ToolName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,47}\Z")]
Url = Annotated[str, msgspec.Meta(max_length=2_000, pattern=r"^https?://")]
Headers = dict[Annotated[str, msgspec.Meta(max_length=100)], Annotated[str, msgspec.Meta(max_length=2_000)]]
FunctionName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
"""What the Realtime API takes as the name of a function."""
MAX_NAME = 64
ENVIRONMENT_PREFIX = "OPENDEEP_TOOL_"
"""Only environment variables with this beginning can be sent to anybody as a header."""
HOSTS_SUFFIX = "_HOSTS"
"""Behind the name of a secret: the only hosts that it is sent to, separated by commas."""
TENANTS_SUFFIX = "_TENANTS"
"""Behind the name of a secret: whose agents may send it, ids with commas between; unset: the first tenant's."""
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_FROM_ENVIRONMENT = re.compile(r"(?:(?P<scheme>[A-Za-z]+) )?env:(?P<name>\S*)")
_OURS = frozenset(
    {
        "host",
        "content-length",
        "content-type",
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "accept-encoding",
        "proxy-authorization",
    }
)
"""Headers that the client writes itself."""


class HttpTool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One request. `parameters` is the JSON schema of the model's arguments. `{name}` in the path of `url` is
    filled with an argument; of the others GET makes the query, every other method a JSON body.

    A header value `env:NAME` or `Bearer env:NAME` is read from the environment when it is sent and never stored;
    NAME begins with OPENDEEP_TOOL_. NAME_HOSTS says to which hosts it may go (unset: to any), NAME_TENANTS which
    tenants' agents may send it (unset: those of the first tenant).
    """

    name: ToolName
    description: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    url: Url
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    parameters: dict[str, object] = {}
    headers: Headers = {}
    timeout_s: Annotated[float, msgspec.Meta(ge=0.5, le=30)] = 8.0
    most_calls: Annotated[int, msgspec.Meta(ge=1, le=50)] = 10


class McpServer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A server of the Model Context Protocol (streamable HTTP). `tools` names the ones that may be called, each
    with the SHA-256 of its definition as it was when somebody allowed it; `most_calls` holds for each of them.
    """

    name: ToolName
    url: Url
    headers: Headers = {}
    tools: dict[str, Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]] = {}
    timeout_s: Annotated[float, msgspec.Meta(ge=0.5, le=30)] = 8.0
    most_calls: Annotated[int, msgspec.Meta(ge=1, le=50)] = 10


class OutsideTool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A function of the agent's own, as one call offers it. `parameters` is a JSON schema as JSON text.

    `server` and `tool` say where it is when it belongs to an MCP server; else it is the HTTP tool of that name.
    """

    name: str
    description: str
    parameters: str
    most_calls: int = 10
    server: str = ""
    tool: str = ""


def definition_hash(name: str, description: str, parameters: Mapping[str, object]) -> str:
    """SHA-256 of what the model is told about an MCP tool: canonical JSON of name, description, input schema."""
    told = {"name": name, "description": description, "inputSchema": parameters}
    return hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()


def function_name(server: str, tool: str) -> str:
    """The name of an MCP tool for the model: `<server>_<tool>`, with what the API does not take replaced. A name
    that is too long keeps its beginning and gets a hash, so that two of them stay apart.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", f"{server}_{tool}")
    if len(plain) <= MAX_NAME:
        return plain
    mark = hashlib.sha256(f"{server}\n{tool}".encode()).hexdigest()[:8]
    return f"{plain[: MAX_NAME - 9]}_{mark}"


def environment_name(value: str) -> str | None:
    """The environment variable that a header value names; None for a value that is sent as it is."""
    found = _FROM_ENVIRONMENT.fullmatch(value)
    return None if found is None else found["name"]


def environment_of(tenant_id: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The secrets that agents of a tenant may send, with what else is said about them.

    Whoever edits an agent chooses the names it sends, so a secret of the site must not be anybody's.
    """

    def may(name: str) -> bool:
        named = environment.get(f"{name.removesuffix(HOSTS_SUFFIX)}{TENANTS_SUFFIX}", DEFAULT_TENANT_ID)
        return tenant_id in {one.strip() for one in named.split(",")}

    return {name: one for name, one in environment.items() if not name.endswith(TENANTS_SUFFIX) and may(name)}


def filled_header(value: str, url: str, environment: Mapping[str, str]) -> str | None:
    """A header value as it is sent to `url`; None when the variable it names is not set, or not for that host.

    Whoever edits an agent chooses its addresses: NAME_HOSTS beside NAME keeps the secret for the hosts it names.
    """
    found = _FROM_ENVIRONMENT.fullmatch(value)
    if found is None:
        return value
    secret = environment.get(found["name"]) if found["name"].startswith(ENVIRONMENT_PREFIX) else None
    hosts = environment.get(f"{found['name']}{HOSTS_SUFFIX}", "")
    if hosts and (urlsplit(url).hostname or "") not in {one.strip().lower() for one in hosts.split(",")}:
        return None
    if not secret or _HEADER_VALUE.fullmatch(secret) is None:
        return None
    return f"{found['scheme']} {secret}" if found["scheme"] else secret


def check_outside_tools(http_tools: Iterable[HttpTool], servers: Iterable[McpServer]) -> None:
    """Raises ValidationFailed for functions that no call could use, with all the reasons."""
    problems = [*_name_problems([*http_tools], [*servers])]
    for tool in http_tools:
        problems += [f"{tool.name}: {one}" for one in (*_header_problems(tool.headers), *_http_problems(tool))]
    for server in servers:
        problems += [f"{server.name}: {one}" for one in _header_problems(server.headers)]
    if problems:
        raise ValidationFailed(" ".join(problems))


def _name_problems(http_tools: list[HttpTool], servers: list[McpServer]) -> Iterator[str]:
    seen: set[str] = set()
    names = [tool.name for tool in http_tools]
    names += [function_name(server.name, tool) for server in servers for tool in server.tools]
    for name in names:
        if name in seen:
            yield f"Two functions of the agent are called {name!r}."
        seen.add(name)
    if len({server.name for server in servers}) != len(servers):
        yield "Two MCP servers have the same name."


def _header_problems(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if _HEADER_NAME.fullmatch(name) is None or name.lower() in _OURS or name.lower().startswith("mcp-"):
            yield f"the header {name!r} cannot be set."
        if _HEADER_VALUE.fullmatch(value) is None:
            yield f"the header {name!r} has a value with characters that no header has."
        variable = environment_name(value)
        if variable is not None and not variable.startswith(ENVIRONMENT_PREFIX):
            yield f"the header {name!r} names {variable!r}; only {ENVIRONMENT_PREFIX}... is sent to others."


def _http_problems(tool: HttpTool) -> Iterator[str]:
    try:
        schema = ArgumentSchema(tool.parameters)
        named = names_in(tool.url)
    except ValidationFailed as problem:
        yield problem.message
        return
    if missing := [name for name in named if name not in schema.required]:
        yield f"{{{missing[0]}}} of the address is no required argument of the schema."


def parameters_text(parameters: Mapping[str, object]) -> str:
    """A schema as the model is given it. The Realtime API wants an object schema, even of nothing."""
    told = {"type": "object", "properties": cast("dict[str, object]", {}), **parameters}
    return msgspec.json.encode(told).decode()
