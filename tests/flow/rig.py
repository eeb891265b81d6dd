"""A whole control process against the simulators, in one event loop: what flow tests stand on.

    async with rig(tmp_path, callees={"+15551000001": polite()}) as house:
        task = await house.add("+15551000001")
        done = await house.settled(task)

Minds of the model are chosen by the first word of a task's objective (`house.think`), so that many different calls
run beside each other in one world. Leaving checks that nothing is left behind (`Rig.left_over`).
"""

import asyncio
import re
import wave
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from app.bus import MemoryBus
from app.calls.run import PhoneCall
from app.clock import SystemClock
from app.config import Settings
from app.domain.agent import Agent, Opening
from app.domain.call import Call, Turn
from app.domain.messages import TaskChanged
from app.domain.task import CallTask, NewTask, TaskState
from app.engine import Engine
from app.ids import new_id
from app.sim.asterisk import CalleeScript, SimAsterisk
from app.sim.asterisk.callee import Callee
from app.sim.realtime.brain import Brain, BrainEvent, ScriptedBrain, SessionView, Step, ToolCall
from app.sim.realtime.options import SimOptions
from app.sim.realtime.polite import PoliteBrain
from app.sim.realtime.server import SimRealtime
from app.sim.realtime.session import SimSession
from app.sim.text import SimText
from app.sim.tonevoice import listen
from app.sim.world import sim_world
from app.store import agents, calls, events, tasks, transcripts
from app.store.db import Database, Writer
from app.store.events import CallEvent
from app.store.sqlite import SqliteDatabase
from tests.flow.waiting import PATIENCE_S, gate_open, until
from tests.fresh_sqlite import fresh_sqlite

TENANT = "default"
FAST = SimOptions(speed=20, first_delta_ms=0, transcript_ms=5)
OVER = frozenset(TaskState) - {TaskState.PENDING, TaskState.CLAIMED, TaskState.IN_CALL, TaskState.ANALYZING}
BUSY_STATES = frozenset({TaskState.CLAIMED, TaskState.IN_CALL, TaskState.ANALYZING})
BYE = Step(say="bye", call=(ToolCall(name="end_call", arguments={"reason": "done"}),))
WATCH_S = 0.01
STALL_S = 0.04
"""The jitter buffer takes audio that is later than this for lost."""
OPENINGS: tuple[Opening, ...] = ("greet_first", "wait_for_hello")
AGENTS = {
    name: Agent(id=f"{at:032x}", tenant_id=TENANT, name=name, opening=name) for at, name in enumerate(OPENINGS)
}
_KEY = re.compile(r"shall achieve:\s*(?P<key>\w+)")


class LoopWatch:
    """How long this event loop stood still at worst: simulators and engine share it with the test."""

    def __init__(self) -> None:
        self.longest_stall_s = 0.0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(WATCH_S)
            self.longest_stall_s = max(self.longest_stall_s, loop.time() - before - WATCH_S)


