"""Promise `commands`: an order to a living call is carried out once and at most two seconds late, whatever happens
to the messages about it; and nothing that is only said on Redis is ever done.

Simulated calls, a real redis-server in a temporary folder, and a relay between the two that swallows everything.
The witness is the simulated model: which notes it was given, how often, in which order.
"""

import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from app.bus.redis import RedisBus
from app.calls import commands as desk
from app.domain import command as cmd
from app.domain.call import Call
from app.domain.command import Command, CommandState, Verdict, WakeCheck
from app.domain.messages import command_topic
from app.errors import AppError
from app.figures import Result
from app.logs import set_up_logs
from app.store import commands
from scripts.lib.faults.tcp import TcpRelay, tcp_relay
from scripts.lib.redis_server import missing, redis_server
from tests.flow.ordering import (
    LISTENS,
    NOTED,
    Obedient,
    came_of,
    false_wake,
    in_talk,
    noticed,
    obedient,
    order,
    redis_house,
    subscribed,
)
from tests.flow.rig import TENANT, Rig

LATE_LIMIT_MS = 2_000
CALLS = 4
ORDERS = 50
"""Per call, while every message is lost."""
SPREAD_S = 8.0
FALSE_WAKES = 1_000
KILLS = 3
PATIENT: dict[str, Any] = {"no_input_s": 120, "max_call_duration_s": 600}
"""Callees who only listen must not end the calls."""


class Tally:
    """What was tried and what went wrong."""

    def __init__(self) -> None:
        self.tried = 0
        self.wrong: list[str] = []
        self.late_ms: list[int] = []

    def carried_out(self, row: Command) -> None:
        """One order with what came of it."""
        self.tried += 1
        late_ms = (row.done_ms or row.expires_ms) - row.created_ms
        self.late_ms.append(late_ms)
        if row.state is not CommandState.DONE or late_ms > LATE_LIMIT_MS:
            self.wrong.append(f"{row.state} after {late_ms} ms")

    def heard_once(self, given: list[str], ordered: list[str]) -> None:
        """The notes the model was given must be those ordered, each once, in order."""
        for text in {*given, *ordered}:
            if given.count(text) != 1 or ordered.count(text) != 1:
                self.wrong.append(f"{text!r} was given {given.count(text)} times")
        if given != ordered and sorted(given) == sorted(ordered):
            self.wrong.append("given in another order")


def run(seed: int = 20261121, mutant: str = "") -> Result:
    """All of it; about half a minute. Not run without redis-server."""
    reason = missing()
    if reason is not None:
        return Result(name="commands", seed=seed, not_run=reason)
    set_up_logs("error", as_json=False)
    began = time.monotonic()
    tally = Tally()
    figures: dict[str, Any] = {}
    with MUTANTS[mutant]() if mutant else contextlib.nullcontext():
        try:
            figures = asyncio.run(_try(tally, random.Random(seed)))
        except* (TimeoutError, AppError) as failures:
            tally.wrong.append(f"could not go on: {failures.exceptions[0]}")
    late_ms = max(tally.late_ms, default=0)
    figures = {
        **figures,
        "orders": len(tally.late_ms),
        "late_ms_max": late_ms,
        "first": "; ".join(tally.wrong[:3]),
    }
    return Result(
        name="commands",
        n=tally.tried,
        violations=len(tally.wrong),
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        figures=figures,
    )


async def _try(tally: Tally, chance: random.Random) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with redis_server(folder) as server:
            async with tcp_relay(server.port) as between, _house(folder / "lost", server.url, between) as place:
                swallowed = await _all_messages_lost(place, between, tally, chance)
            async with _house(folder / "false", server.url) as place, Redis.from_url(server.url) as redis:
                accepted = await _nothing_but_messages(place, redis, tally, chance)
            async with _house(folder / "killed", server.url) as place:
                for round_number in range(KILLS):
                    await server.kill()
                    await _orders(place, tally, f"down {round_number}", 3)
                    await server.start()
                    await _orders(place, tally, f"up {round_number}", 3)
                await place.settle(tally)
    return {"false_messages": FALSE_WAKES, "accepted": accepted, "kills": KILLS, "swallowed_bytes": swallowed}


