"""PostgreSQL is killed and comes back, and answers are lost on the way: calls go on, nobody is rung twice.

One server of our own, durable, between it and the engine a relay; the witness is the simulated exchange.
"""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

from app.domain.task import CallTask
from app.errors import StoreError
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForAgent
from app.store import agents
from app.store.postgres import PostgresDatabase
from app.store.sqlite import SqliteDatabase
from scripts.lib.faults.tcp import TcpRelay, tcp_relay
from scripts.lib.postgres_server import PostgresServer, missing, postgres_server
from scripts.promises.faults.ground import GOES_ON, NOT_PLACED, Ground, Row, Story
from scripts.promises.faults.simulated import left_over
from tests.flow.rig import AGENTS, BYE, Rig, gate_open, until, world
from tests.flow.single import PAUSE
from tests.flow.stages import ringing, talking

AWAY_S = 3.0
TALKS = CalleeScript((Ring(0.05), Answer(1.0), PAUSE, Say("hey"), WaitForAgent(), Say("more"), WaitForAgent()))
LOSSES = 10
"""Answers lost at a byte by seed, from the claim to the end of a call."""
LOSS_BYTES = (1, 40_000)
NUMBERS = [f"+155510009{n:02d}" for n in range(4 + LOSSES)]
ON: frozenset[Story] = frozenset({GOES_ON})
UNKNOWN: frozenset[Story] = frozenset(
    {
        GOES_ON,
        NOT_PLACED,
        ("pending", "canceled", "system_failure"),
        ("pending", "lost", "system_failure"),
        ("failed", "lost", "system_failure"),
    }
)


async def failover(ground: Ground) -> None:
    """Killed before dialing, while it rings, while they talk; then answers lost wherever the seed says."""
    reason = missing()
    if reason is not None:
        ground.account.not_run = reason
        return
    async with ground.few:
        with postgres_server() as server:
            async with tcp_relay(server.port) as between, _house(ground.folder, server, between) as place:
                await _killed(ground, place, server)
                await _lost(ground, place, between)


@asynccontextmanager
async def _house(folder: Path, server: PostgresServer, between: TcpRelay) -> AsyncGenerator[Rig]:
    """The engine reaches its store through the relay, the judge directly."""
    callees = dict.fromkeys(NUMBERS, TALKS)
    patient: dict[str, Any] = {"ring_timeout_s": 5, "lease_s": 10, "no_input_s": 6.0}
    async with (
        PostgresDatabase(server.url) as db,
        PostgresDatabase(server.url_through(between.port)) as engines,
        world(folder / "house", callees=callees, through=lambda _: engines, **patient) as place,
    ):
        place.db = cast("SqliteDatabase", db)
        for agent in AGENTS.values():
            await agents.create(db, agent, place.clock.unix_ms())
        place.think("talk", otherwise=BYE)
        async with place.engine.running():
            await until(gate_open(place.engine))
            yield place


async def _killed(ground: Ground, place: Rig, server: PostgresServer) -> None:
    moments = {"ringing": ringing, "talking": talking, "before dialing": None}
    for number, (name, when) in zip(NUMBERS, moments.items(), strict=False):
        born = await _one(place, "SELECT CAST(pg_postmaster_start_time() AS text)")
        if when is None:
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(AWAY_S)
            ground.account.expect(f"{name}: the store never failed", not await _answers(place))
            await asyncio.to_thread(server.start)
            await until(partial(_answers, place), 20.0)
            task = await place.add(number, "talk to them", opening="wait_for_hello")
        else:
            task = await place.add(number, "talk to them", opening="wait_for_hello")
            await when(place, task)
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(AWAY_S)
            ground.account.expect(f"{name}: the store never failed", not await _answers(place))
            await asyncio.to_thread(server.start)
        await _judged(ground, place, task, f"killed {name}", ON)
        again = await _one(place, "SELECT CAST(pg_postmaster_start_time() AS text)")
        ground.account.expect(f"{name}: the server was never another", born != again)


async def _lost(ground: Ground, place: Rig, between: TcpRelay) -> None:
    """The connection breaks in the middle of an answer: nobody knows whether its commit was done."""
    chance, struck = random.Random(ground.seed), 0
    for number in NUMBERS[3 : 3 + LOSSES]:
        size = chance.randint(*LOSS_BYTES)
        task = await place.add(number, "talk to them", opening="wait_for_hello")
        between.cut_after(size)
        await _judged(ground, place, task, f"answers lost after {size} bytes", UNKNOWN)
        struck += between.cuts
        between.cuts = 0
    ground.account.figures["answers_lost"] = struck
    ground.account.expect(f"answers were lost {struck} times only", struck >= LOSSES // 2)


async def _judged(ground: Ground, place: Rig, task: CallTask, what: str, allowed: frozenset[Story]) -> None:
    account = ground.account
    await until(partial(_answers, place), 20.0)
    try:
        await place.settled(task, 60.0)
    except TimeoutError:
        account.wrong.append(f"{what}: not settled after 60 s")
    calls = await place.calls(task)
    account.story(what, await place.task(task), calls, allowed)
    account.rung(what, place.invited(task.number), calls, 1 if allowed is ON else None)
    await account.until_clean(what, partial(left_over, place))


async def _answers(place: Rig) -> bool:
    """Whether the store can be asked now."""
    try:
        await place.db.one("SELECT 1")
    except StoreError:
        return False
    return True


async def _one(place: Rig, sql: str) -> object:
    row = await place.db.one(sql)
    return None if row is None else row[0]


ROWS = (
    Row(
        name="postgresql-failover",
        fault="PostgreSQL killed and started again; answers of commits lost",
        during="D L",
        run=failover,
    ),
)
