"""What the pages of agents show and change. Called by `web.agents.routes`."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.datastructures import State

import app
from app.domain.agent import Agent
from app.domain.agent_file import MAX_FILE, AgentFileInvalid, written
from app.domain.people import Permission, Person
from app.errors import ConflictError, NotFoundError, ValidationFailed
from app.ids import is_id
from app.store import agents, users
from web.agents.deeds import AgentDeeds
from web.agents.view import Fault, diff_lines, fault_at, functions, transfers, trial_command
from web.auth import signed_in
from web.rehearsals.page import Rehearsals
from web.tryouts.page import TryoutPages

Asked = Request[object, object, State]
HERE = "/agents"
SHOWN, VERSIONS = 50, 50
"""Characters of a file that is typed in."""
EXAMPLES = Path(app.__file__).parent / "examples" / "agents"


class FileForm(msgspec.Struct, frozen=True, kw_only=True):
    """The editor. `version` is the one it began with, so that nobody overwrites what others did meanwhile."""

    text: str = ""
    version: int = 0


class RestoreForm(msgspec.Struct, frozen=True, kw_only=True):
    """Which version shall be the newest again."""

    version: int


class AgentPages:
    """One per application."""

    def __init__(self, tryouts: TryoutPages, rehearsals: Rehearsals) -> None:
        self._db, self._templates = tryouts.db, tryouts.templates
        self._tryouts = tryouts
        self._rehearsals = rehearsals
        self.deeds = AgentDeeds(tryouts.clock)

    async def listing(self, person: Person, after: str) -> Response[str]:
        """All agents by name, some at a time."""
        rows = await agents.page(self._db, person.tenant_id, after=after, limit=SHOWN + 1)
        following = rows[SHOWN - 1].name if len(rows) > SHOWN else ""
        return self._html(
            "agents.html",
            person,
            agents=[(one, functions(one)) for one in rows[:SHOWN]],
            following=following,
            after=after,
        )

    async def one(self, person: Person, agent_id: str, status: int = 200, **said: object) -> Response[str]:
        """One agent; `said` is what came of a form: text and fault of the editor, or a refusal. Raises
        NotFoundError.
        """
        agent = await self._get(person, agent_id)
        kept = await agents.versions(self._db, person.tenant_id, agent.id, limit=VERSIONS)
        told: dict[str, object] = {"refusal": "", "fault": None, "text": None} | said
        rules = person.may(Permission.RULE)
        if told["text"] is None and rules:
            told["text"] = written(agent)
        return self._html(
            "agent.html",
            person,
            status,
            agent=agent,
            functions=functions(agent),
            transfers=transfers(person, agent),
            versions=kept,
            names={one.id: one.name for one in await users.list_users(self._db, person.tenant_id)},
            rules=rules,
            trial=trial_command(agent),
            may_try=person.may(Permission.PLAN),
            tried=await self._tryouts.newest(person, agent.id),
            rehearsed=await self._rehearsals.of_agent(person, agent),
            **told,
        )

    async def version(self, person: Person, agent_id: str, number: int, before: int | None) -> Response[str]:
        """An agent as it was, and what differs from another version (the one before it). Raises NotFoundError."""
        now = await self._get(person, agent_id)
        then = await agents.kept_version(self._db, person.tenant_id, now.id, number)
        other = max(1, number - 1) if before is None else before
        old = await agents.kept_version(self._db, person.tenant_id, now.id, other)
        return self._html(
            "agent_version.html",
            person,
            now=now,
            then=then,
            old=old,
            lines=diff_lines(old, then),
            text=written(then),
        )

    async def blank(self, person: Person, example: str) -> Response[str]:
        """The editor for a new agent, with an example of ours in it."""
        there = {file.stem: file for file in sorted(EXAMPLES.glob("*.toml"))}
        text = there[example].read_text(encoding="utf-8") if example in there else 'name = ""\nprompt = ""\n'
        return self._new(person, text, examples=tuple(there))

    def _new(
        self,
        person: Person,
        text: str,
        status: int = 200,
        *,
        fault: Fault | None = None,
        examples: tuple[str, ...] = (),
    ) -> Response[str]:
        return self._html("agent_new.html", person, status, text=text, fault=fault, examples=examples)

    async def create(self, asked: Asked, text: str) -> Response[str] | Agent:
        """A new agent, or the page that says what is wrong with its file."""
        try:
            data = _parsed(text)
            async with self._db.tx() as tx:
                return await self.deeds.create(tx, asked, data)
        except (ValidationFailed, ConflictError) as refused:
            return self._new(signed_in(asked), text, _status(refused), fault=_fault(text, refused))

    async def change(self, asked: Asked, agent_id: str, form: FileForm) -> Response[str] | Agent:
        """The next version, or the page that says why there is none."""
        try:
            data = _parsed(form.text)
            async with self._db.tx() as tx:
                return await self.deeds.replace(tx, asked, agent_id, data, form.version)
        except (ValidationFailed, ConflictError) as refused:
            fault = _fault(form.text, refused)
            return await self.one(signed_in(asked), agent_id, _status(refused), text=form.text, fault=fault)

    async def restore(self, asked: Asked, agent_id: str, number: int) -> Response[str] | Agent:
        """An older version as the newest one."""
        try:
            async with self._db.tx() as tx:
                return await self.deeds.restore(tx, asked, agent_id, number)
        except (ValidationFailed, ConflictError) as refused:
            return await self.one(signed_in(asked), agent_id, _status(refused), refusal=refused.message)

    async def file(self, person: Person, agent_id: str) -> Response[str]:
        """The file that would make this agent. Raises NotFoundError."""
        agent = await self._get(person, agent_id)
        headers = {"content-disposition": f'attachment; filename="agent-{agent.id}.toml"'}
        return Response(written(agent), media_type="application/toml", headers=headers)

    async def _get(self, person: Person, agent_id: str) -> Agent:
        if not is_id(agent_id):
            raise NotFoundError("There is no such agent.")
        return await agents.get(self._db, person.tenant_id, agent_id)

    def _html(self, name: str, person: Person, status: int = 200, **values: Any) -> Response[str]:
        text = self._templates.render(name, person, HERE, **values)
        return Response(text, status_code=status, media_type=MediaType.HTML)


def _parsed(text: str) -> dict[str, Any]:
    """What a typed file says. Raises ValidationFailed."""
    if len(text) > MAX_FILE:
        raise ValidationFailed(f"A file has at most {MAX_FILE} characters.")
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))  # as forms send line ends
    except tomllib.TOMLDecodeError as fault:
        raise ValidationFailed(f"This is no TOML: {fault}.") from None


def _status(refused: ValidationFailed | ConflictError) -> int:
    return 409 if isinstance(refused, ConflictError) else 422


def _fault(text: str, refused: ValidationFailed | ConflictError) -> Fault:
    key = refused.key if isinstance(refused, AgentFileInvalid) else ""
    return fault_at(text, refused.message, key)
