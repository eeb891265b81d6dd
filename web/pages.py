"""What the wallboard and its panel show of the store. Called by the routes in `web.calls`."""

import msgspec

from app.clock import Clock
from app.domain.people import Person
from app.errors import NotFoundError
from app.ids import is_id
from app.store import calls, inbox, transcripts
from app.store.db import Database
from web.figures import Day
from web.live import ENDED_SHOWN, RELOAD_S, header
from web.masks import mask_of
from web.render import Templates
from web.view import Card, Line, asked, card, line
from web.wall import Wall, arranged


class CallPage(msgspec.Struct, frozen=True, kw_only=True):
    """One call and what was said."""

    call: Card
    lines: list[Line]


class Pages:
    """Renders what a browser asks for."""

    def __init__(self, db: Database, clock: Clock, templates: Templates, slots: int) -> None:
        self._slots = slots
        self._days: dict[str, tuple[float, Day]] = {}
        self._db = db
        self._clock = clock
        self._templates = templates

    async def wallboard(self, person: Person, call_id: str | None) -> tuple[int, str]:
        """The wallboard with one call selected, and its HTTP status (404 when there is no such call)."""
        selected, status, now_ms = None, 200, self._clock.unix_ms()
        if call_id:
            try:
                selected = await self.call(person, call_id)
            except NotFoundError:
                status = 404
        wall = Wall()
        wall.replace_all([card(row) for row in await calls.wall(self._db, person.tenant_id, ENDED_SHOWN)])
        wall.ask(map(asked, await inbox.page(self._db, person.tenant_id)))
        wall.today(await self._day(person.tenant_id, now_ms))
        now = wall.snapshot(now_ms)
        text = self._templates.render(
            "wallboard.html",
            person,
            "/",
            tiles=arranged(now.calls),
            ended=[one for one in now.calls if not one.alive],
            figures=now.figures,
            selected=selected,
            unknown_call=status == 404,
            now_ms=now_ms,
        )
        return status, text

    async def _day(self, tenant_id: str, now_ms: int) -> Day:
        """The figures of the day, as old as those of a living page may be: counting them is most of the work."""
        read_s, known = self._days.get(tenant_id, (float("-inf"), None))
        if known is None or self._clock.monotonic() >= read_s + RELOAD_S:
            known = await header(self._db, tenant_id, self._slots, now_ms)
            self._days[tenant_id] = (self._clock.monotonic(), known)
        return known

    async def call(self, person: Person, call_id: str) -> CallPage:
        """One call with its transcript, numbers as this person may see them. Raises NotFoundError, for a call of
        another tenant too.
        """
        tenant_id, mask = person.tenant_id, mask_of(person)
        if not is_id(call_id):
            raise NotFoundError("There is no such call.")
        found = await calls.wall_some(self._db, tenant_id, [call_id])
        if not found:
            raise NotFoundError("There is no such call.")
        turns = await transcripts.list_turns(self._db, tenant_id, call_id)
        return CallPage(call=card(found[0]), lines=[line(turn, mask) for turn in turns])
