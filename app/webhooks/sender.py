"""Sends what waits in the outbox. At least once: what was sent and not noted before a crash is sent again, with
the same id. One endpoint that is slow or down holds up only itself.
"""

import asyncio
import random
from collections import Counter

import structlog

from app.clock import Clock
from app.domain.webhook import Answer, Endpoint, Event, body_of, headers_of
from app.errors import AppError, StoreError
from app.guarded_http import FetchFailed, GuardedClient, HostRules, Origin, UrlRefused
from app.store import webhooks
from app.store.db import Database
from app.store.webhooks import HOLD_MS

log = structlog.get_logger()

POLL_S = 1.0
AT_ONCE = 8
"""Endpoints that are sent to at the same time."""
BATCH = 50
"""Messages to one endpoint before another one has its turn."""
TURN_S = 5.0
"""After so long it is another's turn as well: messages that are answered slowly are as good as many."""
TENANT_AT_ONCE = AT_ONCE // 2
"""Endpoints of one tenant among them: slow ones of a tenant leave places to everybody else."""
TIMEOUT_S = 15.0


class Sender:
    """One per engine."""

    def __init__(
        self, db: Database, clock: Clock, trusted: frozenset[Origin], client: GuardedClient | None = None
    ) -> None:
        self._db = db
        self._clock = clock
        self._rules = HostRules(trusted=trusted)
        self._client = client or GuardedClient(timeout_s=TIMEOUT_S, follow_redirects=False)
        self._busy = Counter[str]()
        self._freed = asyncio.Event()

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    await self._round(group)
                except StoreError as error:
                    log.warning("webhooks wait", error=error.message)
                await self._pause()

    async def _pause(self) -> None:
        """Until an endpoint is free again, which may have more, or it is time to look."""
        self._freed.clear()
        try:
            async with asyncio.timeout(POLL_S):
                await self._freed.wait()
        except TimeoutError:
            return

    async def _round(self, group: asyncio.TaskGroup) -> None:
        while (free := AT_ONCE - self._busy.total()) > 0:
            full = [tenant_id for tenant_id, busy in self._busy.items() if busy >= TENANT_AT_ONCE]
            room = min([TENANT_AT_ONCE - busy for busy in self._busy.values() if busy < TENANT_AT_ONCE] or [free])
            limit = min(free, room, TENANT_AT_ONCE)
            held = await webhooks.hold(self._db, self._clock.unix_ms(), limit, full=full)
            for endpoint in held:
                self._busy[endpoint.tenant_id] += 1
                group.create_task(self._serve(endpoint), name=f"webhook {endpoint.id}")
            if len(held) < limit:
                return

    async def _serve(self, endpoint: Endpoint) -> None:
        """What is due of one endpoint, one after the other."""
        try:
            await self.send_due(endpoint)
            # When it was served orders the next round: slow ones that came first would else come first for ever.
            await webhooks.go_on(self._db, endpoint, self._clock.unix_ms() - 1)
        except StoreError as error:
            log.warning("webhook waits", endpoint_id=endpoint.id, error=error.message)
        except Exception:  # one endpoint must not end the engine; its lease runs out by itself
            log.exception("webhook failed", endpoint_id=endpoint.id)
        finally:
            self._busy[endpoint.tenant_id] -= 1
            self._freed.set()

    async def send_due(self, endpoint: Endpoint) -> int:
        """Send what is due until nothing is, the endpoint wants a pause, or it is another's turn."""
        sent, end = 0, self._clock.monotonic() + TURN_S
        while sent < BATCH and (sent == 0 or self._clock.monotonic() < end):
            now_ms = self._clock.unix_ms()
            found = await webhooks.due(self._db, endpoint.id, now_ms)
            if found is None or not await webhooks.go_on(self._db, endpoint, now_ms + HOLD_MS):
                return sent
            event, tries = found
            answer = await self._post(endpoint, event)
            now_ms = self._clock.unix_ms()
            async with self._db.tx() as tx:
                after = await webhooks.told(
                    tx, endpoint, event.id, tries, answer, now_ms=now_ms, luck=random.random()
                )
            sent += 1
            if after is None or after.state != "active" or after.next_try_ms > now_ms:
                return sent
            endpoint = after
        return sent

    async def _post(self, endpoint: Endpoint, event: Event) -> Answer:
        body = body_of(event, show_numbers=endpoint.show_numbers)
        headers = headers_of(endpoint, event.id, body, self._clock.unix_ms())
        try:
            # The status alone decides (Standard Webhooks); a body that is long or breaks off is no failure.
            got = await self._client.fetch(
                endpoint.url, self._rules, method="POST", headers=headers, body=body, status_only=True
            )
        except (UrlRefused, FetchFailed) as refused:
            return Answer(status=None, error=refused.message)
        except AppError as error:
            return Answer(status=None, error=error.message)
        return Answer(status=got.status, error="" if 200 <= got.status < 300 else f"It answered {got.status}.")
