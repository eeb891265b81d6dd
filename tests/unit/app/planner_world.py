"""A planner over a store, SimText behind HTTP and look-ups of one's choice, for the tests of planning."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from app.clock import ManualClock
from app.config import Settings
from app.domain.admission_site import Site
from app.domain.planning import PlannerTurn, Profile
from app.ids import new_id
from app.llm.connect import text_model
from app.llm.lookups.connect import Lookups, lookups
from app.llm.model import TextModel
from app.llm.planner import Event, Planner, Replied
from app.llm.planner_message import Said
from app.policy_packs import enabled_packs, load_packs
from app.sim.text import Route, ScriptedMind, SimText, TextAnswer
from app.sim.text.lookups import SimLookups
from app.store import budgets, conversations
from app.store.conversations import Conversation
from app.store.db import Database
from tests.unit.app.store_world import TENANT

NOW = datetime(2027, 1, 15, 15, 0, tzinfo=UTC)
NUMBER = "+442079460123"
OWNER = "user:ann"
SITE = Site(packs=enabled_packs(load_packs()), allowed_countries=("US", "GB", "DE"), reserve_micro_usd=1_000_000)
PROFILE = Profile(name="Ann", zone="Europe/London", company="Ann's Bistro")


def plan(**changes: Any) -> dict[str, Any]:
    """A plan as a right model writes it."""
    return {
        "title": "Ask Bob",
        "purpose": "service",
        "agent": {
            "language": "en",
            "purpose": "Ask whether Friday suits.",
            "opening_line": "Hello, this is an automated assistant calling for Ann.",
            "limits": [],
            "stop_when": ["the callee has answered"],
        },
        "facts": [],
        "fields": [],
        "calls": [call()],
        "lists": [],
    } | changes


def call(number: str = NUMBER, **changes: Any) -> dict[str, Any]:
    return {
        "callee_name": "Bob",
        "number": number,
        "objective": "Ask whether Friday suits.",
        "window": {"earliest": "", "latest": "", "zone": ""},
        "callee_kind": "person",
        "business_quote": "",
        "consent": None,
    } | changes


def reply(kind: str, text: str = "Here it is.", **changes: Any) -> TextAnswer:
    return TextAnswer(text=json.dumps({"kind": kind, "text": text, "questions": [], "plan": None} | changes))


def planned(**changes: Any) -> TextAnswer:
    return reply("plan", plan=plan(**changes))


def asks(*questions: dict[str, Any]) -> TextAnswer:
    every = [
        {"type": "text", "help": "", "required": True, "options": [], "default": ""} | one for one in questions
    ]
    return reply("questions", questions=every)


class World:
    """`says` is one message of the user; `thinks` what the model answers, in order."""

    def __init__(
        self, db: Database, sim: SimText, found: SimLookups, made: Settings, model: TextModel, offered: Lookups
    ) -> None:
        self.db, self.sim, self.found, self.settings, self.model = db, sim, found, made, model
        self.clock = ManualClock(NOW)
        self.planner = Planner(made, self.clock, db, model=model, lookups=offered, site=SITE)

    def thinks(
        self, *answers: TextAnswer, looks: tuple[TextAnswer, ...] = (TextAnswer(text="none"),)
    ) -> ScriptedMind:
        mind = ScriptedMind(answers)
        self.looking = ScriptedMind(looks)
        self.sim.routes[:] = [
            Route(schema="PlannerReply", mind=mind),
            Route(tool="search_internet", mind=self.looking),
        ]
        return mind

    async def begin(self, owner: str = OWNER) -> Conversation:
        now_ms = self.clock.unix_ms()
        return await conversations.create(
            self.db,
            Conversation(
                id=new_id(now_ms),
                tenant_id=TENANT,
                owner=owner,
                display_name="Ann",
                answering_until_ms=None,
                created_ms=now_ms,
                updated_ms=now_ms,
            ),
        )

    async def events(self, conversation: Conversation, text: str = "", **said: Any) -> list[Event]:
        return [one async for one in self.planner.reply(conversation, PROFILE, Said(text=text, **said))]

    async def says(self, conversation: Conversation, text: str = "", **said: Any) -> PlannerTurn:
        last = (await self.events(conversation, text, **said))[-1]
        assert isinstance(last, Replied)
        return last.turn

    async def spent(self) -> int:
        """What the tenant's month has paid for by now, micro USD."""
        month = budgets.tenant_month(TENANT, None, self.clock.unix_ms())
        return (await budgets.facts(self.db, [month], 0))[0].spent_micro_usd


@asynccontextmanager
async def planner_world(db: Database, **changes: Any) -> AsyncGenerator[World]:
    async with SimText() as sim, SimLookups() as found:
        given: dict[str, Any] = {
            "simulate": True,
            "ari_app": "x",
            "text_base_url": sim.base_url,
            "search_provider": "searxng",
            "searxng_url": found.url,
            "places_provider": "google",
            "google_places_url": found.url,
            "google_places_api_key": "k",
        }
        made = Settings.model_validate(given | changes)
        async with text_model(made) as model, lookups(made) as offered:
            model._connection._pause = _no_pause  # type: ignore[attr-defined] # tries follow each other at once
            yield World(db, sim, found, made, model, offered)


async def _no_pause(seconds: float) -> None:
    del seconds
