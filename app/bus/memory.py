"""What a bus is, and the bus of one process. Every reader has a bounded mailbox: nobody waits for a slow one."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from app.domain.messages import ConnectionState, Message, Resync, Topic

QUEUE_LENGTH = 1_000


class Bus(Protocol):
    """Publish and subscribe by topic; every subscriber sees the messages of a publisher in their order."""

    state: ConnectionState
    """Of the connection to other processes; "off": there are none."""

    async def publish(self, topic: Topic, message: Message) -> None:
        """Hand `message` to everybody who is subscribed now. Never waits for a slow reader, never fails."""
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
        self._behind = False

    def put(self, message: Message) -> None:
        """Take a message; never waits, never fails."""
        if len(self._messages) >= self._length:
            self._messages.popleft()
            self._dropped += 1
            self._behind = True
        self._messages.append(message)
        self._arrived.set()

    def missed(self) -> None:
        """Messages may have been lost on their way here: a `Resync` is due."""
        self._behind = True
        self._arrived.set()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Message | Resync:
        while not self._messages and not self._behind:
            self._arrived.clear()
            await self._arrived.wait()
        if self._behind:
            marker = Resync(dropped=self._dropped)
            self._behind, self._dropped = False, 0
            return marker
        return self._messages.popleft()


class MemoryBus:
    """The bus of one process and one event loop."""

    def __init__(self, queue_length: int = QUEUE_LENGTH) -> None:
        self._queue_length = queue_length
        self._readers: dict[Subscription, frozenset[Topic]] = {}
        self.state: ConnectionState = "off"

    async def publish(self, topic: Topic, message: Message) -> None:
        self.deliver(topic, message)

    def deliver(self, topic: Topic, message: Message) -> None:
        """Put `message` into the mailboxes of this process."""
        for reader, topics in self._readers.items():
            if topic in topics:
                reader.put(message)

    def missed(self, topic: Topic) -> None:
        """Tell readers of this process that messages of `topic` may be gone."""
        for reader, topics in self._readers.items():
            if topic in topics:
                reader.missed()

    @property
    def topics(self) -> frozenset[Topic]:
        """What anybody reads now."""
        return frozenset(topic for topics in self._readers.values() for topic in topics)

    @contextmanager
    def subscribe(self, *topics: Topic) -> Generator[AsyncIterator[Message | Resync]]:
        reader = Subscription(self._queue_length)
        self._readers[reader] = frozenset(topics)
        try:
            yield reader
        finally:
            del self._readers[reader]
