"""Somebody who orders things of living calls, and a model that does as it is told."""

from typing import Any

from pydantic import SecretStr

from app.bus import Bus
from app.domain.call import Call
from app.domain.command import PAYLOADS, SETTLED, Command, NewCommand, Payload, wake_up
from app.domain.messages import command_topic
from app.domain.task import CallTask
from app.ids import new_id
from app.sim.asterisk import Answer, CalleeScript, Ring, WaitForAgent
from app.sim.realtime.brain import BrainEvent, Cause, SessionView, Step
from app.store import commands
from tests.flow.rig import TENANT, Rig

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
        if view.transcript and view.transcript[-1].role == "system" and event.cause is Cause.RESPONSE_CREATE:
            return Step(say=NOTED)
        return Step(say=HELLO)


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
        await bus.publish(command_topic(call.id), wake_up(command, KEY.get_secret_value().encode()))
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
