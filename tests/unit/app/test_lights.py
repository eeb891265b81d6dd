"""What an engine says of its connections is said again, so that whoever looks later learns it."""

import asyncio

import pytest

from app.bus import MemoryBus
from app.calls.lights import Lights
from app.domain.messages import ConnectionChanged

pytestmark = pytest.mark.anyio


async def test_own_connections_are_said_again_and_nobody_elses() -> None:
    bus = MemoryBus()
    lost = ConnectionChanged(name="ari", state="lost", node="a")
    back = ConnectionChanged(name="ari", state="connected", node="a")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(Lights(bus, "a", again_s=0.01).run())
        await asyncio.sleep(0)
        for change in (lost, back, ConnectionChanged(name="ari", state="lost", node="b")):
            await bus.publish("system", change)
        await asyncio.sleep(0)
        with bus.subscribe("system") as later:
            async with asyncio.timeout(5):
                heard = [await anext(later) for _ in range(3)]
        running.cancel()
    assert heard == [back, back, back]
