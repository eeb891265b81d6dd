"""A console to look at: the whole product over simulators in a process of its own, with calls behind it.

`python -m tests.browser.stage FOLDER PORT [--hostile | --story]` prints the sign-in link when the calls are over,
then serves until SIGTERM. With `--story` there are no calls yet; lines on stdin make them: "call" to somebody
who asks (also "second call", "third call"), "listener" to somebody who listens; "heard" tells what the telephones
have heard.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.cli.console import serve_console, stop_on_signals
from app.cli.demo import create_campaign
from app.cli.house import House, open_house
from app.cli.store import open_bus, open_store
from app.cli.user import add, link_text
from app.clock import SystemClock
from app.config import Settings, load_settings
from app.domain.agent import PLANNED_TOOLS, Agent
from app.domain.messages import TaskChanged
from app.domain.people import Role
from app.domain.task import NewTask
from app.domain.tenant import DEFAULT_TENANT_ID
from app.engine import Engine
from app.ids import new_id
from app.people.door import Door
from app.sim.asterisk.personas import by_number
from app.sim.asterisk.script import Answer, CalleeScript, Converse, Ring, Say, WaitForAgent
from app.sim.realtime.brain import Brain, BrainEvent, SessionView, Step
from app.sim.realtime.capable import CapableBrain
from app.sim.realtime.planner import HouseBrain
from app.sim.rehearsal.stage import FIELDS
from app.sim.text.lookups import Place
from app.sim.world import sim_world
from app.store import agents, campaigns, tasks
from tests.browser.hostile import CORPUS, plant
from tests.flow.ordering import Obedient

CALLS = 15
EMAIL, PASSWORD = "owner@demo.example", "a purple stapler in 9 lakes"
ASKER, LISTENER = "+12025550122", "+12025550124"
ASKERS = {b"call": ASKER, b"second call": "+12025550126", b"third call": "+12025550128"}
"""Whom an order calls; a telephone that is on a call is not rung again."""
QUESTION = "does it cost anything?"
DESK = "You are the front desk of the practice."
PATIENT = "You are patient and do as you are told."
BOSS, REPLY = "i am the boss", "good to hear a person"
"""What the operator says into the microphone, and what the one who listens answers."""


async def serve(folder: Path, port: int, *, hostile: bool, story: bool) -> None:
    """Calls first, then the console."""
    quick = {
        "ring_timeout_s": 5,
        "no_input_s": 30.0 if story else 2.0,
        "no_input_prompts": 1,
        "max_concurrent_calls": 8,
    }
    where = {"data_dir": folder, "web_port": port, "redis_url": "", "database_url": "", "app_test_mode": False}
    settings = load_settings(overrides={"simulate": True, "calls_per_second": 20.0, **quick, **where})
    with stop_on_signals() as stop:
        async with story_house(settings) if story else open_house(settings) as house:
            if not story:
                await _calls(house)
            if hostile:
                print(f"planted in {await plant(house.db)} columns")
                _look_ups(house)
            owner = await add(house.db, EMAIL, "Olga Owner", Role.OWNER)
            door = Door(house.db, house.clock)
            await door.set_password(owner, PASSWORD, "stage")
            link = await link_text(house.settings, door, owner)
            print(next(word for word in link.split() if word.startswith("http")), flush=True)
            async with asyncio.TaskGroup() as group:
                orders = group.create_task(_orders(house)) if story else None
                await serve_console(house, stop)
                if orders is not None:
                    orders.cancel()


def _look_ups(house: House) -> None:
    """Restaurants whose names and addresses are hostile."""
    assert house.world is not None
    house.world.found.places = [
        Place(name=f"Trattoria {CORPUS}"[:150], phone="+1 555 2000 500", address=CORPUS, hours=CORPUS),
        Place(name="Osteria Luna", phone="+1 555 2000 500"),
    ]


async def _calls(house: House) -> None:
    campaign_id = await create_campaign(house, CALLS)
    open_states = {"pending", "claimed", "in_call", "analyzing"}
    with house.bus.subscribe("tasks") as messages:
        while set(await campaigns.counts(house.db, DEFAULT_TENANT_ID, campaign_id)) & open_states:
            await anext(messages)


@asynccontextmanager
async def story_house(settings: Settings) -> AsyncIterator[House]:
    """As `open_house`, with a front desk that uses every function it is offered, and somebody who asks it."""
    clock = SystemClock()
    settings.recordings_dir.mkdir(parents=True)
    async with (
        open_bus(settings) as bus,
        open_store(settings) as db,
        sim_world(settings, callees=_callee, brain=StoryMind) as world,
        Engine(world.settings, db, bus, clock).running() as engine,
    ):
        yield House(world.settings, db, bus, clock, engine, world)


def _callee(number: str) -> CalleeScript:
    if number.lstrip("+") == LISTENER.lstrip("+"):
        return CalleeScript((Ring(0.2), Answer(0.2), WaitForAgent("boss", 120.0), Say(REPLY)), comfort=True)
    if number.lstrip("+") not in {one.lstrip("+") for one in ASKERS.values()}:
        return by_number(number)
    asks = (Say("hello"), WaitForAgent(None, 30.0), Say(QUESTION))
    answers = Converse(replies=(("friday", "yes, i can"), ("when", "at ten")), otherwise="")
    return CalleeScript((Ring(0.5), Answer(0.2), *asks, answers), comfort=True)


class Mind:
    """The front desk is capable, everybody else as in any simulated house; decided by what it is told first."""

    def __init__(self) -> None:
        self._brain: Brain | None = None

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        return self._mind(view.instructions).answer(event, view)

    def guess(self, instructions: str) -> str:
        mind = self._mind(instructions)
        return mind.guess(instructions) if isinstance(mind, HouseBrain) else ""

    def _mind(self, instructions: str) -> Brain:
        if self._brain is None:
            self._brain = CapableBrain() if DESK in instructions else HouseBrain()
        return self._brain


async def _orders(house: House) -> None:
    """Every line on stdin is a call, or asks what the telephones have heard (answered as JSON on stdout)."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    asking = await _agent(house, "Front desk", DESK)
    patient = await _agent(house, "Patient", PATIENT)
    while order := (await lines.readline()).strip():
        match order:
            case b"call" | b"second call" | b"third call":
                await _call(house, asking, ASKERS[order], "=2+3 Cleo")
            case b"listener":
                await _call(house, patient, LISTENER, "Tara")
            case _:
                assert house.world is not None
                heard = {one.number.lstrip("+"): one.heard_texts for one in house.world.asterisk.callees}
                print(json.dumps(heard), flush=True)


