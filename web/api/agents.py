"""`/api/v1/agents`: who speaks, how each was before, new ones and next versions."""

from typing import Annotated

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, UnsetType

from app.domain.agent import Agent, Example, Opening, TransferMode, TransferTarget, TurnPresetName, Voicemail
from app.domain.feedback import Unanswered
from app.domain.fields import FieldSpec
from app.domain.outside_tool import HttpTool, McpServer, function_name
from app.domain.people import Permission, Person
from app.errors import NotFoundError
from app.ids import is_id
from app.store import agents
from app.store.agents import AgentVersion
from app.store.db import Database, Tx
from web.agents.deeds import AgentDeeds
from web.api.once import Once
from web.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, paging
from web.auth import needs, signed_in
from web.view import shown_number

Asked = Request[object, object, State]


class AgentEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An agent in the list."""

    id: str
    name: str
    language: str
    voice: str
    version: int


class TransferTo(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody a call may be handed to; the number is masked for those who may not see numbers."""

    name: str
    number: str
    mode: TransferMode


class AgentView(msgspec.Struct, frozen=True, kw_only=True):
    """An agent in one version. Of its own functions only the names: their headers may hold secrets."""

    id: str
    name: str
    version: int
    prompt: str
    greeting: str
    voice: str
    language: str
    opening: Opening
    tools: tuple[str, ...]
    own_functions: tuple[str, ...]
    few_shot: tuple[Example, ...]
    data_to_fill: tuple[FieldSpec, ...]
    transfer_targets: tuple[TransferTo, ...]
    voicemail: Voicemail
    voicemail_message: str
    unanswered: Unanswered
    feedback_wait_s: int
    max_talk_s: int | None


class AgentFields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of an agent's file, all but the name."""

    prompt: str | UnsetType = UNSET
    greeting: str | UnsetType = UNSET
    voice: str | UnsetType = UNSET
    language: str | UnsetType = UNSET
    opening: Opening | UnsetType = UNSET
    tools: tuple[str, ...] | UnsetType = UNSET
    turn_preset: TurnPresetName | UnsetType = UNSET
    few_shot: tuple[Example, ...] | UnsetType = UNSET
    data_to_fill: tuple[FieldSpec, ...] | UnsetType = UNSET
    http_tools: tuple[HttpTool, ...] | UnsetType = UNSET
    mcp: tuple[McpServer, ...] | UnsetType = UNSET
    s3_file_paths: tuple[str, ...] | UnsetType = UNSET
    transfer_targets: tuple[TransferTarget, ...] | UnsetType = UNSET
    voicemail: Voicemail | UnsetType = UNSET
    voicemail_message: str | UnsetType = UNSET
    unanswered: Unanswered | UnsetType = UNSET
    feedback_wait_s: Annotated[int, msgspec.Meta(ge=5, le=600)] | UnsetType = UNSET
    max_talk_s: Annotated[int, msgspec.Meta(ge=10, le=7200)] | UnsetType | None = UNSET


