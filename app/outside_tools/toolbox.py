"""What functions of its own a call is offered, found out before the phone rings; and their calls.

HTTP tools are offered as they stand. Of an MCP server only what somebody allowed, by name and hash, and only while
the server describes it as it did then; a server that is away costs its functions and never the call.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from typing import Any, cast

import msgspec
import structlog

from app.clock import Clock
from app.domain.argument_schema import ArgumentSchema
from app.domain.outside_tool import HttpTool, McpServer, OutsideTool, function_name, parameters_text
from app.errors import AppError, ValidationFailed
from app.outside_tools import http
from app.outside_tools.answer import ToolAnswer, error
from app.outside_tools.errors import ToolFailed
from app.outside_tools.mcp import Eras, McpClient
from app.outside_tools.mcp_wire import Definition, check_definition
from app.outside_tools.way import Way

log = structlog.get_logger()

RESOLVE_S = 3.0
"""How long a call that is about to be dialed waits for the lists of all its servers."""
KEPT_S = 60.0
"""How long a list is used again; what a server changes meanwhile, no call is told."""
DOWN_S = 10.0
"""How long a server that did not answer is not asked again."""
UNKNOWN = "whether it did anything is not known."
MAX_OFFERED = 64
MAX_DESCRIPTION = 1_024
"""Characters of an MCP tool's description that the model is given."""


class LeftOut(msgspec.Struct, frozen=True):
    """A function that is not offered, and why."""

    name: str
    why: str


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """For one call. `left_out` is for the operator; the model learns nothing of it."""

    offered: tuple[OutsideTool, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


class _Listed(msgspec.Struct, frozen=True):
    """What a server said, until when; `problem` when it said nothing."""

    until_s: float
    tools: tuple[Definition, ...] = ()
    problem: str = ""


class Toolbox:
    """Of one process. `resolve` never raises for what goes wrong out there."""

    def __init__(self, way: Way, clock: Clock) -> None:
        self.way = way
        self._clock = clock
        self._eras: Eras = {}
        self._listed: dict[bytes, _Listed] = {}
        self._asking: dict[bytes, asyncio.Lock] = {}

    async def resolve(
        self, http_tools: Sequence[HttpTool], servers: Sequence[McpServer], taken: Collection[str] = ()
    ) -> Resolved:
        """The functions of an agent. `taken`: names that nothing of these may have."""
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._list(server)) for server in servers]
        candidates: list[OutsideTool | LeftOut] = [self._http(tool) for tool in http_tools]
        for server, answer in zip(servers, asked, strict=True):
            candidates += _of_server(server, answer.result())
        offered: dict[str, OutsideTool] = {}
        left_out = [one for one in candidates if isinstance(one, LeftOut)]
        for one in (one for one in candidates if isinstance(one, OutsideTool)):
            if one.name in taken or one.name in offered:
                left_out.append(LeftOut(one.name, "another function has this name."))
            elif len(offered) >= MAX_OFFERED:
                left_out.append(LeftOut(one.name, f"a call is offered at most {MAX_OFFERED} functions."))
            else:
                offered[one.name] = one
        return Resolved(offered=tuple(offered.values()), left_out=tuple(left_out))

    def tools(self, http_tools: Sequence[HttpTool], servers: Sequence[McpServer]) -> "Tools":
        """For the calls of one talk."""
        return Tools(http_tools, servers, self.way, self._eras)

    def _http(self, tool: HttpTool) -> OutsideTool | LeftOut:
        if missing := self.way.missing(tool.headers, tool.url):
            return LeftOut(tool.name, f"the environment variable {missing} is not set, or not for this host.")
        try:
            ArgumentSchema(tool.parameters)
        except ValidationFailed as problem:
            return LeftOut(tool.name, problem.message)
        return OutsideTool(
            name=tool.name,
            description=tool.description,
            parameters=parameters_text(tool.parameters),
            most_calls=tool.most_calls,
        )

    async def _list(self, server: McpServer) -> _Listed:
        """A server's tools, as they were within `KEPT_S`; calls that begin together ask once."""
        key = msgspec.json.encode([server.url, server.headers], order="sorted")
        try:
            async with asyncio.timeout(min(RESOLVE_S, server.timeout_s)):
                async with self._asking.setdefault(key, asyncio.Lock()):
                    known = self._listed.get(key)
                    if known is None or self._clock.monotonic() >= known.until_s:
                        known = self._listed[key] = await self._ask(server)
                    return known
        except TimeoutError:
            down = self._listed[key] = self._down(f"{server.name} did not answer in time.")
            return down

    async def _ask(self, server: McpServer) -> _Listed:
        if missing := self.way.missing(server.headers, server.url):
            return self._down(f"the environment variable {missing} is not set, or not for this host.")
        client = McpClient(server, self.way, self._eras)
        try:
            found = tuple(await client.tools())
        except AppError as problem:
            return self._down(problem.shown if isinstance(problem, ToolFailed) else problem.message)
        await client.close()
        return _Listed(self._clock.monotonic() + KEPT_S, found)

    def _down(self, why: str) -> _Listed:
        return _Listed(self._clock.monotonic() + DOWN_S, problem=why)


