"""The page "Do not call": who must not be called, since when and why; and who may be called again."""

from typing import Literal

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from app.domain.people import Permission, Person
from app.errors import AppError, ValidationFailed
from app.store import dnd
from web.auth import needs, signed_in
from web.contacts.listing import DoNotCallDesk
from web.contacts.view import listed
from web.render import Templates

Asked = Request[object, object, State]
Scope = Literal["own", "everybody"]
SHOWN = 50


class AddForm(msgspec.Struct, frozen=True, kw_only=True):
    """A number that must not be called, and why."""

    number: str = ""
    reason: str = ""


class RemoveForm(msgspec.Struct, frozen=True, kw_only=True):
    """Why a number may be called again."""

    reason: str = ""


NOTHING_TYPED = AddForm()


class DoNotCallPage:
    """One per application."""

    def __init__(self, desk: DoNotCallDesk, templates: Templates) -> None:
        self._desk = desk
        self._templates = templates

    async def page(
        self,
        request: Asked,
        *,
        scope: Scope = "own",
        search: str = "",
        after: str = "",
        status: int = 200,
        typed: AddForm = NOTHING_TYPED,
        removing: tuple[str, str] = ("", ""),
        **said: str,
    ) -> Response[str]:
        """One list; `said` is what came of a form: said or refusal. What stood in a refused form: `typed`, or
        `removing`, an entry's id and why its number may be called again.
        """
        person = signed_in(request)
        begins = self._begins(person, search)
        rows: list[dnd.DoNotCall] = []
        if begins is not None:
            tenant = person.tenant_id if scope == "own" else None
            rows = await dnd.page(self._desk.db, tenant, begins, after=after[:40], limit=SHOWN + 1)
        last = rows[SHOWN - 1] if len(rows) > SHOWN else None
        text = self._templates.render(
            "do_not_call.html",
            person,
            "/do-not-call",
            entries=[listed(person, row) for row in rows[:SHOWN]],
            scope=scope,
            search=search[:40],
            following=None if last is None else (last.number if begins else last.id),
            may_add=person.may(Permission.PLAN),
            may_remove=person.may(Permission.RULE),
            typed=typed,
            removing=removing,
            **{"said": "", "refusal": ""} | said,
        )
        return Response(text, status_code=status, media_type=MediaType.HTML)

    async def add(self, request: Asked, form: AddForm) -> Response[str] | Redirect:
        """List a number, at once; the page that follows says how many tasks that stopped."""
        try:
            async with self._desk.db.tx() as tx:
                _, stopped = await self._desk.add(tx, request, form.number, form.reason)
        except ValidationFailed as refused:
            return await self.page(request, status=422, typed=form, refusal=refused.message)
        await self._desk.tell(signed_in(request).tenant_id, stopped)
        return Redirect(f"/do-not-call?stopped={len(stopped)}", status_code=303)

    async def remove(self, request: Asked, entry_id: str, form: RemoveForm) -> Response[str] | Redirect:
        """Let a number be called again."""
        try:
            async with self._desk.db.tx() as tx:
                await self._desk.remove(tx, request, entry_id, form.reason)
        except ValidationFailed as refused:
            left = (entry_id, form.reason)
            return await self.page(request, status=422, removing=left, refusal=refused.message)
        return Redirect("/do-not-call", status_code=303)

    def _begins(self, person: Person, search: str) -> str | None:
        """The first digits that were searched for; None: nothing can be found by that."""
        if not search.strip():
            return ""
        if not person.may(Permission.SEE_NUMBERS):
            return None
        try:
            return self._desk.read(search)
        except AppError:
            digits = "".join(sign for sign in search if sign.isascii() and sign.isdigit())
            return f"+{digits}" if digits else None


def _told(stopped: int) -> str:
    """What a number's listing did; `stopped`: waiting tasks."""
    tasks = f" Waiting tasks taken off the queue: {stopped}." if stopped > 0 else ""
    return f"The number is listed; nobody calls it from now on.{tasks}"


def do_not_call_routes(page: DoNotCallPage) -> list[HTTPRouteHandler]:
    """`/do-not-call` with its forms."""
    html = MediaType.HTML

    @get("/do-not-call", opt=needs(Permission.SEE), media_type=html)
    async def do_not_call_page(
        request: Asked,
        of: FromQuery[Scope] = "own",
        q: FromQuery[str] = "",
        after: FromQuery[str] = "",
        stopped: FromQuery[int | None] = None,
    ) -> Response[str]:
        said = "" if stopped is None else _told(stopped)
        return await page.page(request, scope=of, search=q, after=after, said=said)

    @post("/do-not-call", opt=needs(Permission.PLAN), media_type=html)
    async def add_number(request: Asked, data: URLEncodedBody[AddForm]) -> Response[str] | Redirect:
        return await page.add(request, data)

    @post("/do-not-call/{entry_id:str}/remove", opt=needs(Permission.RULE), media_type=html)
    async def remove_number(
        request: Asked, entry_id: FromPath[str], data: URLEncodedBody[RemoveForm]
    ) -> Response[str] | Redirect:
        return await page.remove(request, entry_id, data)

    return [do_not_call_page, add_number, remove_number]
