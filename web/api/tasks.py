"""`/api/v1/tasks`: tasks of programs; the rules of a plan and of the page "Tasks" hold here as well."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from app.domain.messages import TaskChanged
from app.domain.people import Permission, Person
from app.domain.policy.pack import CalleeKind, ConsentLevel, Purpose
from app.domain.task import CallTask, TaskState
from app.domain.task_change import CancelTask, Reschedule, TaskChange
from app.domain.timeline import Entry
from app.errors import NotFoundError, ValidationFailed
from app.ids import is_id
from app.llm.orchestrator import Confirmer
from app.llm.single_task import OPENING, SingleTask, schedule
from app.store import task_lists, tasks, timeline
from app.store.db import Tx
from app.store.task_lists import Cursor as Place
from app.store.task_lists import Due, TaskFilter, TaskRow
from web.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, paging
from web.auth import caller_of, needs, signed_in
from web.masks import mask_of, shown
from web.task_pages.page import change_task
from web.task_pages.view import read_filter
from web.view import shown_number

if TYPE_CHECKING:
    from web.api.resources import Parts

Asked = Request[object, object, State]
StateGiven = Annotated[
    Literal[
        "open",
        "settled",
        "pending",
        "claimed",
        "in_call",
        "analyzing",
        "waiting_user",
        "completed",
        "failed",
        "cancelled",
        "suppressed",
    ]
    | None,
    QueryParameter(name="state", description="A state, or `open`, or `settled`."),
]
DueGiven = Annotated[
    Due | None,
    QueryParameter(description="When the next attempt is due: overdue, within a day, a week, or later."),
]
CampaignGiven = Annotated[str, QueryParameter(description="Id of a campaign.")]
Sought = Annotated[
    str, QueryParameter(max_length=60, description="The last 4 or more digits of a number, or how a name begins.")
]
Text = Annotated[str, msgspec.Meta(max_length=2_000)]


class TaskEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A task in a list. Times are UTC epoch milliseconds; numbers are masked for those who may not see them."""

    id: str
    state: TaskState
    number: str
    callee_name: str
    objective: str
    campaign_id: str | None
    priority: int
    next_action_ms: int
    attempts_used: int
    max_attempts: int
    conclusion: str
    created_ms: int


class TaskView(TaskEntry, frozen=True, kw_only=True):
    """A task. `until_ms`: no phone begins to ring after it."""

    agent_id: str
    purpose: Purpose
    callee_zone: str
    callee_kind: CalleeKind
    until_ms: int | None
    updated_ms: int


class NewTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whom to call about what. Without `agent_id` an agent is made of `agent_instructions`. `earliest` and
    `latest` are wall clock in `zone` (IANA), like 2027-01-16T16:00.
    """

    number: Annotated[str, msgspec.Meta(max_length=40)]
    objective: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000, pattern=r"\S")]
    callee_name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    agent_id: Annotated[str, msgspec.Meta(max_length=64)] = ""
    agent_instructions: Annotated[str, msgspec.Meta(max_length=20_000)] = ""
    language: Annotated[str, msgspec.Meta(max_length=16)] = "en"
    opening_line: Text = OPENING
    purpose: Purpose = "service"
    callee_kind: CalleeKind = "person"
    consent_level: ConsentLevel = "none"
    consent_evidence: Text = ""
    earliest: Annotated[str, msgspec.Meta(max_length=40)] = ""
    latest: Annotated[str, msgspec.Meta(max_length=40)] = ""
    zone: Annotated[str, msgspec.Meta(max_length=64)] = ""


class Cancelling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Why nobody shall be called any more."""

    reason: Annotated[str, msgspec.Meta(max_length=300)] = ""


