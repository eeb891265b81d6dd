"""Says again, every few seconds, how this engine's connections stand: whoever began to look later learns it, too.

The bus keeps nothing. A console that was opened, or a process that came, after a connection was made would know
nothing of it until it breaks. What is said again comes back here, too: it is never taken for a change, or a state
that was said while it changed would be said for ever.
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from app.bus import Bus
from app.domain.messages import ConnectionChanged, ConnectionName, Message, Resync

AGAIN_S = 5.0


class Lights:
    """Run from before the first connection is made."""

    def __init__(self, bus: Bus, node: str, again_s: float = AGAIN_S) -> None:
        self._bus = bus
        self._node = node
        self._again_s = again_s
        self._known: dict[ConnectionName, ConnectionChanged] = {}

    async def run(self) -> None:
        """Until cancelled."""
        with self._bus.subscribe("system") as messages:
            await self._serve(messages)

    async def _serve(self, messages: AsyncIterator[Message | Resync]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(messages))
            while True:
                await asyncio.sleep(self._again_s)
                for name in list(self._known):
                    again = msgspec.structs.replace(self._known[name], again=True)
                    await self._bus.publish("system", again)

    async def _listen(self, messages: AsyncIterator[Message | Resync]) -> None:
        async for message in messages:
            if isinstance(message, ConnectionChanged) and message.node == self._node and not message.again:
                self._known[message.name] = message
