"""What the page "Decisions" shows, and its undo. Called by `web.decisions.routes`."""

from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.datastructures import State

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.lifecycle.model import Refusal
from app.domain.lifecycle.words import words
from app.domain.messages import ListChanged, TaskChanged
from app.domain.people import Permission, Person
from app.errors import ConflictError, NotFoundError
from app.ids import is_id
from app.store import audit, lifecycle, lifecycle_undo, users
from app.store.audit import Deed
from app.store.db import Database
from app.store.lifecycle import PAGE, Round, StoredDecision
from web.auth import caller_of, signed_in
from web.masks import mask_of
from web.render import Templates
from web.view import money, shown_number

Asked = Request[object, object, State]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One decision. `stuck`: why it cannot be undone; empty when it can."""

    id: str
    at_ms: int
    task_id: str
    number: str
    callee: str
    action: str
    change: str
    reason: str
    made_by: str
    cost: str
    undone: str
    stuck: str


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One round."""

    at_ms: int
    shown: int
    applied: int
    refused: int
    summary: str
    cost: str
    refusals: tuple[str, ...]


class Decisions:
    """Renders and undoes, for the tenant of whoever asks."""

    def __init__(self, db: Database, bus: Bus, clock: Clock, templates: Templates, *, on: bool) -> None:
        """`on`: whether the lifecycle agent works here at all."""
        self._db = db
        self._bus = bus
        self._clock = clock
        self._templates = templates
        self._on = on

    async def page(self, request: Asked, after: str = "", status: int = 200, **said: str) -> Response[str]:
        """The page; `said` is what came of a form: said or refusal."""
        person = signed_in(request)
        found = await lifecycle.newest(self._db, person.tenant_id, after=_place(after), limit=PAGE + 1)
        names = {f"user:{one.id}": one.name for one in await users.list_users(self._db, person.tenant_id)}
        more = found[PAGE - 1] if len(found) > PAGE else None
        values: dict[str, Any] = {
            "entries": [await self._entry(person, one, names) for one in found[:PAGE]],
            "rounds": [_look(one) for one in await lifecycle.rounds(self._db, person.tenant_id)],
            "older": f"/decisions?after={more.created_ms}.{more.id}" if more else "",
            "newest": "/decisions" if after else "",
            "may_plan": person.may(Permission.PLAN),
            "on": self._on,
            **({"said": "", "refusal": ""} | said),
        }
        text = self._templates.render("decisions.html", person, "/decisions", **values)
        return Response(text, status_code=status, media_type=MediaType.HTML)

    async def undo(self, request: Asked, decision_id: str) -> StoredDecision:
        """Take a decision back; written into the audit log. Raises NotFoundError, ConflictError."""
        person, now_ms = signed_in(request), self._clock.unix_ms()
        if not is_id(decision_id):
            raise NotFoundError("There is no such decision.")
        async with self._db.tx() as tx:
            done = await lifecycle_undo.take_back(
                tx, person.tenant_id, decision_id, by=person.actor, now_ms=now_ms
            )
            deed = Deed(
                actor=person.actor,
                action="decision_undone",
                object=f"task:{done.task_id}",
                detail={"decision": decision_id, "action": str(done.action)},
                address=caller_of(request).address,
            )
            await audit.add(tx, person.tenant_id, deed, now_ms)
        await self._bus.publish("tasks", TaskChanged(tenant_id=person.tenant_id, task_id=done.task_id))
        await self._bus.publish("lists", ListChanged(tenant_id=person.tenant_id, kind="decisions"))
        return done

    async def _entry(self, person: Person, one: StoredDecision, names: dict[str, str]) -> Entry:
        stuck = ""
        if one.undone_ms is None:
            try:
                await lifecycle_undo.looked_back(self._db, person.tenant_id, one, self._clock.unix_ms())
            except ConflictError as why:
                stuck = why.message
        mask = mask_of(person)
        return Entry(
            id=one.id,
            at_ms=one.created_ms,
            task_id=one.task_id,
            number=shown_number(person, one.number),
            callee=mask(one.callee_name),
            action=one.action.replace("_", " "),
            change=mask(words(one.action, one.before, one.after)),
            reason=mask(one.reason),
            made_by=f"{one.model}, {one.prompt_version}",
            cost=_cost(one.round_cost_micro_usd),
            undone=names.get(one.undone_by or "", one.undone_by or ""),
            stuck=stuck,
        )


def lifecycle_on(settings: Settings) -> bool:
    """Whether the lifecycle agent works with these settings."""
    return settings.lifecycle == "on" and settings.analysis == "model"


def _look(one: Round) -> Look:
    refusals = msgspec.json.decode(one.refusals, type=list[Refusal])
    return Look(
        at_ms=one.created_ms,
        shown=one.shown,
        applied=one.applied,
        refused=one.refused,
        summary=one.summary,
        cost=_cost(one.cost_micro_usd),
        refusals=tuple(f"{why.action}: {why.sentence}" for why in refusals),
    )


def _cost(micro_usd: int | None) -> str:
    return "cost unknown" if micro_usd is None else money(micro_usd) or "$0"


def _place(after: str) -> tuple[int, str] | None:
    """Where the page before ended, as its address says; anything else is the beginning."""
    at, dot, id_ = after.partition(".")
    if not dot or not (at.isascii() and at.isdigit() and len(at) < 17):
        return None
    return int(at), id_[:64]
