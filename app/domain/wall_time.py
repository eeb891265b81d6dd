"""From a wall clock that a person typed to an instant. Pure."""

from datetime import UTC, datetime

from app.domain.local_time import place_of
from app.domain.policy.windows import local_time, utc_ms
from app.domain.policy.zones import zone_named
from app.errors import ValidationFailed


def instant(written: str, key: str) -> int:
    """UTC milliseconds of a time like 2027-01-16T16:00 in the zone `key`; of an hour that comes twice the first.

    Raises ValidationFailed with what is wrong.
    """
    zone = zone_named(key)
    try:
        wall = datetime.fromisoformat(written.strip())
    except ValueError:
        raise ValidationFailed(f"{written[:40]!r} is not a time like 2027-01-16T16:00.") from None
    if wall.tzinfo is not None or zone is None:
        raise ValidationFailed("Write the time on the callee's clock, without offset.")
    try:
        at_ms = utc_ms(wall.replace(tzinfo=zone).astimezone(UTC))
    except OverflowError:
        raise ValidationFailed(f"{written[:40]!r} is no time that can be called at.") from None
    if local_time(at_ms, zone).replace(tzinfo=None) != wall:
        raise ValidationFailed(
            f"{written} does not exist in {place_of(key)}: the clocks are set forward over it. Take another time."
        )
    return at_ms


def written(at_ms: int, key: str) -> str:
    """The same the other way, to the minute, as a form's field shows it."""
    return f"{local_time(at_ms, zone_named(key) or UTC):%Y-%m-%dT%H:%M}"
