"""The planner's chat: one message of the user, one reply, both stored whatever happens in between.

The message is stored before a model is asked, so it is never lost; sent again with its key it is answered, not
repeated. Only the reply's transaction makes a plan, and nothing here makes a call: see `app.llm.orchestrator`.
"""

import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple

import anyio
import msgspec
import structlog

from app.clock import Clock
from app.config import Settings
from app.domain.admission_site import Site
from app.domain.follow_up import news_of
from app.domain.plan import PlanDraft
from app.domain.plan_check import PlanWorld
from app.domain.plan_diff import diff
from app.domain.plan_forecast import forecast
from app.domain.plan_sources import Sources
from app.domain.planning import LookedUp, PlannerTurn, Profile
from app.errors import ConflictError
from app.ids import new_id
from app.llm import planner_answer, planner_lookups
from app.llm.errors import TextModelError
from app.llm.lookups.connect import Lookups
from app.llm.model import TextModel
from app.llm.planner_answer import Answered, AnswerStep, NotAnswered, TextPiece, TextWithdrawn
from app.llm.planner_calls import CallFunctions
from app.llm.planner_claim import Claim
from app.llm.planner_contacts import with_contacts
from app.llm.planner_history import context_of, items_of, sources_of
from app.llm.planner_lookups import LookupStep
from app.llm.planner_message import Said, check_again, given_before, known_turn, user_turn, without_failures
from app.llm.planner_reply import reply_turn, stored_plan, with_prepared
from app.llm.planner_world import forecast_terms, limits_of, world_for
from app.store import conversations, follow_up
from app.store.conversations import Conversation
from app.store.db import Database

log = structlog.get_logger()

PROMPT_VERSION = (
    "planner-" + hashlib.sha256((planner_answer.PROMPT + planner_lookups.PROMPT).encode()).hexdigest()[:12]
)
STOPPED = "You stopped this reply. Nothing is scheduled, and your message is kept."


class Taken(msgspec.Struct, frozen=True):
    """The message is stored as the turn of this number, and will be answered."""

    seq: int


class LookingUp(msgspec.Struct, frozen=True):
    """A look-up begins."""

    name: str
    arguments: str


class Replied(msgspec.Struct, frozen=True):
    """The stored reply; always the last event."""

    turn: PlannerTurn


class _Steps(NamedTuple):
    """What one reply is made with."""

    own: CallFunctions
    sources: Callable[[Sequence[LookedUp]], Sources]
    looking: LookupStep
    answering: AnswerStep


Event = Taken | TextPiece | TextWithdrawn | LookingUp | Replied


