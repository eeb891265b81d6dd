"""`/api/v1/dnc`: who must not be called."""

from typing import Annotated, Literal

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from app.domain.people import Permission, Person
from app.errors import NotFoundError
from app.ids import is_id
from app.store import dnd
from app.store.db import Tx
from app.store.dnd import DoNotCall
from web.api.once import Once
from web.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, paging
from web.auth import needs, signed_in
from web.contacts.listing import DoNotCallDesk
from web.masks import mask_of
from web.view import shown_number

Asked = Request[object, object, State]
List = Literal["own", "everybody"]


class DncEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A number that must not be called, since when and why. `call_id` and `item_id`: the turn that proves it."""

    id: str
    number: str
    list: List
    reason: str
    source: str
    call_id: str | None
    item_id: str | None
    created_ms: int


class NewDnc(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number, and why it must not be called."""

    number: Annotated[str, msgspec.Meta(max_length=40)]
    reason: Annotated[str, msgspec.Meta(max_length=500)]


class DncAdded(msgspec.Struct, frozen=True, kw_only=True):
    """The entry, and how many waiting tasks were taken off the queue."""

    entry: DncEntry
    tasks_stopped: int


def dnc_api(desk: DoNotCallDesk, once: Once) -> list[HTTPRouteHandler]:
    """`/dnc` and its entries."""
    see = needs(Permission.SEE)

    @get("/dnc", opt=see)
    async def list_dnc(
        request: Asked, of: FromQuery[List] = "own", cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> Page[DncEntry]:
        """One list, newest first; `of` says whose: the tenant's own, or that of everybody."""
        person = signed_in(request)
        at = paging(request, f"dnc {of}", cursor, limit, str)
        after = str(at.after[0]) if at.after else ""
        tenant = person.tenant_id if of == "own" else None
        rows = await dnd.page(desk.db, tenant, after=after, limit=at.limit + 1)
        return at.page(rows, key=lambda row: (row.id,), shown=lambda row: view(person, row))

    @get("/dnc/{entry_id:str}", opt=see)
    async def get_dnc(request: Asked, entry_id: FromPath[str]) -> DncEntry:
        """One entry of the tenant's own list."""
        person = signed_in(request)
        if not is_id(entry_id):
            raise NotFoundError("There is no such entry on your list.")
        return view(person, await dnd.get(desk.db, person.tenant_id, entry_id))

    @post("/dnc", opt=needs(Permission.PLAN), status_code=201)
    async def add_dnc(request: Asked, data: JSONBody[NewDnc]) -> Response[DncAdded]:
        """List a number; nobody calls it from this moment on."""
        news: list[str] = []

        async def deed(tx: Tx) -> DncAdded:
            entry, stopped = await desk.add(tx, request, data.number, data.reason)
            news[:] = stopped
            return DncAdded(entry=view(signed_in(request), entry), tasks_stopped=len(stopped))

        taken = await once.do(request, deed)
        await desk.tell(signed_in(request).tenant_id, news)
        return taken

    @delete("/dnc/{entry_id:str}", opt=needs(Permission.RULE), status_code=204)
    async def remove_dnc(request: Asked, entry_id: FromPath[str], reason: FromQuery[str] = "") -> None:
        """Let a number be called again; the reason is needed and kept in the audit log."""
        async with desk.db.tx() as tx:
            await desk.remove(tx, request, entry_id, reason)

    return [list_dnc, get_dnc, add_dnc, remove_dnc]


def view(person: Person, entry: DoNotCall) -> DncEntry:
    """What a person may see of an entry."""
    own = entry.tenant_id is not None
    return DncEntry(
        id=entry.id,
        number=shown_number(person, entry.number),
        list="own" if own else "everybody",
        reason=mask_of(person)(entry.reason),
        source=entry.source,
        call_id=entry.evidence_call_id if own else None,
        item_id=entry.evidence_item_id if own else None,
        created_ms=entry.created_ms,
    )
