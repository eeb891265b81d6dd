"""What the command palette asks: calls, tasks and campaigns by id, number or name. Numbers leave masked."""

import re

import msgspec
from litestar import Request, get
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import FromQuery

from app.domain.number import mask_number, mask_numbers
from app.domain.people import Permission, Person
from app.store import search
from app.store.db import Database
from app.store.search import Found, Sought
from web.auth import needs, signed_in
from web.render import PLACES
from web.view import moment

SHORTEST, LONGEST = 3, 80
DIGITS_SHOWN = 4
"""Last digits that everybody sees of a masked number; who searches by more learns more."""
PAGES = {"call": "/calls", "task": "/tasks", "campaign": "/campaigns"}
_ID = re.compile(r"[0-9a-f]{6,32}")
_NUMBER = re.compile(r"\+?[\d\s().-]+")


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the palette."""

    href: str
    title: str
    note: str


def sought(text: str, *, numbers: bool) -> Sought:
    """What `text` may mean; `numbers`: whoever asks may see numbers in full."""
    plain = text.lower().replace("-", "")
    digits = re.sub(r"\D", "", text) if _NUMBER.fullmatch(text) else ""
    begins = f"+{digits}" if numbers and text.startswith("+") and len(digits) >= SHORTEST else ""
    ends = digits if not text.startswith("+") and len(digits) >= DIGITS_SHOWN else ""
    return Sought(
        text=text,
        id_begins=plain if _ID.fullmatch(plain) else "",
        number_begins=begins,
        number_ends=ends if numbers or len(ends) == DIGITS_SHOWN else "",
    )


def hit(found: Found) -> Hit | None:
    """How it is shown; None while there is no page for it."""
    places = {path for path, *_ in PLACES}
    if PAGES[found.kind] in places:
        href = f"{PAGES[found.kind]}/{found.id}"
    elif found.kind == "call":
        href = f"/?call={found.id}"
    else:
        return None
    number = mask_number(found.number) if found.number else ""
    who = " ".join(part for part in (number, mask_numbers(found.name)) if part)
    state = found.state.replace("_", " ")
    return Hit(href=href, title=who, note=f"{found.kind}, {state}, {moment(found.created_ms)[:16]}")


def search_routes(db: Database) -> list[BaseRouteHandler]:
    """`/search`."""

    @get("/search", opt=needs(Permission.SEE))
    async def palette(request: Request[object, object, State], q: FromQuery[str] = "") -> list[Hit]:
        person: Person = signed_in(request)
        text = q.strip()
        if not SHORTEST <= len(text) <= LONGEST or "\x00" in text:
            return []
        wanted = sought(text, numbers=person.may(Permission.SEE_NUMBERS))
        found = await search.find(db, person.tenant_id, wanted)
        return [shown for shown in map(hit, found) if shown is not None]

    return [palette]