class Place:
    """A house with living calls, and an operator in another process."""

    def __init__(self, house: Rig, bus: RedisBus, operator: RedisBus) -> None:
        self.house, self.bus, self.operator = house, bus, operator
        self.calls: list[tuple[Call, Obedient, list[str]]] = []

    async def add_call(self, number: str, name: str) -> Call:
        """One more callee who listens."""
        mind = obedient(self.house, name)
        _, call = await in_talk(self.house, number, name)
        self.calls.append((call, mind, []))
        return call

    async def order(self, at: int, text: str) -> Command:
        """A note for the agent of the `at`-th call."""
        call, _, ordered = self.calls[at]
        placed = await order(self.house, call, cmd.Whisper(text=text), bus=self.operator)
        ordered.append(text)
        return placed

    async def settle(self, tally: Tally) -> None:
        """Ask each model what it was told, and hang up."""
        for call, mind, ordered in self.calls:
            last = cmd.Whisper(text="the last note", respond=True)
            tally.carried_out(await came_of(self.house, await order(self.house, call, last)))
            ordered.append("the last note")
            callee = self.house.asterisk.callee(call.number_dialed)
            await self.house.asterisk.wait_until(lambda: NOTED in callee.heard_texts, 10.0)  # noqa: B023
            tally.heard_once(mind.notes, ordered)
            await order(self.house, call, cmd.EndCall(polite=False))


@asynccontextmanager
async def _house(folder: Path, url: str, between: TcpRelay | None = None) -> AsyncGenerator[Place]:
    numbers = [f"+155510050{at:02}" for at in range(CALLS)]
    seen = url if between is None else url.replace(url.rpartition(":")[2].split("/")[0], str(between.port))
    async with (
        RedisBus(url).running() as operator,
        redis_house(folder, seen, callees=dict.fromkeys(numbers, LISTENS), **PATIENT) as (house, bus),
    ):
        place = Place(house, bus, operator)
        for at, number in enumerate(numbers):
            await place.add_call(number, f"obey{at}")
        yield place


async def _orders(place: Place, tally: Tally, name: str, count: int) -> None:
    """Notes for every call, all at the same time; each call's own one after the other."""

    async def of(at: int) -> None:
        for number in range(count):
            placed = await place.order(at, f"{name} {number}")
            tally.carried_out(await came_of(place.house, placed))

    async with asyncio.TaskGroup() as group:
        for at in range(len(place.calls)):
            group.create_task(of(at))


async def _all_messages_lost(place: Place, between: TcpRelay, tally: Tally, chance: random.Random) -> int:
    between.dead = True

    async def placed(at: int, number: int) -> None:
        await asyncio.sleep(chance.uniform(0, SPREAD_S))
        async with locks[at]:  # the order in which they were stored is what counts
            command = await place.order(at, f"lost {number}")
        tally.carried_out(await came_of(place.house, command))

    locks = [asyncio.Lock() for _ in place.calls]
    async with asyncio.TaskGroup() as group:
        for at in range(len(place.calls)):
            for number in range(ORDERS):
                group.create_task(placed(at, number))
    await place.settle(tally)
    return between.swallowed


async def _nothing_but_messages(place: Place, redis: Redis, tally: Tally, chance: random.Random) -> int:
    """Forged, replayed, expired, foreign and raw messages about a call; answers how many were accepted."""
    call, _, ordered = place.calls[0]
    await subscribed(redis, call)
    own = await order(place.house, call, cmd.Whisper(text="the real one"), bus=place.operator)
    ordered.append("the real one")
    tally.carried_out(await came_of(place.house, own))
    await place.house.until(lambda: _is(noticed(place.house, place.bus) == 1))
    numbers = list(range(FALSE_WAKES))
    chance.shuffle(numbers)
    for at in range(0, FALSE_WAKES, 100):
        for number in numbers[at : at + 100]:
            message = false_wake(own, number, place.house.clock.unix_ms())
            await redis.publish(command_topic(call.id), message)
        await place.house.until(lambda: _is(noticed(place.house, place.bus) == at + 101))  # noqa: B023
    accepted = place.house.engine.board.wakes[Verdict.ACCEPTED] - 1
    rows = await commands.list_of_call(place.house.db, TENANT, call.id)
    over = place.house.asterisk.callee(call.number_dialed).over
    tally.tried += FALSE_WAKES
    tally.wrong += ["a false message was accepted"] * accepted
    tally.wrong += ["a message did something"] * (len(rows) - 1 + over)
    await place.settle(tally)
    return accepted


async def _is(value: bool) -> bool:
    return value


# --- deliberately wrong products --------------------------------------------------------------------------------
@contextmanager
def _changed(owner: Any, name: str, value: Any) -> Generator[None]:
    real = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, real)


_carried_out = desk.CommandDesk._carried_out


async def _carried_out_twice(one: desk.CommandDesk, command: Command) -> desk.Answer:
    await _carried_out(one, command)
    return await _carried_out(one, command)


MUTANTS: dict[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
    "only_messages": lambda: _changed(desk, "LOOK_S", 3_600.0),
    "slow_look": lambda: _changed(desk, "LOOK_S", 5.0),
    "unsigned": lambda: _changed(WakeCheck, "judge", lambda *_: Verdict.ACCEPTED),
    "twice": lambda: _changed(desk.CommandDesk, "_carried_out", _carried_out_twice),
}
