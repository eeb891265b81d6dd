"""The planner as the console uses it: opened with the first question, closed with the console."""

import asyncio
import hashlib
from contextlib import AsyncExitStack

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.admission_site import Site
from app.domain.people import Person
from app.domain.planning import Profile
from app.domain.policy.zones import zone_named
from app.errors import NotFoundError
from app.ids import is_id, new_id
from app.llm.lookups.connect import lookups
from app.llm.model import TextModel
from app.llm.orchestrator import Orchestrator
from app.llm.planner import Planner
from app.store import conversations, users
from app.store.conversations import Conversation
from app.store.db import Database
from web.chat.replies import Replies


class Desk:
    """One per console. `async with` closes what was opened meanwhile."""

    def __init__(self, settings: Settings, db: Database, bus: Bus, clock: Clock, site: Site) -> None:
        self.settings, self.db, self.clock, self.site = settings, db, clock, site
        self.replies = Replies()
        self._bus = bus
        self._open = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._model: TextModel | None = None
        self._planner: Planner | None = None

    async def model(self) -> TextModel:
        """The text model of the settings."""
        async with self._opening:
            if self._model is None:
                from app.llm.connect import text_model  # noqa: PLC0415 - the SDK takes most of a second to import

                self._model = await self._open.enter_async_context(text_model(self.settings))
            return self._model

    async def planner(self) -> Planner:
        """The chat."""
        model = await self.model()
        async with self._opening:
            if self._planner is None:
                offered = await self._open.enter_async_context(lookups(self.settings))
                self._planner = Planner(
                    self.settings, self.clock, self.db, model=model, lookups=offered, site=self.site
                )
            return self._planner

    async def orchestrator(self) -> Orchestrator:
        """What confirms."""
        model = await self.model()
        return Orchestrator(self.settings, self.clock, self.db, self._bus, model=model, site=self.site)

    async def conversation(
        self, person: Person, conversation_id: str, display_name: str, client_key: str | None = None
    ) -> Conversation:
        """The person's conversation, or a new one when no id is given; a first message that is sent again with its
        key finds the one it began. Raises NotFoundError.
        """
        if conversation_id:
            if not is_id(conversation_id):
                raise NotFoundError("There is no such conversation.")
            return await conversations.get(self.db, person.tenant_id, person.actor, conversation_id)
        now_ms = self.clock.unix_ms()
        fresh = Conversation(
            id=_begun_by(person, client_key) if client_key else new_id(now_ms),
            tenant_id=person.tenant_id,
            owner=person.actor,
            display_name=display_name.strip()[:100] or person.name,
            answering_until_ms=None,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        return await conversations.create(self.db, fresh)

    async def profile(self, person: Person, conversation: Conversation, browser_zone: str = "") -> Profile:
        """Who is speaking. `browser_zone` (IANA name) is that of the clock in front of the person; it counts while
        none is on record, and a program has none.
        """
        if person.via != "session":
            return Profile(name=conversation.display_name)
        user = await users.get(self.db, person.tenant_id, person.user_id)
        zone = user.time_zone
        if zone == "UTC" and browser_zone and zone_named(browser_zone) is not None:
            zone = browser_zone
        return Profile(name=conversation.display_name, zone=zone)

    async def close(self) -> None:
        """Close the connections."""
        await self._open.aclose()


def _begun_by(person: Person, client_key: str) -> str:
    """The id of the conversation that this message begins."""
    named = f"{person.tenant_id}\0{person.actor}\0{client_key}"
    return hashlib.sha256(named.encode()).hexdigest()[:32]
