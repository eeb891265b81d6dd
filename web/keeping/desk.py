"""What people and programs may do about kept words. Each deed runs in a transaction of the caller's and is written
into the audit log there, without numbers or names.
"""

import msgspec
from litestar import Request
from litestar.datastructures import State

from app.clock import Clock
from app.config import Settings
from app.domain.erasure import Days, check_days
from app.domain.number import NumberRefused, parse_number, possible_number
from app.erasure.days import Horizon, house_days, pseudonym_key
from app.errors import NotFoundError, ValidationFailed
from app.ids import is_id
from app.store import audit, erasures, legal_holds, retention
from app.store.audit import Deed
from app.store.db import Database, Tx
from app.store.erasures import Erasure
from app.store.legal_holds import Held, LegalHold
from web.auth import caller_of, signed_in

Asked = Request[object, object, State]


class KeepingDesk:
    """One per application."""

    def __init__(self, settings: Settings, db: Database, clock: Clock) -> None:
        self.db = db
        self.clock = clock
        self.house = house_days(settings)
        self.horizon = Horizon(settings)
        self._key = pseudonym_key(settings)
        self._region = settings.default_region

    async def erase(self, tx: Tx, request: Asked, number: str) -> Erasure:
        """Begin to forget a number; an engine carries it out. The first deed of its transaction.

        Raises ValidationFailed for what is no number, ConflictError when a legal hold keeps it.
        """
        person = signed_in(request)
        return await erasures.request(
            tx,
            person.tenant_id,
            self.read(number),
            self._key,
            self._deed(request, "erasure_requested", ""),
            now_ms=self.clock.unix_ms(),
        )

    def read(self, number: str) -> str:
        """E.164 of any spelling. Raises ValidationFailed."""
        try:
            return possible_number(number)
        except NumberRefused:
            if not self._region:
                raise
            return parse_number(number, region=self._region, fictional=True)

    async def set_days(self, tx: Tx, request: Asked, days: Days) -> None:
        """The tenant's own days. Raises ValidationFailed for more than the house allows."""
        check_days(self.house, days)
        person = signed_in(request)
        await retention.set_days(tx, person.tenant_id, days, self.clock.unix_ms())
        deed = self._deed(request, "retention_set", "retention", **msgspec.structs.asdict(days))
        await audit.add(tx, person.tenant_id, deed, self.clock.unix_ms())

    async def place_hold(self, tx: Tx, request: Asked, kind: Held, subject: str, reason: str) -> LegalHold:
        """Keep what a call, a campaign or a number left."""
        person = signed_in(request)
        new = LegalHold(
            id="",
            tenant_id=person.tenant_id,
            kind=kind,
            subject=self.read(subject) if kind == "recipient" else subject,
            reason=reason,
            placed_by=person.actor,
            since_ms=0,
        )
        hold = await legal_holds.place(tx, new, self.clock.unix_ms())
        deed = self._deed(request, "legal_hold_placed", f"hold:{hold.id}", kind=kind)  # why: its row says it
        await audit.add(tx, person.tenant_id, deed, self.clock.unix_ms())
        return hold

    async def lift_hold(self, tx: Tx, request: Asked, hold_id: str) -> LegalHold:
        """End a hold. Raises NotFoundError."""
        if not is_id(hold_id):
            raise NotFoundError("There is no such legal hold.")
        person, now_ms = signed_in(request), self.clock.unix_ms()
        hold = await legal_holds.lift(tx, person.tenant_id, hold_id, person.actor, now_ms)
        deed = self._deed(request, "legal_hold_lifted", f"hold:{hold.id}", kind=hold.kind)
        await audit.add(tx, person.tenant_id, deed, now_ms)
        return hold

    def _deed(self, request: Asked, action: str, about: str, **detail: str | int | None) -> Deed:
        address = caller_of(request).address
        return Deed(actor=signed_in(request).actor, action=action, object=about, detail=detail, address=address)


def days_of(texts: dict[str, str]) -> Days:
    """Days as typed, by kind; an empty text is the house's. Raises ValidationFailed."""
    read: dict[str, int | None] = {}
    for kind, text in texts.items():
        typed = text.strip()
        if typed and not (typed.isascii() and typed.isdigit() and len(typed) <= 5):
            raise ValidationFailed(f"{kind.capitalize()}: write a number of days, or nothing for the house's.")
        read[kind] = int(typed) if typed else None
    return Days(**read)
