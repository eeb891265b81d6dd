"""What the page "Data" shows. Called by `web.keeping.routes`."""

from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.datastructures import State

from app.domain.erasure import DAY_MS, MOST_DAYS, Kind, in_force
from app.domain.people import Permission, Person
from app.erasure.days import cutoffs_of
from app.store import erasures, file_removals, legal_holds, retention, users
from app.store.erasures import STEPS, Erasure
from app.store.legal_holds import LegalHold
from app.store.retention import KIND_OF, MANY
from web.auth import signed_in
from web.keeping.desk import KeepingDesk
from web.render import Templates
from web.view import shown_number

Asked = Request[object, object, State]
KINDS: dict[Kind, tuple[str, str]] = {
    Kind.RECORDINGS: ("Recordings", "The sound of calls."),
    Kind.TALKS: ("Talks", "What was said, found out, asked and judged, names and numbers; once the task is over."),
    Kind.CHATS: ("Chats and lists", "Chats with the planner, uploaded lists; after the last word."),
    Kind.WEBHOOKS: ("Webhooks", "Messages to your other systems, delivered or not."),
}
TABLES = {
    "recordings": "recordings",
    "tasks": "tasks",
    "conversations": "chats",
    "contact_imports": "lists",
    "webhook_events": "messages",
}


class DaysRow(msgspec.Struct, frozen=True, kw_only=True):
    """One kind: `own` is empty when the house's days count; no `house`: it sets none; no `days`: kept."""

    kind: str
    name: str
    about: str
    house: int | None
    own: str
    days: int | None
    due: str


class ErasureRow(msgspec.Struct, frozen=True, kw_only=True):
    """One erasure. `done_steps` of `steps` are over."""

    id: str
    at_ms: int
    by: str
    state: str
    done_steps: int
    steps: int
    waits: str
    rows: int


class HoldRow(msgspec.Struct, frozen=True, kw_only=True):
    """One legal hold; `href` empty: there is no page to show."""

    id: str
    kind: str
    subject: str
    href: str
    reason: str
    by: str
    at_ms: int


class KeepingPage:
    """One per application."""

    def __init__(self, desk: KeepingDesk, templates: Templates) -> None:
        self.desk = desk
        self._templates = templates

    async def page(self, request: Asked, status: int = 200, **said: str) -> Response[str]:
        """The page; `said` is what came of a form: said or refusal."""
        person, db = signed_in(request), self.desk.db
        names = {f"user:{one.id}": one.name for one in await users.list_users(db, person.tenant_id)}
        terms = await retention.terms(db, person.tenant_id)
        talks_ms = await self.desk.horizon.talks_ms(db)
        cutoffs = cutoffs_of(self.desk.house, terms.days, self.desk.clock.unix_ms(), talks_ms)
        due = await retention.due(db, person.tenant_id, cutoffs)
        force = in_force(self.desk.house, terms.days)
        found = await erasures.newest(db, person.tenant_id)
        values: dict[str, Any] = {
            "days": [
                DaysRow(
                    kind=kind,
                    name=name,
                    about=about,
                    house=self.desk.house.of(kind),
                    own="" if terms.days.of(kind) is None else str(terms.days.of(kind)),
                    days=force.get(kind),
                    due=_due(kind, due),
                )
                for kind, (name, about) in KINDS.items()
            ],
            "most_days": MOST_DAYS,
            "talks_days": -(-talks_ms // DAY_MS),
            "kept": [name for kind, (name, _) in KINDS.items() if kind not in force],
            "swept_ms": terms.swept_ms,
            "swept": sum(terms.counted.values()),
            "erasures": [_erasure(one, names) for one in found],
            "running": any(one.state == "open" for one in found),
            "holds": [_hold(person, one, names) for one in await legal_holds.alive(db, person.tenant_id)],
            "files": await file_removals.waiting(db, person.tenant_id),
            "may_erase": person.may(Permission.ERASE),
            **({"said": "", "refusal": ""} | said),
        }
        text = self._templates.render("data.html", person, "/data", **values)
        return Response(text, status_code=status, media_type=MediaType.HTML)


def _due(kind: Kind, due: dict[str, int]) -> str:
    """What the next sweep takes of a kind, in words."""
    told = [
        f"{'more than 1,000' if rows >= MANY else rows} {TABLES[table]}"
        for table, rows in due.items()
        if rows and KIND_OF[table] is kind
    ]
    return " and ".join(told) or "nothing"


def _erasure(one: Erasure, names: dict[str, str]) -> ErasureRow:
    over = one.state == "done"
    return ErasureRow(
        id=one.id,
        at_ms=one.created_ms,
        by=names.get(one.requested_by, one.requested_by),
        state="done" if over else "waits" if one.waits_for else "works",
        done_steps=len(STEPS) if over else STEPS.index(one.step) if one.step in STEPS else 0,
        steps=len(STEPS),
        waits=f"{one.waits_for} under way: a call, its judgement, a list that is read, a text that is written,"
        " or a legal hold"
        if one.waits_for
        else "",
        rows=sum(one.counted.values()),
    )


def _hold(person: Person, one: LegalHold, names: dict[str, str]) -> HoldRow:
    return HoldRow(
        id=one.id,
        kind=one.kind,
        subject=shown_number(person, one.subject) if one.kind == "recipient" else one.subject[:8],
        href={"call": f"/calls/{one.subject}", "campaign": f"/campaigns/{one.subject}"}.get(one.kind, ""),
        reason=one.reason,
        by=names.get(one.placed_by, one.placed_by),
        at_ms=one.since_ms,
    )