class SkewedClock(SystemClock):
    """The machine's clocks; the wall clock can be set, as an operator or NTP does."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def unix_ms(self) -> int:
        return super().unix_ms() + self.ahead_ms


class Mind:
    """One session's brain: the one the task's objective names, or a polite one of its own.

    A reconnected session of a call meets the same named brain again.
    """

    def __init__(self, named: Mapping[str, Brain]) -> None:
        self._named = named
        self._polite = PoliteBrain()

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        found = _KEY.search(view.instructions)
        return self._named.get(found["key"] if found else "", self._polite).answer(event, view)


def settings_for(folder: Path, **changes: Any) -> Settings:
    """Settings of a test: everything in `folder`, nothing waits longer than it must."""
    values: dict[str, Any] = {
        "data_dir": folder,
        "media_mode": "in_process",
        "simulate": True,
        "ari_timeout_s": 3.0,
        "ring_timeout_s": 3,
        "max_call_duration_s": 30,
        "scheduler_poll_s": 0.1,
        "lease_s": 20,  # longer than a busy machine stands still; what waits for it to run out says so
        "max_concurrent_calls": 40,
        "calls_per_second": 200.0,
        "number_calls_per_day": 100,
        "recording": False,
        "analysis": "rules",
    }
    # model_copy and not the constructor: some limits here are shorter than a person may choose.
    return Settings(_env_file=None).model_copy(update=values | changes)  # type: ignore[call-arg]


@dataclass
class Rig:
    """One running house; attributes are the real things."""

    settings: Settings
    asterisk: SimAsterisk
    realtime: SimRealtime
    text: SimText
    db: SqliteDatabase
    bus: MemoryBus
    clock: SkewedClock
    minds: dict[str, Brain]
    engine: Engine
    watch: LoopWatch

    # --- tasks ----------------------------------------------------------------------------------
    def think(self, key: str, *steps: Step, otherwise: Step | None = None) -> ScriptedBrain:
        """The model of tasks whose objective begins with `key`."""
        brain = ScriptedBrain(steps, otherwise)
        self.minds[key] = brain
        return brain

    async def add(
        self,
        number: str,
        objective: str = "polite talk",
        *,
        opening: Opening = "greet_first",
        agent: Agent | None = None,
        into: Writer | None = None,
        **fields: Any,
    ) -> CallTask:
        """A task that is due now, for an `agent` of the test's own or the one of this `opening`."""
        now_ms = self.clock.unix_ms()
        new = NewTask(
            id=new_id(now_ms),
            agent_id=(agent or AGENTS[opening]).id,
            number=number,
            objective=objective,
            **{"next_action_time": now_ms, **fields},
        )
        task = await tasks.create(into or self.db, TENANT, new, now_ms)
        await self.bus.publish("tasks", TaskChanged(tenant_id=TENANT, task_id=task.id))
        return task

    async def task(self, task: CallTask) -> CallTask:
        """As it is now."""
        return await tasks.get(self.db, TENANT, task.id)

    async def settled(self, task: CallTask, timeout_s: float = PATIENCE_S) -> CallTask:
        """The task once its attempt is over: settled, or pending again with a reason."""

        async def over() -> CallTask | None:
            now = await self.task(task)
            again = now.state is TaskState.PENDING and bool(now.overall_conclusion)
            ended = all(call.ended_ms for call in await self.calls(task))
            return now if ended and (now.state in OVER or again) else None

        return await self.until(over, timeout_s)

    async def until(self, look: Callable[[], Awaitable[Any]], timeout_s: float = PATIENCE_S) -> Any:
        """Wait until `look` answers something true, and answer that. TimeoutError after `timeout_s`."""
        return await until(look, timeout_s)

    # --- calls ----------------------------------------------------------------------------------
    async def calls(self, task: CallTask) -> list[Call]:
        return await calls.of_task(self.db, TENANT, task.id)

    async def call(self, task: CallTask) -> Call:
        """The newest attempt."""
        return (await self.calls(task))[-1]

    async def turns(self, call: Call) -> list[Turn]:
        return await transcripts.list_turns(self.db, TENANT, call.id)

    async def expect_turns(self, call: Call, *wanted: tuple[str, str]) -> None:
        """The transcript, as (speaker, text). On a machine that stood still meanwhile words of the callee may miss
        some letters, as they do on a bad line; those of the agent never.
        """
        found = [(turn.speaker, turn.text) for turn in await self.turns(call)]
        if self.watch.longest_stall_s < STALL_S:
            assert found == list(wanted)
            return
        assert [speaker for speaker, _ in found] == [speaker for speaker, _ in wanted]
        for (speaker, text), (_, expected) in zip(found, wanted, strict=True):
            assert text == expected or (speaker == "callee" and set(text) <= set(expected)), found

    async def events(self, call: Call, kind: str | None = None) -> list[CallEvent]:
        found = await events.list_events(self.db, TENANT, call.id)
        return [event for event in found if kind is None or event.kind == kind]

    async def statistics(self, call: Call) -> Mapping[str, Any]:
        """Counters of the media leg, once it has closed."""
        (closed,) = await self.until(lambda: self.events(call, "leg_closed"))
        return closed.data["statistics"]

    async def live(self, task: CallTask) -> PhoneCall:
        """The shell of the task's call, as soon as there is one."""

        async def there() -> PhoneCall | None:
            alive = self.engine.board.calls.values()
            return next((call for call in alive if call.order.new.task_id == task.id), None)

        return await self.until(there)

    async def talking(self, task: CallTask, text: str | None = None) -> Callee:
        """The callee, once it is talking with the agent and has heard `text` (None: anything audible)."""
        number = task.number
        await self.asterisk.wait_until(lambda: bool(self.callees(number)), PATIENCE_S)

        def heard() -> bool:
            callee = self.asterisk.callee(number)
            return callee.agent_speaking if text is None else text in callee.heard_texts

        await self.asterisk.wait_until(heard, PATIENCE_S)
        return self.asterisk.callee(number)

    def callees(self, number: str) -> list[Callee]:
        return [callee for callee in self.asterisk.callees if callee.number == number]

    def invited(self, number: str) -> int:
        """How often this number was really rung."""
        return sum(invite.number == number for invite in self.asterisk.invites)

    async def session(self, key: str, number: int = 1) -> SimSession:
        """The `number`-th model session of tasks with this objective."""

        async def there() -> SimSession | None:
            found = [one for one in self.realtime.sessions if key in one.instructions]
            return found[number - 1] if len(found) >= number else None

        return await self.until(there)

    # --- the end --------------------------------------------------------------------------------
    async def left_over(self) -> list[str]:
        """What a house that was left in order does not have."""
        found = self.asterisk.leftovers()
        for task in await tasks.list_tasks(self.db, TENANT, states=BUSY_STATES):
            found.append(f"task {task.number} is {task.state}")
        for call in await calls.alive_on_node(self.db, self.settings.node_name):
            found.append(f"call {call.number_dialed} is {call.state}")
        found += [f"session {one.id} is open" for one in self.realtime.sessions if not one.closed.is_set()]
        found += [f"oddity {odd.method} {odd.path}: {odd.what}" for odd in self.asterisk.oddities]
        return found


