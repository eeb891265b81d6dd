"""Takes orders to living calls: a row in `commands` and one in the audit log together, then a wake-up."""

import re
from typing import Annotated

import msgspec

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.command import DEFAULT_LIFE_MS, Command, NewCommand, read_kind, read_payload, wake_up
from app.domain.messages import command_topic
from app.domain.people import Person
from app.errors import NotFoundError, ValidationFailed
from app.ids import is_id, new_id
from app.store import agents, audit, calls, commands, events
from app.store.audit import Deed
from app.store.db import Database, Tx
from web.steer.panel import Order, Panel, order_of, panel

MAX_BODY = 16_384
OPERATOR = ("operator_joined", "operator_left", "adopted")
"""What the media worker reports of an operator, see `media.report_types`; a control process that adopts a call
gives it back to the agent, see `app.calls.conversation`.
"""
_KEY = re.compile(r"[0-9A-Za-z_-]{8,64}")


class OrderBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order. `id` makes it one order however often it is sent; without one each request is another."""

    kind: Annotated[str, msgspec.Meta(max_length=64)]
    payload: msgspec.Raw = msgspec.Raw(b"{}")
    id: str | None = None


def read_order(body: bytes) -> OrderBody:
    """Raises ValidationFailed with what does not fit."""
    if len(body) > MAX_BODY:
        raise ValidationFailed(f"An order has at most {MAX_BODY} bytes.")
    try:
        order = msgspec.json.decode(body, type=OrderBody)
    except (msgspec.DecodeError, UnicodeError) as problem:
        raise ValidationFailed(f"An order is JSON with kind, payload and id: {problem}.") from None
    if order.id is not None and not _KEY.fullmatch(order.id):
        raise ValidationFailed("The id of an order has 8 to 64 letters, digits, - and _.")
    return order


class SteerDesk:
    """One per console."""

    def __init__(self, settings: Settings, db: Database, bus: Bus, clock: Clock) -> None:
        self._key = settings.command_key.get_secret_value().encode()
        self._db = db
        self._bus = bus
        self._clock = clock

    async def order(self, person: Person, call_id: str, body: OrderBody, address: str) -> Order:
        """Store an order for a living call and wake whoever runs it; the same `id` again answers the row there is.

        Raises NotFoundError (no such call), ConflictError (it has ended, too many wait, the id was used) and
        ValidationFailed.
        """
        async with self._db.tx() as tx:
            command = await self.take(tx, person, call_id, body, address)
        await self.wake(command)
        return order_of(command, person.actor)

    async def take(self, tx: Tx, person: Person, call_id: str, body: OrderBody, address: str) -> Command:
        """Store an order, inside a transaction; `wake` follows its commit. Raises what `order` does."""
        _check(call_id)
        now_ms, kind = self._clock.unix_ms(), read_kind(body.kind)
        new = NewCommand(
            id=body.id or new_id(now_ms),
            call_id=call_id,
            kind=kind,
            payload=read_payload(kind, bytes(body.payload)),
            issued_by=person.actor,
            expires_ms=now_ms + DEFAULT_LIFE_MS,
        )
        await calls.lock(tx, call_id)
        repeated = await _is_known(tx, person.tenant_id, new.id)
        command = await commands.enqueue(tx, person.tenant_id, new, now_ms)
        if not repeated:
            await audit.add(tx, person.tenant_id, _deed(person, command, address), now_ms)
        return command

    async def wake(self, command: Command) -> None:
        """Tell whoever runs the call that there is something to read."""
        await self._bus.publish(command_topic(command.call_id), wake_up(command, self._key))

    async def orders(self, person: Person, call_id: str) -> list[Order]:
        """All orders of a call, oldest first. Raises NotFoundError."""
        _check(call_id)
        await calls.get(self._db, person.tenant_id, call_id)
        rows = await commands.list_of_call(self._db, person.tenant_id, call_id)
        return [order_of(row, person.actor) for row in rows]

    async def one(self, person: Person, call_id: str, command_id: str) -> Order:
        """One order of a call. Raises NotFoundError."""
        _check(call_id)
        command = await commands.get(self._db, person.tenant_id, command_id)
        if command.call_id != call_id:
            raise NotFoundError("There is no such command.")
        return order_of(command, person.actor)

    async def panel(self, person: Person, call_id: str) -> Panel:
        """What can be done about a call now. Raises NotFoundError."""
        _check(call_id)
        call = await calls.get(self._db, person.tenant_id, call_id)
        agent = await agents.get_version(self._db, person.tenant_id, call.agent_id, call.agent_version)
        orders = await commands.list_of_call(self._db, person.tenant_id, call_id)
        taken = await events.newest_kind(self._db, person.tenant_id, call_id, OPERATOR) == OPERATOR[0]
        return panel(call, agent, orders, person.actor, taken=taken)


def _check(call_id: str) -> None:
    if not is_id(call_id):
        raise NotFoundError("There is no such call.")


async def _is_known(tx: Tx, tenant_id: str, command_id: str) -> bool:
    try:
        await commands.get(tx, tenant_id, command_id)
    except NotFoundError:
        return False
    return True


def _deed(person: Person, command: Command, address: str) -> Deed:
    return Deed(
        actor=person.actor,
        action="call_command",
        object=f"call:{command.call_id}",
        detail={"command": command.id, "kind": command.kind},
        address=address,
    )
