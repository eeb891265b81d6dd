"""What people and programs do with webhooks: add, change, rotate the secret, try, replay, remove."""

import secrets
from collections.abc import Iterable

import msgspec

from app.clock import Clock
from app.config import Settings
from app.domain.webhook import KINDS, SECRET_BYTES, Endpoint, Kind, secret_of
from app.errors import ConflictError, ValidationFailed
from app.guarded_http import HostRules, UrlRefused, check_url, trusted_origins
from app.ids import new_id
from app.store import outbox, webhooks
from app.store.db import Tx

MOST = 20
"""Webhooks of one tenant."""
TELLABLE: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind != "webhook.test")


class WebhookDesk:
    """One per process. Each method works in the caller's transaction, which also writes the audit entry."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._rules = HostRules(trusted=trusted_origins(settings.webhook_hosts))

    async def add(self, tx: Tx, tenant_id: str, url: str, kinds: Iterable[str], *, show_numbers: bool) -> Endpoint:
        """A new one, with a secret that is shown once. Raises ValidationFailed, ConflictError."""
        now_ms = self._clock.unix_ms()
        await tx.exclusive(f"webhooks {tenant_id}")
        if len(await webhooks.listed(tx, tenant_id, limit=MOST)) >= MOST:
            raise ConflictError(f"There are {MOST} webhooks already; remove one first.")
        endpoint = Endpoint(
            id=new_id(now_ms),
            tenant_id=tenant_id,
            url=self._address(url),
            kinds=_kinds(kinds),
            secret=secret_of(secrets.token_bytes(SECRET_BYTES)),
            old_secret="",
            old_until_ms=0,
            show_numbers=show_numbers,
            state="active",
            reason="",
            failures=0,
            failing_since_ms=None,
            next_try_ms=0,
            sender=0,
            sender_until_ms=0,
            created_ms=now_ms,
        )
        return await webhooks.create(tx, endpoint)

    async def change(
        self, tx: Tx, tenant_id: str, endpoint_id: str, url: str, kinds: Iterable[str], *, show_numbers: bool
    ) -> Endpoint:
        """Another address, other kinds. Raises NotFoundError, ValidationFailed."""
        endpoint = await webhooks.locked(tx, tenant_id, endpoint_id)
        endpoint = msgspec.structs.replace(
            endpoint, url=self._address(url), kinds=_kinds(kinds), show_numbers=show_numbers
        )
        await webhooks.save(tx, endpoint)
        return endpoint

    async def enable(self, tx: Tx, tenant_id: str, endpoint_id: str) -> Endpoint:
        """Send again to one that was disabled; what waits meanwhile goes out at once."""
        endpoint = await webhooks.locked(tx, tenant_id, endpoint_id)
        endpoint = msgspec.structs.replace(
            endpoint, state="active", reason="", failures=0, failing_since_ms=None, next_try_ms=0
        )
        await webhooks.save(tx, endpoint)
        return endpoint

    async def disable(self, tx: Tx, tenant_id: str, endpoint_id: str) -> Endpoint:
        """Tell it nothing until somebody enables it."""
        endpoint = await webhooks.locked(tx, tenant_id, endpoint_id)
        endpoint = msgspec.structs.replace(endpoint, state="disabled", reason="Somebody switched it off.")
        await webhooks.save(tx, endpoint)
        return endpoint

    async def rotate(self, tx: Tx, tenant_id: str, endpoint_id: str) -> Endpoint:
        """Another secret; for a day both sign."""
        endpoint = await webhooks.locked(tx, tenant_id, endpoint_id)
        fresh = secret_of(secrets.token_bytes(SECRET_BYTES))
        endpoint = webhooks.rotated(endpoint, fresh, self._clock.unix_ms())
        await webhooks.save(tx, endpoint)
        return endpoint

    async def trial(self, tx: Tx, tenant_id: str, endpoint_id: str, by: str) -> str:
        """A message that says nothing, to see whether it arrives; answers its id. Raises ConflictError."""
        endpoint, now_ms = await webhooks.locked(tx, tenant_id, endpoint_id), self._clock.unix_ms()
        if endpoint.state != "active":
            raise ConflictError("The webhook is disabled; enable it first.")
        data = {"message": "This is a test.", "asked_by": by}
        return await outbox.put(tx, tenant_id, "webhook.test", endpoint_id, data, who=[endpoint_id], now_ms=now_ms)

    def _address(self, url: str) -> str:
        url = url.strip()
        try:
            check_url(url, self._rules)
        except UrlRefused as refused:
            raise ValidationFailed(refused.message, code=refused.code) from None
        return url


def _kinds(wanted: Iterable[str]) -> str:
    given = set(wanted)
    kinds = [kind for kind in TELLABLE if kind in given]
    if not kinds or len(kinds) != len(given):
        raise ValidationFailed(f"Say what it shall be told of; there are: {', '.join(TELLABLE)}.")
    return msgspec.json.encode(kinds).decode()
