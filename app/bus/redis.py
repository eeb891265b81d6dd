"""The bus of several processes: Redis publish and subscribe, with the own process served directly.

Readers of this process get a message at once, also while Redis is away, so losing Redis harms no call: other
processes learn things later, by looking into the store. What goes out waits in a bounded queue and is never waited
for. Topics are the channels `opendeep:<topic>`; commands have `call_commands:{call_id}`. After every connect each
reader finds a `Resync`, since nobody knows what was said meanwhile.
"""
# pyright: reportUnknownMemberType=false
# redis-py leaves many keyword arguments and results untyped.

import asyncio
import random
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.bus.memory import QUEUE_LENGTH, MemoryBus
from app.bus.wire import channel_of, decode, encode, topic_of
from app.domain.messages import (
    SHARED_TOPICS,
    CallAudio,
    ConnectionChanged,
    ConnectionState,
    Message,
    OperatorVoice,
    Resync,
    Topic,
)

log = structlog.get_logger()

ANSWER_S = 2.0
"""How long Redis may take to accept a connection or answer a request."""
PING_S = 2.0
SILENT_S = 6.0
"""A connection on which not even pings are answered for this long is given up."""
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
STEADY_S = 2.0
"""A connection that held this long starts the pauses anew."""
FLUSH_S = 0.5
"""How long leaving waits for what has not gone out yet."""
BATCH = 100
SOUND_QUEUE = 100
"""Sound is not sent any more while so many messages wait; everything else goes on."""
OF_THE_MOMENT = (CallAudio, OperatorVoice)
_ALWAYS = channel_of("system")
"""Subscribed to from the first moment: a connection without any subscription hears nothing, not even its end."""


class BusCounters(msgspec.Struct):
    """What happened on the bus of this process."""

    sent: int = 0
    received: int = 0
    dropped: int = 0
    """Messages that other processes did not get, because Redis was away."""
    malformed: int = 0
    """Messages on our channels that nobody of ours can have sent."""
    connects: int = 0
    losses: int = 0


