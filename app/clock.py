"""The only reader of the wall clock and of the monotonic clock in `app`.

Everything else takes `now` as an argument or a `Clock` in its constructor. Wall time is for people, windows and
rows (UTC); monotonic time is for deadlines, which a clock jump must not move.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where a shell takes its time from."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        ...

    def unix_ms(self) -> int:
        """Wall time as stored in rows: milliseconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever grow; comparable within this process."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(tz=UTC)  # noqa: TID251 - this class is where wall time comes from

    def unix_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that stands still until it is moved: simulations and tests of days in milliseconds."""

    def __init__(self, start: datetime, *, monotonic_s: float = 1_000.0) -> None:
        if start.tzinfo is None:
            raise ValueError("start must be an aware datetime")
        self._wall = start.astimezone(UTC)
        self._monotonic_s = monotonic_s

    def now(self) -> datetime:
        return self._wall

    def unix_ms(self) -> int:
        return (self._wall - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

    def monotonic(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks. Raises ValueError for a negative amount."""
        if seconds < 0:
            raise ValueError("time does not run backwards; use jump_wall for a corrected wall clock")
        self._wall += timedelta(seconds=seconds)
        self._monotonic_s += seconds

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an operator or NTP does; monotonic time is untouched."""
        self._wall += timedelta(seconds=seconds)
