"""What may be done to a tenant's do-not-call list; used by the page and by the programs' routes."""

from litestar import Request
from litestar.datastructures import State

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.messages import TaskChanged
from app.domain.number import NumberRefused, parse_number, possible_number
from app.errors import NotFoundError, ValidationFailed
from app.ids import is_id, new_id
from app.store import audit, dnd
from app.store.audit import Deed
from app.store.db import Database, Tx
from app.store.dnd import DoNotCall
from web.auth import caller_of, signed_in

Asked = Request[object, object, State]
MAX_REASON = 500


class DoNotCallDesk:
    """One per application."""

    def __init__(self, settings: Settings, db: Database, bus: Bus, clock: Clock) -> None:
        self.db = db
        self._bus = bus
        self._clock = clock
        self._region = settings.default_region

    async def add(self, tx: Tx, request: Asked, number: str, reason: str) -> tuple[DoNotCall, list[str]]:
        """List a number; answers its entry, which may be older, and the tasks that were taken off the queue. The
        first thing in its transaction.
        """
        person, now_ms = signed_in(request), self._clock.unix_ms()
        entry = DoNotCall(
            id=new_id(now_ms),
            tenant_id=person.tenant_id,
            number=self.read(number),
            reason=_reason(reason),
            source="operator",
            created_ms=now_ms,
        )
        stopped = await dnd.add(tx, entry, now_ms)
        stored = await dnd.own_entry(tx, person.tenant_id, entry.number)
        if stored.id == entry.id:
            await self._write(tx, request, "dnc_added", entry)  # why: the entry says it
        return stored, stopped

    async def remove(self, tx: Tx, request: Asked, entry_id: str, reason: str) -> DoNotCall:
        """Take an entry off, with a reason that is written down beside what it said. Raises NotFoundError, for
        entries on the list of everybody as well.
        """
        person = signed_in(request)
        if not is_id(entry_id):
            raise NotFoundError("There is no such entry on your list.")
        entry = await dnd.get(tx, person.tenant_id, entry_id)
        told = _reason(reason)
        await dnd.remove(tx, person.tenant_id, entry_id)
        more = {"reason": told, "was": entry.reason, "source": entry.source}  # nothing else knows it now
        await self._write(tx, request, "dnc_removed", entry, **more)
        return entry

    async def tell(self, tenant_id: str, tasks: list[str]) -> None:
        """Pages that show these tasks learn of it."""
        for task_id in tasks:
            await self._bus.publish("tasks", TaskChanged(tenant_id=tenant_id, task_id=task_id))

    def read(self, number: str) -> str:
        """E.164 of any spelling; also of numbers that are never dialed. Raises ValidationFailed."""
        try:
            return possible_number(number)
        except NumberRefused:
            if not self._region:
                raise
            return parse_number(number, region=self._region, fictional=True)

    async def _write(self, tx: Tx, request: Asked, action: str, entry: DoNotCall, **more: str) -> None:
        person = signed_in(request)
        deed = Deed(
            actor=person.actor,
            action=action,
            object=f"dnc:{entry.id}",
            detail={"number": entry.number, **more},
            address=caller_of(request).address,
        )
        await audit.add(tx, person.tenant_id, deed, self._clock.unix_ms())


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if not reason or len(reason) > MAX_REASON:
        raise ValidationFailed(f"Say why, in at most {MAX_REASON} characters; it is kept beside the number.")
    return reason