class RedisBus:
    """`async with RedisBus(url).running() as bus`. Before and after that it serves its own process only."""

    def __init__(self, url: str, *, queue_length: int = QUEUE_LENGTH) -> None:
        """Raises ValueError when `url` is no address of a Redis."""
        self.counters = BusCounters()
        self.state: ConnectionState = "off"
        self._redis = Redis.from_url(
            url,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._near = MemoryBus(queue_length)
        self._origin = secrets.token_hex(8)
        self._outgoing: deque[tuple[str, bytes]] = deque()
        self._outgoing_length = queue_length
        self._gap = False
        self._more = asyncio.Event()
        self._sent_all = asyncio.Event()
        self._sent_all.set()
        self._readers_changed = asyncio.Event()
        self._heard_at = 0.0
        self._leaving = False

    # --- the bus --------------------------------------------------------------------------------
    async def publish(self, topic: Topic, message: Message) -> None:
        self._near.deliver(topic, message)
        if isinstance(message, OF_THE_MOMENT) and len(self._outgoing) >= SOUND_QUEUE:
            return  # nobody looks for it in the store, and it is worth nothing later
        if len(self._outgoing) >= self._outgoing_length:
            self._outgoing.popleft()
            self._lose(1)
        self._outgoing.append((channel_of(topic), encode(self._origin, message)))
        self._sent_all.clear()
        self._more.set()

    @contextmanager
    def subscribe(self, *topics: Topic) -> Generator[AsyncIterator[Message | Resync]]:
        """As `Bus.subscribe`; a `Resync` also comes when messages of other processes begin to arrive."""
        with self._near.subscribe(*topics) as reader:
            self._readers_changed.set()
            try:
                yield reader
            finally:
                self._readers_changed.set()

    # --- the connection -------------------------------------------------------------------------
    @asynccontextmanager
    async def running(self) -> AsyncGenerator["RedisBus"]:
        """Connect, and connect again whenever Redis was away."""
        try:
            async with asyncio.TaskGroup() as group:
                living = group.create_task(self._live(), name="redis bus")
                try:
                    yield self
                    await self._flush()
                finally:
                    self._leaving = True
                    living.cancel()
        finally:
            self.state = "off"
            await self._redis.aclose()

    async def _flush(self) -> None:
        if self.state != "connected":
            return
        try:
            async with asyncio.timeout(FLUSH_S):
                await self._sent_all.wait()
        except TimeoutError:
            log.warning("messages for other processes were not sent", count=len(self._outgoing))

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        self._say("connecting")
        while True:
            began = loop.time()
            why = "the connection closed"
            try:
                await self._connected()
            except* (RedisError, OSError) as lost:
                why = _sentence(lost)
            except* Exception as fault:  # supervision: what tells others of calls must not end them
                log.exception("bus broke by a fault of ours or of redis-py")
                why = _sentence(fault)
            if self._leaving:
                return
            self._lost(why)
            failures = 0 if loop.time() - began > STEADY_S else failures
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)] * random.uniform(0.8, 1.2))
            failures += 1

    async def _connected(self) -> None:
        """One connection, from its first subscription to whatever ends it, which is raised."""
        try:
            async with self._redis.pubsub() as pubsub:
                await pubsub.subscribe(_ALWAYS)
                if self._leaving:
                    return
                self._heard_at = asyncio.get_running_loop().time()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._read(pubsub))
                    group.create_task(self._follow_readers(pubsub))
                    group.create_task(self._watch(pubsub))
                    group.create_task(self._write())
        finally:
            await self._redis.connection_pool.disconnect()

    async def _read(self, pubsub: PubSub) -> None:
        async for message in cast("AsyncIterator[dict[str, Any]]", pubsub.listen()):
            self._heard_at = asyncio.get_running_loop().time()
            match message["type"]:
                case "message":
                    self._take(bytes(message["channel"]), bytes(message["data"]))
                case "subscribe":
                    self._subscribed(bytes(message["channel"]))
                case _:
                    pass

    def _take(self, channel: bytes, data: bytes) -> None:
        arrived = decode(channel, data)
        if arrived is None:
            self.counters.malformed += 1
        elif arrived.origin != self._origin:
            self.counters.received += 1
            if isinstance(arrived.message, Resync):
                self._near.missed(arrived.topic)
            else:
                self._near.deliver(arrived.topic, arrived.message)

    def _subscribed(self, channel: bytes) -> None:
        """From now on messages of this channel arrive; what was said before did not."""
        if self.state != "connected":
            self.counters.connects += 1
            self._say("connected")
        topic = topic_of(channel.decode(errors="replace"))
        if topic is not None:
            self._near.missed(topic)

    async def _follow_readers(self, pubsub: PubSub) -> None:
        """Keep Redis subscribed to exactly what is read in this process."""
        active = {_ALWAYS}
        while True:
            self._readers_changed.clear()
            wanted = {_ALWAYS, *map(channel_of, self._near.topics)}
            if more := wanted - active:
                await _asked(pubsub.subscribe(*more))
            if gone := active - wanted:
                await _asked(cast("Awaitable[None]", pubsub.unsubscribe(*gone)))
            active = wanted
            await self._readers_changed.wait()

    async def _watch(self, pubsub: PubSub) -> None:
        """A connection can die without a word: ask, and give it up when nothing comes."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(PING_S)
            if loop.time() - self._heard_at > SILENT_S:
                raise TimeoutError(f"Redis has not answered for {SILENT_S:.0f} s")
            await _asked(pubsub.ping())

    async def _write(self) -> None:
        while True:
            while self._outgoing or self._gap:
                await self._write_batch()
            self._sent_all.set()
            self._more.clear()
            await self._more.wait()

    async def _write_batch(self) -> None:
        gap, self._gap = self._gap, False
        topics = SHARED_TOPICS if gap else ()
        batch = [(channel_of(topic), encode(self._origin, Resync(dropped=0))) for topic in topics]
        while self._outgoing and len(batch) < BATCH:
            batch.append(self._outgoing.popleft())
        sent = False
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for channel, data in batch:
                    pipe.publish(channel, data)
                await _asked(pipe.execute())
            sent = True
        finally:
            if sent:
                self.counters.sent += len(batch)
            else:  # perhaps sent, perhaps not: nobody may wait for an answer
                self._lose(len(batch))

    # --- what is noticed ------------------------------------------------------------------------
    def _lose(self, count: int) -> None:
        self.counters.dropped += count
        self._gap = True

    def _lost(self, why: str) -> None:
        if self.state == "connected":
            self.counters.losses += 1
        if self.state != "lost":
            log.warning("bus lost", reason=why)
            self._say("lost", f"Redis is away: {why}. Calls go on; other processes learn of changes later.")

    def _say(self, state: ConnectionState, detail: str = "") -> None:
        self.state = state
        self._near.deliver("system", ConnectionChanged(name="bus", state=state, detail=detail))


async def _asked(request: Awaitable[object]) -> None:
    """Wait for redis-py, in a task that ends by cancellation only.

    redis-py uses `asyncio.wait_for`, which before Python 3.12 may swallow a cancellation.
    """
    await request
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _sentence(lost: BaseExceptionGroup[Exception]) -> str:
    """The first fault inside nested groups. redis-py puts no password into its errors."""
    first: BaseException = lost
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return str(first).rstrip(".") or type(first).__name__
