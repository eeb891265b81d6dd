"""`Idempotency-Key`: a POST that comes twice is done once and answered alike, across crashes too.

Whoever loses the answer sends the request again: the first answer comes back with `Idempotent-Replayed: true`.
The same key with another body is 422, while the first request still runs 409. A refused request has done nothing,
so its key is free again. Answers are kept for a day, for each person and path apart; a secret is left out of what
is kept (`kept`), so a repetition answers without it.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import anyio
import msgspec
import structlog
from litestar import Request, Response
from litestar.datastructures import State

from app.clock import Clock
from app.errors import StoreError, ValidationFailed
from app.store import idempotency
from app.store.db import Database, Tx
from app.store.idempotency import Answered, Asking
from web.auth import signed_in

T = TypeVar("T")
Asked = Request[object, object, State]
log = structlog.get_logger()
SWEEP_S = 600.0
FILE = "file"
"""In `opt` of a route that takes its body as it is: the types of file it may be."""
HEADER, REPLAYED = "idempotency-key", "idempotent-replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


class Once:
    """One per application."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def do(
        self,
        request: Asked,
        deed: Callable[[Tx], Awaitable[T]],
        *,
        status: int = 201,
        route: str = "",
        kept: Callable[[T], T] | None = None,
        body: bytes | None = None,
    ) -> Response[T]:
        """Run `deed` in a transaction and answer what it returns; with a key at most once.

        `route`: what was asked, when it is not method and path. `kept`: what of the answer may be stored.
        `body`: what must be the same in a repetition, when the request's own was read already. Raises what `deed`
        and `idempotency.claim` do.
        """
        asking = await _asking(request, route, body)
        if asking is None:
            async with self._db.tx() as tx:
                return Response(await deed(tx), status_code=status)
        token = await idempotency.claim(self._db, asking, self._clock.unix_ms())
        if isinstance(token, Answered):
            again: Any = msgspec.Raw(token.body.encode())
            return Response(again, status_code=token.status, headers={REPLAYED: "true"})
        try:
            async with self._db.tx() as tx:
                answer = await deed(tx)
                text = msgspec.json.encode(answer if kept is None else kept(answer)).decode()
                await idempotency.settle(tx, asking, token, Answered(status=status, body=text))
        except BaseException:
            await self._release(asking, token)
            raise
        return Response(answer, status_code=status)

    async def sweep(self) -> None:
        """Remove answers that are too old, now and then, until cancelled."""
        while True:
            try:
                await idempotency.sweep(self._db, self._clock.unix_ms())
            except StoreError as error:  # a later round removes them
                log.warning("old answers not removed", error=error.message)
            await asyncio.sleep(SWEEP_S)

    async def _release(self, asking: Asking, token: str) -> None:
        with anyio.CancelScope(shield=True):
            with suppress(StoreError):  # then the claim runs out by itself
                await idempotency.release(self._db, asking, token)


async def _asking(request: Asked, route: str, body: bytes | None) -> Asking | None:
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise ValidationFailed(
            "An Idempotency-Key has 1 to 200 visible ASCII characters, for instance a UUID.",
            code="bad_idempotency_key",
        )
    person = signed_in(request)
    return Asking(
        tenant_id=person.tenant_id,
        actor=person.actor,
        route=route or f"{request.method} {request.url.path}?{request.url.query}",
        key=key,
        body=await request.body() if body is None else body,
    )
