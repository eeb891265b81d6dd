"""The planner's chat: one message of the user, one reply, both stored whatever happens in between.

The message is stored before a model is asked, so it is never lost; sent again with its key it is answered, not
repeated. Only the reply's transaction makes a plan, and nothing here makes a call: see `app.llm.orchestrator`.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import msgspec
import structlog

from app.clock import Clock
from app.config import Settings
from app.domain.admission_site import Site
from app.domain.follow_up import news_of
from app.domain.planning import PlannerTurn, Profile
from app.errors import ConflictError
from app.llm import planner_answer, planner_lookups
from app.llm.errors import TextModelError
from app.llm.lookups.connect import Lookups
from app.llm.model import TextModel
from app.llm.planner_answer import Answered, NotAnswered, TextPiece, TextWithdrawn
from app.llm.planner_claim import Claim
from app.llm.planner_contacts import with_contacts
from app.llm.planner_history import context_of, items_of, tables_of
from app.llm.planner_message import (
    Said,
    check_again,
    given_before,
    known_turn,
    turn_of,
    user_turn,
    without_failures,
)
from app.llm.planner_reply import charged, reply_turn, with_prepared
from app.llm.planner_steps import Parts, steps_of, store_reply
from app.llm.planner_world import limits_of
from app.store import conversations, follow_up
from app.store.conversations import Conversation
from app.store.db import Database

log = structlog.get_logger()

PROMPT_VERSION = (
    "planner-" + hashlib.sha256((planner_answer.PROMPT + planner_lookups.PROMPT).encode()).hexdigest()[:12]
)
STOPPED = "You stopped this reply. Nothing is scheduled, and your message is kept."
NOT_TAKEN = "You stopped this message before it was taken. It was not sent."


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


Event = Taken | TextPiece | TextWithdrawn | LookingUp | Replied


class Planner:
    """One per process; conversations are told apart by their rows."""

    def __init__(
        self, settings: Settings, clock: Clock, db: Database, *, model: TextModel, lookups: Lookups, site: Site
    ) -> None:
        self.parts = Parts(settings, clock, db, model, lookups, site)
        self._settings = settings
        self._clock = clock
        self._db = db
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
            fresh = await asyncio.to_thread(
                user_turn, turns, said, region=region, fictional=fictional, now_ms=now_ms
            )
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

    async def put_down(self, conversation: Conversation, said: Said) -> PlannerTurn:
        """Note that the user stopped the reply to what was `said`, so that it is not left without one. Raises
        ConflictError when it was stopped before it was stored or somebody else answers by now, StoreError.
        """
        claim = Claim(self._db, self._clock, conversation)
        async with self._db.tx() as tx:
            await claim.take(tx)
            turns = await conversations.turns(tx, conversation.tenant_id, conversation.id)
            mine = turn_of(turns, said)
            if mine is None:
                raise ConflictError(NOT_TAKEN)
            later = [one for one in turns if one.seq > mine.seq]
            if any(one.role == "user" for one in later):
                raise ConflictError("Another message has been sent since.")
            if later:  # the reply was stored at the last moment
                stopped = later[-1]
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
        tables = await asyncio.to_thread(tables_of, heard)  # once a reply
        steps = steps_of(self.parts, conversation, profile, heard, tables)
        outcome: Answered | NotAnswered = NotAnswered(why="No usable answer came.")
        try:
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
        stored = await store_reply(
            self.parts,
            conversation,
            turns,
            made,
            told=told,
            claim=claim,
            charged_micro_usd=charged(steps.looking, steps.answering),
        )
        yield Replied(stored)
