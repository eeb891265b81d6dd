"""What one reply of the planner is made with, typed or spoken: what it may rest on, its functions, its checks, and
how it is stored.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from app.clock import Clock
from app.config import Settings
from app.domain.admission_site import Site
from app.domain.plan import PlanDraft
from app.domain.plan_check import PlanWorld
from app.domain.plan_diff import diff
from app.domain.plan_forecast import forecast
from app.domain.plan_sources import Sources, Table
from app.domain.planning import LookedUp, PlannerTurn, Profile
from app.errors import ConflictError
from app.ids import new_id
from app.llm.lookups.connect import Lookups
from app.llm.model import TextModel
from app.llm.planner_answer import AnswerStep
from app.llm.planner_calls import CallFunctions
from app.llm.planner_claim import Claim
from app.llm.planner_history import sources_of
from app.llm.planner_lookups import LookupStep
from app.llm.planner_reply import stored_plan
from app.llm.planner_world import forecast_terms, world_for
from app.store import budgets, conversations, follow_up
from app.store.conversations import Conversation
from app.store.db import Database


class Parts(NamedTuple):
    """What a planner is made of; one per process."""

    settings: Settings
    clock: Clock
    db: Database
    model: TextModel
    lookups: Lookups
    site: Site


class Steps(NamedTuple):
    """What one reply is made with."""

    own: CallFunctions
    sources: Callable[[Sequence[LookedUp]], Sources]
    looking: LookupStep
    answering: AnswerStep


def steps_of(
    parts: Parts,
    conversation: Conversation,
    profile: Profile,
    heard: list[PlannerTurn],
    tables: Sequence[Table],
) -> Steps:
    """Of one reply to what was `heard`; `tables` are those of it, read."""
    settings, region = parts.settings, parts.settings.default_region
    tenant_id, owner = conversation.tenant_id, conversation.owner

    async def world(draft: PlanDraft, sources: Sources) -> PlanWorld:
        now_ms = parts.clock.unix_ms()
        return await world_for(
            parts.db, tenant_id, draft, sources, settings=settings, site=parts.site, now_ms=now_ms
        )

    def sources(looked_up: Sequence[LookedUp]) -> Sources:
        return sources_of(heard, looked_up, profile, region, tables)

    own = CallFunctions(parts.db, tenant_id, owner, heard, zone=profile.zone, world_for=world)
    return Steps(
        own=own,
        sources=sources,
        looking=LookupStep(parts.model, settings.text_model, parts.lookups, own, sources),
        answering=AnswerStep(parts.model, settings.text_model, settings.plan_tries, world),
    )


async def store_reply(
    parts: Parts,
    conversation: Conversation,
    turns: Sequence[PlannerTurn],
    turn: PlannerTurn,
    *,
    told: Sequence[str],
    claim: Claim,
    charged_micro_usd: int = 0,
) -> PlannerTurn:
    """The reply, its plan, and that the user was told of these calls: all or nothing, under a claim that is given
    back. `charged_micro_usd` is counted in the tenant's month. Raises ConflictError when it was lost, StoreError.
    """
    plan = turn.content.plan
    if plan is not None:
        before = next((one.content.plan for one in reversed(turns) if one.content.plan is not None), None)
        content = msgspec.structs.replace(
            turn.content,
            plan_id=new_id(parts.clock.unix_ms()),
            forecast=forecast(plan, forecast_terms(parts.settings, parts.site)),
            changes=diff(before, plan) if before is not None else None,
        )
        turn = msgspec.structs.replace(turn, content=content)
    async with parts.db.tx() as tx:
        if not await claim.release(tx):
            raise ConflictError("The reply took too long and another one was begun.")
        await conversations.add_turn(tx, conversation, turn)
        if told:
            await follow_up.told(tx, conversation.tenant_id, told)
        await budgets.charge_month(tx, conversation.tenant_id, charged_micro_usd, parts.clock.unix_ms())
        if plan is not None:
            await conversations.add_plan(tx, stored_plan(conversation, turn, plan))
        elif turn.kind == "questions":
            await conversations.supersede(tx, conversation.tenant_id, conversation.id)
    return turn