class AgentBody(AgentFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent, described by the keys of an agent's file; what is not said is as usual. Checked as the file is."""

    name: Annotated[str, msgspec.Meta(max_length=200)]


class NextVersion(AgentFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes; all else stays as it was. `based_on`: the version you looked at; 409 when there is a newer."""

    based_on: Annotated[int, msgspec.Meta(ge=1)]
    name: Annotated[str, msgspec.Meta(max_length=200)] | UnsetType = UNSET


class VersionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """When a version was made, and by whom (a user's id; null: not by a person)."""

    version: int
    made_by: str | None
    created_ms: int


def agent_api(db: Database, deeds: AgentDeeds, once: Once) -> list[HTTPRouteHandler]:
    """`/agents`, `/agents/{agent_id}`, its `/versions` and one of them."""
    return [*_reading(db), *_writing(deeds, once)]


def _writing(deeds: AgentDeeds, once: Once) -> list[HTTPRouteHandler]:
    may = needs(Permission.RULE)

    @post("/agents", opt=may, status_code=201)
    async def make_agent(request: Asked, data: JSONBody[AgentBody]) -> Response[AgentView]:
        """Make an agent."""

        async def deed(tx: Tx) -> AgentView:
            return view(signed_in(request), await deeds.create(tx, request, msgspec.to_builtins(data)))

        return await once.do(request, deed)

    @post("/agents/{agent_id:str}/versions", opt=may, status_code=201)
    async def make_agent_version(
        request: Asked, agent_id: FromPath[str], data: JSONBody[NextVersion]
    ) -> Response[AgentView]:
        """Make the next version of an agent; calls under way keep theirs."""

        async def deed(tx: Tx) -> AgentView:
            told = msgspec.to_builtins(data)
            based_on = told.pop("based_on")
            return view(signed_in(request), await deeds.change(tx, request, agent_id, told, based_on))

        return await once.do(request, deed)

    return [make_agent, make_agent_version]


def _reading(db: Database) -> list[HTTPRouteHandler]:
    may = needs(Permission.SEE)

    @get("/agents", opt=may)
    async def list_agents(request: Asked, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> Page[AgentEntry]:
        """The agents by name."""
        at = paging(request, "agents", cursor, limit, str)
        after = str(at.after[0]) if at.after else ""
        rows = await agents.page(db, signed_in(request).tenant_id, after=after, limit=at.limit + 1)
        return at.page(rows, key=lambda row: (row.name,), shown=_entry)

    @get("/agents/{agent_id:str}", opt=may)
    async def get_agent(request: Asked, agent_id: FromPath[str]) -> AgentView:
        """One agent as it is now."""
        person = signed_in(request)
        return view(person, await agents.get(db, person.tenant_id, checked(agent_id)))

    @get("/agents/{agent_id:str}/versions", opt=may)
    async def list_agent_versions(
        request: Asked, agent_id: FromPath[str], cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> Page[VersionEntry]:
        """The versions of an agent, newest first."""
        tenant_id = signed_in(request).tenant_id
        await agents.get(db, tenant_id, checked(agent_id))
        at = paging(request, f"versions {agent_id}", cursor, limit, int)
        before = int(at.after[0]) if at.after else None
        rows = await agents.versions(db, tenant_id, agent_id, before=before, limit=at.limit + 1)
        return at.page(rows, key=lambda row: (row.version,), shown=_version)

    @get("/agents/{agent_id:str}/versions/{version:int}", opt=may)
    async def get_agent_version(request: Asked, agent_id: FromPath[str], version: FromPath[int]) -> AgentView:
        """An agent as it was in one version."""
        person = signed_in(request)
        return view(person, await agents.kept_version(db, person.tenant_id, checked(agent_id), version))

    return [list_agents, get_agent, list_agent_versions, get_agent_version]


def checked(agent_id: str) -> str:
    """An id that may go into a query. Raises NotFoundError."""
    if not is_id(agent_id):
        raise NotFoundError("There is no such agent.")
    return agent_id


def view(person: Person, agent: Agent) -> AgentView:
    """What a person may see of an agent."""
    shown = {name: getattr(agent, name) for name in AgentView.__struct_fields__ if name in _SAME}
    own = [tool.name for tool in agent.http_tools]
    own += [function_name(server.name, tool) for server in agent.mcp for tool in server.tools]
    targets = tuple(
        TransferTo(name=one.name, number=shown_number(person, one.number), mode=one.mode)
        for one in agent.transfer_targets
    )
    return AgentView(**shown, own_functions=tuple(own), transfer_targets=targets)


_SAME = frozenset(AgentView.__struct_fields__) - {"own_functions", "transfer_targets"}


def _entry(agent: Agent) -> AgentEntry:
    return AgentEntry(
        id=agent.id, name=agent.name, language=agent.language, voice=agent.voice, version=agent.version
    )


def _version(row: AgentVersion) -> VersionEntry:
    return VersionEntry(version=row.version, made_by=row.made_by, created_ms=row.created_ms)
