"""Changes to webhooks with their audit entries; used by the page and by the programs' routes."""

from litestar import Request
from litestar.datastructures import State

from app.clock import Clock
from app.config import Settings
from app.domain.webhook import Endpoint
from app.errors import NotFoundError
from app.ids import is_id
from app.store import audit, webhooks
from app.store.audit import Deed
from app.store.db import Database, Tx
from app.webhooks.desk import WebhookDesk
from web.auth import caller_of, signed_in

Asked = Request[object, object, State]


class WebhookDeeds:
    """One per application. Each method works in the caller's transaction."""

    def __init__(self, settings: Settings, db: Database, clock: Clock) -> None:
        self.db = db
        self.clock = clock
        self._desk = WebhookDesk(settings, clock)

    async def add(self, tx: Tx, asked: Asked, url: str, kinds: list[str], *, show_numbers: bool) -> Endpoint:
        """A new one."""
        tenant_id = signed_in(asked).tenant_id
        endpoint = await self._desk.add(tx, tenant_id, url, kinds, show_numbers=show_numbers)
        await self._write(tx, asked, "webhook_added", endpoint)
        return endpoint

    async def change(
        self, tx: Tx, asked: Asked, webhook_id: str, url: str, kinds: list[str], *, show_numbers: bool
    ) -> Endpoint:
        """Another address, other kinds."""
        tenant_id = signed_in(asked).tenant_id
        endpoint = await self._desk.change(
            tx, tenant_id, checked(webhook_id), url, kinds, show_numbers=show_numbers
        )
        await self._write(tx, asked, "webhook_changed", endpoint)
        return endpoint

    async def rotate(self, tx: Tx, asked: Asked, webhook_id: str) -> Endpoint:
        """Another secret."""
        endpoint = await self._desk.rotate(tx, signed_in(asked).tenant_id, checked(webhook_id))
        await self._write(tx, asked, "webhook_secret_changed", endpoint)
        return endpoint

    async def switch(self, tx: Tx, asked: Asked, webhook_id: str, *, on: bool) -> Endpoint:
        """On or off."""
        do = self._desk.enable if on else self._desk.disable
        endpoint = await do(tx, signed_in(asked).tenant_id, checked(webhook_id))
        await self._write(tx, asked, "webhook_enabled" if on else "webhook_disabled", endpoint)
        return endpoint

    async def remove(self, tx: Tx, asked: Asked, webhook_id: str) -> None:
        """Tell it nothing more; its messages go too."""
        endpoint = await webhooks.delete(tx, signed_in(asked).tenant_id, checked(webhook_id))
        await self._write(tx, asked, "webhook_removed", endpoint)

    async def trial(self, tx: Tx, asked: Asked, webhook_id: str) -> str:
        """A test message; answers its id."""
        person = signed_in(asked)
        message_id = await self._desk.trial(tx, person.tenant_id, checked(webhook_id), person.actor)
        endpoint = await webhooks.get(tx, person.tenant_id, webhook_id)
        await self._write(tx, asked, "webhook_tried", endpoint)
        return message_id

    async def replay(self, tx: Tx, asked: Asked, webhook_id: str, message_id: str) -> None:
        """Send a message once more, or (empty id) all that were given up."""
        tenant_id, now_ms = signed_in(asked).tenant_id, self.clock.unix_ms()
        endpoint = await webhooks.locked(tx, tenant_id, checked(webhook_id))
        if message_id:
            await webhooks.replay(tx, tenant_id, endpoint.id, checked(message_id), now_ms)
        else:
            await webhooks.replay_failed(tx, tenant_id, endpoint.id, now_ms)
        await self._write(tx, asked, "webhook_replayed", endpoint)

    async def _write(self, tx: Tx, asked: Asked, action: str, endpoint: Endpoint) -> None:
        person = signed_in(asked)
        detail = {"url": endpoint.url, "numbers": endpoint.show_numbers}
        address = caller_of(asked).address
        deed = Deed(
            actor=person.actor, action=action, object=f"webhook:{endpoint.id}", detail=detail, address=address
        )
        await audit.add(tx, person.tenant_id, deed, self.clock.unix_ms())


def checked(row_id: str) -> str:
    """An id that may go into a query. Raises NotFoundError."""
    if not is_id(row_id):
        raise NotFoundError("There is no such webhook or message.")
    return row_id
