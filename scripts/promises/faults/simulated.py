"""Rows on the simulators: a whole control process, a simulated exchange whose originate list is the witness."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from app.domain.agent import Agent
from app.domain.task import CallTask
from app.engine import Engine
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, StaySilent, WaitForAgent
from app.sim.realtime.brain import Brain, Step
from app.store import agents
from app.store.db import Database
from media.client import MediaClient
from scripts.promises.faults.ground import Ground, Story
from tests.flow.rig import BYE, Rig, rig
from tests.flow.single import PAUSE

NUMBER = "+15551000800"
LONG = "this takes quite a while to say"
TALKS = CalleeScript(
    (Ring(0.05), Answer(0.8), PAUSE, Say("hey"), WaitForAgent(), StaySilent(0.3), Say("more"), WaitForAgent())
)
"""Rings 0.8 s; the agent answers `hey` with `LONG` and `more` with goodbye."""

Strike = Callable[[Rig, CallTask], Awaitable[None]]


class Blow(msgspec.Struct, frozen=True, kw_only=True):
    """One case of a row: the fault in one state of one call, and which endings are right."""

    name: str
    allowed: frozenset[Story]
    prepare: Callable[[Rig], None] | None = None
    """Before the task is there."""
    strike: Strike | None = None
    """Beside the call; waits itself for the right moment."""
    invites: int | None = None
    """How often the phone must ring; None: at most as often as somebody was dialed."""
    script: CalleeScript = TALKS
    steps: tuple[Step, ...] = (Step(say=LONG), BYE)
    brain: Brain | None = None
    agent: Agent | None = None
    """Who calls; None: an agent of the house."""
    settings: dict[str, Any] = {}
    through: Callable[[Database], Database] | None = None
    check: Callable[[Rig, CallTask], Awaitable[list[str]]] | None = None
    """What else must be true after the end: answers what is not."""
    settle_s: float = 75.0


async def struck(ground: Ground, blows: Sequence[Blow]) -> None:
    """All cases beside each other, each in a house of its own."""
    async with asyncio.TaskGroup() as group:
        for number, blow in enumerate(blows):
            group.create_task(_one(ground, blow, ground.folder / f"{number}"))


async def _one(ground: Ground, blow: Blow, folder: Path) -> None:
    async with ground.places:
        try:
            async with house(folder, blow.script, through=blow.through, **blow.settings) as place:
                await _call(ground, blow, place)
        except* (TimeoutError, AssertionError) as failures:
            ground.account.wrong.append(f"{blow.name}: {_first(failures)}")


async def _call(ground: Ground, blow: Blow, place: Rig) -> None:
    account = ground.account
    if blow.brain is not None:
        place.minds["talk"] = blow.brain
    else:
        place.think("talk", *blow.steps, otherwise=BYE)
    if blow.prepare is not None:
        blow.prepare(place)
    if blow.agent is not None:
        await agents.create(place.db, blow.agent, place.clock.unix_ms())
    task = await place.add(NUMBER, "talk to them", opening="wait_for_hello", agent=blow.agent)
    if blow.strike is not None:
        await blow.strike(place, task)
    try:
        await place.settled(task, blow.settle_s)
    except TimeoutError:
        account.wrong.append(f"{blow.name}: not settled after {blow.settle_s:.0f} s")
    calls = await place.calls(task)
    account.story(blow.name, await place.task(task), calls, blow.allowed)
    account.rung(blow.name, place.invited(NUMBER), calls, blow.invites)
    if blow.check is not None:
        account.wrong += [f"{blow.name}: {what}" for what in await blow.check(place, task)]
    await account.until_clean(blow.name, lambda: left_over(place))


@asynccontextmanager
async def house(folder: Path, script: CalleeScript = TALKS, **given: Any) -> AsyncGenerator[Rig]:
    """A running house whose number answers by `script`, with the product's own patience."""
    through = given.pop("through", None) or (lambda db: db)
    patient = {"ring_timeout_s": 5, "lease_s": 10, "no_input_s": 6.0, **given}
    async with rig(folder, callees={NUMBER: script}, through=through, **patient) as place:
        yield place


async def left_over(place: Rig) -> list[str]:
    """Orphans while the engine runs: of the exchange, the worker, the model, the store and the disk."""
    found = [one for one in await place.left_over() if not one.startswith("oddity")]
    found += [f"leg {one}" for one in legs(place.engine)]
    found += [f"call {one} of this process" for one in place.engine.board.calls]
    found += [f"task {one} held" for one in place.engine.scheduler.running]
    named = await place.db.fetch("SELECT recording_path FROM calls WHERE recording_path IS NOT NULL")
    kept = {Path(row[0]).name for row in named}
    recordings = place.settings.recordings_dir
    if recordings.exists():
        found += [f"recording {one.name}" for one in recordings.iterdir() if one.name not in kept]
    return found


def legs(engine: Engine) -> list[str]:
    """Call ids of the legs of a worker in this process."""
    client: MediaClient | None = engine.board.media._client
    worker = getattr(client and client._link, "_worker", None)
    return [] if worker is None else list(worker.engine.legs)


def _first(failures: BaseExceptionGroup[BaseException]) -> str:
    one: BaseException = failures
    while isinstance(one, BaseExceptionGroup):
        one = one.exceptions[0]
    return f"{type(one).__name__}: {one}"[:300]
