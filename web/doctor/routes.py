"""`/doctor`: the checks of `opendeep doctor`, run on demand and shown as they are done.

What they say names addresses and files of the site, so people of other tenants than the first learn only what is
wrong, and to whom to turn.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
import structlog
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from app.config import Settings
from app.doctor.check import Check
from app.doctor.checks import checking
from app.domain.people import Permission, Person
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import ConflictError
from web.auth import needs, signed_in
from web.render import Templates

log = structlog.get_logger()

Asked = Request[object, object, State]
LINES = "application/x-ndjson"
LIMIT_S = 90.0


class Doctor:
    """One per application: only one examination at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._busy = False

    def begin(self, person: Person) -> AsyncGenerator[bytes]:
        """Each check as a line of JSON, `{"over": true}` last. Raises ConflictError while another one runs."""
        if self._busy:
            raise ConflictError("An examination is under way already; it is over in a moment.")
        self._busy = True
        return self._lines(person)

    async def _lines(self, person: Person) -> AsyncGenerator[bytes]:
        try:
            async with asyncio.timeout(LIMIT_S), aclosing(checking(self._settings, running=True)) as checks:
                async for check in checks:
                    yield _line(told(person, check))
        except TimeoutError:
            late = f"Not done after {LIMIT_S:.0f} s; look at the network."
            yield _line(Check(severity="fail", name="doctor", message=late))
        except Exception:  # the page has begun, so what is wrong is its last line
            log.exception("an examination met a fault of ours")
            yield _line(Check(severity="fail", name="doctor", message="A check failed on our side; see the log."))
        finally:
            self._busy = False
        yield _line({"over": True})


def told(person: Person, check: Check) -> Check:
    """What somebody may learn: the site belongs to the first tenant."""
    if person.tenant_id == DEFAULT_TENANT_ID:
        return check
    words = {"ok": "in order", "warn": "could be better", "fail": "does not work"}[check.severity]
    whom = "" if check.severity == "ok" else " Whoever runs this site sees more here."
    return msgspec.structs.replace(check, message=f"{words}.{whom}")


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def doctor_routes(doctor: Doctor, templates: Templates) -> list[HTTPRouteHandler]:
    """The page and the examination; whoever sets rules may audit as well."""
    may = needs(Permission.AUDIT)

    @get("/doctor", opt=may, media_type=MediaType.HTML)
    async def doctor_page(request: Asked) -> str:
        return templates.render("doctor.html", signed_in(request), "/doctor")

    @post("/doctor/examination", opt=may, status_code=200)
    async def examine(request: Asked) -> Response[None] | Stream:
        return Stream(doctor.begin(signed_in(request)), media_type=LINES)

    return [doctor_page, examine]
