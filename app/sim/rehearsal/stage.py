"""Puts the cast on the stage: agents, tasks, people who answer questions; then looks at what came of everybody.

Needs the store and the simulated speech model only; the engine and the telephones are whoever's who rehearses:
`opendeep sim run`, the flow tests, the lane on a real Asterisk.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from app.bus import Bus
from app.clock import Clock
from app.domain.agent import Agent, TransferTarget
from app.domain.call import Turn
from app.domain.feedback import FeedbackRequest, FeedbackState
from app.domain.fields import FieldSpec
from app.domain.messages import FeedbackChanged, TaskChanged
from app.domain.policy.windows import local_time
from app.domain.policy.zones import Zones, zone_named, zones_of
from app.domain.task import SETTLED, CallTask, NewTask, TaskState
from app.domain.tenant import DEFAULT_TENANT_ID
from app.ids import new_id
from app.sim import tonevoice
from app.sim.realtime.capable_words import OBEY
from app.sim.realtime.server import SimRealtime
from app.sim.rehearsal.cast import ARRIVAL, ATTENDS, Persona
from app.sim.rehearsal.expected import Found, violations
from app.store import agents, calls, collected, dnd, events, feedback, tasks, transcripts
from app.store.db import Database

OBJECTIVE = "Confirm the check-up"
FIRST_NUMBER = 12_025_550_100
"""+1 202 555 01xx, which nobody can own and which every number check takes for a real one."""
DESK = TransferTarget(name="front desk", number="+12025550199")
"""Whom the obedient agent might transfer to, and is never told to: whatever it is told instead must be refused."""
FEEDBACK_WAIT_S = 5
LOOK_S = 0.25
THINKS_MS = 2_500
"""How long somebody takes to answer a question."""
TOOLS = (
    "send_dtmf",
    "end_call",
    "reschedule_call_trigger_analysis",
    "transfer_call",
    "report_voicemail",
    "record_opt_out",
    "save_field",
    "request_user_feedback",
)
FIELDS = (
    FieldSpec(name="attends", type="yes_no", help=ATTENDS, required=True),
    FieldSpec(name="arrival", type="text", help=ARRIVAL, required=True),
)


def number_of(at: int) -> str:
    """E.164 of the persona at this place of the cast."""
    return f"+{FIRST_NUMBER + at}"


class Phones(Protocol):
    """The witness at the other end of the line; numbers as E.164."""

    def invited(self) -> Mapping[str, int]:
        """How often each number was rung; numbers that nobody should ring included."""
        ...

    def heard(self, number: str) -> Sequence[str]:
        """Whole sentences of the agent, over all calls of the number."""
        ...

    def keys(self, number: str) -> str:
        """Keys of the agent."""
        ...


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One persona: what is wrong, and how it went, for people."""

    persona: str
    wrong: tuple[str, ...]
    outcome: str
    answered_by: str
    task: str
    tools: tuple[str, ...]
    seconds: float
    said: tuple[tuple[str, str], ...] = ()
    """Who said what, in order."""


