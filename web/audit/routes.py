"""`/audit`."""

from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery

from app.domain.people import Permission
from web.audit.page import MAX_TEXT, AuditPage, Wanted
from web.auth import needs, signed_in

Asked = Request[object, object, State]


def audit_routes(page: AuditPage) -> list[HTTPRouteHandler]:
    """The page with its filter in the address."""

    @get("/audit", opt=needs(Permission.AUDIT), media_type=MediaType.HTML)
    async def audit_page(
        request: Asked,
        *,
        who: FromQuery[str] = "",
        what: FromQuery[str] = "",
        about: FromQuery[str] = "",
        first: FromQuery[str] = "",
        last: FromQuery[str] = "",
        before: FromQuery[int | None] = None,
    ) -> Response[str]:
        texts = {"who": who, "what": what, "about": about, "first": first, "last": last}
        wanted = Wanted(**{name: text[:MAX_TEXT] for name, text in texts.items()})
        return await page.show(signed_in(request), wanted, before)

    return [audit_page]
