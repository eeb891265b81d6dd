"""The oracle of the promise `windows`: a table of minutes made by zoneinfo alone, nothing of the product in it.

Every UTC minute becomes the callee's wall clock; a wall clock is allowed when its minute of the week is written as
open and its day is no holiday. Shrinking and ring time are plain "all minutes around" and "all minutes after".
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One window: spans of minutes per day, what an uncertain zone takes off, how long a phone rings."""

    name: str
    hours: Mapping[str, Sequence[tuple[int, int]]]
    margin_min: int = 0
    hold_min: int = 0
    holidays: bool = False

    def week(self) -> Flags:
        """Which of the 10080 minutes of a week are written as open."""
        table = np.zeros(7 * 1440, dtype=bool)
        for n, day in enumerate(DAYS):
            for begin, end in self.hours[day]:
                table[n * 1440 + begin : n * 1440 + end] = True
        return table


class Table:
    """Wall clocks of some zones, minute by minute from `start_ms`."""

    def __init__(self, zones: Sequence[ZoneInfo], start_ms: int, minutes: int) -> None:
        start = EPOCH + timedelta(milliseconds=start_ms)
        instants = [start + timedelta(minutes=n) for n in range(minutes)]
        self._clocks = [
            np.array([_minute_number(instant.astimezone(zone)) for instant in instants]) for zone in zones
        ]

    def allowed(self, case: Case, holidays: Collection[date]) -> Flags:
        """Minutes at which the window is open in every zone."""
        found = np.ones(len(self._clocks[0]), dtype=bool)
        for clock in self._clocks:
            first = int(clock.min()) - case.margin_min
            numbers = np.arange(first, int(clock.max()) + case.margin_min + 1)
            written = case.week()[numbers % (7 * 1440)]
            if case.holidays:
                closed = {day.toordinal() - 1 for day in holidays}
                written &= ~np.isin(numbers // 1440, list(closed))
            around = _all_of(written, 2 * case.margin_min + 1)
            found &= around[clock - first - case.margin_min]
        return found


def held(allowed: Flags, hold_min: int) -> Flags:
    """Minutes from which on all of the next `hold_min` are allowed as well; shorter by so many."""
    return _all_of(allowed, hold_min + 1)


def _all_of(flags: Flags, width: int) -> Flags:
    """For each flag, whether it and those after it, `width` together, are set."""
    # asarray copies nothing: numpy's stubs count on a lone flag, which two dimensions never become.
    return np.asarray(sliding_window_view(flags, width).all(axis=1))


def _minute_number(clock: datetime) -> int:
    """Minutes of wall clock since Monday 1 January of year 1."""
    return (clock.toordinal() - 1) * 1440 + clock.hour * 60 + clock.minute
