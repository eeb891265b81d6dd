"""`/api/v1/webhooks`: who is told of what, and what became of each message."""

from typing import Annotated, Literal

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from app.domain.people import Permission
from app.store import webhooks
from app.store.db import Tx
from web.api.once import Once
from web.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, paging
from web.auth import needs, signed_in
from web.webhooks.deeds import WebhookDeeds, checked
from web.webhooks.view import Message, Webhook, WebhookWithSecret, message, webhook, without_secret

Asked = Request[object, object, State]


class WebhookBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to, of what, and whether telephone numbers are told whole."""

    url: Annotated[str, msgspec.Meta(max_length=2048)]
    kinds: list[str]
    show_numbers: bool = False


class WebhookChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to and of what; what is not said of numbers and of the state stays as it is."""

    url: Annotated[str, msgspec.Meta(max_length=2048)]
    kinds: list[str]
    show_numbers: bool | None = None
    state: Literal["active", "disabled"] | None = None


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is on its way."""

    message_id: str


def webhook_api(deeds: WebhookDeeds, once: Once) -> list[HTTPRouteHandler]:
    """`/webhooks`, one of them, its messages and their replay."""
    return [*_reading(deeds), *_writing(deeds, once), *_sending(deeds, once)]


def _reading(deeds: WebhookDeeds) -> list[HTTPRouteHandler]:
    may = needs(Permission.RULE)

    @get("/webhooks", opt=may)
    async def list_webhooks(request: Asked, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> Page[Webhook]:
        """The webhooks, oldest first."""
        at = paging(request, "webhooks", cursor, limit, str)
        after, now_ms = str(at.after[0]) if at.after else "", deeds.clock.unix_ms()
        rows = await webhooks.listed(deeds.db, signed_in(request).tenant_id, after=after, limit=at.limit + 1)
        return at.page(rows, key=lambda row: (row.id,), shown=lambda row: webhook(row, now_ms))

    @get("/webhooks/{webhook_id:str}", opt=may)
    async def get_webhook(request: Asked, webhook_id: FromPath[str]) -> Webhook:
        """One webhook."""
        endpoint = await webhooks.get(deeds.db, signed_in(request).tenant_id, checked(webhook_id))
        return webhook(endpoint, deeds.clock.unix_ms())

    @get("/webhooks/{webhook_id:str}/messages", opt=may)
    async def list_webhook_messages(
        request: Asked, webhook_id: FromPath[str], cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> Page[Message]:
        """Messages to a webhook, newest first."""
        tenant_id = signed_in(request).tenant_id
        await webhooks.get(deeds.db, tenant_id, checked(webhook_id))
        at = paging(request, f"messages {webhook_id}", cursor, limit, str)
        after = (str(at.after[0]), webhook_id) if at.after else None
        rows = await webhooks.deliveries(deeds.db, tenant_id, webhook_id, after=after, limit=at.limit + 1)
        return at.page(rows, key=lambda row: (row.event_id,), shown=message)

    return [list_webhooks, get_webhook, list_webhook_messages]


def _writing(deeds: WebhookDeeds, once: Once) -> list[HTTPRouteHandler]:
    may = needs(Permission.RULE)

    @post("/webhooks", opt=may, status_code=201)
    async def add_webhook(request: Asked, data: JSONBody[WebhookBody]) -> Response[WebhookWithSecret]:
        """Add a webhook; the first answer holds its secret, which is never shown again, nor to a repetition."""

        async def deed(tx: Tx) -> WebhookWithSecret:
            endpoint = await deeds.add(tx, request, data.url, data.kinds, show_numbers=data.show_numbers)
            return WebhookWithSecret(webhook=webhook(endpoint, deeds.clock.unix_ms()), secret=endpoint.secret)

        return await once.do(request, deed, kept=without_secret)

    @patch("/webhooks/{webhook_id:str}", opt=may)
    async def change_webhook(request: Asked, webhook_id: FromPath[str], data: JSONBody[WebhookChange]) -> Webhook:
        """Change where to and of what; `state` and `show_numbers` stay as they are unless they are given."""
        async with deeds.db.tx() as tx:
            before = await webhooks.locked(tx, signed_in(request).tenant_id, checked(webhook_id))
            show = before.show_numbers if data.show_numbers is None else data.show_numbers
            endpoint = await deeds.change(tx, request, webhook_id, data.url, data.kinds, show_numbers=show)
            if data.state is not None and data.state != endpoint.state:
                endpoint = await deeds.switch(tx, request, webhook_id, on=data.state == "active")
        return webhook(endpoint, deeds.clock.unix_ms())

    @delete("/webhooks/{webhook_id:str}", opt=may, status_code=204)
    async def remove_webhook(request: Asked, webhook_id: FromPath[str]) -> None:
        """Remove a webhook and its messages."""
        async with deeds.db.tx() as tx:
            await deeds.remove(tx, request, webhook_id)

    return [add_webhook, change_webhook, remove_webhook]


def _sending(deeds: WebhookDeeds, once: Once) -> list[HTTPRouteHandler]:
    may = needs(Permission.RULE)

    @post("/webhooks/{webhook_id:str}/secret", opt=may, status_code=200)
    async def change_webhook_secret(request: Asked, webhook_id: FromPath[str]) -> Response[WebhookWithSecret]:
        """Change the secret; for a day messages carry a signature of both."""

        async def deed(tx: Tx) -> WebhookWithSecret:
            endpoint = await deeds.rotate(tx, request, webhook_id)
            return WebhookWithSecret(webhook=webhook(endpoint, deeds.clock.unix_ms()), secret=endpoint.secret)

        return await once.do(request, deed, status=200, kept=without_secret)

    @post("/webhooks/{webhook_id:str}/test", opt=may, status_code=202)
    async def try_webhook(request: Asked, webhook_id: FromPath[str]) -> Response[Queued]:
        """Send a message of kind webhook.test."""

        async def deed(tx: Tx) -> Queued:
            return Queued(message_id=await deeds.trial(tx, request, webhook_id))

        return await once.do(request, deed, status=202)

    @post("/webhooks/{webhook_id:str}/messages/{message_id:str}/replay", opt=may, status_code=202)
    async def replay_webhook_message(
        request: Asked, webhook_id: FromPath[str], message_id: FromPath[str]
    ) -> Response[Queued]:
        """Send a message once more, under its own id."""

        async def deed(tx: Tx) -> Queued:
            await deeds.replay(tx, request, webhook_id, checked(message_id))
            return Queued(message_id=message_id)

        return await once.do(request, deed, status=202)

    return [change_webhook_secret, try_webhook, replay_webhook_message]
