"""A bare ARI client for the real lane: HTTP verbs and a list of raw events, nothing of the product's own client.

`async with RawAri(asterisk, app) as ari:` opens the event websocket of that application; `await ari.event(...)`
waits for the next event that fits. Used by tests that state what Asterisk itself does.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any


class RawAri:
    """Events arrive in `events` as (monotonic time, dict); every wait has a deadline."""

    def __init__(self, url: str, username: str, password: str, app: str) -> None:
        self.app = app
        self.events: list[tuple[float, dict[str, Any]]] = []
        self._url = url
        self._headers = {"Authorization": aiohttp.encode_basic_auth(username, password)}
        self._stack = AsyncExitStack()
        self._arrived = asyncio.Condition()

    async def __aenter__(self) -> Self:
        session = aiohttp.ClientSession(headers=self._headers, timeout=aiohttp.ClientTimeout(total=10))
        self._session = await self._stack.enter_async_context(session)
        self._socket = await session.ws_connect(f"{self._url}/ari/events?app={self.app}")
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        group.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._socket.close()
        await self._stack.aclose()

    async def ask(self, method: str, path: str, body: object = None) -> Answer:
        async with self._session.request(method, f"{self._url}/ari/{path}", json=body) as answer:
            text = await answer.read()
            return Answer(answer.status, await answer.json() if text else None)

    async def dial(self, number: str, channel_id: str, **body: object) -> Answer:
        """Originates `number` over the trunk into the application."""
        wanted = {"endpoint": f"PJSIP/+{number}@opendeep-trunk", "app": self.app, "channelId": channel_id}
        return await self.ask("POST", "channels", {**wanted, "timeout": 10, **body})

    async def event(self, kind: str, channel_id: str, timeout_s: float = 10, **fields: object) -> dict[str, Any]:
        """The first event of that type about that channel whose fields equal `fields`."""

        def fits(event: dict[str, Any]) -> bool:
            about = event.get("channel") or event.get("peer") or {}
            same = all(event.get(name) == value for name, value in fields.items())
            return event["type"] == kind and about.get("id") == channel_id and same

        return await self.wait(fits, timeout_s, f"{kind} of {channel_id}")

    async def wait(self, fits: Callable[[dict[str, Any]], bool], timeout_s: float, what: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(timeout_s), self._arrived:
                while True:
                    for _, event in self.events:
                        if fits(event):
                            return event
                    await self._arrived.wait()
        except TimeoutError:
            seen = "\n".join(str(event)[:200] for _, event in self.events)
            raise TimeoutError(f"not within {timeout_s} s: {what}; seen:\n{seen}") from None

    def about(self, channel_id: str) -> list[str]:
        """What happened to a channel, in order: types, for Dial with its status."""
        story: list[str] = []
        for _, event in self.events:
            about = event.get("channel") or event.get("peer") or {}
            if about.get("id") == channel_id and event["type"] != "ChannelVarset":
                story.append(f"Dial {event['dialstatus']}".strip() if event["type"] == "Dial" else event["type"])
        return story

    async def _read(self) -> None:
        async for message in self._socket:
            async with self._arrived:
                self.events.append((time.monotonic(), message.json()))
                self._arrived.notify_all()
