"""Promise: no call begins outside the callee's window.

The product (`app.domain.policy.windows`) is asked for its open times; the oracle shares nothing with it: every UTC
minute of a stretch is turned into local time by zoneinfo and looked up in a table of the 10080 minutes of a week.
Stretches: two days around every clock change of a year in every zone, leap day, New Year; windows: plain days,
a midday gap, over midnight, almost always; with and without holidays, an hour's margin and a ring time; sets of
two to four zones by the seed. Deliberately wrong products (`MUTANTS`) must be caught.
"""

import random
import time
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from importlib import metadata
from typing import Protocol, cast
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from app.domain.policy.pack import Span, Weekday
from app.domain.policy.windows import CallingWindow, ZoneHours, local_time
from app.figures import Result
from scripts.promises.minute_table import DAYS, EPOCH, Case, Flags, Table, held

MINUTE_MS = 60_000
YEAR = 2027
SETS = 50
STRETCH_MIN = 2 * 1440
NOT_PLACES = {"Factory", "localtime", "posixrules"}
MIDNIGHT = {day: ((0, 120), (1320, 1440)) for day in DAYS}
CASES = (
    Case(name="days", hours={**{day: ((540, 1200),) for day in DAYS}, "sun": ()}),
    Case(name="midday gap", hours={day: ((600, 780), (840, 1200)) for day in DAYS}, margin_min=60),
    Case(name="over midnight", hours=MIDNIGHT, hold_min=5),
    Case(name="over midnight, inferred", hours=MIDNIGHT, margin_min=60, holidays=True),
    Case(name="nights of clock changes", hours={day: ((30, 150), (170, 230)) for day in DAYS}, holidays=True),
    Case(name="almost always", hours={**{day: ((0, 1440),) for day in DAYS}, "wed": ((0, 719), (720, 1440))}),
)
HOLIDAYS = frozenset({date(2028, 2, 29), date(2028, 1, 1), date(2027, 3, 28), date(2027, 11, 7)})


class Product(Protocol):
    """What is checked; CallingWindow is one."""

    def is_open(self, at_ms: int, hold_s: int = 0) -> bool: ...

    def next_open(self, at_ms: int, hold_s: int = 0) -> int | None: ...

    def closes(self, at_ms: int, last_ms: int) -> int | None: ...


Make = Callable[[list[ZoneInfo], Case], Product]


class Found(msgspec.Struct):
    """Running totals."""

    minutes: int = 0
    openings: int = 0
    violations: int = 0
    first: str = ""


def product(zones: list[ZoneInfo], case: Case) -> Product:
    """The real thing."""
    return CallingWindow([_hours(zone, case) for zone in zones])


def _hours(zone: tzinfo, case: Case) -> ZoneHours:
    hours = cast(Mapping[Weekday, Sequence[Span]], case.hours)
    return ZoneHours(zone, hours, HOLIDAYS.__contains__ if case.holidays else None, case.margin_min)


def run(seed: int, mutant: str = "") -> Result:
    """All zones, then sets of zones; afterwards a smaller round with each mutant."""
    begun = time.perf_counter()
    zoneinfo.reset_tzpath(to=())  # the locked tzdata, not the machine's
    zones = [ZoneInfo(key) for key in sorted(zoneinfo.available_timezones() - NOT_PLACES)]
    found, changes = Found(), 0
    make = MUTANTS[mutant] if mutant else product
    for zone in zones:
        starts, turned = stretches(zone)
        changes += turned
        for start in starts:
            check([zone], start, make, found, random.Random(f"{seed}{zone.key}{start}"))
    draw = random.Random(seed)
    for _ in range(SETS):
        several = draw.sample(zones, draw.randint(2, 4))
        check(several, draw.choice(stretches(several[0])[0]), make, found, draw)
    caught = [name for name in MUTANTS if not mutant and is_caught(name, zones, seed)]
    missed = 0 if mutant else len(MUTANTS) - len(caught)
    return Result(
        name="windows",
        n=found.minutes,
        violations=found.violations + missed,
        seed=seed,
        seconds=round(time.perf_counter() - begun, 1),
        figures={
            "zones": len(zones),
            "clock_changes": changes,
            "windows": len(CASES),
            "openings": found.openings,
            "tzdata": metadata.version("tzdata"),
            "first_violation": found.first or None,
            "mutants": len(MUTANTS),
            "mutant_caught": None if mutant else not missed,
            "mutant": mutant or None,
        },
    )


def is_caught(name: str, zones: list[ZoneInfo], seed: int) -> bool:
    """Whether the check finds a violation of the mutant, in some zones and pairs that change their clocks."""
    found, draw = Found(), random.Random(seed)
    turning = [zone for zone in zones if stretches(zone)[1]]
    for n in range(12):
        several = draw.sample(turning, 1 + n % 2)
        for start in stretches(several[0])[0]:
            check(several, start, MUTANTS[name], found, draw)
            if found.violations:
                return True
    return False


