"""`/api/v1/erasures`: forgetting a person, by number."""

from typing import Annotated

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from app.domain.people import Permission
from app.errors import NotFoundError
from app.ids import is_id
from app.store import erasures
from app.store.db import Tx
from app.store.erasures import Erasure
from web.api.once import Once
from web.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, paging
from web.auth import needs, signed_in
from web.keeping.desk import KeepingDesk

Asked = Request[object, object, State]


class NewErasure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is forgotten."""

    number: Annotated[str, msgspec.Meta(max_length=40)]


class ErasureView(msgspec.Struct, frozen=True, kw_only=True):
    """One erasure, without the number. `waits_for`: calls that go on; `counts`: rows that lost words, by table."""

    id: str
    state: str
    step: str
    waits_for: int
    counts: dict[str, int]
    requested_by: str
    created_ms: int
    done_ms: int | None


def erasure_api(desk: KeepingDesk, once: Once) -> list[HTTPRouteHandler]:
    """`/erasures`."""
    see, may = needs(Permission.AUDIT), needs(Permission.ERASE)

    @get("/erasures", opt=see)
    async def list_erasures(
        request: Asked, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> Page[ErasureView]:
        """Newest first."""
        person = signed_in(request)
        at = paging(request, "erasures", cursor, limit, str)
        before = str(at.after[0]) if at.after else "g"
        rows = await erasures.newest(desk.db, person.tenant_id, before=before, limit=at.limit + 1)
        return at.page(rows, key=lambda row: (row.id,), shown=view)

    @get("/erasures/{erasure_id:str}", opt=see)
    async def get_erasure(request: Asked, erasure_id: FromPath[str]) -> ErasureView:
        """How far it has come."""
        if not is_id(erasure_id):
            raise NotFoundError("There is no such erasure.")
        return view(await erasures.get(desk.db, signed_in(request).tenant_id, erasure_id))

    @post("/erasures", opt=may, status_code=201)
    async def erase(request: Asked, data: JSONBody[NewErasure]) -> Response[ErasureView]:
        """Forget a number: contact, tasks, talks, recordings, answers, texts that name the person.

        It is put on the do-not-call list at once; the rest is done by an engine, and a call that goes on is waited
        for. Nothing brings it back. 409 while a legal hold keeps something of the number.
        """

        async def deed(tx: Tx) -> ErasureView:
            return view(await desk.erase(tx, request, data.number))

        return await once.do(request, deed)

    return [list_erasures, get_erasure, erase]


def view(one: Erasure) -> ErasureView:
    """What programs see of it."""
    return ErasureView(
        id=one.id,
        state=one.state,
        step=one.step,
        waits_for=one.waits_for,
        counts=one.counted,
        requested_by=one.requested_by,
        created_ms=one.created_ms,
        done_ms=one.done_ms,
    )
