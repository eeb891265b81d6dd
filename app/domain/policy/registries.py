"""Which public do-not-call registries the policy packs ask, how old a list may be, and whose numbers it holds."""

from collections.abc import Iterable

import msgspec

from app.domain.policy.pack import Pack

DAY_MS = 86_400_000


class AskedRegistry(msgspec.Struct, frozen=True, kw_only=True):
    """One registry. `country` (ISO) is that of its national numbers, "" when the packs name none."""

    name: str
    max_age_days: int
    country: str

    def stale_ms(self, as_of_ms: int) -> int:
        """After this instant (UTC epoch milliseconds) a list of that date counts no more."""
        return as_of_ms + self.max_age_days * DAY_MS


def asked_registries(packs: Iterable[Pack]) -> dict[str, AskedRegistry]:
    """By name, in order; where packs differ the shortest time holds, and the country is that of the first."""
    found: dict[str, AskedRegistry] = {}
    for pack in packs:
        country = next(iter(pack.match.countries), "")
        for names in pack.rules.list_max_age_days.values():
            for name, days in names.items():
                known = found.get(name) or AskedRegistry(name=name, max_age_days=days, country=country)
                found[name] = msgspec.structs.replace(known, max_age_days=min(days, known.max_age_days))
    return dict(sorted(found.items()))
