"""`opendeep sim story`: from a brief in the chat to the report, on simulators, with a clock set ahead."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import click

from app.bus import MemoryBus
from app.cli.memory_folder import memory_folder
from app.cli.sim_run import OPTIONS, rehearsal_settings
from app.cli.sim_story_report import Reported, reported
from app.clock import SystemClock
from app.config.site import load_site
from app.domain.local_time import told
from app.domain.messages import TaskChanged
from app.domain.planning import Profile
from app.domain.policy.windows import utc_ms
from app.domain.task import SETTLED, CallTask, TaskState
from app.domain.tenant import DEFAULT_TENANT_ID
from app.engine import Engine
from app.figures import Figure, Result
from app.ids import new_id
from app.llm.connect import text_model
from app.llm.lookups.connect import lookups
from app.llm.orchestrator import Confirmer, Orchestrator
from app.llm.planner import Planner, Replied
from app.llm.planner_message import Said
from app.sim.realtime.capable import CapableBrain
from app.sim.rehearsal.story import ACTORS, CHAT, START, TOLERANCE_MS, Actor, Telephones
from app.sim.text import Route, SimText
from app.sim.text.attentive import AttentiveAnalyst
from app.sim.text.briefs import Turn
from app.sim.world import SimWorld, sim_world
from app.store import calls, campaigns, conversations, dnd, tasks
from app.store.conversations import Conversation
from app.store.db import Database
from app.store.sqlite import SqliteDatabase

LIMIT_S = 90.0
"""Real seconds until nothing more may be going on, for each leap of the clock."""
LOOK_S = 0.2
MOST_LEAPS = 8
PUT_OFF_MS = 10_000
"""A task that is due sooner only waits for a place or for the pace of the line."""
OWNER = "user:story"


class LeapingClock(SystemClock):
    """The machine's clock, begun at another time and set ahead between calls."""

    def __init__(self, start_ms: int) -> None:
        self._ahead_ms = start_ms - super().unix_ms()

    def unix_ms(self) -> int:
        return super().unix_ms() + self._ahead_ms

    def leap_to(self, at_ms: int) -> None:
        """Let it be later; never earlier."""
        self._ahead_ms += max(0, at_ms - self.unix_ms())


@dataclass
class Told:
    """What happened, as far as it is looked at."""

    kinds: list[str] = field(default_factory=list[str])
    campaign_id: str = ""
    confirms: int = 0
    tasks: list[CallTask] = field(default_factory=list[CallTask])
    due: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """By number: each time at which another call was due, in order."""
    wrong: list[str] = field(default_factory=list[str])
    report: Reported = field(default_factory=Reported)


async def tell(show: Callable[[str], None] = lambda _: None) -> tuple[Result, ...]:
    """The story, and what is wrong with it; `show` gets the report, line by line."""
    started = time.perf_counter()
    with memory_folder() as folder:
        phones, clock = Telephones(), LeapingClock(utc_ms(datetime.fromisoformat(START)))
        async with house(folder, phones, clock) as (db, world, bus):
            seen = Told()
            await _plan(db, world, clock, bus, seen)
            if seen.campaign_id:
                await _calls(db, clock, bus, seen)
                if not seen.wrong:  # else there will be none
                    await bus.publish("tasks", TaskChanged(tenant_id=DEFAULT_TENANT_ID, task_id=""))
                    seen.report = await reported(db, clock, seen.campaign_id, seen.tasks, LIMIT_S)
                for line in seen.report.text:
                    show(line)
            return await _results(db, phones, seen, round(time.perf_counter() - started, 1))


@asynccontextmanager
async def house(
    folder: Path, phones: Telephones, clock: LeapingClock
) -> AsyncGenerator[tuple[Database, SimWorld, MemoryBus]]:
    """The engine between its simulators; numbers and rules are those of real calls."""
    settings, bus = rehearsal_settings(folder, "in_process"), MemoryBus()
    async with sim_world(
        settings, callees=phones, brain=CapableBrain, options=OPTIONS, analyst=AttentiveAnalyst()
    ) as world:
        pointed = world.settings.model_copy(update={"simulate": False})
        real = replace(world, settings=pointed)
        async with (
            SqliteDatabase(pointed.database_path) as db,
            Engine(pointed, db, bus, clock).running(),
        ):
            yield db, real, bus