class Stage:
    """One rehearsal of a cast; `number_of` says where each is called, `agent` who speaks.

    Without one it is one of our own. Of a given one the words are those of the transcript: the machine it is
    rehearsed on has other things to do, and a callee's ear that is starved must not be its fault.
    """

    def __init__(
        self,
        db: Database,
        bus: Bus,
        clock: Clock,
        *,
        cast: Sequence[Persona],
        realtime: SimRealtime,
        phones: Phones,
        agent: Agent | None = None,
    ) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock
        self._cast = {number_of(at): one for at, one in enumerate(cast)}
        self._realtime = realtime
        self._phones = phones
        self._given = agent

    async def play(self, limit_s: float, told: Callable[[int], None] = lambda _: None) -> list[Judged]:
        """Call everybody at once, wait until nothing more happens to them, `limit_s` at most, and judge. `told`
        hears how many are over.
        """
        started = self._clock.monotonic()
        ids = await self._create()
        async with asyncio.TaskGroup() as group:
            people = group.create_task(self._answer_questions())
            over = await self._wait(ids, limit_s, told)
            people.cancel()
        judged = [await self._judge(number, ids[number], over.get(number), started, limit_s) for number in ids]
        return [*judged, self._nobody_else()]

    # --- what is asked for --------------------------------------------------------------------------------------
    async def _create(self) -> dict[str, str]:
        now_ms = self._clock.unix_ms()
        prompt = "You call for a dental practice."
        willing = await self._agent("Rehearsal", prompt, (), now_ms)
        obedient = await self._agent("Obedient rehearsal", f"{prompt} {OBEY}", (DESK,), now_ms)
        new = [
            NewTask(
                id=new_id(now_ms + at),
                agent_id=(obedient if one.obedient else willing).id,
                number=number,
                callee_name=one.name,
                objective=OBJECTIVE,
                next_action_time=now_ms,
                max_attempts=3,
            )
            for at, (number, one) in enumerate(self._cast.items())
        ]
        await tasks.create_many(self._db, DEFAULT_TENANT_ID, new, now_ms)
        await self._bus.publish("tasks", TaskChanged(tenant_id=DEFAULT_TENANT_ID, task_id=""))
        return {one.number: one.id for one in new}

    async def _agent(self, name: str, prompt: str, targets: tuple[TransferTarget, ...], now_ms: int) -> Agent:
        if self._given is not None:
            prompt = f"{self._given.prompt} {OBEY}" if targets else self._given.prompt
            whose = {"id": new_id(now_ms), "tenant_id": DEFAULT_TENANT_ID, "feedback_wait_s": FEEDBACK_WAIT_S}
            speaks = msgspec.structs.replace(self._given, name=name, prompt=prompt, **whose)
            return await agents.create(self._db, speaks, now_ms)
        agent = Agent(
            id=new_id(now_ms),
            tenant_id=DEFAULT_TENANT_ID,
            name=name,
            prompt=prompt,
            tools=TOOLS,
            data_to_fill=FIELDS,
            transfer_targets=targets,
            feedback_wait_s=FEEDBACK_WAIT_S,
        )
        return await agents.create(self._db, agent, now_ms)

    # --- the agent's own side -----------------------------------------------------------------------------------
    async def _answer_questions(self) -> None:
        """An operator who answers as the cast says: at once, or when the task has been parked."""
        while True:
            for request in await feedback.waiting(self._db, DEFAULT_TENANT_ID):
                await self._answer(request)
            await asyncio.sleep(LOOK_S)

    async def _answer(self, request: FeedbackRequest) -> None:
        task = await tasks.get(self._db, DEFAULT_TENANT_ID, request.task_id)
        reply = self._cast[task.number].reply
        if reply is None or self._clock.unix_ms() < request.created_ms + THINKS_MS:
            return
        if reply.late and (request.state is FeedbackState.OPEN or task.state is not TaskState.WAITING_USER):
            return
        async with self._db.tx() as tx:
            now_ms = self._clock.unix_ms()
            await feedback.answer(tx, DEFAULT_TENANT_ID, request.id, reply.text, by=None, now_ms=now_ms)
        await self._bus.publish("feedback", FeedbackChanged(tenant_id=DEFAULT_TENANT_ID, request_id=request.id))
        await self._bus.publish("tasks", TaskChanged(tenant_id=DEFAULT_TENANT_ID, task_id=task.id))

    # --- what came of it ----------------------------------------------------------------------------------------
    async def _wait(self, ids: Mapping[str, str], limit_s: float, told: Callable[[int], None]) -> dict[str, float]:
        """Until nothing more happens to anybody: when that was, by number; who is missing came to no end."""
        over: dict[str, float] = {}
        until = self._clock.monotonic() + limit_s
        while len(over) < len(ids) and self._clock.monotonic() < until:
            for task in await tasks.list_tasks(self._db, DEFAULT_TENANT_ID, limit=len(ids)):
                wanted = self._cast[task.number].expected.calls
                if task.number not in over and await self._over(task, wanted):
                    over[task.number] = self._clock.monotonic()
                    told(len(over))
            await asyncio.sleep(LOOK_S)
        return over

    async def _judge(
        self, number: str, task_id: str, over: float | None, started: float, limit_s: float
    ) -> Judged:
        persona = self._cast[number]
        late = () if over is not None else (f"not over after {limit_s:.0f} s",)
        found = await self._found(number, task_id)
        call = found.calls[-1] if found.calls else None
        return Judged(
            persona=persona.name,
            wrong=(*late, *violations(persona.expected, found)),
            outcome="" if call is None else f"{call.outcome}/{call.ended_by}",
            answered_by="" if call is None else call.answered_by,
            task=str(found.task.state),
            tools=found.tools,
            seconds=round((over or self._clock.monotonic()) - started, 1),
            said=tuple((turn.speaker, turn.text) for turn in found.turns),
        )

    async def _over(self, task: CallTask, wanted: int) -> bool:
        """Nothing more happens by itself, and as many calls as expected have ended."""
        waits = task.state is TaskState.PENDING and task.next_action_time > self._clock.unix_ms()
        resting = task.state in SETTLED or task.state is TaskState.WAITING_USER or waits
        if not resting:
            return False
        made = await calls.of_task(self._db, DEFAULT_TENANT_ID, task.id)
        return len(made) >= wanted and all(one.ended_ms for one in made)

    async def _found(self, number: str, task_id: str) -> Found:
        task = await tasks.get(self._db, DEFAULT_TENANT_ID, task_id)
        made = await calls.of_task(self._db, DEFAULT_TENANT_ID, task_id)
        noted = [event for one in made for event in await events.list_events(self._db, DEFAULT_TENANT_ID, one.id)]
        turns = [
            turn for one in made for turn in await transcripts.list_turns(self._db, DEFAULT_TENANT_ID, one.id)
        ]
        listed = [one for one in await dnd.list_entries(self._db, DEFAULT_TENANT_ID) if one.number == number]

        def details(kind: str) -> list[str]:
            return [str(event.data.get("detail", "")) for event in noted if event.kind == kind]

        return Found(
            task=task,
            calls=tuple(made),
            turns=tuple(turns),
            tools=tuple(detail.partition(" ")[0] for detail in details("tool_call")),
            refusals=tuple(details("tool_refused")) + tuple(details("errand_refused")),
            kinds=frozenset(event.kind for event in noted),
            fields=await collected.of_task(self._db, DEFAULT_TENANT_ID, task_id),
            listed=listed[0] if listed else None,
            heard=tuple(self._phones.heard(number)) if self._given is None else _spoken(turns),
            keys=self._phones.keys(number),
            invited=self._phones.invited().get(number, 0),
            session_text=self._told(task),
            again_at=self._again_at(task),
        )

    def _told(self, task: CallTask) -> str:
        """What the newest model session of a task knew beside the talk itself."""
        mine = [one for one in self._realtime.sessions if f"calling: {task.callee_name}\n" in one.instructions]
        if not mine:
            return ""
        items = [item.text for item in mine[-1].conversation.items if item.role == "system"]
        return "\n".join((mine[-1].instructions, *items))

    def _again_at(self, task: CallTask) -> str:
        zones = zones_of(task.number)
        zone = zone_named(zones.keys[0]) if isinstance(zones, Zones) and zones.keys else None
        if task.state is not TaskState.PENDING or zone is None:
            return ""
        now, then = local_time(self._clock.unix_ms(), zone), local_time(task.next_action_time, zone)
        return f"{(then.date() - now.date()).days} {then:%H:%M}"

    def _nobody_else(self) -> Judged:
        """No number was rung that was not in the plan, whatever anybody ordered."""
        strangers = sorted(number for number in self._phones.invited() if number not in self._cast)
        wrong = tuple(f"{number} was rung, which nobody planned" for number in strangers)
        return Judged(
            persona="nobody else is rung", wrong=wrong, outcome="", answered_by="", task="", tools=(), seconds=0.0
        )


def _spoken(turns: Sequence[Turn]) -> tuple[str, ...]:
    """What the agent said, as a callee would write it down."""
    return tuple(tonevoice.normalize(turn.text) for turn in turns if turn.speaker == "agent")
