"""What people see and do on the page "Contacts" and on those of an import."""

from collections.abc import AsyncGenerator, Awaitable, Callable

from litestar import MediaType, Request, Response
from litestar.datastructures import State
from litestar.response import Redirect, Stream

from app.clock import Clock
from app.config import Settings
from app.contacts.desk import ImportDesk
from app.contacts.export import rejected_lines
from app.contacts.runner import Importer
from app.domain.admission_site import Site
from app.domain.contacts.csv_text import BOM
from app.domain.people import Permission
from app.errors import ConflictError, NotFoundError, ValidationFailed
from app.ids import is_id
from app.store import audit, contact_imports, contact_rows, contacts
from app.store.audit import Deed
from app.store.contact_imports import ContactImport
from app.store.db import Database, Tx
from web.auth import caller_of, signed_in
from web.contacts.forms import back, cells_of, file_of, mapping_of, options_of, parts, target_of
from web.contacts.view import Progress, contact_line, import_card, meanings, progress, row_line
from web.render import Templates

Asked = Request[object, object, State]
Answer = Response[str] | Redirect
SHOWN = 50
IMPORTS_SHOWN = 20


class ContactPages:
    """One per application."""

    def __init__(self, settings: Settings, db: Database, clock: Clock, templates: Templates, site: Site) -> None:
        self._db = db
        self._clock = clock
        self._templates = templates
        self.region = settings.default_region
        self.desk = ImportDesk(db, clock, site)
        self.importer = Importer(db, clock, site)

    async def contacts(
        self, request: Asked, search: str, before: str, status: int = 200, refusal: str = ""
    ) -> Response[str]:
        """The list, or what was searched for."""
        person, text = signed_in(request), search[:100]
        if text.strip().startswith("+") and not person.may(Permission.SEE_NUMBERS):
            found = contacts.Found(contacts=(), next=None)  # a search by number would tell what is masked
        else:
            start = before if is_id(before) else ""
            found = await contacts.search(self._db, person.tenant_id, text, before=start, limit=SHOWN)
        page = self._templates.render(
            "contacts.html",
            person,
            "/contacts",
            contacts=[contact_line(person, one) for one in found.contacts],
            search=text,
            following=found.next,
            may_plan=person.may(Permission.PLAN),
            refusal=refusal,
        )
        return Response(page, status_code=status, media_type=MediaType.HTML)

    async def forget(self, request: Asked, contact_id: str) -> Answer:
        """Delete a contact."""
        try:
            await self.erase(request, contact_id)
        except ConflictError as refused:
            return await self.contacts(request, "", "", 409, refused.message)
        return Redirect("/contacts", status_code=303)

    async def erase(self, request: Asked, contact_id: str) -> None:
        """Delete a contact and what is remembered of the person. Raises NotFoundError, ConflictError."""
        async with self._db.tx() as tx:
            contact = await contacts.forget(tx, signed_in(request).tenant_id, _checked(contact_id))
            await self.write(tx, request, "contact_deleted", f"contact:{contact.id}")

    async def imports(self, request: Asked, status: int = 200, refusal: str = "") -> Response[str]:
        """The form that takes a list, and the imports there were."""
        person = signed_in(request)
        rows = await contact_imports.newest(self._db, person.tenant_id, limit=IMPORTS_SHOWN)
        text = self._templates.render(
            "contact_imports.html",
            person,
            "/contacts",
            imports=[import_card(one) for one in rows],
            region=self.region,
            target=target_of(dict(request.query_params)),
            refusal=refusal,
        )
        return Response(text, status_code=status, media_type=MediaType.HTML)

    async def receive(self, request: Asked) -> Answer:
        """Take a list."""
        person = signed_in(request)
        form = await request.form()
        try:
            file = file_of(form)
            one = await self.desk.receive(
                person.tenant_id,
                file.filename,
                parts(file),
                target=target_of(form),
                options=options_of(form, self.region),
                by=person.actor,
            )
        except (ValidationFailed, ConflictError) as refused:
            return await self.imports(request, _status(refused), refused.message)
        self.importer.wake()
        return Redirect(f"/contacts/import/{one.id}", status_code=303)

    async def one(self, request: Asked, import_id: str, status: int = 200, refusal: str = "") -> Response[str]:
        """An import: how its columns are read, its rows, what to do next."""
        person = signed_in(request)
        one = await self.found(request, import_id)
        what, after = request.query_params.get("rows", ""), request.query_params.get("after", "0")
        start = int(after) if after.isdecimal() and len(after) < 9 else 0
        rows: list[contact_rows.ImportRow] = []
        if one.state in {"review", "done", "cancelled"}:
            tenant_id = person.tenant_id
            rows = await contact_rows.page(self._db, tenant_id, one.id, what, after=start, limit=SHOWN + 1)
        text = self._templates.render(
            "contact_import.html",
            person,
            "/contacts",
            one=import_card(one),
            progress=progress(one),
            columns=list(enumerate(one.mapping)),
            options=one.chosen,
            meanings=meanings(),
            rows=[row_line(row, one.mapping) for row in rows[:SHOWN]],
            what=what,
            start=start,
            following=rows[SHOWN - 1].seq if len(rows) > SHOWN else None,
            refusal=refusal,
        )
        return Response(text, status_code=status, media_type=MediaType.HTML)

    async def progress(self, request: Asked, import_id: str) -> Progress:
        """How far it is."""
        return progress(await self.found(request, import_id))

    async def remap(self, request: Asked, import_id: str) -> Answer:
        """Other columns or options; the rows are checked anew."""
        one = await self.found(request, import_id)
        form = await request.form()

        async def deed() -> None:
            options = options_of(form, self.region)
            await self.desk.remap(one.tenant_id, one.id, mapping_of(form, one.mapping), options)

        return await self._done(request, one, deed)

    async def edit(self, request: Asked, import_id: str, seq: int) -> Answer:
        """Cells of a row, mended by hand, or the row skipped."""
        one = await self.found(request, import_id)
        form = await request.form()

        async def deed() -> None:
            do = form.get("do")
            if do in {"skip", "take"}:
                await self.desk.skip(one.tenant_id, one.id, seq, undo=do == "take")
            else:
                await self.desk.edit(one.tenant_id, one.id, seq, cells_of(form))

        return await self._done(request, one, deed, back(form))

    async def finish(self, request: Asked, import_id: str, what: str) -> Answer:
        """Bring the rows in, or give the import up."""
        one = await self.found(request, import_id)

        async def deed() -> None:
            async with self._db.tx() as tx:
                await self.carry_out(tx, request, one.id, what)

        return await self._done(request, one, deed)

    async def carry_out(self, tx: Tx, request: Asked, import_id: str, what: str) -> ContactImport:
        """`bring` the rows in or `cancel` the import. Raises ValidationFailed for anything else."""
        if what not in {"bring", "cancel"}:
            raise ValidationFailed("An import can be brought in (bring) or given up (cancel).")
        do = self.desk.bring if what == "bring" else self.desk.cancel
        one = await do(tx, signed_in(request).tenant_id, import_id)
        action = f"{one.target}_imported" if what == "bring" else "import_cancelled"
        await self.write(tx, request, action, f"import:{one.id}", rows=one.tally.get("ready", 0))
        return one

    async def rejected(self, request: Asked, import_id: str) -> Stream:
        """Rows that were left out, as CSV."""
        one = await self.found(request, import_id)

        async def lines() -> AsyncGenerator[str]:
            yield BOM
            async for line in rejected_lines(self._db, one):
                yield line

        name = f"left-out-{one.id[-12:]}.csv"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Stream(lines(), media_type="text/csv; charset=utf-8", headers=headers)

    async def found(self, request: Asked, import_id: str) -> ContactImport:
        """The tenant's import. Raises NotFoundError."""
        return await contact_imports.get(self._db, signed_in(request).tenant_id, _checked(import_id))

    async def write(self, tx: Tx, request: Asked, action: str, about: str, **detail: int) -> None:
        """Into the audit log."""
        person = signed_in(request)
        address = caller_of(request).address
        deed = Deed(actor=person.actor, action=action, object=about, detail=detail, address=address)
        await audit.add(tx, person.tenant_id, deed, self._clock.unix_ms())

    async def _done(
        self, request: Asked, one: ContactImport, deed: Callable[[], Awaitable[None]], query: str = ""
    ) -> Answer:
        """Carry out a change and show the import again; what is refused is told there."""
        try:
            await deed()
        except (ValidationFailed, ConflictError) as refused:
            return await self.one(request, one.id, _status(refused), refused.message)
        self.importer.wake()
        return Redirect(f"/contacts/import/{one.id}{query}", status_code=303)


def _status(refused: ValidationFailed | ConflictError) -> int:
    return 409 if isinstance(refused, ConflictError) else 422


def _checked(row_id: str) -> str:
    if not is_id(row_id):
        raise NotFoundError("There is no such import or contact.")
    return row_id
