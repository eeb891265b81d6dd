"""The product lane's rig: the whole engine on the real Asterisk, with a simulated speech model and SIPp phones.

`async with office(...)` runs `app.engine.Engine` as the program does (store, scheduler, ARI, media worker); a test
dials numbers through tasks and looks at rows, at what the phones heard, and at what the model heard and said.
"""

import asyncio
import json
import os
import select
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.bus import Bus, MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.agent import Agent
from app.domain.call import Call, Turn
from app.domain.messages import CallWords, ConnectionChanged
from app.domain.task import CallTask, NewTask
from app.domain.tenant import DEFAULT_TENANT_ID
from app.engine import Engine
from app.ids import new_id
from app.sim.realtime.brain import Brain, ScriptedBrain, Step, ToolCall
from app.sim.realtime.options import SimOptions
from app.sim.realtime.server import SimRealtime
from app.sim.voice import Voice
from app.store import agents, calls, events, tasks, transcripts
from app.store.events import CallEvent
from app.store.sqlite import SqliteDatabase
from tests.real.conftest import RealAsterisk

NUMBER = "12025550100"
"""Of the block +1 202 555 01xx, which nobody can own and which every number check takes for a real one."""

END_CALL = (ToolCall(name="end_call", arguments={"reason": "done"}),)


def number(n: int) -> str:
    """One of a hundred numbers, digits only, as the phones know them."""
    return str(int(NUMBER) + n)


def script(*steps: Step) -> Callable[[], Brain]:
    """A mind per session that says these steps in order, each in answer to its cause."""
    return lambda: ScriptedBrain(steps)


def settings_for(asterisk: RealAsterisk, folder: Path, model_url: str, **changes: object) -> Settings:
    """Settings as an operator would write them, except for `changes`."""
    values: dict[str, object] = {
        "node_name": "real",
        "data_dir": folder,
        "ari_url": f"{asterisk.url}/ari",
        "ari_username": asterisk.username,
        "ari_password": asterisk.password,
        "realtime_url": model_url,
        "openai_api_key": "simulated",
        "media_mode": "in_process",
        "max_concurrent_calls": 30,
        "ring_timeout_s": 10,
        "scheduler_poll_s": 0.2,
        "allowed_countries": "US",
        "policy_packs": "anytime",
        "policy_packs_dir": str(Path(__file__).parents[1] / "packs"),
        "calls_per_second": 100.0,
        "number_calls_per_day": 100,
        "analysis": "rules",
    }
    return Settings(_env_file=None, **{**values, **changes})  # type: ignore[arg-type, call-arg]


@dataclass(frozen=True)
class Ended:
    """What the store says about a call that is over."""

    task: CallTask
    call: Call
    turns: list[Turn]
    events: list[CallEvent]

    def noted(self, kind: str) -> list[str]:
        """Details of the events of one kind, in order."""
        return [str(one.data.get("detail", one.data)) for one in self.events if one.kind == kind]

    @property
    def said(self) -> list[tuple[str, str]]:
        """(speaker, text) of every turn."""
        return [(one.speaker, one.text) for one in self.turns]


