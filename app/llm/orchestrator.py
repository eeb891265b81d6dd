"""A confirmed plan becomes a campaign: once, however often and by however many it is confirmed.

The orchestrator model calls `schedule_call_batch`; it may name the campaign and put its calls in order, no more. A
model that is away or wrong delays nothing: then the order is that of the plan. Everything is written in one
transaction, in which the plan's row is held; its id is the campaign's idempotency key.
"""

import asyncio
from collections.abc import Sequence
from importlib import resources

import msgspec
import structlog

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.crash_points import crash_here
from app.domain.admission_site import Site
from app.domain.agent import PLANNED_TOOLS, Agent
from app.domain.messages import TaskChanged
from app.domain.plan import Plan, agent_instructions
from app.domain.plan_check import PlanWorld
from app.domain.plan_recheck import recheck, refused_since
from app.domain.task import NewTask
from app.errors import ConflictError, ValidationFailed
from app.ids import new_id
from app.llm.errors import TextModelError
from app.llm.model import Ask, Item, Message, TextModel, ToolResult, ToolSpec, known_cost
from app.llm.planner_history import shown_plan
from app.llm.planner_world import world_of
from app.store import agents, audit, budgets, campaigns, consents, conversations
from app.store.audit import Deed
from app.store.campaigns import Campaign, NewCampaign
from app.store.consents import NewConsent
from app.store.conversations import StoredPlan
from app.store.db import DIALING, Database, Reader, Tx

