"""Functions of other people's systems that an agent may call: HTTP requests, tools of an MCP server. Pure.

What may leave is fixed here by the owner of the agent, not by the model: address, method, headers and, for MCP,
the hash of each tool's description, so that a server cannot change what a tool claims to do.
"""

from typing import Annotated, Literal

import msgspec

ToolName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,47}\Z")]
Url = Annotated[str, msgspec.Meta(max_length=2_000, pattern=r"^https?://")]
Headers = dict[Annotated[str, msgspec.Meta(max_length=100)], Annotated[str, msgspec.Meta(max_length=2_000)]]


class HttpTool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One request. `parameters` is the JSON schema of the model's arguments; GET sends them in the query, the
    others as a JSON body. A header value `env:NAME` is read from the environment when it is sent and never stored.
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
    with the SHA-256 of its definition as it was when somebody allowed it.
    """

    name: ToolName
    url: Url
    headers: Headers = {}
    tools: dict[str, Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]] = {}
    timeout_s: Annotated[float, msgspec.Meta(ge=0.5, le=30)] = 8.0
    most_calls: Annotated[int, msgspec.Meta(ge=1, le=50)] = 10