class Planner:
    """One per process; conversations are told apart by their rows."""

    def __init__(
        self, settings: Settings, clock: Clock, db: Database, *, model: TextModel, lookups: Lookups, site: Site
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._db = db
        self._model = model
        self._lookups = lookups
        self._site = site

    async def reply(self, conversation: Conversation, profile: Profile, said: Said) -> AsyncGenerator[Event]:
        """Take a message and answer it. Raises ValidationFailed for what cannot be taken (nothing is stored then),
        ConflictError while another message is being answered, StoreError.
        """
        turns = await conversations.turns(self._db, conversation.tenant_id, conversation.id)
        if (given := given_before(turns, said)) is not None:
            yield Replied(given)
            return
        now_ms = self._clock.unix_ms()
        fresh = None
        if said.again is not None:
            check_again(turns, said)
        elif known_turn(turns, said) is None:
            region, fictional = self._settings.default_region, self._site.fictional
            fresh = user_turn(turns, said, region=region, fictional=fictional, now_ms=now_ms)
        claim = Claim(self._db, self._clock, conversation)
        async with self._db.tx() as tx:
            await claim.take(tx)
            if fresh is not None:
                await conversations.add_turn(tx, conversation, fresh)
        turns = turns if fresh is None else [*turns, fresh]
        try:
            yield Taken(without_failures(turns)[-1].seq)
            async with aclosing(self._answer(conversation, profile, turns, claim)) as events:
                async for event in events:
                    if not isinstance(event, Replied):  # which has given the claim back
                        await claim.keep()
                    yield event
        except BaseException:
            with anyio.CancelScope(shield=True):  # a browser that goes away cancels every await from then on
                await claim.release(self._db)
            raise

    async def put_down(self, conversation: Conversation) -> PlannerTurn:
        """Note that the user stopped the reply, so that the message is not left without one. Raises ConflictError
        when somebody else answers by now, StoreError.
        """
        claim = Claim(self._db, self._clock, conversation)
        async with self._db.tx() as tx:
            await claim.take(tx)
            turns = await conversations.turns(tx, conversation.tenant_id, conversation.id)
            if turns and turns[-1].role == "assistant":  # the reply was stored at the last moment
                stopped = turns[-1]
            else:
                seq, now_ms = len(turns) + 1, self._clock.unix_ms()
                stopped = PlannerTurn(seq=seq, role="assistant", kind="failure", text=STOPPED, created_ms=now_ms)
                await conversations.add_turn(tx, conversation, stopped)
            await claim.release(tx)
        return stopped

    async def _answer(
        self, conversation: Conversation, profile: Profile, turns: list[PlannerTurn], claim: Claim
    ) -> AsyncGenerator[Event]:
        heard = without_failures(turns)
        profile = await with_contacts(self._db, conversation.tenant_id, profile, heard)
        ended = await follow_up.untold(self._db, conversation.tenant_id, conversation.id)
        news = news_of(ended) if ended else None
        follows_up = await follow_up.has_plans(self._db, conversation.tenant_id, conversation.owner)
        steps = self._steps(conversation, profile, heard)
        outcome: Answered | NotAnswered = NotAnswered(why="No usable answer came.")
        try:
            tables = list(steps.sources(()).tables.values())
            limits = limits_of(self._settings, self._site)
            items = items_of(heard, context_of(profile, tables, limits, news, self._clock.unix_ms()))
            async for asked in steps.looking.run(items, follows_up=follows_up):
                yield LookingUp(*asked)
            async for event in steps.answering.run(items, steps.sources(steps.looking.done)):
                if isinstance(event, Answered | NotAnswered):
                    outcome = event
                else:
                    yield event
        except TextModelError as error:
            log.warning("planner got no answer", conversation_id=conversation.id, error=error.message)
            outcome = NotAnswered(
                why=f"I could not answer: {error.message} Your message is kept; send it again later."
            )
        outcome = with_prepared(outcome, steps.own.prepared)
        made = reply_turn(turns[-1].seq + 1, outcome, steps.looking, steps.answering)
        answered = isinstance(outcome, Answered)
        made = msgspec.structs.replace(
            made,
            content=msgspec.structs.replace(made.content, news=news if answered else None),
            model=self._settings.text_model,
            prompt_version=PROMPT_VERSION,
            created_ms=self._clock.unix_ms(),
        )
        told = [one.call_id for one in ended] if answered else []
        yield Replied(await self._store(conversation, turns, made, told, claim))

    def _steps(self, conversation: Conversation, profile: Profile, heard: list[PlannerTurn]) -> _Steps:
        """Of one reply to what was `heard`."""
        settings, region = self._settings, self._settings.default_region
        tenant_id, owner = conversation.tenant_id, conversation.owner

        async def world(draft: PlanDraft, sources: Sources) -> PlanWorld:
            now_ms = self._clock.unix_ms()
            return await world_for(
                self._db, tenant_id, draft, sources, settings=settings, site=self._site, now_ms=now_ms
            )

        def sources(looked_up: Sequence[LookedUp]) -> Sources:
            return sources_of(heard, looked_up, profile, region)

        own = CallFunctions(self._db, tenant_id, owner, heard, zone=profile.zone, world_for=world)
        return _Steps(
            own=own,
            sources=sources,
            looking=LookupStep(self._model, settings.text_model, self._lookups, own, sources),
            answering=AnswerStep(self._model, settings.text_model, settings.plan_tries, world),
        )

    async def _store(
        self,
        conversation: Conversation,
        turns: list[PlannerTurn],
        turn: PlannerTurn,
        told: list[str],
        claim: Claim,
    ) -> PlannerTurn:
        """The reply, its plan, and that the user was told of these calls: all or nothing."""
        now_ms = self._clock.unix_ms()
        plan = turn.content.plan
        if plan is not None:
            before = next((one.content.plan for one in reversed(turns) if one.content.plan is not None), None)
            content = msgspec.structs.replace(
                turn.content,
                plan_id=new_id(now_ms),
                forecast=forecast(plan, forecast_terms(self._settings, self._site)),
                changes=diff(before, plan) if before is not None else None,
            )
            turn = msgspec.structs.replace(turn, content=content)
        async with self._db.tx() as tx:
            if not await claim.release(tx):
                raise ConflictError("The reply took too long and another one was begun.")
            await conversations.add_turn(tx, conversation, turn)
            if told:
                await follow_up.told(tx, conversation.tenant_id, told)
            if plan is not None:
                await conversations.add_plan(tx, stored_plan(conversation, turn, plan))
            elif turn.kind == "questions":
                await conversations.supersede(tx, conversation.tenant_id, conversation.id)
        return turn