async def _agent(house: House, name: str, prompt: str) -> Agent:
    now_ms = house.clock.unix_ms()
    agent = Agent(
        id=new_id(now_ms),
        tenant_id=DEFAULT_TENANT_ID,
        name=name,
        prompt=prompt,
        tools=PLANNED_TOOLS,
        data_to_fill=FIELDS,
        feedback_wait_s=120,
    )
    await agents.create(house.db, agent, now_ms)
    return agent


async def _call(house: House, agent: Agent, number: str, name: str) -> None:
    now_ms = house.clock.unix_ms()
    task = NewTask(
        id=new_id(now_ms),
        agent_id=agent.id,
        number=number,
        callee_name=name,
        objective="Confirm the check-up",
        next_action_time=now_ms,
    )
    await tasks.create_many(house.db, DEFAULT_TENANT_ID, [task], now_ms)
    await house.bus.publish("tasks", TaskChanged(tenant_id=DEFAULT_TENANT_ID, task_id=task.id))


class StoryMind(Mind):
    """The patient agent does as it is told."""

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        return Obedient().answer(event, view) if PATIENT in view.instructions else super().answer(event, view)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--hostile", action="store_true")
    parser.add_argument("--story", action="store_true")
    given = parser.parse_args()
    asyncio.run(serve(given.folder, given.port, hostile=given.hostile, story=given.story))
