"""Pause, resume and stop: the change, what living calls are told, and the entry of the audit log."""

from typing import Literal

import msgspec
from litestar import Request
from litestar.datastructures import State

from app.bus import Bus
from app.clock import Clock
from app.domain.command import Command, CommandKind, EndCall
from app.domain.messages import TaskChanged
from app.domain.people import Permission, Person
from app.errors import ConflictError, NotFoundError
from app.ids import is_id
from app.store import audit, campaign_ends, campaign_pages
from app.store.audit import Deed
from app.store.campaign_ends import Step
from app.store.campaigns import Campaign
from app.store.db import Database, Tx
from web.auth import NotAllowed, caller_of, signed_in
from web.steer.desk import OrderBody, SteerDesk

Asked = Request[object, object, State]
Live = Literal["finish", "goodbye"]
"""What becomes of calls that are going on: they finish, or end as soon as their farewell was heard."""
GOODBYE = msgspec.Raw(msgspec.json.encode(EndCall(reason="the campaign was stopped", polite=True)))


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A step, and how."""

    step: Step
    live: Live = "finish"
    reason: str = ""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """The campaign after a step, and the living calls that were told to say goodbye."""

    campaign: Campaign
    orders: tuple[Command, ...]


class CampaignSteps:
    """One per application."""

    def __init__(self, db: Database, bus: Bus, clock: Clock, steer: SteerDesk) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock
        self._steer = steer

    async def act(self, request: Asked, campaign_id: str, wanted: Wanted) -> Taken:
        """Carry out a step and tell whoever it concerns. Raises what `take` does."""
        async with self._db.tx() as tx:
            taken = await self.take(tx, request, campaign_id, wanted)
        await self.tell(taken)
        return taken

    async def take(self, tx: Tx, request: Asked, campaign_id: str, wanted: Wanted) -> Taken:
        """The step, inside a transaction; `tell` follows its commit. Raises NotFoundError, ConflictError, and
        NotAllowed for a goodbye by somebody who may not steer calls.
        """
        person, now_ms = signed_in(request), self._clock.unix_ms()
        address = caller_of(request).address
        if not is_id(campaign_id):
            raise NotFoundError("There is no such campaign.")
        if wanted.live == "goodbye" and not person.may(Permission.STEER):
            raise NotAllowed("Your role does not allow ending living calls; let them finish instead.")
        orders: list[Command] = []
        campaign = await campaign_ends.take(
            tx, person.tenant_id, campaign_id, wanted.step, now_ms, reason=wanted.reason.strip()[:200]
        )
        if wanted.step == "stop" and wanted.live == "goodbye":
            orders = await self._goodbyes(tx, person, campaign_id, address)
        deed = Deed(
            actor=person.actor,
            action=f"campaign_{wanted.step}",
            object=f"campaign:{campaign_id}",
            detail={"live_calls": wanted.live, "told_goodbye": len(orders)},
            address=address,
        )
        await audit.add(tx, person.tenant_id, deed, now_ms)
        return Taken(campaign=campaign, orders=tuple(orders))

    async def tell(self, taken: Taken) -> None:
        """Wake the calls that were told something, and the scheduler."""
        for order in taken.orders:
            await self._steer.wake(order)
        await self._bus.publish("tasks", TaskChanged(tenant_id=taken.campaign.tenant_id, task_id=""))

    async def _goodbyes(self, tx: Tx, person: Person, campaign_id: str, address: str) -> list[Command]:
        """Order every living call of the campaign to end with a farewell; one that has just ended needs none."""
        made: list[Command] = []
        order = OrderBody(kind=CommandKind.END_CALL, payload=GOODBYE)
        for call_id in await campaign_pages.live_calls(tx, person.tenant_id, campaign_id):
            try:
                made.append(await self._steer.take(tx, person, call_id, order, address))
            except (ConflictError, NotFoundError):
                continue
        return made
