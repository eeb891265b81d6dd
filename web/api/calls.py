"""`/api/v1/calls`: calls, what was said and done in them, what they cost, and their recordings."""

from typing import Annotated

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from app.domain.call import CallState, Turn
from app.domain.people import Permission, Person
from app.errors import ValidationFailed
from app.ids import is_id
from app.store import call_lists, events, recordings, transcripts, usage
from app.store.call_lists import NEVER_MS, ListedCall, Place, Wanted
from app.store.db import Database
from app.store.events import CallEvent
from app.store.usage import CallCost, Spent
from web.api.call_detail import CallDetail, detail
from web.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, paging
from web.auth import needs, signed_in
from web.call_page.audio import audio_response
from web.call_page.facts import read_call, read_facts
from web.call_page.listing import may_search_words, number_pattern
from web.call_page.recorded import Part, Recordings
from web.masks import shown
from web.view import ENDED_BY_WORDS, OUTCOME_WORDS

Asked = Request[object, object, State]
MOST_TEXT = 100


def _told(text: str) -> QueryParameter:
    return QueryParameter(description=text)


StateIs = Annotated[CallState | None, QueryParameter(name="state", description="Only calls in this state.")]
OutcomeIs = Annotated[str | None, _told("Only calls that ended so: completed, busy, no_answer, ...")]
EndedByIs = Annotated[str | None, _told("Only calls that this side ended: callee, agent, operator, ...")]
CampaignIs = Annotated[str | None, _told("Only calls of this campaign.")]
AgentIs = Annotated[str | None, _told("Only calls of this agent.")]
FromMs = Annotated[int, QueryParameter(ge=0, description="Only calls that began at this time or later.")]
UntilMs = Annotated[int, QueryParameter(ge=0, le=NEVER_MS, description="Only calls that began before this time.")]
Text = Annotated[
    str, QueryParameter(max_length=MOST_TEXT, description="Words that were said, a part of a name, or digits.")
]


class CallUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What a call used. `cost_micro_usd` of an entry is null when its model has no known price."""

    total: CallCost
    entries: list[Spent]


def call_api(db: Database, files: Recordings) -> list[HTTPRouteHandler]:
    """`/calls`, `/calls/{call_id}`, its transcript, events, usage and recordings."""
    may = needs(Permission.SEE)

    @get("/calls", opt=may)
    async def list_calls(
        request: Asked,
        *,
        in_state: StateIs = None,
        outcome: OutcomeIs = None,
        ended_by: EndedByIs = None,
        campaign_id: CampaignIs = None,
        agent_id: AgentIs = None,
        from_ms: FromMs = 0,
        until_ms: UntilMs = NEVER_MS,
        q: Text = "",
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[ListedCall]:
        """Calls, newest first.

        A page looks at a bounded number of calls: it may have fewer items than asked for, even none, while
        `next_cursor` says that there are older ones.
        """
        person = signed_in(request)
        at = paging(request, "calls", cursor, limit, int, str)
        text = q.strip()
        wanted = Wanted(
            state=in_state,
            outcome=_one_of(outcome, OUTCOME_WORDS, "outcome"),
            ended_by=_one_of(ended_by, ENDED_BY_WORDS, "ended_by"),
            campaign_id=_id(campaign_id, "campaign_id"),
            agent_id=_id(agent_id, "agent_id"),
            from_ms=from_ms,
            until_ms=until_ms,
            text=text,
            number=number_pattern(text, full=person.may(Permission.SEE_NUMBERS)),
            in_words=may_search_words(text, full=person.may(Permission.SEE_NUMBERS)),
        )
        after = None if at.after is None else Place(int(at.after[0]), str(at.after[1]))
        found = await call_lists.page(db, person.tenant_id, wanted, after=after, limit=at.limit)
        older = None if found.older is None else at.cursor((found.older.created_ms, found.older.call_id))
        return Page(items=shown(person, found.calls, list[ListedCall]), next_cursor=older)

    @get("/calls/{call_id:str}", opt=may)
    async def get_call(request: Asked, call_id: FromPath[str]) -> CallDetail:
        """One call, with what it collected and what came of it."""
        person = signed_in(request)
        facts = await read_facts(db, person.tenant_id, call_id)
        return shown(person, detail(facts), CallDetail)

    return [list_calls, get_call, *_parts_of_a_call(db), *_recordings(db, files)]


def _parts_of_a_call(db: Database) -> list[HTTPRouteHandler]:
    may = needs(Permission.SEE)

    @get("/calls/{call_id:str}/transcript", opt=may)
    async def list_turns(
        request: Asked, call_id: FromPath[str], cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> Page[Turn]:
        """What was said, in order. `*_audio_ms` count from the answer."""
        person = await _asks_about(db, request, call_id)
        at = paging(request, f"turns {call_id}", cursor, limit, int, int)
        after = transcripts.FIRST if at.after is None else (int(at.after[0]), int(at.after[1]))
        rows = await transcripts.list_turns(db, person.tenant_id, call_id, at.limit + 1, after=after)
        return at.page(
            rows, key=lambda row: (row.start_audio_ms, row.seq), shown=lambda row: shown(person, row, Turn)
        )

    @get("/calls/{call_id:str}/events", opt=may)
    async def list_events(
        request: Asked, call_id: FromPath[str], cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> Page[CallEvent]:
        """What happened, in order: states, functions the agent used, keys, faults, latencies."""
        person = await _asks_about(db, request, call_id)
        at = paging(request, f"events {call_id}", cursor, limit, int)
        after = 0 if at.after is None else int(at.after[0])
        rows = await events.list_events(db, person.tenant_id, call_id, at.limit + 1, after=after)
        return at.page(
            rows, key=lambda row: (row.seq,), shown=lambda row: shown(person, _without_path(row), CallEvent)
        )

    @get("/calls/{call_id:str}/usage", opt=may)
    async def get_usage(request: Asked, call_id: FromPath[str]) -> CallUsage:
        """Tokens and cost of each response and each transcription, and their sum."""
        person = await _asks_about(db, request, call_id)
        return CallUsage(
            total=await usage.cost_of_call(db, person.tenant_id, call_id),
            entries=await usage.of_call(db, person.tenant_id, call_id),
        )

    return [list_turns, list_events, get_usage]


def _recordings(db: Database, files: Recordings) -> list[HTTPRouteHandler]:
    may = needs(Permission.SEE)

    @get("/calls/{call_id:str}/recordings", opt=may)
    async def list_recordings(request: Asked, call_id: FromPath[str]) -> list[Part]:
        """The files of a call that has ended: two channels, left the callee, right the agent."""
        person = signed_in(request)
        call = await read_call(db, person.tenant_id, call_id)
        rows = await recordings.list_recordings(db, person.tenant_id, call_id)
        return list((await files.of(call, rows, ())).parts)

    @get("/calls/{call_id:str}/recordings/{part:str}", opt=may, media_type="audio/wav")
    async def get_recording(request: Asked, call_id: FromPath[str], part: FromPath[str]) -> Stream | Response[str]:
        """One file, or (with a `Range` header) a part of it."""
        person = signed_in(request)
        file = await files.file(await read_call(db, person.tenant_id, call_id), part)
        headers = request.headers
        return audio_response(file, headers.get("range"), headers.get("if-range"), f"call-{call_id}-{part}.wav")

    return [list_recordings, get_recording]


async def _asks_about(db: Database, request: Asked, call_id: str) -> Person:
    """Who asks; the call is theirs. Raises NotFoundError."""
    person = signed_in(request)
    await read_call(db, person.tenant_id, call_id)
    return person


def _without_path(event: CallEvent) -> CallEvent:
    data = {name: value for name, value in event.data.items() if name != "recording_path"}
    return CallEvent(event.seq, event.kind, data, event.at_ms)


def _one_of(value: str | None, words: dict[str, str], name: str) -> str | None:
    if value is not None and value not in words:
        raise ValidationFailed(f"{name} is one of {', '.join(words)}.")
    return value


def _id(value: str | None, name: str) -> str | None:
    if value is not None and not is_id(value):
        raise ValidationFailed(f"{name} is an id of 32 hexadecimal digits.")
    return value
