"""Where a callee's clock may stand: contact data first, else every zone of the number, else nobody is called.

A number's zone is a guess (+1 219 lies in two zones and the metadata names one), so what is inferred is marked and
the calling window shrinks by an hour at both ends. Called at import, by admission and by `opendeep policy check`.
"""

from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import phonenumbers
from phonenumbers import PhoneNumberType, timezone

MAX_ZONES = 4
"""More than this many zones for one number is not knowledge about a place."""
INFERRED_MARGIN_MIN = 60
_AREAS = frozenset(
    {
        *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian"),
        *("Pacific", "Brazil", "Canada", "Chile", "Mexico", "US"),
    }
)
_PLACED = frozenset({PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
"""Kinds of numbers that belong to a country's places; toll-free, internet and personal numbers do not."""


class Zones(msgspec.Struct, frozen=True, kw_only=True, tag="known"):
    """Zones that the callee may be in: a call must be allowed in each of them. `keys` are IANA names, sorted."""

    keys: tuple[str, ...]
    inferred: bool

    @property
    def margin_min(self) -> int:
        """Minutes by which a window shrinks at both ends."""
        return INFERRED_MARGIN_MIN if self.inferred else 0


class ZonesUnknown(msgspec.Struct, frozen=True, kw_only=True, tag="unknown"):
    """Nobody knows the callee's local time; somebody must be asked. `code`: number, kind, many, contact."""

    code: Literal["number", "kind", "many", "contact"]
    sentence: str


def zones_of(number: str, contact_zone: str = "") -> Zones | ZonesUnknown:
    """Zones of a callee. `contact_zone` (IANA name) out of the contact's data wins and is not doubted, but a wrong
    one is never replaced by a guess.
    """
    if contact_zone:
        if zone_named(contact_zone) is None:
            return _unknown(
                "contact", f"The contact's time zone {contact_zone[:40]!r} is not one like Europe/Paris."
            )
        return Zones(keys=(contact_zone,), inferred=False)
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return _unknown("number", "The number has no country code, so its time zone is unknown.")
    if phonenumbers.number_type(parsed) not in _PLACED:
        return _unknown("kind", "The number belongs to no place (toll-free, internet or personal).")
    found: tuple[str, ...] = timezone.time_zones_for_number(parsed)
    keys = tuple(sorted({key for key in found if zone_named(key) is not None}))
    if len(keys) != len(set(found)):
        return _unknown("number", "The number tells no time zone.")
    if len(keys) > MAX_ZONES:
        return _unknown("many", f"The number may be in any of {len(keys)} time zones.")
    return Zones(keys=keys, inferred=True)


def zone_named(key: str) -> ZoneInfo | None:
    """The zone of a place by IANA name, or UTC. Abbreviations are not taken: "EST" is an hour off all summer."""
    if key != "UTC" and key.partition("/")[0] not in _AREAS:
        return None
    try:
        return ZoneInfo(key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _unknown(code: Literal["number", "kind", "many", "contact"], what: str) -> ZonesUnknown:
    return ZonesUnknown(code=code, sentence=f"{what} Say the callee's time zone; it is never guessed.")
