"""The callee's week as 168 hours: which one an instant lies in, who answers in each, which are allowed. Pure.

Hour 0 is Monday 00:00 to 01:00 on the callee's own clock.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, tzinfo

import msgspec

from app.domain.policy.pack import Span, Weekday
from app.domain.policy.week import overlap, ring
from app.domain.policy.windows import local_time

HOURS = 168
_FIRST_MONDAY = date(1969, 12, 29).toordinal()


class HourCount(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that rang in an hour of the week; `people` of the `answered` ones were no machines."""

    rung: int = 0
    answered: int = 0
    people: int = 0


class WeekHour(msgspec.Struct, frozen=True, kw_only=True):
    """One square of the heatmap. `open_min`: how many of its 60 minutes calling rules allow, None: not known.
    `percent` of the calls reached a person, None: none rang.
    """

    day: int
    hour: int
    rung: int
    answered: int
    people: int
    percent: int | None
    open_min: int | None


def hour_of_week(at_ms: int, zone: tzinfo | None) -> tuple[int, int]:
    """(week, hour) of an instant on the clock of `zone`, UTC when there is none."""
    at = local_time(at_ms, zone or UTC)
    week, day = divmod(at.toordinal() - _FIRST_MONDAY, 7)
    return week, day * 24 + at.hour


def week_hours(
    counts: Sequence[HourCount], hours: Mapping[Weekday, Sequence[Span]] | None
) -> tuple[WeekHour, ...]:
    """The squares, Monday's first. `hours`: those that calling rules allow, None when no rules are known."""
    spans = None if hours is None else ring(hours)
    return tuple(
        WeekHour(
            day=n // 24,
            hour=n % 24,
            rung=count.rung,
            answered=count.answered,
            people=count.people,
            percent=round(100 * count.people / count.rung) if count.rung else None,
            open_min=None if spans is None else _open_min(spans, n),
        )
        for n, count in enumerate(counts)
    )


def _open_min(spans: Sequence[Span], hour: int) -> int:
    return sum(end - begin for begin, end in overlap(spans, ((hour * 60, hour * 60 + 60),)))
