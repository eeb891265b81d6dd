"""Public holidays by calendar name: "FR" nationwide, "DE-BY" also those of a part, "DE-*" those of every part.

Computed by the package `holidays`, years on demand. Called by `reading` (does the name exist) and by `windows`.
"""

from collections.abc import Callable, Iterable
from datetime import date
from functools import cache

import holidays

IsHoliday = Callable[[date], bool]
EVERY_PART = "*"


def check_calendar(name: str) -> None:
    """Raises ValueError when there is no such calendar."""
    country, _, part = name.partition("-")
    known = holidays.list_supported_countries()
    if country not in known:
        raise ValueError(f"there is no holiday calendar {name!r}")
    if part and part != EVERY_PART and part not in known[country]:
        raise ValueError(f"the calendar {country} has no part {part!r}; parts are {', '.join(known[country])}")


@cache
def _calendars(name: str) -> tuple[holidays.HolidayBase, ...]:
    check_calendar(name)
    country, _, part = name.partition("-")
    parts = holidays.list_supported_countries()[country] if part == EVERY_PART else [part] if part else []
    every = [holidays.country_holidays(country, subdiv=one) for one in parts]
    return tuple(every or [holidays.country_holidays(country)])


@cache
def _of_year(name: str, year: int) -> frozenset[date]:
    """Observed days are in; so are those that a neighbouring year's holiday is moved to."""
    for calendar in _calendars(name):
        for one in (year - 1, year, year + 1):
            date(one, 1, 1) in calendar  # noqa: B015 # pyright: ignore[reportUnusedExpression] - fills the year
    return frozenset(day for calendar in _calendars(name) for day in calendar if day.year == year)


def is_holiday(names: Iterable[str]) -> IsHoliday:
    """Whether a day is a holiday of one of the calendars. Raises ValueError when one does not exist."""
    wanted = tuple(names)
    for name in wanted:
        check_calendar(name)
    return lambda day: any(day in _of_year(name, day.year) for name in wanted)
