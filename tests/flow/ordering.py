"""Somebody who orders things of living calls, and a model that does as it is told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from pydantic import SecretStr
from redis.asyncio import Redis

from app.bus import Bus
from app.bus.redis import RedisBus
from app.bus.wire import encode
from app.domain.call import Call
from app.domain.command import PAYLOADS, SETTLED, Command, NewCommand, Payload, wake_up
from app.domain.messages import command_topic
from app.domain.task import CallTask
from app.engine import Engine
from app.ids import new_id
from app.sim.asterisk import Answer, CalleeScript, Ring, WaitForAgent
from app.sim.realtime.brain import BrainEvent, Cause, SessionView, Step
from app.store import commands
from tests.flow.rig import TENANT, Rig, gate_open, until, world

KEY = SecretStr("a key that only our processes know, of course")
ONE_KEY: dict[str, Any] = {"command_key": KEY}
LISTENS = CalleeScript((Ring(0.02), Answer(0.02), WaitForAgent()))
HELLO, BYE_NOW, NOTED = "hello there", "bye now", "noted"


class Obedient:
    """Says what an operator wants said, says goodbye when told to, and `NOTED` after a note in its ear."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        """Every note so far, in order."""

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        self.notes = [line.text.rpartition("not hear: ")[2] for line in view.transcript if line.role == "system"]
        wanted = event.instructions.removeprefix(view.instructions)
        _, asked, words = wanted.rpartition("fit to be said: ")
        if asked:
            return Step(say=words)
        if "goodbye" in wanted:
            return Step(say=BYE_NOW)
        asked_for = event.cause in {
            Cause.RESPONSE_CREATE,
            Cause.TURN,
        }  # the latter: they had spoken before the note
        if view.transcript and view.transcript[-1].role == "system" and asked_for:
            return Step(say=NOTED)
        return Step(say=HELLO)


@asynccontextmanager
async def redis_house(folder: Path, url: str, **given: Any) -> AsyncGenerator[tuple[Rig, RedisBus]]:
    """A house whose bus is Redis, and that bus; whoever orders comes from elsewhere."""
    async with RedisBus(url).running() as bus, world(folder, **ONE_KEY, **given) as house:
        house.engine = Engine(house.settings, house.db, bus, house.clock)
        async with house.engine.running():
            await until(gate_open(house.engine))
            yield house, bus


async def subscribed(redis: Redis, call: Call) -> None:
    """Until whoever runs the call hears of commands for it."""
    channel = command_topic(call.id)
    async with asyncio.timeout(5):
        while not dict(await redis.pubsub_numsub(channel))[channel.encode()]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def key() -> bytes:
    """What every process of ours signs with."""
    return KEY.get_secret_value().encode()


def false_wake(real: Command, number: int, now_ms: int) -> bytes:
    """One of five kinds of messages that must change nothing; `real` is a command that was carried out."""
    replace = msgspec.structs.replace
    newer = replace(real, id=f"{number:032x}", seq=1_000 + number)
    match number % 5:
        case 0:  # nobody of ours says it like that
            return b'{"kind":"end_call","payload":{"polite":false}}'
        case 1:  # forged: another key, or another sequence number behind the same signature
            forged = wake_up(newer, b"x" * 32) if number % 2 else replace(wake_up(real, key()), seq=newer.seq)
        case 2:  # replayed
            forged = wake_up(real, key())
        case 3:  # signed by us, and too late
            forged = wake_up(replace(newer, expires_ms=now_ms - 1), key())
        case _:  # signed by us, of another tenant or call
            forged = wake_up(replace(newer, **{("tenant_id", "call_id")[number % 2]: "other"}), key())
    return encode("somebody", forged)


def noticed(house: Rig, bus: RedisBus) -> int:
    """Messages about commands that arrived so far, whatever they were worth."""
    return house.engine.board.wakes.total() + bus.counters.malformed


def obedient(house: Rig, key: str) -> Obedient:
    """The mind of tasks whose objective begins with `key`."""
    mind = house.minds[key] = Obedient()
    return mind


def new_order(house: Rig, call: Call, payload: Payload, *, life_s: float = 20.0, **changes: Any) -> NewCommand:
    """A command that nobody has heard of yet."""
    now_ms = house.clock.unix_ms()
    kind = next(kind for kind, shape in PAYLOADS.items() if isinstance(payload, shape))
    fields = {"id": new_id(now_ms), "issued_by": "lead", "expires_ms": now_ms + round(life_s * 1000)}
    return NewCommand(**{**fields, "call_id": call.id, "kind": kind, "payload": payload, **changes})


async def order(house: Rig, call: Call, payload: Payload, *, bus: Bus | None = None, **changes: Any) -> Command:
    """Store a command, as another process does: without `bus` nobody is told of it."""
    new = new_order(house, call, payload, **changes)
    async with house.db.tx() as tx:
        command = await commands.enqueue(tx, TENANT, new, house.clock.unix_ms())
    if bus is not None:
        await bus.publish(command_topic(call.id), wake_up(command, key()))
    return command


async def came_of(house: Rig, command: Command, timeout_s: float = 10.0) -> Command:
    """The command once it is settled."""

    async def settled() -> Command | None:
        row = await commands.get(house.db, TENANT, command.id)
        return row if row.state in SETTLED else None

    return await house.until(settled, timeout_s)


async def told(house: Rig, call: Call, payload: Payload, **changes: Any) -> tuple[str, str]:
    """Order it with a wake-up; state and sentence that came of it."""
    row = await came_of(house, await order(house, call, payload, bus=house.bus, **changes))
    return str(row.state), row.result


async def in_talk(house: Rig, number: str, key: str, **fields: Any) -> tuple[CallTask, Call]:
    """A call whose callee has heard the agent's first words."""
    task = await house.add(number, f"{key} in a talk", **fields)
    await house.talking(task, HELLO)
    return task, await house.call(task)
