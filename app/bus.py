"""Who tells whom that something changed. The store is the truth; a lost message only delays a screen.

`MemoryBus` serves one process. Another implementation of `Bus` may connect several; callers see no difference.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from app.domain.messages import Message, Resync, Topic

QUEUE_LENGTH = 1_000


class Bus(Protocol):
    """Publish and subscribe by topic; every subscriber sees messages in the order they were published."""

    async def publish(self, topic: Topic, message: Message) -> None:
        """Hand `message` to everybody who is subscribed now. Never waits for a slow reader."""
        ...

    def subscribe(self, *topics: Topic) -> AbstractContextManager[AsyncIterator[Message | Resync]]:
        """`with bus.subscribe("calls") as messages: async for message in messages`. Counts from entering on.

        A reader that falls behind loses the oldest messages and finds one `Resync` in their place.
        """
        ...


class Subscription:
    """A bounded mailbox. Full: the oldest message goes, one `Resync` stands for all that went."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._messages: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._dropped = 0

    def put(self, message: Message) -> None:
        """Take a message; never waits, never fails."""
        if len(self._messages) >= self._length:
            self._messages.popleft()
            self._dropped += 1
        self._messages.append(message)
        self._arrived.set()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Message | Resync:
        while not self._messages:
            self._arrived.clear()
            await self._arrived.wait()
        if self._dropped:
            marker, self._dropped = Resync(dropped=self._dropped), 0
            return marker
        return self._messages.popleft()


class MemoryBus:
    """The bus of one process and one event loop."""

    def __init__(self, queue_length: int = QUEUE_LENGTH) -> None:
        self._queue_length = queue_length
        self._readers: dict[Subscription, frozenset[Topic]] = {}

    async def publish(self, topic: Topic, message: Message) -> None:
        for reader, topics in self._readers.items():
            if topic in topics:
                reader.put(message)

    @contextmanager
    def subscribe(self, *topics: Topic) -> Generator[AsyncIterator[Message | Resync]]:
        reader = Subscription(self._queue_length)
        self._readers[reader] = frozenset(topics)
        try:
            yield reader
        finally:
            del self._readers[reader]