def _of_server(server: McpServer, listed: _Listed) -> Iterator[OutsideTool | LeftOut]:
    there = {one.name: one for one in listed.tools}
    for tool, pinned in server.tools.items():
        name, found = function_name(server.name, tool), there.get(tool)
        if listed.problem:
            yield LeftOut(name, listed.problem)
        elif found is None:
            yield LeftOut(name, f"{server.name} does not have {tool} any more.")
        elif found.hash != pinned:
            why = "is not what was allowed: look at it, and allow it with `opendeep tools pin`"
            yield LeftOut(name, f"{server.name}'s description of {tool} {why} (now {found.hash}).")
        elif problem := check_definition(found):
            yield LeftOut(name, problem)
        else:
            yield OutsideTool(
                name=name,
                description=found.description[:MAX_DESCRIPTION],
                parameters=parameters_text(found.schema),
                most_calls=server.most_calls,
                server=server.name,
                tool=tool,
            )


class Tools:
    """The outside functions of one talk; MCP sessions live as long as it does."""

    def __init__(self, http_tools: Sequence[HttpTool], servers: Sequence[McpServer], way: Way, eras: Eras) -> None:
        self._http = {tool.name: tool for tool in http_tools}
        self._servers = {server.name: server for server in servers}
        self._clients: dict[str, McpClient] = {}
        self._way = way
        self._eras = eras

    async def call(self, tool: OutsideTool, arguments: str) -> ToolAnswer:
        """Carry out what the model asked for. What goes wrong is an answer too, whatever it is: something may have
        been done, and has to be on record.
        """
        if tool.server not in self._servers if tool.server else tool.name not in self._http:
            return error(f"{tool.name} is not there any more.", "refused")
        try:
            if tool.server:
                return await self._mcp(tool, arguments)
            return await http.ask(self._http[tool.name], arguments, self._way)
        except ValidationFailed as unfit:
            return error(f"{unfit.message} Nothing was sent.", "refused")
        except ToolFailed as failed:
            return error(failed.message, failed.status, said=failed.said)
        except TimeoutError:
            return error(f"{tool.name} did not answer in time; {UNKNOWN}", "timeout")
        except AppError as failed:
            return error(failed.message, failed.code)
        except Exception:  # supervision: without an answer the model would ask for the same again
            log.exception("function failed by a fault of ours", function=tool.name)
            return error(f"{tool.name} gave no answer that we can use; {UNKNOWN}", "fault")

    async def close(self) -> None:
        """End the sessions at MCP servers, together, within a second."""
        clients, self._clients = [*self._clients.values()], {}
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(client.close())

    async def _mcp(self, tool: OutsideTool, arguments: str) -> ToolAnswer:
        schema = cast("dict[str, Any]", msgspec.json.decode(tool.parameters))
        given = ArgumentSchema(schema).read(arguments)
        server = self._servers[tool.server]
        client = self._clients.setdefault(tool.server, McpClient(server, self._way, self._eras))
        return await client.call(tool.tool, given, schema)
