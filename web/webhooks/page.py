"""The page "Webhooks" and its forms."""

from collections.abc import Awaitable, Callable
from typing import Literal

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import FormMultiDict, State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from app.domain.people import Permission
from app.errors import ConflictError, NotFoundError, ValidationFailed
from app.ids import is_id
from app.store import webhooks
from app.store.db import Tx
from web.auth import needs, signed_in
from web.render import Templates
from web.webhooks.deeds import WebhookDeeds
from web.webhooks.view import KIND_WORDS, message_line, webhook

Asked = Request[object, object, State]
Answer = Response[str] | Redirect
SHOWN = 50
Do = Literal["rotate", "enable", "disable", "remove", "test", "replay"]


class WebhookPage:
    """One per application."""

    def __init__(self, deeds: WebhookDeeds, templates: Templates) -> None:
        self._deeds = deeds
        self._templates = templates

    async def page(self, asked: Asked, before: str = "", status: int = 200, **said: str) -> Response[str]:
        """Webhooks and their newest messages; `said`: refusal, or a secret that is shown this once."""
        person, db = signed_in(asked), self._deeds.db
        rows = await webhooks.deliveries(db, person.tenant_id, after=_place(before), limit=SHOWN + 1)
        now_ms = self._deeds.clock.unix_ms()
        text = self._templates.render(
            "webhooks.html",
            person,
            "/webhooks",
            webhooks=[webhook(one, now_ms) for one in await webhooks.listed(db, person.tenant_id)],
            messages=[message_line(row) for row in rows[:SHOWN]],
            following=_written(rows[SHOWN - 1]) if len(rows) > SHOWN else None,
            kinds=list(KIND_WORDS.items()),
            **{"said": "", "refusal": "", "secret": "", "url": ""} | said,
        )
        return Response(text, status_code=status, media_type=MediaType.HTML)

    async def add(self, asked: Asked) -> Response[str]:
        """A new one; its secret is shown once."""
        form = await asked.form()
        try:
            async with self._deeds.db.tx() as tx:
                url, kinds, numbers = _read(form)
                endpoint = await self._deeds.add(tx, asked, url, kinds, show_numbers=numbers)
        except (ValidationFailed, ConflictError) as refused:
            return await self.page(asked, status=_status(refused), refusal=refused.message)
        return await self.page(asked, secret=endpoint.secret, url=endpoint.url)

    async def change(self, asked: Asked, webhook_id: str) -> Answer:
        """Another address, other kinds."""
        form = await asked.form()

        async def deed(tx: Tx) -> None:
            await webhooks.get(tx, signed_in(asked).tenant_id, webhook_id)
            url, kinds, numbers = _read(form)
            await self._deeds.change(tx, asked, webhook_id, url, kinds, show_numbers=numbers)

        return await self._done(asked, deed)

    async def do(self, asked: Asked, webhook_id: str, what: str) -> Answer:
        """Whatever needs no more than a button."""
        deeds = self._deeds
        if what == "rotate":
            async with deeds.db.tx() as tx:
                endpoint = await deeds.rotate(tx, asked, webhook_id)
            return await self.page(asked, secret=endpoint.secret, url=endpoint.url)

        async def deed(tx: Tx) -> None:
            match what:
                case "enable" | "disable":
                    await deeds.switch(tx, asked, webhook_id, on=what == "enable")
                case "remove":
                    await deeds.remove(tx, asked, webhook_id)
                case "test":
                    await deeds.trial(tx, asked, webhook_id)
                case "replay":
                    await deeds.replay(tx, asked, webhook_id, "")
                case _:
                    await webhooks.get(tx, signed_in(asked).tenant_id, webhook_id)
                    raise ValidationFailed("A webhook is not asked to do that.")

        return await self._done(asked, deed)

    async def replay(self, asked: Asked, webhook_id: str, message_id: str) -> Answer:
        """Send one message once more."""

        async def deed(tx: Tx) -> None:
            if not message_id:
                raise NotFoundError("There is no such message.")
            await self._deeds.replay(tx, asked, webhook_id, message_id)

        return await self._done(asked, deed)

    async def _done(self, asked: Asked, deed: Callable[[Tx], Awaitable[None]]) -> Answer:
        try:
            async with self._deeds.db.tx() as tx:
                await deed(tx)
        except (ValidationFailed, ConflictError) as refused:
            return await self.page(asked, status=_status(refused), refusal=refused.message)
        return Redirect("/webhooks", status_code=303)


def webhook_routes(page: WebhookPage) -> list[HTTPRouteHandler]:
    """`/webhooks` with its forms."""
    may, html = needs(Permission.RULE), MediaType.HTML

    @get("/webhooks", opt=may, media_type=html)
    async def webhooks_page(request: Asked, before: FromQuery[str] = "") -> Response[str]:
        return await page.page(request, before)

    @post("/webhooks", opt=may, media_type=html, status_code=200)
    async def add_webhook(request: Asked) -> Response[str]:
        return await page.add(request)

    @post("/webhooks/{webhook_id:str}", opt=may, media_type=html)
    async def change_webhook(request: Asked, webhook_id: FromPath[str]) -> Response[str] | Redirect:
        return await page.change(request, webhook_id)

    @post("/webhooks/{webhook_id:str}/{deed:str}", opt=may, media_type=html, status_code=200)
    async def webhook_deed(
        request: Asked, webhook_id: FromPath[str], deed: FromPath[str]
    ) -> Response[str] | Redirect:
        return await page.do(request, webhook_id, deed)

    @post("/webhooks/{webhook_id:str}/messages/{message_id:str}", opt=may, media_type=html)
    async def replay_message(
        request: Asked, webhook_id: FromPath[str], message_id: FromPath[str]
    ) -> Response[str] | Redirect:
        return await page.replay(request, webhook_id, message_id)

    return [webhooks_page, add_webhook, change_webhook, webhook_deed, replay_message]


def _place(before: str) -> webhooks.Place | None:
    """The `before` of an address; None, the beginning, for one that is not of `_written`."""
    event_id, _, endpoint_id = before.partition(".")
    return (event_id, endpoint_id) if is_id(event_id) and is_id(endpoint_id) else None


def _written(last: webhooks.Delivery) -> str:
    return f"{last.event_id}.{last.endpoint_id}"


def _read(form: FormMultiDict) -> tuple[str, list[str], bool]:
    """Address, kinds, and whether numbers are told whole."""
    url = form.get("url", "")
    kinds = [kind for kind in form.getall("kinds", []) if isinstance(kind, str)]
    return (url if isinstance(url, str) else ""), kinds, "show_numbers" in form


def _status(refused: ValidationFailed | ConflictError) -> int:
    return 409 if isinstance(refused, ConflictError) else 422
