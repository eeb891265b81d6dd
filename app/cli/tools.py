"""`opendeep tools`: look at what an MCP server offers, allow it by hash, try it; nothing is dialed."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
import msgspec

from app.config import load_settings, tool_environment
from app.domain.outside_tool import McpServer, OutsideTool, check_outside_tools, function_name, parameters_text
from app.errors import ValidationFailed
from app.guarded_http import trusted_origins
from app.outside_tools import Tools, Way
from app.outside_tools.answer import visible
from app.outside_tools.errors import ToolFailed
from app.outside_tools.mcp import McpClient
from app.outside_tools.mcp_wire import Definition, check_definition

T = TypeVar("T")
TRY_S = 30.0


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What `tools pin --json` prints: `mcp` goes into an agent as it is; `tools` is for the person who decides."""

    ok: bool = True
    mcp: McpServer
    tools: tuple["Seen", ...]


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One tool of the server. `problem`: why no call can be offered it; it is not pinned then."""

    name: str
    function: str
    hash: str
    description: str
    parameters: dict[str, object]
    problem: str = ""


@click.group(name="tools")
def tools_command() -> None:
    """Functions of other people's systems that agents may call."""


def _server(name: str, url: str, headers: tuple[str, ...]) -> McpServer:
    pairs = [header.partition("=") for header in headers]
    if any(not value for _, _, value in pairs):
        raise ValidationFailed(
            "--header is written NAME=VALUE, like Authorization='Bearer env:OPENDEEP_TOOL_CRM'."
        )
    try:
        given = {"name": name, "url": url, "headers": {key.strip(): value for key, _, value in pairs}}
        server = msgspec.convert({**given, "timeout_s": TRY_S}, McpServer)
    except msgspec.ValidationError as problem:
        raise ValidationFailed(f"This is no MCP server: {problem}.") from None
    check_outside_tools((), (server,))
    return server


def _way() -> Way:
    settings = load_settings(overrides={"simulate": True})
    return Way(trusted=trusted_origins(settings.outside_tool_hosts), environment=tool_environment())


async def _asked(server: McpServer, ask: Callable[[McpClient], Awaitable[T]]) -> T:
    client = McpClient(server, _way(), {})
    try:
        return await ask(client)
    except ToolFailed as failed:
        raise ToolFailed(failed.shown, status=failed.status) from None
    except TimeoutError:
        raise ValidationFailed(f"{server.url} did not answer within {TRY_S:.0f} s.") from None
    finally:
        await client.close()


@tools_command.command(name="pin")
@click.argument("url")
@click.option("--name", required=True, help="Name of the server in the agent: small letters, digits and _.")
@click.option(
    "--header", "headers", multiple=True, help="NAME=VALUE; a VALUE env:OPENDEEP_TOOL_X is read when it is sent."
)
@click.option("--tool", "wanted", multiple=True, help="Only these tools, repeatable. Default: all of them.")
@click.option("--toml", "as_toml", is_flag=True, help="As a table of a TOML file instead of JSON.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout, schemas and all."
)
def pin_command(
    *, url: str, name: str, headers: tuple[str, ...], wanted: tuple[str, ...], as_toml: bool, as_json: bool
) -> None:
    """Print the tools of the MCP server at URL with their hashes, ready to be put into an agent.

    \b
    opendeep tools pin https://crm.example/mcp --name crm --header Authorization="Bearer env:OPENDEEP_TOOL_CRM"

    Read the descriptions first: the agent is told them. A tool that its server describes otherwise later is not
    offered to any call until it is pinned again. A server in your own network has to be in OUTSIDE_TOOL_HOSTS.
    """
    server = _server(name, url, headers)
    found = asyncio.run(_asked(server, lambda client: client.tools()))
    if unknown := [one for one in wanted if one not in {tool.name for tool in found}]:
        raise ValidationFailed(f"{url} has no tool {unknown[0]!r}.")
    seen = tuple(_seen(server, tool) for tool in found if not wanted or tool.name in wanted)
    pinned = {one.name: one.hash for one in seen if not one.problem}
    # The time a call waits is the default of McpServer and not the patience of this command.
    mcp = McpServer(name=server.name, url=server.url, headers=server.headers, tools=pinned)
    for one in seen:
        told = f"cannot be offered: {one.problem}" if one.problem else one.description
        click.echo(visible(f"{one.name} ({one.function}): {told}"), err=True)
    if as_json:
        click.echo(msgspec.json.encode(Listing(mcp=mcp, tools=seen)).decode())
    else:
        click.echo(_toml(mcp) if as_toml else msgspec.json.format(msgspec.json.encode(mcp)).decode())


@tools_command.command(name="try")
@click.argument("url")
@click.argument("tool")
@click.argument("arguments", default="{}")
@click.option("--header", "headers", multiple=True, help="NAME=VALUE, as for pin.")
def try_command(*, url: str, tool: str, arguments: str, headers: tuple[str, ...]) -> None:
    """Call TOOL of the MCP server at URL with ARGUMENTS (JSON) and print what an agent would be told.

    It is really called. Exit status 0: there was a result, 1: an error.
    """
    server = _server("tried", url, headers)

    async def ask() -> dict[str, object]:
        found = await _asked(server, lambda client: client.tools())
        there = next((one for one in found if one.name == tool), None)
        if there is None:
            names = visible(", ".join(one.name for one in found))
            raise ValidationFailed(f"{url} has no tool {tool!r}; it has {names}.")
        tools = Tools((), (server,), _way(), {})
        answer = await tools.call(_offered(server, there), arguments)
        await tools.close()
        return answer.told

    told = asyncio.run(ask())
    click.echo(msgspec.json.encode(told).decode())
    sys.exit(1 if "error" in told else 0)


def _seen(server: McpServer, tool: Definition) -> Seen:
    return Seen(
        name=tool.name,
        function=function_name(server.name, tool.name),
        hash=tool.hash,
        description=tool.description,
        parameters=dict(tool.schema),
        problem=check_definition(tool),
    )


def _offered(server: McpServer, tool: Definition) -> OutsideTool:
    return OutsideTool(
        name=function_name(server.name, tool.name),
        description=tool.description,
        parameters=parameters_text(tool.schema),
        server=server.name,
        tool=tool.name,
    )


def _toml(server: McpServer) -> str:
    """Strings of JSON are strings of TOML, as long as no sign outside the basic plane is escaped: none is."""
    lines = ["[[mcp]]", f"name = {_quoted(server.name)}", f"url = {_quoted(server.url)}"]
    for title, table in (("headers", server.headers), ("tools", server.tools)):
        if table:
            lines += ["", f"[mcp.{title}]", *(f"{_quoted(key)} = {_quoted(one)}" for key, one in table.items())]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")
