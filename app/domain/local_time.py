"""Instants as people say them: the callee's wall clock and UTC, in English whatever the locale.

Called by admission, the command line and everything that answers "why not now".
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from app.domain.policy.windows import local_time
from app.domain.policy.zones import zone_named

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def told(at_ms: int, zones: Sequence[str] = ()) -> str:
    """ "Fri 20 Nov 2026 21:14 in New York (Sat 02:14 UTC)"; without zones "Sat 21 Nov 2026 02:14 UTC".

    Of several zones with different clocks the earliest and the latest are told.
    """
    utc = local_time(at_ms, UTC)
    local = sorted(
        (
            (clock.replace(tzinfo=None), place_of(key))
            for key in zones
            if (clock := _clock(at_ms, key)) is not None
        ),
    )
    if not local:
        return f"{_long(utc)} UTC"
    first, last = local[0], local[-1]
    said = f"{_long(first[0])} in {first[1]}"
    if last[0] != first[0]:
        said += f" and {DAYS[last[0].weekday()]} {last[0]:%H:%M} in {last[1]}"
    return f"{said} ({DAYS[utc.weekday()]} {utc:%H:%M} UTC)"


def place_of(key: str) -> str:
    """ "America/New_York" -> "New York"."""
    return key.rpartition("/")[2].replace("_", " ")


def _clock(at_ms: int, key: str) -> datetime | None:
    zone = zone_named(key)
    return None if zone is None else local_time(at_ms, zone)


def _long(at: datetime) -> str:
    return f"{DAYS[at.weekday()]} {at.day} {MONTHS[at.month - 1]} {at.year} {at:%H:%M}"
