"""What waits to be sent to one page: events in order and the speech between them, as long as it is wanted."""

import asyncio
from collections import deque

import msgspec

from app.llm.spoken.model import FlushEvent, PageEvent

MOST_SPEECH = 250
"""Frames of 20 ms; a browser that takes less than is spoken loses the oldest."""


class PageLine:
    """Filled by a session, emptied by a websocket."""

    def __init__(self) -> None:
        self._waiting: deque[bytes | str] = deque()
        self._speech = 0
        self._more = asyncio.Event()
        self._over = False

    def tell(self, event: PageEvent) -> None:
        """An event; a flush takes along the speech before it."""
        if isinstance(event, FlushEvent):
            self._waiting = deque(one for one in self._waiting if isinstance(one, str))
            self._speech = 0
        self.put(event)

    def put(self, event: msgspec.Struct) -> None:
        """As JSON text."""
        self._waiting.append(msgspec.json.encode(event).decode())
        self._more.set()

    def speech(self, pcm: bytes) -> None:
        """20 ms of speech."""
        if self._speech >= MOST_SPEECH:
            self._waiting.remove(next(one for one in self._waiting if isinstance(one, bytes)))
            self._speech -= 1
        self._waiting.append(pcm)
        self._speech += 1
        self._more.set()

    def end(self) -> None:
        """Nothing more comes."""
        self._over = True
        self._more.set()

    async def take(self) -> bytes | str | None:
        """The next message; None after the last one."""
        while not self._waiting:
            if self._over:
                return None
            self._more.clear()
            await self._more.wait()
        one = self._waiting.popleft()
        self._speech -= isinstance(one, bytes)
        return one
