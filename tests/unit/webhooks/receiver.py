"""A receiver as a customer would write one: a real server on loopback that checks signatures by itself."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class Receiver:
    def __init__(self) -> None:
        self.url = ""
        self.got: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.raw: list[bytes] = []
        self.came = asyncio.Event()
        self.answers: list[int] = []
        self.before: Callable[[web.Request], Awaitable[web.StreamResponse | None]] | None = None

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.raw.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.came.set()
        self.got.append(json.loads(body) if body else {})
        if self.before is not None and (answer := await self.before(request)) is not None:
            return answer
        return web.Response(status=self.answers.pop(0) if self.answers else 204)

    @property
    def types(self) -> list[str]:
        return [one["type"] for one in self.got]

    def signed_by(self, at: int, secret: str) -> bool:
        """As the specification says it, without any code of ours."""
        headers = self.headers[at]
        key = base64.b64decode(secret.split("_", 1)[1])
        text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + self.raw[at]
        wanted = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        return any(
            hmac.compare_digest(given.split(",", 1)[1], wanted)
            for given in headers["webhook-signature"].split(" ")
            if given.startswith("v1,")
        )


@asynccontextmanager
async def receiver() -> AsyncGenerator[Receiver]:
    made = Receiver()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        made.url = f"http://127.0.0.1:{port}/hook"
        yield made
    finally:
        await runner.cleanup()
