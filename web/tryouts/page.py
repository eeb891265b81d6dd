"""What the pages of test calls show and begin. Called by `web.tryouts.routes`."""

import tomllib
from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.datastructures import State

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.agent import FUNCTIONS, Agent
from app.domain.agent_file import read_agent
from app.domain.people import Permission, Person
from app.domain.tryout import DRAFT, OBJECTIVE, NewTryout, Tryout
from app.errors import ConflictError, NotFoundError, ValidationFailed
from app.ids import is_id, new_id
from app.store import agents, audit, tryouts
from app.store.audit import Deed
from app.store.db import Database
from web.auth import caller_of, signed_in
from web.render import Templates
from web.tryouts.view import shown, version_words

Asked = Request[object, object, State]
HERE = "/agents"
MAX_FILE, MAX_OBJECTIVE = 200_000, 2_000


class TryForm(msgspec.Struct, frozen=True, kw_only=True):
    """Which version shall speak, and about what; `text` is a file that was not saved."""

    version: int = 0
    text: str = ""
    objective: str = ""


class TryoutPages:
    """One per console. What it works with is what its line works with."""

    def __init__(self, settings: Settings, db: Database, bus: Bus, clock: Clock, templates: Templates) -> None:
        self.settings = settings
        self.db = db
        self.bus = bus
        self.clock = clock
        self.templates = templates

    async def ask(self, asked: Asked, agent_id: str, form: TryForm, *, draft: bool) -> Tryout | Response[str]:
        """A new test call, or the page that says why there is none. Raises NotFoundError."""
        person = signed_in(asked)
        if not is_id(agent_id):
            raise NotFoundError("There is no such agent.")
        now_ms = self.clock.unix_ms()
        agent = await agents.get(self.db, person.tenant_id, agent_id)
        try:
            speaks = _draft(form.text, agent) if draft else await self._version(person, agent, form.version)
            new = NewTryout(
                id=new_id(now_ms),
                agent_id=agent.id,
                agent_version=DRAFT if draft else speaks.version,
                body=msgspec.json.encode(speaks).decode(),
                objective=" ".join(form.objective.split())[:MAX_OBJECTIVE] or OBJECTIVE,
                asked_by=person.actor,
            )
            async with self.db.tx() as tx:
                await tryouts.ask(tx, person.tenant_id, new, now_ms)
                deed = Deed(
                    actor=person.actor,
                    action="test_call_asked",
                    object=f"agent:{agent.id}",
                    detail={"tryout": new.id, "version": new.agent_version},
                    address=caller_of(asked).address,
                )
                await audit.add(tx, person.tenant_id, deed, now_ms)
        except (ValidationFailed, ConflictError) as refused:
            status = 409 if isinstance(refused, ConflictError) else 422
            return self._html("tryout_refused.html", person, status, agent=agent, refusal=refused.message)
        return await tryouts.get(self.db, person.tenant_id, new.id)

    async def one(self, person: Person, tryout_id: str) -> Response[str]:
        """The page to talk on, or what came of it. Raises NotFoundError."""
        if not is_id(tryout_id):
            raise NotFoundError("There is no such test call.")
        found = await tryouts.get(self.db, person.tenant_id, tryout_id)
        agent = msgspec.json.decode(found.body, type=Agent)
        return self._html(
            "tryout.html",
            person,
            one=found,
            agent=agent,
            shown=shown(found),
            waits=tryouts.waits(found),
            ended=tryouts.over(found, self.clock.unix_ms()),
            model=found.model or self.settings.realtime_model,
            simulated=self.settings.simulate,
        )

    async def newest(self, person: Person, agent_id: str) -> list[tuple[Tryout, str]]:
        """The newest test calls of an agent, with the version in words."""
        found = await tryouts.of_agent(self.db, person.tenant_id, agent_id, limit=5)
        return [(one, version_words(one)) for one in found] if person.may(Permission.PLAN) else []

    async def _version(self, person: Person, agent: Agent, version: int) -> Agent:
        if version in {0, agent.version}:
            return agent
        return await agents.kept_version(self.db, person.tenant_id, agent.id, version)

    def _html(self, name: str, person: Person, status: int = 200, **values: Any) -> Response[str]:
        text = self.templates.render(name, person, HERE, **values)
        return Response(text, status_code=status, media_type=MediaType.HTML)


def _draft(text: str, agent: Agent) -> Agent:
    """The agent that a typed file describes. Raises ValidationFailed."""
    if len(text) > MAX_FILE:
        raise ValidationFailed(f"A file has at most {MAX_FILE} characters.")
    try:
        data = tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as fault:
        raise ValidationFailed(f"This is no TOML: {fault}.") from None
    read = read_agent(data, agent_id=agent.id, tenant_id=agent.tenant_id, tools=FUNCTIONS)
    return msgspec.structs.replace(read, version=max(1, agent.version))