@asynccontextmanager
async def world(
    folder: Path,
    *,
    callees: Mapping[str, CalleeScript] | None = None,
    options: SimOptions = FAST,
    busy_timeout_ms: int = 5_000,
    through: Callable[[Database], Database] = lambda db: db,
    **changes: Any,
) -> AsyncGenerator[Rig]:
    """Database and simulators, and an engine that does not run yet. Whatever is left behind fails the test.

    The engine sees its database `through` something, the test sees the real one.
    """
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    minds: dict[str, Brain] = {}
    bus, clock = MemoryBus(), SkewedClock()
    settings = settings_for(folder, **changes)
    async with (
        SqliteDatabase(fresh_sqlite(settings.database_path), busy_timeout_ms=busy_timeout_ms) as db,
        sim_world(settings, callees=callees, brain=lambda: Mind(minds), options=options) as sims,
    ):
        engine = Engine(sims.settings, through(db), bus, clock)
        for agent in AGENTS.values():
            await agents.create(db, agent, clock.unix_ms())
        watch = LoopWatch()
        house = Rig(sims.settings, sims.asterisk, sims.realtime, sims.text, db, bus, clock, minds, engine, watch)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch.run())
            yield house
            watching.cancel()
        await nothing_left(house)


@asynccontextmanager
async def rig(folder: Path, **given: Any) -> AsyncGenerator[Rig]:
    """A `world` with its engine running, that may dial."""
    async with world(folder, **given) as house, house.engine.running():
        await until(gate_open(house.engine))
        yield house


async def nothing_left(house: Rig, timeout_s: float = 3.0) -> None:
    """Fails with the list of what a stopped house left behind; tasks and calls must be right at once."""

    async def clean() -> bool:
        return not await house.left_over()

    try:
        await until(clean, timeout_s)
    except TimeoutError:
        raise AssertionError("; ".join(await house.left_over())) from None


async def together(cases: Mapping[str, Callable[[], Awaitable[Any]]], at_once: int = 6) -> dict[str, Any]:
    """Run independent cases beside each other; answers their results by name. All failures are shown, by case."""
    results: dict[str, Any] = {}
    failures: list[Exception] = []
    places = asyncio.Semaphore(at_once)

    async def run(name: str) -> None:
        async with places:
            try:
                results[name] = await cases[name]()
            except Exception as error:  # noqa: BLE001 - raised again below, with those of the others
                error.add_note(f"in case {name}")
                failures.append(error)

    async with asyncio.TaskGroup() as group:
        for name in cases:
            group.create_task(run(name))
    if failures:
        raise ExceptionGroup("cases failed", failures)
    return results


async def beside(folder: Path, *cases: Callable[[Path], Awaitable[Any]], at_once: int = 8) -> None:
    """Run cases that need nothing but a folder beside each other: most of a call is waiting.

    Folders have short names: a socket's whole path has to fit into 107 bytes.
    """
    named = {case.__name__: partial(case, folder / str(at)) for at, case in enumerate(cases, 1)}
    await together(named, at_once)


def heard_in(path: str | Path, channel: int) -> list[str]:
    """What one channel of a recording says: 0 the callee, 1 the agent."""
    with wave.open(str(path), "rb") as file:
        assert file.getnchannels() == 2
        rate_hz = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    return [heard.text for heard in listen(np.ascontiguousarray(samples[:, channel]), rate_hz) if heard.complete]
