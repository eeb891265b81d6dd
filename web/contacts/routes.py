"""Addresses of "Contacts" and of imports."""

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Stream

from app.domain.contacts.contact import MAX_FILE_BYTES
from app.domain.people import Permission
from web.auth import needs
from web.contacts.page import ContactPages
from web.contacts.view import Progress

Asked = Request[object, object, State]
MAX_BODY = MAX_FILE_BYTES + 64 * 1024


def contact_routes(pages: ContactPages) -> list[HTTPRouteHandler]:
    """`/contacts` and `/contacts/import` with their forms."""
    return [*_list_routes(pages), *_import_routes(pages), *_row_routes(pages)]


def _list_routes(pages: ContactPages) -> list[HTTPRouteHandler]:
    html, may = MediaType.HTML, needs(Permission.PLAN)

    @get("/contacts", opt=needs(Permission.SEE), media_type=html)
    async def contacts_page(request: Asked, q: FromQuery[str] = "", before: FromQuery[str] = "") -> Response[str]:
        return await pages.contacts(request, q, before)

    @post("/contacts/{contact_id:str}/delete", opt=may, media_type=html)
    async def delete_contact(request: Asked, contact_id: FromPath[str]) -> Response[str] | Redirect:
        return await pages.forget(request, contact_id)

    @get("/contacts/import", opt=may, media_type=html)
    async def imports_page(request: Asked) -> Response[str]:
        return await pages.imports(request)

    @post("/contacts/import", opt=may, media_type=html, request_max_body_size=MAX_BODY)
    async def receive_list(request: Asked) -> Response[str] | Redirect:
        return await pages.receive(request)

    return [contacts_page, delete_contact, imports_page, receive_list]


def _import_routes(pages: ContactPages) -> list[HTTPRouteHandler]:
    may = needs(Permission.PLAN)

    @get("/contacts/import/{import_id:str}", opt=may, media_type=MediaType.HTML)
    async def import_page(request: Asked, import_id: FromPath[str]) -> Response[str]:
        return await pages.one(request, import_id)

    @get("/contacts/import/{import_id:str}/progress", opt=may)
    async def import_progress(request: Asked, import_id: FromPath[str]) -> Progress:
        return await pages.progress(request, import_id)

    @get("/contacts/import/{import_id:str}/left-out.csv", opt=may)
    async def rejected_rows(request: Asked, import_id: FromPath[str]) -> Stream:
        return await pages.rejected(request, import_id)

    return [import_page, import_progress, rejected_rows]


def _row_routes(pages: ContactPages) -> list[HTTPRouteHandler]:
    html, may = MediaType.HTML, needs(Permission.PLAN)

    @post("/contacts/import/{import_id:str}/columns", opt=may, media_type=html)
    async def map_columns(request: Asked, import_id: FromPath[str]) -> Response[str] | Redirect:
        return await pages.remap(request, import_id)

    @post("/contacts/import/{import_id:str}/rows/{seq:int}", opt=may, media_type=html)
    async def edit_row(request: Asked, import_id: FromPath[str], seq: FromPath[int]) -> Response[str] | Redirect:
        return await pages.edit(request, import_id, seq)

    @post("/contacts/import/{import_id:str}/{deed:str}", opt=may, media_type=html)
    async def finish_import(
        request: Asked, import_id: FromPath[str], deed: FromPath[str]
    ) -> Response[str] | Redirect:
        return await pages.finish(request, import_id, deed)

    return [map_columns, edit_row, finish_import]