@dataclass
class Office:
    """The running engine and what surrounds it. `news` is everything the bus said, in order."""

    settings: Settings
    db: SqliteDatabase
    bus: Bus
    engine: Engine
    news: list[object] = field(default_factory=list[object])
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    dialed: list[str] = field(default_factory=list[str])
    """Numbers of all tasks, as the phones know them: compare with their count of INVITEs."""

    async def agent(self, **fields: object) -> Agent:
        """Somebody who speaks; greets first unless told otherwise."""
        now_ms = SystemClock().unix_ms()
        values = {"name": f"Agent {now_ms}", "greeting": "", "opening": "greet_first", **fields}
        agent = Agent(id=new_id(now_ms), tenant_id=DEFAULT_TENANT_ID, **values)  # type: ignore[arg-type]
        return await agents.create(self.db, agent, now_ms)

    async def dial(self, *numbers: str, agent: Agent | None = None, objective: str = "Talk.") -> list[str]:
        """One task per number, all due now; answers their ids."""
        now_ms = SystemClock().unix_ms()
        speaker = agent or await self.agent()
        new = [
            NewTask(
                id=new_id(now_ms),
                agent_id=speaker.id,
                number=f"+{one}",
                objective=objective,
                next_action_time=now_ms,
                max_attempts=3,
            )
            for one in numbers
        ]
        await tasks.create_many(self.db, DEFAULT_TENANT_ID, new, now_ms)
        self.dialed += numbers
        return [one.id for one in new]

    async def call(self, task_id: str) -> Call | None:
        """The newest attempt of a task."""
        rows = await calls.of_task(self.db, DEFAULT_TENANT_ID, task_id)
        return rows[-1] if rows else None

    async def reaches(self, task_id: str, *states: str, timeout_s: float = 15.0) -> Call:
        """Waits until the newest attempt is in one of these states."""
        async with asyncio.timeout(timeout_s):
            async for _ in self._nudges():
                call = await self.call(task_id)
                if call is not None and call.state in states:
                    return call
        raise AssertionError

    async def ended(self, task_id: str, timeout_s: float = 30.0) -> Ended:
        """Waits until the attempt has ended and its task has been concluded."""
        async with asyncio.timeout(timeout_s):
            async for _ in self._nudges():
                task = await tasks.get(self.db, DEFAULT_TENANT_ID, task_id)
                call = await self.call(task_id)
                if call is not None and call.state == "ended" and task.state not in ("in_call", "analyzing"):
                    turns = await transcripts.list_turns(self.db, DEFAULT_TENANT_ID, call.id)
                    noted = await events.list_events(self.db, DEFAULT_TENANT_ID, call.id)
                    return Ended(task, call, turns, noted)
        raise AssertionError

    async def hears(self, speaker: str, times: int = 1, timeout_s: float = 20.0) -> None:
        """Waits until that many turns of a speaker are over: for the agent, until they have been played."""
        async with asyncio.timeout(timeout_s):
            async for _ in self._nudges():
                if len(self.words(speaker)) >= times:
                    return

    def words(self, speaker: str) -> list[str]:
        """Finished turns so far, of all calls."""
        return [
            one.text for one in self.news if isinstance(one, CallWords) and one.final and one.speaker == speaker
        ]

    def banners(self, name: str) -> list[str]:
        """What screens were told about a connection."""
        return [str(one.state) for one in self.news if isinstance(one, ConnectionChanged) and one.name == name]

    async def banner(self, name: str, state: str, times: int = 1, timeout_s: float = 15.0) -> None:
        async with asyncio.timeout(timeout_s):
            async for _ in self._nudges():
                if self.banners(name).count(state) >= times:
                    return

    async def _nudges(self) -> AsyncIterator[None]:
        """Once at once, then after every message of the bus."""
        while True:
            seen = len(self.news)
            yield
            async with self.arrived:
                await self.arrived.wait_for(lambda seen=seen: len(self.news) > seen)

    async def listen(self, messages: AsyncIterator[object]) -> None:
        async for message in messages:
            async with self.arrived:
                self.news.append(message)
                self.arrived.notify_all()


@asynccontextmanager
async def office(settings: Settings) -> AsyncGenerator[Office]:
    """The engine, running and connected; left, it must leave nothing behind, its worker process included."""
    settings.recordings_dir.mkdir(parents=True, exist_ok=True)
    bus = MemoryBus()
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(SqliteDatabase(settings.database_path))
        stack.enter_context(worker_ends(settings.runtime_dir))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        engine = Engine(settings, db, bus, SystemClock())
        here = Office(settings, db, bus, engine)
        messages = stack.enter_context(bus.subscribe("calls", "tasks", "system"))
        listening = group.create_task(here.listen(messages))
        stack.callback(listening.cancel)
        await stack.enter_async_context(engine.running())
        await here.banner("ari", "connected")
        yield here


@asynccontextmanager
async def model(
    brain: Callable[[], Brain], *, voice: Voice | None = None, options: SimOptions | None = None
) -> AsyncGenerator[SimRealtime]:
    """The simulated speech model, which keeps what it heard."""
    async with SimRealtime(brain=brain, voice=voice, options=options or SimOptions(keep_audio=True)) as sim:
        yield sim


def worker_pid(runtime_dir: Path) -> int | None:
    """The media worker process of this folder, if one lives."""
    try:
        pid = int(json.loads((runtime_dir / "worker.json").read_text())["pid"])
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return pid


@contextmanager
def worker_ends(runtime_dir: Path) -> Generator[None]:
    """After the block no media worker of this folder is left (in-process workers have none)."""
    yield
    pid = worker_pid(runtime_dir)
    if pid is None:
        return
    descriptor = os.pidfd_open(pid)
    try:
        gone, _, _ = select.select([descriptor], [], [], 5.0)
    finally:
        os.close(descriptor)
    assert gone, f"media worker {pid} outlives its engine"
