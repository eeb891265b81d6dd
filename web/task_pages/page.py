"""What the pages "Tasks" show, and what people change on them. Called by `web.task_pages.routes`."""

from urllib.parse import urlencode

import msgspec
from litestar import MediaType, Request, Response
from litestar.datastructures import State

from app.bus import Bus
from app.clock import Clock
from app.domain.admission_site import Site
from app.domain.messages import TaskChanged
from app.domain.people import Permission, Person
from app.domain.task import CallTask
from app.domain.task_change import (
    CancelTask,
    PutOnHold,
    ReleaseHold,
    Reschedule,
    SetPriority,
    TaskChange,
)
from app.domain.timeline import change_words
from app.domain.wall_time import instant
from app.errors import NotFoundError, ValidationFailed
from app.ids import is_id
from app.store import audit, campaigns, task_changes, task_lists, tasks, timeline, users
from app.store import why as why_store
from app.store.audit import Deed
from app.store.db import Database, Tx
from app.store.task_lists import cursor_of
from web.auth import caller_of, signed_in
from web.render import Templates
from web.task_pages.view import DUE_WORDS, STATES, Facts, Filter, Point, facts, line, point

Asked = Request[object, object, State]
CAMPAIGNS_OFFERED = 100


class ChangeForm(msgspec.Struct, frozen=True, kw_only=True):
    """A button of a task's page, with the fields of its form. `at`: wall clock of the callee."""

    change: str = ""
    priority: str = ""
    at: str = ""
    reason: str = ""


NOTHING_TYPED = ChangeForm()


class TaskPages:
    """Renders and changes; every method works for the tenant of whoever asks."""

    def __init__(self, db: Database, bus: Bus, clock: Clock, site: Site, templates: Templates) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock
        self._site = site
        self._templates = templates

    async def listing(self, person: Person, wanted: Filter, after: str) -> Response[str]:
        """A page of the list."""
        now_ms = self._clock.unix_ms()
        found = await task_lists.page(
            self._db, person.tenant_id, wanted.asked, now_ms, after=cursor_of(after) if after else None
        )
        full = person.may(Permission.SEE_NUMBERS)
        offered = await campaigns.list_campaigns(self._db, person.tenant_id, CAMPAIGNS_OFFERED)
        choices = {one.id: one.name for one in offered}
        if wanted.campaign and wanted.campaign not in choices:
            choices[wanted.campaign] = await self._campaign_name(person.tenant_id, wanted.campaign)
        following = found.following
        text = self._templates.render(
            "tasks.html",
            person,
            "/tasks",
            lines=[line(row, full_numbers=full) for row in found.rows],
            wanted=wanted,
            states=STATES,
            dues=DUE_WORDS,
            campaigns=choices,
            first=f"/tasks?{urlencode(wanted.given)}" if after else "",
            following=f"/tasks?{urlencode(wanted.given | {'after': following.text})}" if following else "",
        )
        return Response(text, media_type=MediaType.HTML)

    async def one(
        self,
        request: Asked,
        task_id: str,
        status: int = 200,
        *,
        typed: ChangeForm = NOTHING_TYPED,
        **said: str,
    ) -> Response[str]:
        """One task; `said` is what came of a form: said or refusal; `typed` is the form that was refused, to be
        shown as it was sent. Raises NotFoundError.
        """
        person = signed_in(request)
        head, points = await self._look(person, task_id)
        text = self._templates.render(
            "task.html",
            person,
            "/tasks",
            task=head,
            points=points,
            may_plan=person.may(Permission.PLAN),
            typed=typed,
            **{"said": "", "refusal": ""} | said,
        )
        return Response(text, status_code=status, media_type=MediaType.HTML)

    async def change(self, request: Asked, task_id: str, form: ChangeForm) -> CallTask:
        """Change a task that waits; written into the audit log. Raises NotFoundError, ConflictError,
        ValidationFailed.
        """
        person = signed_in(request)
        known = await self._known(person.tenant_id, task_id)
        change = read_change(form, known.zone)
        async with self._db.tx() as tx:
            task = await change_task(tx, request, task_id, change, self._clock.unix_ms())
        await self._bus.publish("tasks", TaskChanged(tenant_id=person.tenant_id, task_id=task_id))
        return task

    async def _look(self, person: Person, task_id: str) -> tuple[Facts, list[Point]]:
        full = person.may(Permission.SEE_NUMBERS)
        head = await self._known(person.tenant_id, task_id, full=full)
        told = await timeline.of_task(self._db, person.tenant_id, task_id)
        names = {f"user:{one.id}": one.name for one in await users.list_users(self._db, person.tenant_id)}
        return head, [point(entry, told.zones, names, full_numbers=full) for entry in told.entries]

    async def _known(self, tenant_id: str, task_id: str, *, full: bool = False) -> Facts:
        if not is_id(task_id):
            raise NotFoundError("There is no such task.")
        now_ms = self._clock.unix_ms()
        task = await tasks.get(self._db, tenant_id, task_id)
        why = await why_store.why(self._db, tenant_id, task_id, self._site, now_ms)
        hold = await task_changes.hold_of(self._db, tenant_id, task_id)
        return facts(task, why, hold, full_numbers=full, now_ms=now_ms)

    async def _campaign_name(self, tenant_id: str, campaign_id: str) -> str:
        try:
            return (await campaigns.get(self._db, tenant_id, campaign_id)).name
        except NotFoundError:
            return "unknown campaign"


def read_change(form: ChangeForm, zone: str) -> TaskChange:
    """What a form asks for. Raises ValidationFailed."""
    match form.change:
        case "set_priority":
            if not (form.priority.isascii() and form.priority.isdigit() and len(form.priority) < 4):
                raise ValidationFailed("A priority is a number between 0 and 100.")
            return SetPriority(priority=int(form.priority))
        case "hold":
            return PutOnHold(until_ms=instant(form.at, zone), reason=form.reason)
        case "release":
            return ReleaseHold()
        case "reschedule":
            return Reschedule(at_ms=instant(form.at, zone))
        case "cancel":
            return CancelTask(reason=form.reason)
        case _:
            raise ValidationFailed("Nothing of that name can be changed of a task.")


async def change_task(tx: Tx, request: Asked, task_id: str, change: TaskChange, now_ms: int) -> CallTask:
    """Change a task of whoever asks, and write it into the audit log. Raises NotFoundError, ConflictError,
    ValidationFailed.
    """
    person = signed_in(request)
    before, task = await task_changes.apply(tx, person.tenant_id, task_id, change, by=person.actor, now_ms=now_ms)
    title, _ = change_words(change)
    deed = Deed(
        actor=person.actor,
        action=f"task_{change.__struct_config__.tag}",
        object=f"task:{task_id}",
        detail={"change": title, **_moved(before, task)},
        address=caller_of(request).address,
    )
    await audit.add(tx, person.tenant_id, deed, now_ms)
    return task


def _moved(before: CallTask, after: CallTask) -> dict[str, str | int]:
    """What is different now, for the audit log."""
    names = ("state", "priority", "next_action_time")
    return {
        f"{name}_{when}": getattr(task, name)
        for name in names
        if getattr(before, name) != getattr(after, name)
        for when, task in (("before", before), ("after", after))
    }