# --- planning ----------------------------------------------------------------------------------------------------
async def _plan(db: Database, world: SimWorld, clock: LeapingClock, bus: MemoryBus, seen: Told) -> None:
    """The chat, then the confirm, twice as by a double click."""
    now_ms = clock.unix_ms()
    chat = Conversation(
        id=new_id(now_ms),
        tenant_id=DEFAULT_TENANT_ID,
        owner=OWNER,
        display_name="Ann",
        answering_until_ms=None,
        created_ms=now_ms,
        updated_ms=now_ms,
    )
    await conversations.create(db, chat)
    site = load_site(world.settings)
    async with text_model(world.settings) as model, lookups(world.settings) as offered:
        planner = Planner(world.settings, clock, db, model=model, lookups=offered, site=site)
        profile = Profile(name="Ann", zone="America/New_York", company="Ann's Bistro")
        for turn in CHAT:
            with _thinking(world.text, turn):
                said = Said(text=turn.text, answers=turn.answers, tables=turn.tables)
                events = [event async for event in planner.reply(chat, profile, said)]
            last = events[-1]
            assert isinstance(last, Replied)
            seen.kinds.append(last.turn.kind)
        plan = await conversations.open_plan(db, DEFAULT_TENANT_ID, chat.id)
        if plan is None:
            seen.wrong.append("there is no plan to confirm")
            return
        orchestrator = Orchestrator(world.settings, clock, db, bus, model=model, site=site)
        who = Confirmer(tenant_id=DEFAULT_TENANT_ID, actor=OWNER)
        async with asyncio.TaskGroup() as group:
            clicks = [group.create_task(orchestrator.confirm(who, chat.id, plan.id)) for _ in range(2)]
        seen.confirms = len({click.result().campaign.id for click in clicks})
        seen.campaign_id = clicks[0].result().campaign.id


@contextmanager
def _thinking(text: SimText, turn: Turn) -> Generator[None]:
    """The planner's mind is what the story says; everybody else's stays as it is."""
    usual = list(text.routes)
    text.routes[:] = [
        Route(schema="PlannerReply", mind=turn.mind()),
        Route(tool="search_internet", mind=turn.looking()),
        *usual,
    ]
    try:
        yield
    finally:
        text.routes[:] = usual


# --- calling -----------------------------------------------------------------------------------------------------
async def _calls(db: Database, clock: LeapingClock, bus: MemoryBus, seen: Told) -> None:
    """Wait until nobody is called any more, set the clock to the next attempt, and again until all are settled."""
    for _ in range(MOST_LEAPS):
        if not await _resting(db, clock, seen):
            seen.wrong.append(f"calls were still going on after {LIMIT_S:.0f} s")
            return
        waiting = [task for task in seen.tasks if task.state is TaskState.PENDING]
        if not waiting:
            return
        for task in waiting:
            if task.next_action_time not in seen.due.setdefault(task.number, []):
                seen.due[task.number].append(task.next_action_time)
        clock.leap_to(min(task.next_action_time for task in waiting) + 50)
        await bus.publish("tasks", TaskChanged(tenant_id=DEFAULT_TENANT_ID, task_id=""))
    seen.wrong.append(f"not settled after {MOST_LEAPS} leaps of the clock")


async def _resting(db: Database, clock: LeapingClock, seen: Told) -> bool:
    """Until every task is settled, waits for a person, or is due later."""
    until = clock.monotonic() + LIMIT_S
    while clock.monotonic() < until:
        seen.tasks = await tasks.list_tasks(db, DEFAULT_TENANT_ID, campaign_id=seen.campaign_id)
        if all(_rests(task, clock.unix_ms()) for task in seen.tasks):
            return True
        await asyncio.sleep(LOOK_S)
    return False


def _rests(task: CallTask, now_ms: int) -> bool:
    later = task.state is TaskState.PENDING and task.next_action_time > now_ms + PUT_OFF_MS
    return later or task.state in SETTLED or task.state is TaskState.WAITING_USER


