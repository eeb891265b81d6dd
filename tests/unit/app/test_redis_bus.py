"""The bus over a real Redis: other processes hear, this one never waits, and what was missed is owned up to."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from redis.asyncio import Redis

from app.bus import Bus
from app.bus.redis import RedisBus
from app.bus.wire import MAX_MESSAGE_BYTES, channel_of, decode, encode, topic_of
from app.domain.messages import (
    CallChanged,
    CommandQueued,
    ConnectionChanged,
    Message,
    Resync,
    TaskChanged,
    command_topic,
)
from scripts.lib.faults.tcp import tcp_relay
from scripts.lib.redis_server import RedisServer
from tests.lone_redis import lone_redis

pytestmark = pytest.mark.anyio
T = TypeVar("T")
QUEUED = CommandQueued(tenant_id="t", call_id="c1", command_id="x", seq=1, expires_ms=2, mac="m")


def changed(number: int) -> Message:
    return CallChanged(tenant_id="default", call_id=str(number))


async def heard(messages: AsyncIterator[Message | Resync], kind: type[T], **fields: Any) -> T:
    """The next message of this kind; others before it are passed over."""
    async with asyncio.timeout(15):
        async for message in messages:
            if isinstance(message, kind) and all(getattr(message, k) == v for k, v in fields.items()):
                return message
    raise AssertionError


async def connected(bus: RedisBus, messages: AsyncIterator[Message | Resync]) -> None:
    if bus.state != "connected":
        await heard(messages, ConnectionChanged, name="bus", state="connected")


@asynccontextmanager
async def client(server: RedisServer) -> AsyncGenerator[Redis]:
    """A plain connection, as anybody has who can reach Redis."""
    redis = Redis.from_url(server.url, protocol=2)
    try:
        yield redis
    finally:
        await redis.aclose()


async def listening(redis: Redis, channel: str, count: int) -> None:
    """Until so many connections are subscribed to `channel`."""
    async with asyncio.timeout(5):
        while dict(await redis.pubsub_numsub(channel))[channel.encode()] != count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_channels_are_named_after_topics() -> None:
    assert channel_of("calls") == "opendeep:calls"
    assert channel_of(command_topic("c1")) == "call_commands:c1"
    assert topic_of("opendeep:calls") == "calls"
    assert topic_of("call_commands:c1") == "call_commands:c1"
    assert topic_of("opendeep:other") is None


@pytest.mark.parametrize(
    ("channel", "data"),
    [
        (b"opendeep:calls", b"\xff\x00"),
        (b"opendeep:calls", b"{}"),
        (b"opendeep:calls", b'{"origin":"x","message":{"type":"nonsense"}}'),
        (b"opendeep:calls", b'{"origin":"x","message":{"type":"call_changed"}}'),
        (b"opendeep:calls", encode("x", QUEUED)),
        (b"opendeep:other", encode("x", changed(1))),
        (b"call_commands:c1", encode("x", changed(1))),
        (b"call_commands:c1", b'{"command":"send_dtmf","digits":"1"}'),
        (b"opendeep:calls", b" " * MAX_MESSAGE_BYTES + encode("x", changed(1))),
    ],
)
def test_what_nobody_of_ours_can_have_sent_is_nothing(channel: bytes, data: bytes) -> None:
    assert decode(channel, data) is None


@pytest.mark.redis
async def test_messages_reach_other_processes_once_and_in_order(tmp_path: Path) -> None:
    async with (
        lone_redis(tmp_path) as server,
        client(server) as redis,
        RedisBus(server.url).running() as one,
        RedisBus(server.url).running() as other,
    ):
        with one.subscribe("calls") as near, other.subscribe("calls", "tasks") as far:
            await listening(redis, "opendeep:calls", 2)
            await listening(redis, "opendeep:tasks", 1)
            for number in range(250):
                await one.publish("calls", changed(number))
            await one.publish("tasks", TaskChanged(tenant_id="default", task_id="t"))
            assert [await heard(far, CallChanged) for _ in range(250)] == [changed(n) for n in range(250)]
            assert await heard(far, TaskChanged) == TaskChanged(tenant_id="default", task_id="t")
            assert [await heard(near, CallChanged) for _ in range(250)] == [changed(n) for n in range(250)]
        assert (one.counters.received, other.counters.received) == (0, 251)  # nobody hears itself
        assert (other.counters.malformed, one.counters.dropped) == (0, 0)


@pytest.mark.redis
async def test_a_reader_is_told_that_messages_before_it_are_gone(tmp_path: Path) -> None:
    async with lone_redis(tmp_path) as server, RedisBus(server.url).running() as bus:
        with bus.subscribe("calls") as first:
            assert await heard(first, Resync) == Resync(dropped=0)
            with bus.subscribe("calls") as second:
                await bus.publish("calls", changed(1))
                assert await anext(second) == changed(1)  # the channel was there already: nothing was missed


@pytest.mark.redis
async def test_commands_keep_their_channel_and_their_readers(tmp_path: Path) -> None:
    channel, topic = "call_commands:c1", command_topic("c1")
    async with (
        lone_redis(tmp_path) as server,
        client(server) as redis,
        RedisBus(server.url).running() as bus,
    ):
        with bus.subscribe(topic) as messages:
            await listening(redis, channel, 1)
            await redis.publish(channel, b'{"command":"end_call"}')
            await redis.publish("call_commands:c2", encode("x", QUEUED))
            await redis.publish(channel, encode("x", QUEUED))
            assert await heard(messages, CommandQueued) == QUEUED
            assert (bus.counters.malformed, bus.counters.received) == (1, 1)
        await listening(redis, channel, 0)


@pytest.mark.redis
async def test_a_killed_redis_is_announced_and_found_again(tmp_path: Path) -> None:
    async with (
        lone_redis(tmp_path) as server,
        RedisBus(server.url).running() as one,
        RedisBus(server.url).running() as other,
    ):
        with one.subscribe("calls", "system") as near, other.subscribe("calls", "system") as far:
            await connected(one, near)
            await connected(other, far)
            for round_number in range(1, 3):
                await server.kill()
                lost = await heard(near, ConnectionChanged, state="lost")
                assert "Redis is away" in lost.detail
                assert "Calls go on" in lost.detail
                await heard(far, ConnectionChanged, state="lost")
                await one.publish("calls", changed(-round_number))  # while away: at once for this process
                assert await heard(near, CallChanged) == changed(-round_number)
                await server.start()
                await heard(near, ConnectionChanged, state="connected")
                await heard(far, Resync)  # it cannot know what was said meanwhile
                await heard(far, ConnectionChanged, state="connected")
                async with client(server) as redis:
                    await listening(redis, "opendeep:calls", 2)
                await one.publish("calls", changed(round_number))
                await heard(far, CallChanged, call_id=str(round_number))
                await heard(near, CallChanged, call_id=str(round_number))
        assert (one.counters.losses, one.counters.connects) == (2, 3)


@pytest.mark.redis
async def test_a_redis_that_says_nothing_more_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"PING_S": 0.05, "SILENT_S": 0.2, "ANSWER_S": 0.3}.items():
        monkeypatch.setattr(f"app.bus.redis.{name}", seconds)
    async with (
        lone_redis(tmp_path) as server,
        tcp_relay(server.port) as between,
        RedisBus(server.url_through(between.port)).running() as bus,
    ):
        with bus.subscribe("calls", "system") as messages:
            await connected(bus, messages)
            between.dead = True
            for number in range(3_000):  # nobody waits for it
                await bus.publish("tasks", changed(number))
            await heard(messages, ConnectionChanged, state="lost")
            assert bus.counters.dropped >= 1_900
            between.dead = False
            between.cut()
            await heard(messages, Resync)
            await heard(messages, ConnectionChanged, state="connected")
    assert between.swallowed


@pytest.mark.redis
async def test_who_lost_messages_tells_the_others(tmp_path: Path) -> None:
    async with (
        lone_redis(tmp_path) as server,
        client(server) as redis,
        RedisBus(server.url).running() as other,
    ):
        bus = RedisBus(server.url, queue_length=3)
        with other.subscribe("calls") as far:
            await listening(redis, "opendeep:calls", 1)
            await heard(far, Resync)
            for number in range(10):
                await bus.publish("calls", changed(number))
            async with bus.running():
                assert await anext(far) == Resync(dropped=0)
                assert [await heard(far, CallChanged) for _ in range(3)] == [changed(n) for n in (7, 8, 9)]
        assert bus.counters.dropped == 7


async def test_without_redis_the_own_process_is_served() -> None:
    async with RedisBus("redis://:secret@127.0.0.1:1/0").running() as running:
        bus: Bus = running
        with bus.subscribe("calls", "system") as messages:
            lost = await heard(messages, ConnectionChanged, state="lost")
            assert "secret" not in lost.detail
            await bus.publish("calls", changed(1))
            assert await heard(messages, CallChanged) == changed(1)


@pytest.mark.redis
async def test_a_wrong_password_is_said_and_not_shown(tmp_path: Path) -> None:
    async with lone_redis(tmp_path, password="right") as server:
        async with RedisBus(server.url.replace("right", "mistaken")).running() as bus:
            with bus.subscribe("system") as messages:
                lost = await heard(messages, ConnectionChanged, state="lost")
                assert "password" in lost.detail
                assert "mistaken" not in lost.detail
        async with RedisBus(server.url).running() as bus:
            with bus.subscribe("system") as messages:
                await connected(bus, messages)


@pytest.mark.redis
async def test_a_login_that_may_only_use_our_channels_is_enough(tmp_path: Path) -> None:
    rights = ["resetchannels", "&opendeep:*", "&call_commands:*", "-@all"]
    rights += ["+subscribe", "+unsubscribe", "+publish", "+ping"]
    async with lone_redis(tmp_path) as server, client(server) as redis:
        await redis.execute_command("ACL", "SETUSER", "opendeep", "on", ">pw", *rights)
        limited = server.url.replace("redis://", "redis://opendeep:pw@")
        async with RedisBus(limited).running() as one, RedisBus(server.url).running() as other:
            with other.subscribe("calls") as far, one.subscribe(command_topic("c1")):
                await listening(redis, "opendeep:calls", 1)
                await listening(redis, "call_commands:c1", 1)
                await one.publish("calls", changed(1))
                await heard(far, CallChanged, call_id="1")
