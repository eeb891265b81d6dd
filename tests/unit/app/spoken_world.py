"""A spoken session of the planner on SimRealtime: a microphone that never stops, and what the page is told."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from pydantic import SecretStr

from app.domain.planning import PlannerTurn
from app.llm.planner_steps import Parts
from app.llm.spoken.model import FlushEvent, PageEvent
from app.llm.spoken.session import SpokenSession
from app.sim import tonevoice
from app.sim.realtime.brain import Brain
from app.sim.realtime.options import SimOptions
from app.sim.realtime.planner import PlannerBrain
from app.sim.realtime.server import SimRealtime
from app.sim.realtime.session import SimSession
from app.store import conversations
from app.store.conversations import Conversation
from app.store.db import Database
from tests.unit.app.planner_world import PROFILE, World, planner_world
from tests.unit.app.store_world import TENANT

FRAME = np.zeros(320, np.int16).tobytes()
FRAME_S = 0.005
"""A frame of 20 ms is fed this often: time passes four times as fast for the model's ear."""


class Speaker:
    """One browser. `told` is what the page heard of, `spoken` the speech since the last flush."""

    def __init__(self, world: World, sim: SimRealtime, chat: Conversation, *, resumed: bool) -> None:
        self.world, self.sim, self.chat = world, sim, chat
        self.told: list[PageEvent] = []
        self.speech: list[bytes] = []
        self.frames = 0
        self.flushes = 0
        self._says: list[bytes] = []
        parts = Parts(**world.planner.parts._asdict() | {"settings": self._settings(world, sim)})
        self.session = SpokenSession(parts, chat, PROFILE, tell=self._tell, speech=self._hear)
        self.resumed = resumed

    @property
    def far(self) -> SimSession:
        """The newest session of the model."""
        return self.sim.sessions[-1]

    async def say(self, words: str, symbols: int = 12) -> None:
        """Speak for as long as so many symbols last; the recognizer writes down exactly these words."""
        self.far.hear(words)
        audio = tonevoice.speak("x" * symbols, 16_000)
        whole = np.concatenate([audio, np.zeros(-len(audio) % 320, np.int16)]).astype("<i2").tobytes()
        self._says += [whole[at : at + 640] for at in range(0, len(whole), 640)]

    async def until(self, condition: Callable[[], Any], timeout_s: float = 15.0) -> None:
        """Wait for something to be seen."""
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - pages are told in many ways
                await asyncio.sleep(0.01)

    async def turns(self) -> list[PlannerTurn]:
        return await conversations.turns(self.world.db, TENANT, self.chat.id)

    async def turn(self, wanted: Callable[[PlannerTurn], Any], timeout_s: float = 20.0) -> PlannerTurn:
        """The first stored turn like that."""
        async with asyncio.timeout(timeout_s):
            while True:
                found = next((one for one in await self.turns() if wanted(one)), None)
                if found is not None:
                    return found
                await asyncio.sleep(0.02)

    async def microphone(self) -> None:
        """Never stops."""
        while True:
            self.session.hear(self._says.pop(0) if self._says else FRAME)
            await asyncio.sleep(FRAME_S)

    def _hear(self, pcm: bytes) -> None:
        self.frames += 1
        self.speech.append(pcm)

    def _tell(self, event: PageEvent) -> None:
        self.told.append(event)
        if isinstance(event, FlushEvent):
            self.flushes += 1
            self.speech.clear()

    @staticmethod
    def _settings(world: World, sim: SimRealtime) -> Any:
        there = {"realtime_url": sim.url, "openai_api_key": SecretStr("k")}
        return world.settings.model_copy(update=there)


@asynccontextmanager
async def speaking(
    world: World, sim: SimRealtime, chat: Conversation, *, resumed: bool = False
) -> AsyncGenerator[Speaker]:
    """Until the block ends; then the browser hangs up and everything is written down."""
    speaker = Speaker(world, sim, chat, resumed=resumed)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(speaker.session.run(resumed=resumed))
        voice = group.create_task(speaker.microphone())
        await speaker.until(lambda: any(one.journal.types().count("session.updated") for one in sim.sessions))
        yield speaker
        speaker.session.hang_up()
        await running
        voice.cancel()


@asynccontextmanager
async def spoken_world(
    db: Database, brain: Callable[[], Brain] = PlannerBrain, **options: Any
) -> AsyncGenerator[tuple[World, SimRealtime]]:
    """A planner, and a model that speaks."""
    async with planner_world(db) as world, SimRealtime(brain=brain, options=SimOptions(**options)) as sim:
        yield world, sim
