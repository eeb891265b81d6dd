"""Opens the whole house, in order: the lock of the data directory, bus, database, simulators, engine."""

import contextlib
import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.bus import Bus
from app.cli.data_directory import engine_lock, private_folder
from app.cli.rehearsals import RehearsalDesk
from app.cli.store import open_bus, open_store
from app.clock import Clock, SystemClock
from app.config import Settings
from app.engine import Engine
from app.store.db import Database

if TYPE_CHECKING:
    from app.sim.world import SimWorld


@dataclass(frozen=True)
class House:
    """What a command works with."""

    settings: Settings
    db: Database
    bus: Bus
    clock: Clock
    engine: Engine
    world: "SimWorld | None"
    """The simulators, when everything is simulated."""


@asynccontextmanager
async def open_house(settings: Settings) -> AsyncGenerator[House]:
    """Everything, with the engine running. Raises ConflictError when another engine owns the data directory."""
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(engine_lock(settings))
        private_folder(settings.recordings_dir)
        bus = await stack.enter_async_context(open_bus(settings))
        db = await stack.enter_async_context(open_store(settings))
        world = None
        if settings.simulate:
            from app.sim.world import sim_world  # noqa: PLC0415 - with the SDK a second; only simulations owe it

            world = await stack.enter_async_context(sim_world(settings))
            settings = world.settings
        engine = await stack.enter_async_context(Engine(settings, db, bus, clock).running())
        await stack.enter_async_context(RehearsalDesk(db, bus, clock, settings.node_name).running())
        settle_heap()
        yield House(settings, db, bus, clock, engine, world)


def settle_heap() -> None:
    """What lives now lives as long as the process: the collector need not look at it in the middle of calls, which
    would hold all of them up for 0.15 s each time.
    """
    gc.collect()
    gc.freeze()