# --- what came of it ---------------------------------------------------------------------------------------------
async def _results(db: Database, phones: Telephones, seen: Told, seconds: float) -> tuple[Result, ...]:
    by_number = {task.number: task for task in seen.tasks}
    retries, settled, rung = list[str](), list[str](), list[str]()
    outcomes: Counter[str] = Counter()
    for actor in ACTORS:
        task = by_number.get(actor.number)
        made = [] if task is None else await calls.of_task(db, DEFAULT_TENANT_ID, task.id)
        outcomes.update(str(call.outcome) for call in made)
        if task is None or task.state is not actor.state:
            settled.append(f"{actor.name}: {'no task' if task is None else task.state}, not {actor.state}")
        if phones.rung.get(actor.number, 0) != len(actor.calls) or len(made) != len(actor.calls):
            rung.append(f"{actor.name}: rung {phones.rung.get(actor.number, 0)} times, {len(made)} calls")
        retries += _late(actor, made[0].ended_ms if made else None, seen.due.get(actor.number, []))
    rung += [f"{number} was rung, which nobody planned" for number in phones.rung if number not in by_number]
    listed = {entry.number for entry in await dnd.list_entries(db, DEFAULT_TENANT_ID)}
    wanted = {actor.number for actor in ACTORS if actor.listed}
    counted = dict(Counter(str(task.state) for task in seen.tasks))
    state = ""
    if seen.campaign_id:
        figures = await campaigns.counts(db, DEFAULT_TENANT_ID, seen.campaign_id)
        state = (await campaigns.get(db, DEFAULT_TENANT_ID, seen.campaign_id)).state
        if {str(name): n for name, n in figures.items()} != counted:
            settled.append("the campaign counts other tasks than there are")
    plan = [*seen.wrong, *([] if seen.kinds == ["questions", "plan"] else [f"the chat answered {seen.kinds}"])]
    plan += [] if seen.confirms == 1 else [f"{seen.confirms} campaigns of one plan"]
    return (
        _result("brief, form, plan, one campaign", len(CHAT) + 1, plan, seconds, {"kinds": " ".join(seen.kinds)}),
        _result("retries at their times", len(ACTORS), retries, 0, _times(seen)),
        _result("nobody rung twice for an attempt", sum(phones.rung.values()), rung, 0, dict(outcomes)),
        _result("opt-out on the list", len(wanted), sorted(wanted ^ listed), 0, {}),
        _result("every task settled", len(ACTORS), settled, 0, {**counted, "campaign": state}),
        _report(seen.report),
    )


def _late(actor: Actor, ended_ms: int | None, due: Sequence[int]) -> list[str]:
    """What is wrong with the time of the second call; the first one was due at once."""
    later = [at for at in due if ended_ms is not None and at > ended_ms]
    if actor.again_ms is None and not actor.again_at:
        return [f"{actor.name} was to be called again"] if later else []
    if not later or ended_ms is None:
        return [f"{actor.name} was not to be called again"]
    if actor.again_at:
        wanted = utc_ms(datetime.fromisoformat(actor.again_at))
        return [] if later == [wanted] else [f"{actor.name}: due {told(later[0])}, not {told(wanted)}"]
    wanted = ended_ms + (actor.again_ms or 0)
    fits = len(later) == 1 and wanted <= later[0] <= wanted + TOLERANCE_MS
    return [] if fits else [f"{actor.name}: due {[told(at) for at in later]}, not {told(wanted)}"]


def _report(report: Reported) -> Result:
    figures: dict[str, Figure] = {"quotes": report.quotes, "written_by": report.written_by}
    wrong = report.wrong or (() if report.numbers else ("there is no report",))
    return _result("report true to the store", report.numbers, wrong, 0, figures)


def _times(seen: Told) -> dict[str, Figure]:
    names = {actor.number: actor.name for actor in ACTORS}
    return {names.get(number, number): told(due[-1]) for number, due in seen.due.items()}


def _result(name: str, n: int, wrong: Sequence[str], seconds: float, figures: dict[str, Figure]) -> Result:
    for line in wrong:
        click.echo(f"{name}: {line}", err=True)
    more: dict[str, Figure] = {**figures, "first_violation": wrong[0] if wrong else None}
    return Result(name=name, n=n, violations=len(wrong), seconds=seconds, figures=more)