class Moving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the next attempt shall be, UTC epoch milliseconds."""

    at_ms: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]


def task_api(parts: "Parts") -> list[HTTPRouteHandler]:
    """List, one, time line; create, cancel, reschedule."""
    return [*_reading(parts), *_writing(parts)]


def _reading(parts: "Parts") -> list[HTTPRouteHandler]:
    may, db = needs(Permission.SEE), parts.db

    @get("/tasks", opt=may)
    async def list_tasks(
        request: Asked,
        *,
        wanted_state: StateGiven = None,
        due: DueGiven = None,
        campaign_id: CampaignGiven = "",
        q: Sought = "",
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[TaskEntry]:
        """Tasks, newest first; with `due` the soonest first, with a name in its order."""
        person = signed_in(request)
        wanted = _filter(person, wanted_state or "", campaign_id, due or "", q)
        scope = f"tasks {msgspec.json.encode(wanted).decode()}"
        at = paging(request, scope, cursor, limit, str, str)
        after = None if at.after is None else Place(place=str(at.after[0]), id=str(at.after[1]))
        found = await task_lists.page(
            db, person.tenant_id, wanted, parts.clock.unix_ms(), after=after, limit=at.limit + 1
        )
        place = task_lists.place_of(wanted)
        return at.page(found.rows, key=lambda row: (place(row), row.id), shown=lambda row: _entry(person, row))

    @get("/tasks/{task_id:str}", opt=may)
    async def get_task(request: Asked, task_id: FromPath[str]) -> TaskView:
        """One task."""
        person = signed_in(request)
        return view(person, await tasks.get(db, person.tenant_id, checked(task_id)))

    @get("/tasks/{task_id:str}/timeline", opt=may)
    async def get_task_timeline(request: Asked, task_id: FromPath[str]) -> Page[Entry]:
        """What happened to a task, oldest first, and what comes next."""
        person = signed_in(request)
        told = await timeline.of_task(db, person.tenant_id, checked(task_id))
        return Page(items=shown(person, told.entries, list[Entry]))

    return [list_tasks, get_task, get_task_timeline]


def _writing(parts: "Parts") -> list[HTTPRouteHandler]:
    may = needs(Permission.PLAN)

    @post("/tasks", opt=may, status_code=201)
    async def create_task(request: Asked, data: JSONBody[NewTask]) -> Response[TaskView]:
        """Have somebody called. Checked as every plan is: number, hours, consent, lists."""
        person = signed_in(request)
        who = Confirmer(tenant_id=person.tenant_id, actor=person.actor, address=caller_of(request).address)
        asked = SingleTask(**msgspec.structs.asdict(data))

        async def deed(tx: Tx) -> TaskView:
            now_ms = parts.clock.unix_ms()
            task, _ = await schedule(tx, who, asked, settings=parts.settings, site=parts.site, now_ms=now_ms)
            return view(person, task)

        return await _told(parts, person.tenant_id, await parts.once.do(request, deed))

    @post("/tasks/{task_id:str}/cancel", opt=may, status_code=200)
    async def cancel_task(
        request: Asked, task_id: FromPath[str], data: JSONBody[Cancelling]
    ) -> Response[TaskView]:
        """Call nobody for it any more; 409 while a call is being made or judged."""
        deed = _changing(parts, request, task_id, CancelTask(reason=data.reason))
        answer = await parts.once.do(request, deed, status=200)
        return await _told(parts, signed_in(request).tenant_id, answer, task_id)

    @post("/tasks/{task_id:str}/reschedule", opt=may, status_code=200)
    async def reschedule_task(
        request: Asked, task_id: FromPath[str], data: JSONBody[Moving]
    ) -> Response[TaskView]:
        """Another time for the next attempt; calling rules still decide whether the phone may ring then."""
        deed = _changing(parts, request, task_id, Reschedule(at_ms=data.at_ms))
        answer = await parts.once.do(request, deed, status=200)
        return await _told(parts, signed_in(request).tenant_id, answer, task_id)

    return [create_task, cancel_task, reschedule_task]


def _changing(
    parts: "Parts", request: Asked, task_id: str, change: TaskChange
) -> Callable[[Tx], Awaitable[TaskView]]:
    person = signed_in(request)

    async def deed(tx: Tx) -> TaskView:
        return view(person, await change_task(tx, request, checked(task_id), change, parts.clock.unix_ms()))

    return deed


async def _told(
    parts: "Parts", tenant_id: str, answer: Response[TaskView], task_id: str = ""
) -> Response[TaskView]:
    """Wake the scheduler and open pages; a wake-up too many does no harm."""
    await parts.bus.publish("tasks", TaskChanged(tenant_id=tenant_id, task_id=task_id))
    return answer


def checked(task_id: str) -> str:
    """An id that may go into a query. Raises NotFoundError."""
    if not is_id(task_id):
        raise NotFoundError("There is no such task.")
    return task_id


def view(person: Person, task: CallTask) -> TaskView:
    """A task as programs see it."""
    mask = mask_of(person)
    return TaskView(
        id=task.id,
        state=task.state,
        number=shown_number(person, task.number),
        callee_name=mask(task.callee_name),
        objective=mask(task.objective),
        campaign_id=task.campaign_id,
        priority=task.priority,
        next_action_ms=task.next_action_time,
        attempts_used=task.current_attempt_count,
        max_attempts=task.max_attempts,
        conclusion=mask(task.overall_conclusion),
        created_ms=task.created_ms,
        agent_id=task.agent_id,
        purpose=task.purpose,
        callee_zone=task.callee_zone,
        callee_kind=task.callee_kind,
        until_ms=task.until_ms,
        updated_ms=task.updated_ms,
    )


def _entry(person: Person, row: TaskRow) -> TaskEntry:
    mask = mask_of(person)
    return TaskEntry(
        id=row.id,
        state=row.state,
        number=shown_number(person, row.number),
        callee_name=mask(row.callee_name),
        objective=mask(row.objective),
        campaign_id=row.campaign_id,
        priority=row.priority,
        next_action_ms=row.next_action_time,
        attempts_used=row.current_attempt_count,
        max_attempts=row.max_attempts,
        conclusion=mask(row.overall_conclusion),
        created_ms=row.created_ms,
    )


def _filter(person: Person, state: str, campaign: str, due: str, q: str) -> TaskFilter:
    """What a program asks for; what cannot be understood is refused. Raises ValidationFailed."""
    read = read_filter(state, campaign, due, q, full_numbers=person.may(Permission.SEE_NUMBERS))
    if campaign and not read.campaign:
        raise ValidationFailed("`campaign_id` is not the id of a campaign.")
    if read.hint:
        raise ValidationFailed(read.hint)
    return read.asked
