"""What the pages of rehearsals show and ask for. Called by `web.rehearsals.routes`."""

from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.datastructures import State

from app.bus import Bus
from app.clock import Clock
from app.domain.agent import Agent
from app.domain.messages import ListChanged
from app.domain.people import Permission, Person
from app.domain.rehearsal import Rehearsal
from app.errors import ConflictError, NotFoundError
from app.ids import is_id, new_id
from app.store import agents, audit, rehearsals
from app.store.audit import Deed
from app.store.db import Database
from web.auth import caller_of, signed_in
from web.rehearsals.view import ABOUT, WHO, living, shown, verdict
from web.render import Templates

Asked = Request[object, object, State]
HERE = "/agents"
SHOWN = 8


class RehearseForm(msgspec.Struct, frozen=True, kw_only=True):
    """Which version; 0: the newest."""

    version: int = 0


class Rehearsals:
    """One per console."""

    def __init__(self, db: Database, bus: Bus, clock: Clock, templates: Templates) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock
        self._templates = templates

    async def ask(self, asked: Asked, agent_id: str, form: RehearseForm) -> str | Response[str]:
        """The id of a new rehearsal, or the page that says why there is none. Raises NotFoundError."""
        person = signed_in(asked)
        if not is_id(agent_id):
            raise NotFoundError("There is no such agent.")
        agent, now_ms = await agents.get(self._db, person.tenant_id, agent_id), self._clock.unix_ms()
        if form.version not in {0, agent.version}:
            agent = await agents.kept_version(self._db, person.tenant_id, agent.id, form.version)
        rehearsal_id = new_id(now_ms)
        try:
            async with self._db.tx() as tx:
                await rehearsals.ask(tx, agent, rehearsal_id, person.actor, now_ms)
                await audit.add(tx, person.tenant_id, _deed(asked, agent, rehearsal_id), now_ms)
        except ConflictError as refused:
            return self._html("rehearsal_refused.html", person, 409, agent=agent, refusal=refused.message)
        await self._bus.publish("lists", ListChanged(tenant_id=person.tenant_id, kind="rehearsals"))
        return rehearsal_id

    async def one(self, person: Person, rehearsal_id: str) -> Response[str]:
        """One rehearsal, under way or over. Raises NotFoundError."""
        if not is_id(rehearsal_id):
            raise NotFoundError("There is no such rehearsal.")
        found = await rehearsals.get(self._db, person.tenant_id, rehearsal_id)
        agent = await agents.get(self._db, person.tenant_id, found.agent_id)
        return self._html(
            "rehearsal.html",
            person,
            one=found,
            agent=agent,
            shown=shown(found),
            living=living(found),
            about=ABOUT,
            who=WHO,
            may_ask=person.may(Permission.PLAN),
        )

    async def of_agent(self, person: Person, agent: Agent) -> list[tuple[Rehearsal, str]]:
        """The newest rehearsals of an agent, each with its verdict."""
        found = await rehearsals.of_agent(self._db, person.tenant_id, agent.id, limit=SHOWN)
        return [(one, verdict(one)) for one in found]

    def _html(self, name: str, person: Person, status: int = 200, **values: Any) -> Response[str]:
        text = self._templates.render(name, person, HERE, **values)
        return Response(text, status_code=status, media_type=MediaType.HTML)


def _deed(asked: Asked, agent: Agent, rehearsal_id: str) -> Deed:
    return Deed(
        actor=signed_in(asked).actor,
        action="rehearsal_asked",
        object=f"agent:{agent.id}",
        detail={"rehearsal": rehearsal_id, "version": agent.version},
        address=caller_of(asked).address,
    )
