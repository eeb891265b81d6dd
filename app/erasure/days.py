"""How long what is kept on this site: the days of the settings, and how far back calling rules look."""

import secrets

from app.config import Settings
from app.config.site import written_packs
from app.domain.erasure import DAY_MS, Days, Kind, in_force
from app.store import history
from app.store.db import Reader

TRIES_MS = 3 * DAY_MS
"""Messages to other systems are tried for two days and more."""


class Horizon:
    """How long calls have to be known whatever the days: rules count them, and callees call back. Reads the packs;
    raises ConfigError.
    """

    def __init__(self, settings: Settings) -> None:
        self._packs = [pack.rules for pack in written_packs(settings)]
        self._callback_ms = settings.callback_days * DAY_MS

    async def rules_ms(self, sql: Reader) -> int:
        """The longest period in which a pack, or the own rules of any tenant, count calls to a number."""
        return history.looks_back_ms([*self._packs, *await history.rules_of_tenants(sql)])

    async def talks_ms(self, sql: Reader) -> int:
        """Talks are not swept before."""
        return max(await self.rules_ms(sql), self._callback_ms)


def house_days(settings: Settings) -> Days:
    """The longest days anybody's words are kept; None: kept."""
    return Days(
        recordings=settings.retention_recordings_days,
        talks=settings.retention_talks_days,
        chats=settings.retention_chats_days,
        webhooks=settings.retention_webhooks_days,
    )


def pseudonym_key(settings: Settings) -> bytes:
    """What pseudonyms are made with: the site's own key, else one that nobody keeps."""
    return settings.erasure_key.get_secret_value().encode() or secrets.token_bytes(32)


def cutoffs_of(house: Days, own: Days, now_ms: int, talks_ms: int) -> dict[Kind, int]:
    """What is older than this moment (UTC epoch milliseconds) is swept, by kind; what is not in it is kept. Talks
    stay `talks_ms` at least, messages to other systems until they were tried to the end.
    """
    cutoffs = {kind: now_ms - days * DAY_MS for kind, days in in_force(house, own).items()}
    if Kind.TALKS in cutoffs:
        cutoffs[Kind.TALKS] = min(cutoffs[Kind.TALKS], now_ms - talks_ms)
    if Kind.WEBHOOKS in cutoffs:
        cutoffs[Kind.WEBHOOKS] = min(cutoffs[Kind.WEBHOOKS], now_ms - TRIES_MS)
    return cutoffs
