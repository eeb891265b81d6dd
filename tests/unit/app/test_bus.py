"""The bus in one process: order, topics, and what a slow reader loses."""

import asyncio

import pytest

from app.bus import Bus, MemoryBus
from app.domain.messages import CallChanged, Message, Resync, TaskChanged

pytestmark = pytest.mark.anyio


def changed(number: int) -> Message:
    return CallChanged(tenant_id="default", call_id=str(number))


async def test_messages_arrive_in_order_at_every_subscriber_of_the_topic() -> None:
    bus: Bus = MemoryBus()
    with bus.subscribe("calls") as one, bus.subscribe("calls", "tasks") as two:
        await bus.publish("calls", changed(1))
        await bus.publish("tasks", TaskChanged(tenant_id="default", task_id="t"))
        await bus.publish("calls", changed(2))
        assert [await anext(one), await anext(one)] == [changed(1), changed(2)]
        assert [await anext(two) for _ in range(3)] == [
            changed(1),
            TaskChanged(tenant_id="default", task_id="t"),
            changed(2),
        ]


async def test_a_waiting_reader_is_woken() -> None:
    bus = MemoryBus()
    with bus.subscribe("calls") as messages:
        async with asyncio.timeout(2), asyncio.TaskGroup() as group:
            waiting = group.create_task(anext(messages))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            await bus.publish("calls", changed(1))
            assert await waiting == changed(1)


async def test_a_slow_reader_loses_the_oldest_and_is_told_once() -> None:
    bus = MemoryBus(queue_length=3)
    with bus.subscribe("calls") as messages:
        for number in range(10):
            await bus.publish("calls", changed(number))
        assert await anext(messages) == Resync(dropped=7)
        assert [await anext(messages) for _ in range(3)] == [changed(7), changed(8), changed(9)]
        await bus.publish("calls", changed(10))
        assert await anext(messages) == changed(10)


async def test_nothing_is_kept_for_who_left() -> None:
    bus = MemoryBus()
    with bus.subscribe("calls"):
        pass
    await bus.publish("calls", changed(1))
    with bus.subscribe("calls") as messages:
        await bus.publish("calls", changed(2))
        assert await anext(messages) == changed(2)
