"""The planner's chat: one message of the user, one reply, both stored whatever happens in between.

The message is stored before a model is asked, so it is never lost; sent again with its key it is answered, not
repeated. Only the reply's transaction makes a plan, and nothing here makes a call: see `app.llm.orchestrator`.
"""

import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import anyio
import msgspec
import structlog

from app.clock import Clock
from app.config import Settings
from app.domain.admission_site import Site
from app.domain.plan import PlanDraft
from app.domain.plan_check import PlanWorld
from app.domain.plan_diff import diff
from app.domain.plan_forecast import forecast
from app.domain.plan_form import read_answers
from app.domain.plan_sources import Sources, read_table
from app.domain.planning import (
    MAX_MESSAGE,
    MAX_TABLE,
    Attachment,
    PlannerTurn,
    Profile,
    TurnContent,
)
from app.errors import ConflictError, ValidationFailed
from app.ids import new_id
from app.llm import planner_answer, planner_lookups
from app.llm.errors import TextModelError
from app.llm.lookups.connect import Lookups
from app.llm.model import TextModel
from app.llm.planner_answer import Answered, AnswerStep, NotAnswered, TextPiece, TextWithdrawn
from app.llm.planner_history import context_of, items_of, sources_of
from app.llm.planner_lookups import LookupStep
from app.llm.planner_reply import reply_turn, stored_plan
from app.llm.planner_world import forecast_terms, limits_of, world_for
from app.store import conversations
from app.store.conversations import Conversation
from app.store.db import Database

log = structlog.get_logger()

PROMPT_VERSION = (
    "planner-" + hashlib.sha256((planner_answer.PROMPT + planner_lookups.PROMPT).encode()).hexdigest()[:12]
)
LEASE_MS = 10 * 60_000
"""Outlasts the longest reply; a conversation whose process died is free again after it."""
MAX_TURNS = 400


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the user sends: words, a filled-in form, tables as CSV texts; `client_key` makes it one message."""

    text: str = ""
    answers: Mapping[str, object] | None = None
    tables: tuple[str, ...] = ()
    client_key: str | None = None


class LookingUp(msgspec.Struct, frozen=True):
    """A look-up begins."""

    name: str
    arguments: str


class Replied(msgspec.Struct, frozen=True):
    """The stored reply; always the last event."""

    turn: PlannerTurn


Event = TextPiece | TextWithdrawn | LookingUp | Replied


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
        known = next(
            (n for n, one in enumerate(turns) if said.client_key and one.client_key == said.client_key), None
        )
        if known is not None and known + 1 < len(turns):
            yield Replied(turns[known + 1])
            return
        now_ms = self._clock.unix_ms()
        until_ms = now_ms + LEASE_MS
        fresh = None if known is not None else self._user_turn(turns, said, now_ms)
        async with self._db.tx() as tx:
            await conversations.claim(tx, conversation, until_ms, now_ms)
            if fresh is not None:
                await conversations.add_turn(tx, conversation, fresh)
        turns = turns if fresh is None else [*turns, fresh]
        try:
            async with aclosing(self._answer(conversation, profile, turns, until_ms)) as events:
                async for event in events:
                    yield event
        except BaseException:
            with anyio.CancelScope(shield=True):  # a browser that goes away cancels every await from then on
                await conversations.release(self._db, conversation, until_ms, self._clock.unix_ms())
            raise

    def _user_turn(self, turns: list[PlannerTurn], said: Said, now_ms: int) -> PlannerTurn:
        """The message, checked. Raises ValidationFailed."""
        if len(said.text) > MAX_MESSAGE:
            raise ValidationFailed(f"The message is longer than {MAX_MESSAGE} characters; send a table as CSV.")
        if len(turns) >= MAX_TURNS:
            raise ValidationFailed("This conversation has grown too long; begin a new one.")
        answers = None
        if said.answers is not None:
            last = turns[-1] if turns else None
            if last is None or last.kind != "questions":
                raise ValidationFailed("No questions are open in this conversation.")
            region = self._settings.default_region
            answers = read_answers(
                last.content.questions, said.answers, region=region, fictional=self._site.fictional
            )
        there = sum(len(turn.content.tables) for turn in turns)
        tables: list[Attachment] = []
        for n, text in enumerate(said.tables, there + 1):
            if len(text) > MAX_TABLE:
                raise ValidationFailed(f"The table is larger than {MAX_TABLE} characters.")
            read_table(f"table {n}", text)
            tables.append(Attachment(name=f"table {n}", text=text))
        if not said.text.strip() and not answers and not tables:
            raise ValidationFailed("The message is empty.")
        return PlannerTurn(
            seq=len(turns) + 1,
            role="user",
            kind="answers" if answers is not None else "message",
            text=said.text.strip(),
            content=TurnContent(answers=answers or {}, tables=tuple(tables)),
            client_key=said.client_key,
            created_ms=now_ms,
        )

    async def _answer(
        self, conversation: Conversation, profile: Profile, turns: list[PlannerTurn], until_ms: int
    ) -> AsyncGenerator[Event]:
        settings, name = self._settings, self._settings.text_model
        looking = LookupStep(self._model, name, self._lookups)
        region = settings.default_region
        outcome: Answered | NotAnswered = NotAnswered(why="No usable answer came.")

        async def world(draft: PlanDraft, sources: Sources) -> PlanWorld:
            return await world_for(
                self._db,
                conversation.tenant_id,
                draft,
                sources,
                settings=settings,
                site=self._site,
                now_ms=self._clock.unix_ms(),
            )

        answering = AnswerStep(self._model, name, settings.plan_tries, world)
        try:
            tables = list(sources_of(turns, (), profile, region).tables.values())
            context = context_of(profile, tables, limits_of(settings, self._site), self._clock.unix_ms())
            items = items_of(turns, context)
            async for asked in looking.run(items):
                yield LookingUp(*asked)
            async for event in answering.run(items, sources_of(turns, looking.done, profile, region)):
                if isinstance(event, Answered | NotAnswered):
                    outcome = event
                else:
                    yield event
        except TextModelError as error:
            log.warning("planner got no answer", conversation_id=conversation.id, error=error.message)
            outcome = NotAnswered(
                why=f"I could not answer: {error.message} Your message is kept; send it again later."
            )
        made = reply_turn(turns[-1].seq + 1, outcome, looking, answering)
        made = msgspec.structs.replace(
            made, model=name, prompt_version=PROMPT_VERSION, created_ms=self._clock.unix_ms()
        )
        yield Replied(await self._store(conversation, turns, made, outcome, until_ms))

    async def _store(
        self,
        conversation: Conversation,
        turns: list[PlannerTurn],
        turn: PlannerTurn,
        outcome: Answered | NotAnswered,
        until_ms: int,
    ) -> PlannerTurn:
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
            if not await conversations.release(tx, conversation, until_ms, now_ms):
                raise ConflictError("The reply took too long and another one was begun.")
            await conversations.add_turn(tx, conversation, turn)
            if plan is not None:
                await conversations.add_plan(tx, stored_plan(conversation, turn, plan))
            elif turn.kind == "questions":
                await conversations.supersede(tx, conversation.tenant_id, conversation.id)
        return turn
