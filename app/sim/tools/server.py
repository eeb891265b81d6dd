"""SimTools: an HTTP server on loopback that plays other people's systems.

    async with SimTools() as sim:
        ... McpServer(url=sim.mcp_url, tools=sim.pins()), HttpTool(url=sim.url("/people/{id}")) ...

`/mcp` speaks the Model Context Protocol (`mcp_twin`); every other path answers what `answers` has for it, else an
echo of the request. Part of the simulated world; also a program, see `__main__`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, cast

import msgspec
from aiohttp import web

from app.domain.outside_tool import definition_hash
from app.sim.tools.faults import ORDERS, ToolFault, ToolFaultKind, ToolFaults
from app.sim.tools.functions import SAMPLES, Json, SimTool
from app.sim.tools.mcp_twin import Answer, McpTwin, content

VERSIONS = ("2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request of the journal. `path` and `query` as they came, still encoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any = None


class SimTools:
    """Async context manager; `journal`, `faults`, `answers` and `twin` are for tests."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tools: Sequence[SimTool] = SAMPLES,
        versions: Sequence[str] = VERSIONS,
        streams: bool = False,
        lingers: bool = False,
        pings: bool = False,
        key: str = "",
        page: int = 50,
        sessions: bool = True,
    ) -> None:
        """`streams`: MCP answers come as events; `lingers`: on a stream that stays open; `pings`: after a ping of
        ours on it was answered. `key`: the only bearer token that is let in.
        """
        self._host = host
        self._port = port
        self._streams = streams
        self._lingers = lingers
        self._pings = pings
        self._key = key
        self._runner: web.AppRunner | None = None
        self._closing = asyncio.Event()
        self._replied = asyncio.Event()
        self.twin = McpTwin(tools, versions, page=page, sessions=sessions)
        self.faults = ToolFaults()
        self.answers: dict[str, object] = {}
        """JSON answers of plain HTTP, by path."""
        self.types: dict[str, str] = {}
        """Content types of plain HTTP that are not JSON's, by path."""
        self.journal: list[Request] = []

    @property
    def place(self) -> str:
        """host:port, as OUTSIDE_TOOL_HOSTS wants it."""
        if self._runner is None:
            raise RuntimeError("SimTools is not running: use it in `async with`")
        return f"{self._host}:{self._runner.addresses[0][1]}"

    @property
    def mcp_url(self) -> str:
        """Of the MCP server."""
        return self.url("/mcp")

    def url(self, path: str) -> str:
        """Of a path of the HTTP API."""
        return f"http://{self.place}{path}"

    def pins(self) -> dict[str, str]:
        """All MCP tools with their hashes."""
        return {one.name: definition_hash(one.name, one.description, one.schema) for one in self.twin.tools}

    def asked(self, path: str) -> list[Request]:
        """Requests for this path, in order."""
        return [one for one in self.journal if one.path == path]

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        try:
            body = msgspec.json.decode(raw) if raw else None
        except msgspec.DecodeError:
            body = raw.decode("utf-8", "replace")
        path = request.rel_url.raw_path
        headers = dict(request.headers)
        query = request.rel_url.raw_query_string
        entry = Request(method=request.method, path=path, query=query, headers=headers, body=body)
        self.journal.append(entry)
        if self._key and request.headers.get("Authorization") != f"Bearer {self._key}":
            return web.json_response({"error": "unauthorized"}, status=401)
        if path == "/mcp":
            return await self._mcp(request, raw, body)
        return await self._plain(request, entry)

    # --- HTTP ---------------------------------------------------------------------------------------------------
    async def _plain(self, request: web.Request, entry: Request) -> web.StreamResponse:
        fault = self.faults.take("call")
        if fault is not None and (broken := await self._broken(request, fault)) is not None:
            return broken
        echo = {"method": entry.method, "path": entry.path, "query": entry.query, "body": entry.body}
        value = self.answers.get(entry.path, echo)
        if fault is not None:
            value = _spoilt(value, fault)
        kind = self.types.get(entry.path, "application/json")
        return web.Response(body=msgspec.json.encode(value), headers={"Content-Type": kind})

    # --- MCP ----------------------------------------------------------------------------------------------------
    async def _mcp(self, request: web.Request, raw: bytes, body: object) -> web.StreamResponse:
        if request.method == "DELETE":
            known = self.twin.sessions.pop(request.headers.get("Mcp-Session-Id", ""), None)
            return web.Response(status=200 if known else 404)
        if request.method != "POST":
            return web.Response(status=405)
        method = str(cast("Json", body).get("method")) if isinstance(body, dict) else ""
        fault = (
            self.faults.take("list" if method == "tools/list" else "call") if method.startswith("tools/") else None
        )
        if fault is not None and (broken := await self._broken(request, fault)) is not None:
            return broken
        if fault is not None:
            self._prepare(fault)
        before = len(self.twin.replies)
        answer = self.twin.take(request.headers, raw)
        if len(self.twin.replies) > before:
            self._replied.set()
        if fault is not None and answer.body is not None and "result" in answer.body:
            answer = _spoilt_answer(answer, fault)
        return await self._answered(request, answer, pings=self._pings and method.startswith("tools/"))

    def _prepare(self, fault: ToolFault) -> None:
        if fault.kind is ToolFaultKind.CHANGED:
            self.twin.changed = True
        if fault.kind is ToolFaultKind.FORGOTTEN:
            self.twin.sessions.clear()

    async def _answered(self, request: web.Request, answer: Answer, *, pings: bool) -> web.StreamResponse:
        headers = {"Mcp-Session-Id": answer.session} if answer.session else {}
        if answer.body is None:
            return web.Response(status=answer.status, headers=headers)
        if not self._streams or answer.status != 200:
            text = msgspec.json.encode(answer.body).decode()
            return web.json_response(text=text, status=answer.status, headers=headers)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", **headers})
        await stream.prepare(request)
        await stream.write(b": hello\r\n\r\nid: 1\r\ndata:\r\n\r\n")
        note = {
            "jsonrpc": "2.0",
            "method": "notifications/message",
            "params": {"level": "info", "data": "working"},
        }
        await stream.write(event(note))
        if pings and "Mcp-Method" not in request.headers:  # the modern revision forbids it
            self._replied.clear()
            await stream.write(event({"jsonrpc": "2.0", "id": "p1", "method": "ping"}))
            await stream.write(
                event({"jsonrpc": "2.0", "id": "s1", "method": "sampling/createMessage", "params": {}})
            )
            async with asyncio.timeout(5):
                await self._replied.wait()
        await stream.write(event(answer.body))
        if self._lingers:
            await self._wait(30.0)
        return stream

    # --- faults -------------------------------------------------------------------------------------------------
    async def _broken(self, request: web.Request, fault: ToolFault) -> web.StreamResponse | None:
        """A fault of the way; None for one of the answer."""
        match fault.kind:
            case ToolFaultKind.STATUS:
                text = "<html><body><h1>Bad Gateway</h1>upstream</body></html>"
                return web.Response(text=text, content_type="text/html", status=fault.status)
            case ToolFaultKind.SLOW:
                await self._wait(fault.seconds)
                return None
            case ToolFaultKind.NOT_JSON:
                return web.Response(text='{"half": ', content_type="application/json")
            case ToolFaultKind.DROP | ToolFaultKind.CUT:
                if fault.kind is ToolFaultKind.CUT:
                    stream = web.StreamResponse(
                        headers={"Content-Type": "application/json", "Content-Length": "900"}
                    )
                    await stream.prepare(request)
                    await stream.write(b'{"jsonrpc": "2.0", "resu')
                if request.transport is not None:
                    request.transport.abort()
                return web.Response(status=500)
            case _:
                return None

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            pass


def event(message: Json) -> bytes:
    """One server-sent event."""
    return b"event: message\r\ndata: " + msgspec.json.encode(message) + b"\r\n\r\n"


def _spoilt(value: object, fault: ToolFault) -> object:
    match fault.kind:
        case ToolFaultKind.WRONG_SHAPE:
            return [[{"unexpected": None}]]
        case ToolFaultKind.HUGE:
            return "x" * fault.size
        case ToolFaultKind.INJECTION:
            return ORDERS
        case _:
            return value


def _spoilt_answer(answer: Answer, fault: ToolFault) -> Answer:
    body = dict(answer.body or {})
    match fault.kind:
        case ToolFaultKind.WRONG_SHAPE:
            body["result"] = {"tools": 7, "content": "text"}
        case ToolFaultKind.HUGE | ToolFaultKind.INJECTION:
            body["result"] = {**body["result"], **content(_spoilt("", fault))}
            body["result"].pop("structuredContent", None)
        case _:
            pass
    return msgspec.structs.replace(answer, body=body)
