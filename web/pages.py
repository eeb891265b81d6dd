"""The pages: reads the store, renders templates with autoescape. Called by the routes in `web.app`."""

from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.clock import Clock
from app.config import Settings
from app.errors import NotFoundError
from app.ids import is_id
from app.store import calls, transcripts
from app.store.db import Database
from web.live import CALLS_SHOWN
from web.view import Card, Line, card, clock_face, line

TEMPLATES = Path(__file__).parent / "templates"


class CallPage(msgspec.Struct, frozen=True, kw_only=True):
    """One call and what was said."""

    call: Card
    lines: list[Line]


class Pages:
    """Renders what a browser asks for."""

    def __init__(self, settings: Settings, db: Database, clock: Clock, tenant_id: str) -> None:
        self._settings = settings
        self._db = db
        self._clock = clock
        self._tenant_id = tenant_id
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["clock_face"] = clock_face

    async def calls(self, call_id: str | None) -> tuple[int, str]:
        """The page "Calls" with one call selected, and its HTTP status (404 when there is no such call)."""
        selected, status = None, 200
        if call_id:
            try:
                selected = await self.call(call_id)
            except NotFoundError:
                status = 404
        rows = [card(row) for row in await calls.wall(self._db, self._tenant_id, CALLS_SHOWN)]
        text = self._templates.get_template("calls.html").render(
            cards=rows,
            selected=selected,
            unknown_call=status == 404,
            now_ms=self._clock.unix_ms(),
            test_mode=self._settings.app_test_mode,
            redirect_number=self._settings.app_test_mode_redirect_number,
            simulate=self._settings.simulate,
        )
        return status, text

    async def call(self, call_id: str) -> CallPage:
        """One call with its transcript. Raises NotFoundError."""
        if not is_id(call_id):
            raise NotFoundError("There is no such call.")
        found = await calls.wall_some(self._db, self._tenant_id, [call_id])
        if not found:
            raise NotFoundError("There is no such call.")
        turns = await transcripts.list_turns(self._db, self._tenant_id, call_id)
        return CallPage(call=card(found[0]), lines=[line(turn) for turn in turns])
