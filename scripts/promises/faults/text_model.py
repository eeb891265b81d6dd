"""The text model is away: no ended call stays unexamined, nobody is called again unexamined, people are told."""

import asyncio
from functools import partial

from app.bus import MemoryBus
from app.domain.messages import TaskChanged
from app.domain.task import CallTask, TaskState
from app.llm.analyst import LONGEST_DEFER_MS
from app.llm.orchestrator import Confirmer, Orchestrator
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForAgent
from app.sim.realtime.brain import Step
from app.sim.text import TextFault, TextFaultKind
from app.store import analyses, campaigns, conversations
from app.store.sqlite import SqliteDatabase
from scripts.promises.faults.ground import GOES_ON, Ground, Row, Story
from scripts.promises.faults.simulated import Blow, struck
from tests.flow.rig import BYE, TENANT, Rig, until
from tests.flow.single import PAUSE
from tests.unit.app.planner_world import NUMBER, OWNER, SITE, World, planned, planner_world

HOUR_MS = 3_600_000
FAULTS = {
    "503": TextFault(kind=TextFaultKind.STATUS, status=503, should_retry=False),
    "503 again and again": TextFault(kind=TextFaultKind.STATUS, status=503, retry_after_ms=50),
    "429": TextFault(kind=TextFaultKind.STATUS, status=429, code="rate_limit_exceeded", retry_after_ms=50),
    "out of credit": TextFault(kind=TextFaultKind.STATUS, status=429, code="insufficient_quota"),
    "silent": TextFault(kind=TextFaultKind.HANG, seconds=1.0),
    "dropped": TextFault(kind=TextFaultKind.DROP),
    "a proxy's page": TextFault(kind=TextFaultKind.NOT_JSON),
}
CUT = TextFault(kind=TextFaultKind.CUT_STREAM, after_deltas=2)
AGREES = CalleeScript((Ring(0.05), Answer(0.1), PAUSE, Say("yes"), WaitForAgent(), Say("yes"), WaitForAgent()))
JUDGED: frozenset[Story] = frozenset({GOES_ON, ("pending", "completed", "agent")})
"""Whichever way: a machine that stands still costs the callee letters of what they say."""
KEPT = "Your message is kept"
"""What a person who plans is told, with the reason before it."""


async def down(ground: Ground) -> None:
    """For an hour, while a call is examined; in planning and confirming, and back again."""
    blows = [
        Blow(
            name=f"{name} while examined",
            allowed=JUDGED,
            invites=1,
            script=AGREES,
            steps=(Step(say="are you in?"), BYE),
            settings={"analysis": "model"},
            prepare=partial(_away, fault),
            strike=_an_hour,
            check=partial(_examined_once, fault),
        )
        for name, fault in FAULTS.items()
    ]
    async with asyncio.TaskGroup() as group:
        group.create_task(struck(ground, blows))
        for at, (name, fault) in enumerate([*FAULTS.items(), ("cut off", CUT)]):
            group.create_task(_planning(ground, name, fault, at))


def _away(fault: TextFault, place: Rig) -> None:
    place.text.faults.always = fault


async def _waiting(place: Rig, task: CallTask, tries: int) -> analyses.Analysis:
    async def there() -> analyses.Analysis | None:
        calls = await place.calls(task)
        found = await analyses.get(place.db, TENANT, calls[-1].id) if calls else None
        return found if found is not None and (found.tries >= tries or found.state == "done") else None

    return await until(there, 60.0)


async def _an_hour(place: Rig, task: CallTask) -> None:
    """Tried again after growing pauses; meanwhile nobody is rung, and the task is neither done nor lost."""
    tries, until_ms = 0, place.clock.unix_ms() + HOUR_MS
    while place.clock.unix_ms() < until_ms:
        found = await _waiting(place, task, tries + 1)
        tries = found.tries
        assert found.state == "waiting", found
        assert len(found.last_error.split()) > 2, f"no sentence says why: {found.last_error!r}"
        assert (await place.task(task)).state is TaskState.ANALYZING
        assert place.invited(task.number) == 1, "called again without having been examined"
        await _later(place, task)
    place.text.faults.always = None
    await _later(place, task)


async def _later(place: Rig, task: CallTask) -> None:
    place.clock.ahead_ms += LONGEST_DEFER_MS
    await place.bus.publish("tasks", TaskChanged(tenant_id=task.tenant_id, task_id=task.id))


async def _examined_once(fault: TextFault, place: Rig, task: CallTask) -> list[str]:
    found = await analyses.get(place.db, TENANT, (await place.call(task)).id)
    wrong = [] if fault in place.text.faults.struck else ["the fault never struck"]
    if found is None or found.state != "done" or found.decided is None:
        return [*wrong, "not examined when the model was back"]
    answered = [one for one in place.text.journal if not one.fault]
    return wrong if found.asked == len(answered) == 1 else [*wrong, f"examined {found.asked} times"]


async def _planning(ground: Ground, name: str, fault: TextFault, at: int) -> None:
    """Who plans is told why there is no answer, and loses nothing; a confirm needs no model."""
    folder, account = ground.folder / f"plan{at}", ground.account
    folder.mkdir(parents=True)
    async with ground.places, SqliteDatabase(folder / "plan.db") as db, planner_world(db) as world:
        chat = await world.begin()
        world.thinks(planned())
        world.sim.faults.always = fault
        told = await world.says(chat, f"Ask Bob on {NUMBER} whether Friday suits.")
        account.calls += 1
        account.expect(f"{name} in planning: it never struck", fault in world.sim.faults.struck)
        account.expect(f"{name} in planning: {told.kind}, not a failure", told.kind == "failure")
        account.expect(f"{name} in planning: told {told.text[:80]!r}", KEPT in told.text and len(told.text) > 60)
        no_plan = await conversations.open_plan(db, TENANT, chat.id) is None
        account.expect(f"{name} in planning: a plan came of it", no_plan)
        world.sim.faults.always = None
        again = await world.says(chat, "Again, please.")
        account.expect(f"{name} in planning: no plan when it was back ({again.text[:80]})", again.kind == "plan")
        await _confirming(ground, name, fault, world, chat.id)


async def _confirming(ground: Ground, name: str, fault: TextFault, world: World, chat_id: str) -> None:
    stored = await conversations.open_plan(world.db, TENANT, chat_id)
    if stored is None:
        ground.account.wrong.append(f"{name}: nothing to confirm")
        return
    world.sim.faults.always, before = fault, len(world.sim.faults.struck)
    made = Orchestrator(world.settings, world.clock, world.db, MemoryBus(), model=world.model, site=SITE)
    done = await made.confirm(Confirmer(tenant_id=TENANT, actor=OWNER), chat_id, stored.id)
    ground.account.expect(f"{name} in confirming: it never struck", len(world.sim.faults.struck) > before)
    found = await campaigns.list_campaigns(world.db, TENANT)
    ground.account.expect(
        f"{name} in confirming: {len(found)} campaigns", [one.id for one in found] == [done.campaign.id]
    )


ROWS = (
    Row(
        name="text-model-down",
        fault="Text model: 5xx, 429, timeout, cut, in analysis, planning, confirm",
        during="D L",
        run=down,
    ),
)
