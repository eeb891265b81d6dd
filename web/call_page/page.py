"""The pages: what is read of the store, and the templates it is put into."""

from pathlib import Path

import msgspec

from app.clock import Clock
from app.domain.people import Permission, Person
from app.store import agents, call_lists, campaigns
from app.store.db import Database
from app.store.recording_files import RecordingFile
from web.call_page import listing
from web.call_page.facts import read_call, read_facts
from web.call_page.listing import STATES, Query
from web.call_page.raw import raw_call
from web.call_page.recorded import Recordings, Waveform
from web.call_page.view import call_view
from web.masks import mask_of, masked
from web.render import Templates
from web.view import ENDED_BY_WORDS, OUTCOME_WORDS, moment

PER_PAGE = 50
CAMPAIGNS_OFFERED = 100


class CallPages:
    """Answers for `web.call_page.routes`."""

    def __init__(self, db: Database, clock: Clock, templates: Templates, folder: Path) -> None:
        self._db = db
        self._clock = clock
        self._templates = templates
        self._recordings = Recordings(db, folder)

    async def listed(self, person: Person, query: Query) -> str:
        """The list of calls."""
        tenant_id = person.tenant_id
        asked = listing.read(query, person)
        found = await call_lists.page(self._db, tenant_id, asked.wanted, after=asked.after, limit=PER_PAGE)
        offered = await campaigns.list_campaigns(self._db, tenant_id, CAMPAIGNS_OFFERED)
        chosen = [(one.id, one.name) for one in offered]
        if asked.wanted.campaign_id and asked.wanted.campaign_id not in dict(chosen):
            chosen.append((asked.wanted.campaign_id, "the chosen campaign"))
        mask = mask_of(person)
        return self._templates.render(
            "call_list.html",
            person,
            "/calls",
            query=query,
            lines=[listing.line(call, mask) for call in found.calls],
            older=query.address(after=listing.written(found.older)) if found.older else "",
            looked_back=moment(found.older.created_ms) if found.older and len(found.calls) < PER_PAGE else "",
            ignored=asked.ignored,
            states=STATES,
            outcomes=OUTCOME_WORDS,
            ways=ENDED_BY_WORDS,
            campaigns=chosen,
            agents=[(one.id, one.name) for one in await agents.list_agents(self._db, tenant_id)],
            now_ms=self._clock.unix_ms(),
        )

    async def call(self, person: Person, call_id: str) -> str:
        """The page of one call. Raises NotFoundError."""
        return self._templates.render("call.html", person, "/calls", **await self._shown(person, call_id))

    async def panels(self, person: Person, call_id: str, newest: int) -> str:
        """What changes on the page while its call lives, with the `newest` entries. Raises NotFoundError."""
        shown = await self._shown(person, call_id)
        call = shown["call"]
        assert isinstance(call, dict)
        call["entries"] = call["entries"][-newest:] if newest else []
        return self._templates.render("call_panels.html", person, "/calls", **shown)

    async def raw(self, person: Person, call_id: str) -> bytes:
        """Everything as JSON, indented. Raises NotFoundError."""
        facts = await read_facts(self._db, person.tenant_id, call_id)
        content = masked(raw_call(facts), mask_of(person))
        return msgspec.json.format(msgspec.json.encode(content), indent=2)

    async def waveforms(self, person: Person, call_id: str) -> list[Waveform]:
        """Of all parts of the recording. Raises NotFoundError."""
        return await self._recordings.waveforms(await read_call(self._db, person.tenant_id, call_id))

    async def audio(self, person: Person, call_id: str, part: str) -> RecordingFile:
        """One part of the recording. Raises NotFoundError."""
        return await self._recordings.file(await read_call(self._db, person.tenant_id, call_id), part)

    async def _shown(self, person: Person, call_id: str) -> dict[str, object]:
        facts = await read_facts(self._db, person.tenant_id, call_id)
        mask = mask_of(person)
        recorded = await self._recordings.of(facts.call, facts.recordings, facts.events)
        return {
            "recorded": recorded,
            "call": masked(call_view(facts), mask),
            "now_ms": self._clock.unix_ms(),
            "may_steer": person.may(Permission.STEER),
        }
