"""What programs and pages ask about one task. Reads the store."""

from litestar import Request, get
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

from app.clock import Clock
from app.domain.admission_site import Site
from app.domain.people import Permission
from app.domain.why import Why
from app.errors import NotFoundError
from app.ids import is_id
from app.store import why as why_store
from app.store.db import Database
from web.auth import needs, signed_in
from web.masks import shown


def task_routes(db: Database, clock: Clock, site: Site) -> list[BaseRouteHandler]:
    """`/api/v1/tasks/{task_id}/why`."""

    @get("/tasks/{task_id:str}/why", opt=needs(Permission.SEE))
    async def why(request: Request[object, object, State], task_id: FromPath[str]) -> Why:
        """Why the task is, or is not, being called now, in one sentence and with what stands behind it."""
        if not is_id(task_id):
            raise NotFoundError("There is no such task.")
        person = signed_in(request)
        found = await why_store.why(db, person.tenant_id, task_id, site, clock.unix_ms())
        return shown(person, found, Why)

    return [why]
