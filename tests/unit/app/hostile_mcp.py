"""An MCP server of the modern revision that answers every tool call, or every list, as a test wants it."""

from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

from app.domain.outside_tool import McpServer
from app.guarded_http import trusted_origins
from app.outside_tools import Way
from app.sim.tools.server import event

Json = dict[str, Any]


class HostileMcp:
    """`answer` is the result or error of all that is asked; `asks` requests of its own come before it, on one
    stream.
    """

    def __init__(self, answer: Json, *, asks: int = 0) -> None:
        self._answer = answer
        self._asks = asks
        self._runner: web.AppRunner | None = None
        self.calls = 0
        self.replies = 0

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_post("/mcp", self._serve)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def place(self) -> str:
        assert self._runner is not None
        return f"127.0.0.1:{self._runner.addresses[0][1]}"

    @property
    def server(self) -> McpServer:
        return McpServer(name="crm", url=f"http://{self.place}/mcp", timeout_s=3.0)

    def way(self, environment: dict[str, str] | None = None) -> Way:
        return Way(trusted_origins(self.place), environment or {})

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        message = await request.json(loads=msgspec.json.decode)
        method, number = message.get("method"), message.get("id")
        if method is None:
            self.replies += 1
            return web.Response(status=202)
        if method == "server/discover":
            return _json({"id": number, "result": {"supportedVersions": ["2026-07-28"]}})
        self.calls += 1
        if not self._asks:
            return _json({"id": number, **self._answer})
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        pings = [event({"jsonrpc": "2.0", "id": f"p{n}", "method": "ping"}) for n in range(self._asks)]
        await stream.write(b"".join(pings))
        await stream.write(event({"jsonrpc": "2.0", "id": number, **self._answer}))
        return stream


def _json(message: Json) -> web.Response:
    text = msgspec.json.encode({"jsonrpc": "2.0", **message}).decode()
    return web.json_response(text=text)
