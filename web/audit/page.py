"""The audit log as people read it: filtered, a page at a time."""

from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

import msgspec
from litestar import MediaType, Response

from app.domain.people import Person
from app.store import audit, sessions, users
from app.store.audit import AuditRow, Only
from app.store.db import Database
from web.render import Templates

PAGE = 100
MAX_TEXT = 200


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the form asks; texts are exact, days are UTC, the last one is meant whole."""

    who: str = ""
    what: str = ""
    about: str = ""
    first: str = ""
    last: str = ""

    @property
    def given(self) -> dict[str, str]:
        """What was filled in, as an address carries it."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the page. `about` is what the filter takes, `named` what people read."""

    at_ms: int
    who: str
    what: str
    about: str
    named: str
    detail: list[tuple[str, str]]
    address: str


def only(wanted: Wanted) -> tuple[Only, str]:
    """What the store is asked, and what was not understood."""
    first, last = _day(wanted.first), _day(wanted.last)
    wrong = bool(wanted.first and first is None) or bool(wanted.last and last is None)
    return Only(
        actor=wanted.who or None,
        action=wanted.what.strip().replace(" ", "_") or None,
        object=wanted.about or None,
        since_ms=_ms(first) if first else None,
        until_ms=_ms(last + timedelta(days=1)) if last and last < date.max else None,
    ), "A day is written like 2026-11-27." if wrong else ""


def _day(text: str) -> date | None:
    """The day; None: none was given, or it is not one."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


class AuditPage:
    """One per application."""

    def __init__(self, db: Database, templates: Templates) -> None:
        self._db = db
        self._templates = templates

    async def show(self, person: Person, wanted: Wanted, before: int | None) -> Response[str]:
        """The page, newest first."""
        asked, wrong = only(wanted)
        rows = await audit.newest(self._db, person.tenant_id, before=before, limit=PAGE + 1, only=asked)
        names = await self._names(person.tenant_id)
        older = rows[PAGE - 1].seq if len(rows) > PAGE else None
        text = self._templates.render(
            "audit.html",
            person,
            "/audit",
            entries=[_entry(row, names) for row in rows[:PAGE]],
            wanted=wanted,
            wrong=wrong,
            people=sorted(names.items(), key=lambda one: one[1].lower()),
            actions=sorted({row.action.replace("_", " ") for row in rows}),
            older=f"/audit?{urlencode(wanted.given | {'before': older})}" if older else "",
            newest=f"/audit?{urlencode(wanted.given)}" if before is not None else "",
        )
        return Response(text, status_code=422 if wrong else 200, media_type=MediaType.HTML)

    async def _names(self, tenant_id: str) -> dict[str, str]:
        """What people call each actor."""
        named = {f"user:{one.id}": one.name for one in await users.list_users(self._db, tenant_id)}
        keys = await sessions.tokens(self._db, tenant_id)
        return named | {f"token:{one.id}": f"{one.name} (key)" for one in keys}


def _entry(row: AuditRow, names: dict[str, str]) -> Entry:
    detail = msgspec.json.decode(row.detail, type=dict[str, object])
    return Entry(
        at_ms=row.at_ms,
        who=names.get(row.actor, row.actor),
        what=row.action.replace("_", " "),
        about=row.object,
        named=names.get(row.object, row.object),
        detail=[(name.replace("_", " "), str(value)) for name, value in detail.items()],
        address=row.address,
    )
