"""A small client of the Model Context Protocol, streamable HTTP only: list the tools of a server, call one, ping.

Every message is one guarded POST. The server's generation is found out once (`server/discover`) and remembered by
`Eras`; older servers are met with `initialize`, their session is kept for the life of this client. Nothing is
offered to servers (no sampling, roots or elicitation): their pings are answered, other requests refused.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import cast

from app.domain.outside_tool import McpServer
from app.errors import AppError
from app.guarded_http import Fetched
from app.guarded_http.client import Enough
from app.outside_tools import mcp_wire as wire
from app.outside_tools.answer import ToolAnswer
from app.outside_tools.errors import SessionGone, ToolFailed
from app.outside_tools.mcp_wire import HANDSHAKE, MODERN, Definition, Json, Message
from app.outside_tools.sse import SseReader
from app.outside_tools.way import Way

ACCEPT = "application/json, text/event-stream"
MAX_PAGES = 20
MAX_REPLIES = 8
"""Requests of a server that are answered beside one of ours: each costs a connection."""
MAX_SAID = 200
"""Characters of a server's own words about an error."""
CLOSE_S = 1.0
STREAM = "text/event-stream"

Eras = dict[str, str]
"""The newest protocol version that each address was found to speak."""


class McpClient:
    """Of one call, or of one look at a server. Everything raises ToolFailed, UrlRefused or FetchFailed, and
    TimeoutError when the server's `timeout_s` is over for all steps together.
    """

    def __init__(self, server: McpServer, way: Way, eras: Eras) -> None:
        self._server = server
        self._way = way
        self._eras = eras
        self._version = ""
        self._session = ""
        self._number = 0
        self._opening = asyncio.Lock()

    async def tools(self) -> list[Definition]:
        """All tools of the server, page by page."""
        found: list[Definition] = []
        cursor: str | None = None
        async with asyncio.timeout(self._server.timeout_s):
            for _ in range(MAX_PAGES):
                page = await self._request("tools/list", {} if cursor is None else {"cursor": cursor})
                more, cursor = wire.definitions(page)
                found += more
                if cursor is None or len(found) > wire.MAX_TOOLS:
                    return found[: wire.MAX_TOOLS]
        raise ToolFailed(f"{self._server.name} has more than {MAX_PAGES} pages of tools.", status="too many")

    async def call(self, tool: str, arguments: Json, schema: Mapping[str, object]) -> ToolAnswer:
        """Call a tool with arguments that were checked against `schema`."""
        async with asyncio.timeout(self._server.timeout_s):
            await self._open()
            mirrored = wire.mirrored_headers(schema, arguments) if self._version == MODERN else {}
            done = await self._request("tools/call", {"name": tool, "arguments": arguments}, mirrored)
        return wire.told(done, tool, lambda value: self._way.hidden(value, self._server.headers))

    async def ping(self) -> None:
        """Whether the server is there; the modern revision has no ping, and `server/discover` in its place."""
        async with asyncio.timeout(self._server.timeout_s):
            await self._open()
            await self._request("server/discover" if self._version == MODERN else "ping", {})

    async def close(self) -> None:
        """Tell a server that has a session that it is over. Never raises."""
        session, self._session = self._session, ""
        if not session:
            return
        with suppress(AppError):  # politeness: the server forgets it by itself
            headers = {**self._headers(), "Mcp-Session-Id": session}
            async with self._way.client(CLOSE_S) as client:
                await client.fetch(self._server.url, self._way.rules, method="DELETE", headers=headers)

    # --- opening ------------------------------------------------------------------------------------------------
    async def _open(self) -> None:
        async with self._opening:
            if self._version:
                return
            version = self._eras.pop(self._server.url, "") or await self._discover()
            if version != MODERN:
                version = await self._initialize(version)
            self._version = self._eras[self._server.url] = version

    async def _discover(self) -> str:
        """The version to speak: modern if the server says so, else the newest one with a handshake."""
        try:
            answer = await self._post("server/discover", {}, MODERN)
        except _NoMessage as nothing:
            if nothing.fetched.status in {401, 403}:
                raise
            return HANDSHAKE[0]
        supported: object = None
        if answer.error is not None and answer.error.code == wire.UNSUPPORTED_VERSION:
            data: object = answer.error.data
            supported = cast("dict[str, object]", data).get("supported") if isinstance(data, dict) else None
        elif answer.error is not None and answer.error.code in wire.MODERN_ERRORS:
            raise self._refused(answer)
        elif answer.result is not None:
            supported = answer.result.get("supportedVersions")
        known = [one for one in (MODERN, *HANDSHAKE) if isinstance(supported, list) and one in supported]
        if isinstance(supported, list) and not known:
            raise ToolFailed(f"{self._server.name} speaks no version of MCP that we do.", status="version")
        return known[0] if known else HANDSHAKE[0]

    async def _initialize(self, version: str) -> str:
        params: Json = {"protocolVersion": version, "capabilities": {}, "clientInfo": wire.CLIENT}
        self._session = ""
        answer = await self._post("initialize", params, "")
        if answer.result is None:
            raise self._refused(answer)
        agreed: object = answer.result.get("protocolVersion")
        if agreed not in HANDSHAKE:
            sentence = f"{self._server.name} speaks a version of MCP that we do not."
            raise ToolFailed(sentence, status="version", said=self._said(str(agreed)))
        self._version = str(agreed)
        fetched = await self._send(wire.notification("notifications/initialized"), self._headers())
        if fetched.status >= 300:
            raise _NoMessage(self._server.name, fetched)
        return self._version

    # --- messages -----------------------------------------------------------------------------------------------
    async def _request(self, method: str, params: Json, mirrored: Mapping[str, str] | None = None) -> Json:
        """One request, and once more in a new session when the server has forgotten ours (it did nothing then)."""
        await self._open()
        try:
            answer = await self._post(method, params, self._version, mirrored)
        except SessionGone:
            async with self._opening:
                await self._initialize(self._version)
            answer = await self._post(method, params, self._version, mirrored)
        if answer.result is None:
            raise self._refused(answer)
        return answer.result

    async def _post(
        self, method: str, params: Json, version: str, mirrored: Mapping[str, str] | None = None
    ) -> Message:
        self._number += 1
        number = self._number
        headers = {**self._headers(version), **(mirrored or {})}
        if version == MODERN:
            headers["Mcp-Method"] = method
            if isinstance(name := params.get("name"), str):
                headers["Mcp-Name"] = wire.header_value(name)
        found: list[Message] = []
        fetched = await self._exchange(wire.request(number, method, params, version), headers, number, found)
        if method == "initialize":
            given = fetched.headers.get("mcp-session-id", "")
            self._session = given if wire.SESSION_ID.fullmatch(given) else ""
        if not fetched.content_type.lower().startswith(STREAM):
            found = self._whole(fetched, number)
        if not found:
            raise self._nothing(fetched)
        return found[0]

    async def _exchange(
        self, body: bytes, headers: Mapping[str, str], number: int, found: list[Message]
    ) -> Fetched:
        """Send and read until the answer is there; what else comes on its stream is answered beside it."""
        reader, replies = SseReader(), list[asyncio.Task[None]]()
        async with asyncio.TaskGroup() as group:

            def enough(piece: bytes) -> bool:
                for message in (
                    one for event in reader.feed(piece) if event.data for one in wire.messages(event.data)
                ):
                    if message.is_request:
                        if len(replies) == MAX_REPLIES:
                            raise ToolFailed(f"{self._server.name} asks too much of us.", status="nonsense")
                        replies.append(group.create_task(self._answer(message)))
                    elif message.id == number:
                        found.append(message)
                return bool(found)

            try:
                fetched = await self._send(body, headers, enough)
            except AppError as problem:  # a group would wrap it
                fetched = problem
            for one in replies if found or isinstance(fetched, AppError) else ():
                one.cancel()
        if isinstance(fetched, AppError):
            raise fetched
        return fetched

    def _whole(self, fetched: Fetched, number: int) -> list[Message]:
        """The answer in a body of its own. Errors may come without the number of what they answer."""
        if fetched.status == 404 and self._session:
            return []
        try:
            got = wire.messages(fetched.body)
        except ToolFailed:
            if fetched.status < 300:
                raise
            return []
        return [one for one in got if one.id == number or (one.error is not None and one.id is None)]

    def _nothing(self, fetched: Fetched) -> ToolFailed:
        if fetched.status == 404 and self._session:
            return SessionGone(f"{self._server.name} has ended our session.", status="404")
        return _NoMessage(self._server.name, fetched)

    async def _answer(self, message: Message) -> None:
        """To a request of the server, beside the stream it came on. It may not mind when we do not."""
        with suppress(AppError):  # what we asked for decides, not this
            await self._send(wire.reply(message), self._headers(self._version))

    async def _send(self, body: bytes, headers: Mapping[str, str], enough: Enough | None = None) -> Fetched:
        async with self._way.client(self._server.timeout_s) as client:
            url, rules = self._server.url, self._way.rules
            return await client.fetch(url, rules, method="POST", headers=headers, body=body, enough=enough)

    def _headers(self, version: str = "") -> dict[str, str]:
        headers = {
            **self._way.headers(self._server.headers, self._server.url),
            "Accept": ACCEPT,
            "Content-Type": "application/json",
        }
        if spoken := version or self._version:
            headers["MCP-Protocol-Version"] = spoken
        if self._session and spoken != MODERN:
            headers["Mcp-Session-Id"] = self._session
        return headers

    def _refused(self, answer: Message) -> ToolFailed:
        code = answer.error.code if answer.error is not None else 0
        said = self._said(answer.error.message if answer.error else "")
        return ToolFailed(f"{self._server.name} refused ({code}).", status=str(code), said=said)

    def _said(self, words: str) -> str:
        return self._way.redacted(words, self._server.headers).strip()[:MAX_SAID]


class _NoMessage(ToolFailed):
    """An HTTP answer without the message that was waited for."""

    def __init__(self, server: str, fetched: Fetched) -> None:
        super().__init__(
            f"{server} answered with HTTP {fetched.status} and no MCP message.", status=str(fetched.status)
        )
        self.fetched = fetched
