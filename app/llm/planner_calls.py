"""The chat's own functions: `check_scheduled_call_status` and `schedule_outbound_call`.

Neither rings anybody. A status is read from the store. A call is *prepared*: it is checked as every plan is and
becomes the plan of this reply, one call to a confirm; the person confirms it like any other.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from app.domain.follow_up import CallNews, for_model
from app.domain.local_time import told
from app.domain.number import NumberRefused, parse_number
from app.domain.plan import AgentBrief, CallDraft, Plan, PlanDraft, WindowDraft
from app.domain.plan_check import PlanWorld, check_plan
from app.domain.plan_sources import Sources
from app.domain.planning import LookedUp, PlannerTurn
from app.llm.model import ToolSpec
from app.store import follow_up
from app.store.db import Reader
from app.store.follow_up import Wanted

STATUS, SCHEDULE = "check_scheduled_call_status", "schedule_outbound_call"
CONFIRM_NOTE = "The user is shown this call and must confirm it. Nothing is scheduled yet; do not say that it is."
ONE_CALL = "One call is prepared already; several calls are a plan of their own."
_OPENING = "Hello, this is an automated assistant."


class _Which(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    callee_name: str
    number: str


class _Call(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    callee_name: str
    number: str
    objective: str
    earliest: str
    latest: str
    zone: str
    language: str
    opening_line: str
    business_quote: str


def _spec(name: str, description: str, **properties: str) -> ToolSpec:
    shape = {key: {"type": "string", "description": about} for key, about in properties.items()}
    closed = {"type": "object", "properties": shape, "required": list(shape), "additionalProperties": False}
    return ToolSpec(name=name, description=description, parameters=closed)


SPECS = (
    _spec(
        STATUS,
        "What became of calls the user planned in this chat: state, outcome, next attempt. Empty texts: all.",
        callee_name="name or part of it; empty if not known",
        number="E.164; empty if not known",
    ),
    _spec(
        SCHEDULE,
        "Prepare one service call for the user to confirm, like another call to somebody called before. Not for "
        "several calls, nor when a fact is missing.",
        callee_name="who is called",
        number="E.164, from the user, the contacts or a look-up",
        objective="what the call shall achieve, in one or two sentences",
        earliest="wall clock of the callee like 2027-01-16T09:00; empty for as soon as allowed",
        latest="the same; empty for no end",
        zone="IANA zone of these times; empty without times",
        language="two letters, like en",
        opening_line="what is said first; says at once that an automated assistant is calling, and for whom",
        business_quote="words of a source that show that a business is called; empty for a person",
    ),
)
WorldFor = Callable[[PlanDraft, Sources], Awaitable[PlanWorld]]


class CallFunctions:
    """Of one reply. `prepared` is the call that waits for its confirm, once there is one."""

    def __init__(
        self,
        sql: Reader,
        tenant_id: str,
        owner: str,
        turns: Sequence[PlannerTurn],
        *,
        zone: str,
        world_for: WorldFor,
    ) -> None:
        self._sql = sql
        self._tenant_id = tenant_id
        self._owner = owner
        self._turns = turns
        self._zone = zone
        self._world_for = world_for
        self.prepared: Plan | None = None

    async def run(self, name: str, arguments: str, sources: Sources) -> LookedUp:
        """Carry a function out; what is wrong with it is its problem. Raises StoreError."""
        asked = LookedUp(name=name, arguments=arguments[:1_000])
        try:
            if name == STATUS:
                return await self._status(asked, msgspec.json.decode(arguments, type=_Which), sources.region)
            return await self._schedule(asked, msgspec.json.decode(arguments, type=_Call), sources)
        except msgspec.MsgspecError as error:
            return msgspec.structs.replace(asked, problem=f"The arguments do not fit: {error}.")

    async def _status(self, asked: LookedUp, which: _Which, region: str) -> LookedUp:
        number = ""
        if which.number.strip():
            try:
                number = parse_number(which.number, region=region, fictional=True)
            except NumberRefused as refused:
                return msgspec.structs.replace(asked, problem=refused.message)
        wanted = Wanted(number=number, name=which.callee_name.strip()[:100])
        found = await follow_up.find(self._sql, self._tenant_id, self._owner, wanted)
        if not found:
            return msgspec.structs.replace(asked, problem="The user planned no such call in this chat.")
        return msgspec.structs.replace(
            asked,
            entries=tuple(self._entry(one) for one in found),
            told=msgspec.json.encode({"calls": [for_model(one, self._zone) for one in found]}).decode(),
        )

    def _entry(self, one: CallNews) -> tuple[str, str, str, bool]:
        """Facts of ours only: an entry is a source, and what a callee said must not become one."""
        when = f"call of {told(one.ended_ms)}" if one.ended_ms else "task not called yet"
        return one.callee_name or one.number, when, f"{one.number}. {one.sentence(self._zone)}", False

    async def _schedule(self, asked: LookedUp, call: _Call, sources: Sources) -> LookedUp:
        if self.prepared is not None:
            return msgspec.structs.replace(asked, problem=ONE_CALL)
        draft = self._draft(call, sources.region)
        plan, problems = check_plan(draft, sources, await self._world_for(draft, sources))
        if plan is None:
            return msgspec.structs.replace(asked, problem=" ".join(problems))
        self.prepared = plan
        (one,) = plan.calls
        shown = {
            "callee": one.callee_name,
            "number": one.number,
            "first_possible": told(one.first_ms, (self._zone,)),
        }
        answer = msgspec.json.encode({"prepared": shown, "note": CONFIRM_NOTE}).decode()
        return msgspec.structs.replace(asked, told=answer)

    def _draft(self, call: _Call, region: str) -> PlanDraft:
        """As a plan of one call; what an earlier plan of this conversation said about the callee stays.

        Its purpose stays even when the callee is another: one more call of a marketing campaign is marketing.
        """
        plans = self._plans()
        before = next((plan for plan in plans if _has(plan, call, region)), None)
        purpose = (before or plans[0]).purpose if plans else "service"
        brief = AgentBrief(
            language=call.language or "en",
            purpose=call.objective,
            opening_line=call.opening_line or _OPENING,
            limits=before.agent.limits if before is not None else (),
            stop_when=before.agent.stop_when if before is not None else ("the matter is settled",),
        )
        one = CallDraft(
            callee_name=call.callee_name,
            number=call.number,
            objective=call.objective,
            window=WindowDraft(earliest=call.earliest, latest=call.latest, zone=call.zone),
            callee_kind="business" if call.business_quote.strip() else "person",
            business_quote=call.business_quote,
        )
        name = call.callee_name.strip() or call.number
        return PlanDraft(
            title=f"Call {name}"[:150],
            purpose=purpose,
            agent=brief,
            fields=before.fields if before is not None else (),
            calls=(one,),
        )

    def _plans(self) -> list[Plan]:
        return [turn.content.plan for turn in reversed(self._turns) if turn.content.plan is not None]


def _has(plan: Plan, call: _Call, region: str) -> bool:
    """Whether this plan called the same number, however it is written now, or the same name."""
    try:
        number = parse_number(call.number, region=region, fictional=True)
    except NumberRefused:
        number = call.number
    name = call.callee_name.strip().casefold()
    return any(one.number == number or (name and one.callee_name.strip().casefold() == name) for one in plan.calls)