def check(zones: list[ZoneInfo], start_ms: int, make: Make, found: Found, draw: random.Random) -> None:
    """One stretch, every case: each minute of the product's openings against the table."""
    table = Table(zones, start_ms, STRETCH_MIN)
    for case in CASES:
        allowed = table.allowed(case, HOLIDAYS)
        expected = held(allowed, case.hold_min)
        window = make(zones, case)
        told, openings = _told(window, start_ms, len(expected), case.hold_min)
        wrong = [int(minute) for minute in np.flatnonzero(told != expected)]
        edges = [int(minute) for minute in np.flatnonzero(np.diff(expected))]
        edges = [edge + draw.randint(0, 1) for edge in draw.sample(edges, min(3, len(edges)))]
        for minute in (*draw.sample(range(len(expected)), 3), *edges):
            if not _agrees(window, start_ms, minute, allowed, expected):
                wrong.append(minute)
        found.minutes += len(expected)
        found.openings += openings
        found.violations += len(wrong)
        if wrong and not found.first:
            at = EPOCH + timedelta(milliseconds=start_ms, minutes=wrong[0])
            found.first = f"{case.name}, {'+'.join(zone.key for zone in zones)}, {at:%Y-%m-%d %H:%M} UTC"


def _agrees(window: Product, start_ms: int, minute: int, allowed: Flags, expected: Flags) -> bool:
    """One question at one minute, as the scheduler asks it: may a call begin now, and when may it next."""
    at_ms, hold_s = start_ms + minute * MINUTE_MS, 60 * (len(allowed) - len(expected))
    later = np.flatnonzero(expected[minute:])
    following = window.next_open(at_ms, hold_s)
    # Beyond the table nothing is known.
    right = (
        following == at_ms + int(later[0]) * MINUTE_MS if len(later) else following is None or following > at_ms
    )
    return (
        right
        and window.is_open(at_ms, hold_s) == expected[minute]
        and window.is_open(at_ms + MINUTE_MS - 1) == allowed[minute]
    )


def _told(window: Product, start_ms: int, minutes: int, hold_min: int) -> tuple[Flags, int]:
    """Minutes at which the product lets a call begin, walking from opening to closing."""
    told, openings = np.zeros(minutes, dtype=bool), 0
    at_ms, end_ms = start_ms, start_ms + minutes * MINUTE_MS
    while (opening := window.next_open(at_ms, hold_min * 60)) is not None and opening < end_ms:
        closing = window.closes(opening, end_ms + hold_min * MINUTE_MS)
        last_ms = (end_ms if closing is None else closing) - (0 if closing is None else hold_min * MINUTE_MS)
        told[-((start_ms - opening) // MINUTE_MS) : -((start_ms - last_ms) // MINUTE_MS)] = True
        if not window.is_open(opening, hold_min * 60):
            told[(opening - start_ms) // MINUTE_MS] ^= True  # an opening that is none
        openings += 1
        at_ms = max(opening + MINUTE_MS, end_ms if closing is None else closing)
    return told, openings


def stretches(zone: ZoneInfo) -> tuple[list[int], int]:
    """Starts of a zone's stretches, a day before what they are about, and how many clock changes."""
    centres = [datetime(2028, 2, 29, 12, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)]
    day, changed = datetime(YEAR, 1, 1, tzinfo=UTC), 0
    while day.year == YEAR:
        following = day + timedelta(days=1)
        if day.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
            changed += 1
            centres.append(following)
        day = following
    half = timedelta(minutes=STRETCH_MIN // 2)
    return [int((centre - half).timestamp()) * 1000 for centre in centres], changed


class AskedOffset(CallingWindow):
    """Mutant: the next opening by the offset of the moment of asking, as wall clock arithmetic does it."""

    def __init__(self, zones: list[ZoneInfo], case: Case) -> None:
        super().__init__([_hours(zone, case) for zone in zones])
        self._asked = lambda at_ms: CallingWindow([_hours(_fixed(zone, at_ms), case) for zone in zones])

    def next_open(self, at_ms: int, hold_s: int = 0) -> int | None:
        return self._asked(at_ms).next_open(at_ms, hold_s)


def _fixed(zone: ZoneInfo, at_ms: int) -> tzinfo:
    return timezone(local_time(at_ms, zone).utcoffset() or timedelta())


def _without(**left_out: int) -> Make:
    return lambda zones, case: product(zones, msgspec.structs.replace(case, **left_out))


def _standard_time(zones: list[ZoneInfo], case: Case) -> Product:
    january = int(datetime(YEAR, 1, 1, tzinfo=UTC).timestamp()) * 1000
    return CallingWindow([_hours(_fixed(zone, january), case) for zone in zones])


def _ring_time_ignored(zones: list[ZoneInfo], case: Case) -> Product:
    class Careless(CallingWindow):
        def next_open(self, at_ms: int, hold_s: int = 0) -> int | None:
            return super().next_open(at_ms)

    return Careless([_hours(zone, case) for zone in zones])


MUTANTS: dict[str, Make] = {
    "asked_offset": AskedOffset,
    "standard_time": _standard_time,
    "first_zone_only": lambda zones, case: product(zones[:1], case),
    "no_margin": _without(margin_min=0),
    "no_holidays": _without(holidays=False),
    "no_ring_time": _ring_time_ignored,
}
"""Deliberately wrong products."""