log = structlog.get_logger()
PROMPT = resources.files("app.llm.prompts").joinpath("orchestrator.md").read_text(encoding="utf-8")
TRIES = 2
ASKED_CALLS = 40
"""Longer plans are not put in order by a model: it would only copy numbers."""
FUNCTION = "schedule_call_batch"
SPEC = ToolSpec(
    name=FUNCTION,
    description="Schedule the calls of the confirmed plan as one campaign.",
    parameters={
        "type": "object",
        "properties": {
            "plan_id": {"type": "string"},
            "name": {"type": "string", "description": "short name of the campaign"},
            "order": {"type": "array", "items": {"type": "string"}, "description": "every number once"},
        },
        "required": ["plan_id", "name", "order"],
        "additionalProperties": False,
    },
)


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `schedule_call_batch`."""

    plan_id: str
    name: str
    order: tuple[str, ...]


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """What a confirm answers; `first` False: it had been confirmed before."""

    campaign: Campaign
    calls: int
    first: bool


class Confirmer(msgspec.Struct, frozen=True, kw_only=True):
    """Who confirms, for the audit log."""

    tenant_id: str
    actor: str
    address: str = ""


class Orchestrator:
    """One per process."""

    def __init__(
        self, settings: Settings, clock: Clock, db: Database, bus: Bus, *, model: TextModel | None, site: Site
    ) -> None:
        """Without `model` every campaign is named and ordered as its plan."""
        self._settings = settings
        self._clock = clock
        self._db = db
        self._bus = bus
        self._model = model
        self._site = site

    async def confirm(self, who: Confirmer, conversation_id: str, plan_id: str) -> Confirmed:
        """The campaign of a plan. Raises NotFoundError, ConflictError for a plan that was superseded,
        ValidationFailed when it does not hold any more, StoreError.
        """
        crash_here("confirm_begun")
        stored = await self._stored(who, conversation_id, plan_id)
        if stored.campaign_id is not None:
            return await self._before(who, stored, stored.campaign_id)
        costs: list[int | None] = []
        try:
            batch = await self._order(stored, costs)
        finally:  # money is gone whether or not the plan still holds
            await budgets.charge_month(self._db, who.tenant_id, known_cost(costs), self._clock.unix_ms())
        crash_here("confirm_ordered")
        if problems := await asyncio.to_thread(recheck, stored.plan, await self._world(self._db, who, stored)):
            stored = await self._stored(who, conversation_id, plan_id)
            if stored.campaign_id is not None:  # confirmed meanwhile: what it holds against is its own campaign
                return await self._before(who, stored, stored.campaign_id)
            refuse(problems)
        async with self._db.tx() as tx:
            await tx.exclusive(DIALING)  # do-not-call lists stay as they are while the plan is held against them
            stored = await conversations.get_plan(tx, who.tenant_id, plan_id)
            crash_here("confirm_locked")
            if stored.campaign_id is not None:
                return await self._before(who, stored, stored.campaign_id)
            if stored.state != "open":
                raise ConflictError("This plan was replaced by a later one; confirm that.")
            done = await self._write(tx, who, stored, batch)
            crash_here("confirm_written")
        crash_here("confirm_committed")
        await self._bus.publish("tasks", TaskChanged(tenant_id=who.tenant_id, task_id=""))
        log.info("plan confirmed", plan_id=plan_id, campaign_id=done.campaign.id, calls=done.calls)
        return done

    async def _stored(self, who: Confirmer, conversation_id: str, plan_id: str) -> StoredPlan:
        await conversations.get(self._db, who.tenant_id, who.actor, conversation_id)
        stored = await conversations.get_plan(self._db, who.tenant_id, plan_id)
        if stored.conversation_id != conversation_id:
            raise ConflictError("This plan belongs to another conversation.")
        return stored

    async def _before(self, who: Confirmer, stored: StoredPlan, campaign_id: str) -> Confirmed:
        campaign = await campaigns.get(self._db, who.tenant_id, campaign_id)
        return Confirmed(campaign=campaign, calls=len(stored.plan.calls), first=False)

    async def _order(self, stored: StoredPlan, costs: list[int | None]) -> Batch:
        """What the model calls, when it can be taken; otherwise the plan as it stands. What each answer cost is
        added to `costs`.
        """
        plan = stored.plan
        plain = Batch(plan_id=stored.id, name=plan.title, order=tuple(call.number for call in plan.calls))
        if self._model is None or len(plan.calls) > ASKED_CALLS:
            return plain
        shown = {"plan_id": stored.id, "plan": shown_plan(plan)}
        items: list[Item] = [Message("user", msgspec.json.encode(shown).decode())]
        for _ in range(TRIES):
            ask = Ask(
                model=self._settings.text_model,
                instructions=PROMPT,
                items=tuple(items),
                tools=(SPEC,),
                max_output_tokens=2_000,
            )
            try:
                reply = await self._model.ask(ask)
            except TextModelError as error:
                log.warning("campaign is ordered as its plan", plan_id=stored.id, error=error.message)
                return plain
            costs.append(reply.cost_micro_usd)
            call = next((one for one in reply.tool_calls if one.name == FUNCTION), None)
            if call is None:
                items.append(Message("user", f"Call {FUNCTION}."))
                continue
            batch = read_batch(call.arguments, stored)
            if isinstance(batch, Batch):
                return batch
            items += [call, ToolResult(tool_call_id=call.tool_call_id, output=f"Refused: {batch}")]
        log.warning("orchestrator model is wrong, campaign is ordered as its plan", plan_id=stored.id)
        return plain

    async def _write(self, tx: Tx, who: Confirmer, stored: StoredPlan, batch: Batch) -> Confirmed:
        """Under DIALING, in which no phone is rung: what takes long has been asked before."""
        plan, now_ms = stored.plan, self._clock.unix_ms()
        refuse(refused_since(plan, await self._world(tx, who, stored)))
        agent = agent_of(stored, who.tenant_id)
        await agents.create(tx, agent, now_ms)
        crash_here("confirm_agent")
        await consents.give_many(tx, who.tenant_id, consents_of(stored, who.actor, now_ms))
        new = NewCampaign(
            id=new_id(now_ms), name=batch.name[:200], idempotency_key=f"plan:{stored.id}", purpose=plan.purpose
        )
        tasks = tasks_of(plan, batch.order, agent, max_attempts=self._settings.max_attempts, now_ms=now_ms)
        campaign, added = await campaigns.create(tx, who.tenant_id, new, tasks, now_ms)
        crash_here("confirm_campaign")
        if added:
            await conversations.confirm(tx, stored, campaign.id, who.actor, now_ms)
            deed = Deed(
                actor=who.actor,
                action="plan_confirmed",
                object=f"plan:{stored.id}",
                detail={"campaign_id": campaign.id, "calls": len(tasks)},
                address=who.address,
            )
            await audit.add(tx, who.tenant_id, deed, now_ms)
        return Confirmed(campaign=campaign, calls=len(tasks), first=added)

    async def _world(self, sql: Reader, who: Confirmer, stored: StoredPlan) -> PlanWorld:
        numbers = [call.number for call in stored.plan.calls]
        purpose, now_ms = stored.plan.purpose, self._clock.unix_ms()
        return await world_of(
            sql, who.tenant_id, purpose, numbers, settings=self._settings, site=self._site, now_ms=now_ms
        )


def refuse(problems: Sequence[str]) -> None:
    """Raises ValidationFailed when there are any."""
    if problems:
        raise ValidationFailed("The plan does not hold any more: " + " ".join(problems[:5]), code="plan_stale")


def consents_of(stored: StoredPlan, actor: str, now_ms: int) -> list[NewConsent]:
    """What the user said of consents when the plan was made; by confirming it they say so again."""
    return [
        NewConsent(
            number=call.number,
            purpose=stored.plan.purpose,
            level=call.consent.level,
            evidence=f"{actor} in conversation {stored.conversation_id}: {call.consent.quote[:300]}",
            given_ms=now_ms,
        )
        for call in stored.plan.calls
        if call.consent is not None
    ]


def read_batch(arguments: str, stored: StoredPlan) -> Batch | str:
    """The batch, or why it is refused: the model decides on name and order only."""
    try:
        batch = msgspec.json.decode(arguments, type=Batch)
    except msgspec.MsgspecError as error:
        return f"the arguments do not fit: {error}."
    if batch.plan_id != stored.id:
        return "plan_id is not that of the confirmed plan."
    if not 1 <= len(batch.name.strip()) <= 200:
        return "name is empty or longer than 200 characters."
    if sorted(batch.order) != sorted(call.number for call in stored.plan.calls):
        return "order must have every number of the plan exactly once, and no other."
    return batch


def agent_of(stored: StoredPlan, tenant_id: str) -> Agent:
    """The agent that makes the calls of a plan; its id is that of the plan, so there is one."""
    brief = stored.plan.agent
    return Agent(
        id=stored.id,
        tenant_id=tenant_id,
        name=f"{stored.plan.title[:150]} ({stored.id[-8:]})",
        prompt=agent_instructions(stored.plan),
        greeting=brief.opening_line,
        language=brief.language,
        opening="wait_for_hello",
        tools=PLANNED_TOOLS,
        data_to_fill=stored.plan.fields,
    )


def tasks_of(plan: Plan, order: Sequence[str], agent: Agent, *, max_attempts: int, now_ms: int) -> list[NewTask]:
    """One task for each call; those that come first in the order get the higher priority, 60 down to 40."""
    place = {number: n for n, number in enumerate(order)}
    return [
        NewTask(
            id=new_id(now_ms),
            agent_id=agent.id,
            number=call.number,
            objective=call.objective,
            callee_name=call.callee_name,
            next_action_time=max(call.first_ms, now_ms),
            priority=60 - 20 * place[call.number] // max(1, len(order)),
            max_attempts=max_attempts,
            callee_zone=call.zone,
            callee_kind=call.callee_kind,
            until_ms=call.until_ms,
        )
        for call in plan.calls
    ]
