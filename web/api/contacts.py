"""`/api/v1/contacts`: whom the tenant may call; and `/api/v1/imports`: lists on their way in."""

from typing import Annotated

import anyio
import msgspec
from litestar import Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from app.domain.contacts.contact import MAX_FILE_BYTES, Contact, Target
from app.domain.people import Permission, Person
from app.errors import NotFoundError, ValidationFailed
from app.ids import is_id
from app.store import contacts
from app.store.contact_imports import ContactImport
from app.store.db import Database, Tx
from web.api.once import FILE, Once
from web.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, paging
from web.auth import needs, signed_in
from web.contacts.forms import options_from
from web.contacts.page import ContactPages
from web.contacts.view import ImportCard, import_card, variables
from web.view import shown_number

Asked = Request[object, object, State]
FILE_TYPES = (
    "text/csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/octet-stream",
)


class ContactView(msgspec.Struct, frozen=True, kw_only=True):
    """A contact; its number is masked for those who may not see numbers. `variables`: what a list said besides."""

    id: str
    number: str
    name: str
    company: str
    time_zone: str
    language: str
    kind: str
    region: str
    variables: dict[str, str]
    import_id: str | None
    created_ms: int
    updated_ms: int


class ImportDeed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do with a list that was checked: `bring` it in, or `cancel` it."""

    do: str


Chosen = Annotated[
    list[str] | None,
    QueryParameter(
        description='"Heading=meaning" for a column that is not understood by itself; may be repeated.'
    ),
]


def contact_api(db: Database, pages: ContactPages, once: Once) -> list[HTTPRouteHandler]:
    """`/contacts`, one of them; `/imports`, one of them and what is done with it."""
    return [*_contacts(db, pages), _upload(pages, once), *_imports(db, pages, once)]


def _contacts(db: Database, pages: ContactPages) -> list[HTTPRouteHandler]:
    may = needs(Permission.SEE)

    @get("/contacts", opt=may)
    async def list_contacts(
        request: Asked, q: FromQuery[str] = "", cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> Page[ContactView]:
        """Contacts, newest first; `q` finds by the beginnings of words in name and company, or by +digits."""
        person, text = signed_in(request), q[:100]
        at = paging(request, f"contacts {text}", cursor, limit, str)
        if text.strip().startswith("+") and not person.may(Permission.SEE_NUMBERS):
            return Page(items=[])
        before = str(at.after[0]) if at.after else ""
        found = await contacts.search(db, person.tenant_id, text, before=before, limit=at.limit + 1)
        return at.page(found.contacts, key=lambda row: (row.id,), shown=lambda row: view(person, row))

    @get("/contacts/{contact_id:str}", opt=may)
    async def get_contact(request: Asked, contact_id: FromPath[str]) -> ContactView:
        """One contact."""
        person = signed_in(request)
        if not is_id(contact_id):
            raise NotFoundError("There is no such contact.")
        return view(person, await contacts.get(db, person.tenant_id, contact_id))

    @delete("/contacts/{contact_id:str}", opt=needs(Permission.PLAN), status_code=204)
    async def delete_contact(request: Asked, contact_id: FromPath[str]) -> None:
        """Erase a contact, what is remembered of the person and their rows in lists. Calls and do-not-call entries
        stay.
        """
        await pages.erase(request, contact_id)

    return [list_contacts, get_contact, delete_contact]


def _upload(pages: ContactPages, once: Once) -> HTTPRouteHandler:
    @post(
        "/imports",
        opt=needs(Permission.PLAN) | {FILE: FILE_TYPES},
        status_code=202,
        request_max_body_size=MAX_FILE_BYTES + 1,
    )
    async def send_list(
        request: Asked,
        *,
        name: FromQuery[str] = "list.csv",
        target: FromQuery[Target] = "contacts",
        region: FromQuery[str] = "",
        bare_international: FromQuery[bool] = False,
        purpose: FromQuery[str] = "",
        consent_level: FromQuery[str] = "none",
        consent_evidence: FromQuery[str] = "",
        skip_known: FromQuery[bool] = False,
        reason: FromQuery[str] = "",
        column: Chosen = None,
    ) -> Response[ImportCard]:
        """Send a list of contacts, or of numbers that must not be called, as the body: CSV or XLSX. It is read and
        checked; look at the import until its `state` is `review`, then `bring` it in.
        """
        given = {
            "region": region.strip().upper() or pages.region,
            "bare_international": bare_international,
            "purpose": purpose,
            "consent_level": consent_level,
            "consent_evidence": consent_evidence,
            "skip_known": skip_known,
            "reason": reason,
            "mapping": tuple(_chosen(one) for one in column or ()),
        }
        options = options_from(given)
        person, here = signed_in(request), name[:200]
        stored = await pages.desk.store(
            person.tenant_id, here, request.stream(), target=target, options=options, by=person.actor
        )
        taken: list[ContactImport] = []

        async def deed(tx: Tx) -> ImportCard:
            taken[:] = [await pages.desk.accept(tx, stored)]
            return import_card(taken[0])

        try:
            return await once.do(request, deed, status=202, body=stored.digest.encode())
        except BaseException:
            taken.clear()
            raise
        finally:
            if not taken:  # it was answered before, or is refused
                with anyio.CancelScope(shield=True):
                    await pages.desk.discard(stored)
            pages.importer.wake()

    return send_list


def _chosen(text: str) -> tuple[str, str]:
    heading, equals, meaning = text.rpartition("=")
    if not equals:
        raise ValidationFailed('Write a column as "Heading=meaning".')
    return heading, meaning


def _imports(db: Database, pages: ContactPages, once: Once) -> list[HTTPRouteHandler]:
    may = needs(Permission.PLAN)

    @get("/imports/{import_id:str}", opt=may)
    async def get_import(request: Asked, import_id: FromPath[str]) -> ImportCard:
        """How far an import is, with its counts by issue."""
        return import_card(await pages.found(request, import_id))

    @get("/imports/{import_id:str}/contacts", opt=may)
    async def list_import_contacts(
        request: Asked, import_id: FromPath[str], cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> Page[ContactView]:
        """What an import brought, in the order of its file."""
        person, one = signed_in(request), await pages.found(request, import_id)
        at = paging(request, f"import {one.id}", cursor, limit, int)
        after = int(at.after[0]) if at.after else 0
        found = await contacts.of_import(db, person.tenant_id, one.id, after=after, limit=at.limit)
        items = [view(person, row) for row in found.contacts]
        if found.next is None:
            return Page(items=items)
        return Page(items=items, next_cursor=at.cursor((int(found.next),)))

    @post("/imports/{import_id:str}", opt=may, status_code=202)
    async def finish_import(
        request: Asked, import_id: FromPath[str], data: JSONBody[ImportDeed]
    ) -> Response[ImportCard]:
        """Bring the rows that are ready in, or cancel the import."""
        await pages.found(request, import_id)

        async def deed(tx: Tx) -> ImportCard:
            return import_card(await pages.carry_out(tx, request, import_id, data.do))

        done = await once.do(request, deed, status=202)
        pages.importer.wake()
        return done

    return [get_import, list_import_contacts, finish_import]


def view(person: Person, contact: Contact) -> ContactView:
    """What a person may see of a contact."""
    return ContactView(
        id=contact.id,
        number=shown_number(person, contact.number),
        name=contact.name,
        company=contact.company,
        time_zone=contact.zone,
        language=contact.language,
        kind=contact.kind,
        region=contact.region,
        variables=variables(person, contact),
        import_id=contact.import_id,
        created_ms=contact.created_ms,
        updated_ms=contact.updated_ms,
    )
