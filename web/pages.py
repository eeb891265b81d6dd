"""What the page "Calls" shows of the store. Called by the routes in `web.calls`."""

import msgspec

from app.clock import Clock
from app.domain.people import Person
from app.errors import NotFoundError
from app.ids import is_id
from app.store import calls, transcripts
from app.store.db import Database
from web.live import CALLS_SHOWN
from web.render import Templates
from web.view import Card, Line, card, line


class CallPage(msgspec.Struct, frozen=True, kw_only=True):
    """One call and what was said."""

    call: Card
    lines: list[Line]


class Pages:
    """Renders what a browser asks for."""

    def __init__(self, db: Database, clock: Clock, templates: Templates) -> None:
        self._db = db
        self._clock = clock
        self._templates = templates

    async def calls(self, person: Person, call_id: str | None) -> tuple[int, str]:
        """The page "Calls" with one call selected, and its HTTP status (404 when there is no such call)."""
        selected, status = None, 200
        if call_id:
            try:
                selected = await self.call(person.tenant_id, call_id)
            except NotFoundError:
                status = 404
        text = self._templates.render(
            "calls.html",
            person,
            "/",
            cards=[card(row) for row in await calls.wall(self._db, person.tenant_id, CALLS_SHOWN)],
            selected=selected,
            unknown_call=status == 404,
            now_ms=self._clock.unix_ms(),
        )
        return status, text

    async def call(self, tenant_id: str, call_id: str) -> CallPage:
        """One call with its transcript. Raises NotFoundError, for a call of another tenant too."""
        if not is_id(call_id):
            raise NotFoundError("There is no such call.")
        found = await calls.wall_some(self._db, tenant_id, [call_id])
        if not found:
            raise NotFoundError("There is no such call.")
        turns = await transcripts.list_turns(self._db, tenant_id, call_id)
        return CallPage(call=card(found[0]), lines=[line(turn) for turn in turns])
