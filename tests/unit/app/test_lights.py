"""What an engine says of its connections is said again, so that whoever looks later learns it."""

import asyncio

import msgspec
import pytest

from app.bus import MemoryBus
from app.calls.lights import Lights
from app.domain.messages import ConnectionChanged, Message, Topic

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
    assert heard == [msgspec.structs.replace(back, again=True)] * 3


class SlowBus(MemoryBus):
    """Hands a repeated state on only after `change` was told: as by a network in between."""

    change: ConnectionChanged | None = None

    async def publish(self, topic: Topic, message: Message) -> None:
        if self.change is not None and isinstance(message, ConnectionChanged) and message.again:
            change, self.change = self.change, None
            await super().publish(topic, change)
            await asyncio.sleep(0)
        await super().publish(topic, message)


async def test_a_state_said_again_while_it_changes_is_not_said_for_ever() -> None:
    bus = SlowBus()
    up, down = (ConnectionChanged(name="ari", state=state, node="a") for state in ("connected", "lost"))
    media = ConnectionChanged(name="media", state="connected", node="a")
    async with asyncio.TaskGroup() as group:
        with bus.subscribe("system") as messages:
            running = group.create_task(Lights(bus, "a", again_s=0.01).run())
            await asyncio.sleep(0)
            await bus.publish("system", up)
            await bus.publish("system", media)
            bus.change = down
            async with asyncio.timeout(5):
                heard = [await anext(messages) for _ in range(12)]
        running.cancel()
    states = [one.state for one in heard if isinstance(one, ConnectionChanged) and one.name == "ari"]
    assert states[:3] == ["connected", "lost", "connected"], "one repetition was on its way"
    assert set(states[3:]) == {"lost"}
