"""Spans of minutes: the written hours of a day, what two sets have in common, and a week as one ring.

A day is minutes 0 to 1440, a week 0 to 10080 from Monday 00:00, all in the callee's local time. Called by the
reader of packs, by `merge` and by `windows`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from app.domain.policy.pack import WEEKDAYS, Span, Weekday

DAY_MIN = 1440
WEEK_MIN = 7 * DAY_MIN
_WRITTEN = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)\Z", re.ASCII)


def read_span(text: str) -> Span:
    """ "09:00-20:00" as minutes. An end before the begin lies in the next day: (1320, 1560) for "22:00-02:00".

    Raises ValueError.
    """
    found = _WRITTEN.match(text)
    if found is None:
        raise ValueError(f"{text!r} is not of the form 09:00-20:00")
    begin, end = (int(found[n]) * 60 + int(found[n + 1]) for n in (1, 3))
    if begin >= DAY_MIN or end > DAY_MIN:
        raise ValueError(f"{text!r} goes past 24:00; a span over midnight is written like 22:00-02:00")
    if begin == end:
        raise ValueError(f"{text!r} is empty or a whole day; write 00:00-24:00 for a whole day, [] for none")
    return (begin, end if end > begin else end + DAY_MIN)


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sorted, without overlap, touching ones joined."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif begin < end:
            found.append((begin, end))
    return tuple(found)


def overlap(one: Sequence[Span], other: Sequence[Span]) -> tuple[Span, ...]:
    """Minutes that are in both."""
    return joined(
        (max(a, c), min(b, d)) for a, b in joined(one) for c, d in joined(other) if max(a, c) < min(b, d)
    )


def by_day(written: Mapping[Weekday, Sequence[Span]]) -> dict[Weekday, tuple[Span, ...]]:
    """Spans of each written day, what reaches past midnight moved to the day after.

    Raises ValueError when that day is not written: it would be open without having been said so.
    """
    days: dict[Weekday, list[Span]] = {day: [] for day in WEEKDAYS if day in written}
    for day, spans in written.items():
        following = WEEKDAYS[(WEEKDAYS.index(day) + 1) % 7]
        for begin, end in spans:
            days[day].append((begin, min(end, DAY_MIN)))
            if end > DAY_MIN:
                if following not in days:
                    raise ValueError(f"{day} reaches past midnight, so {following} must be written too")
                days[following].append((0, end - DAY_MIN))
    return {day: joined(spans) for day, spans in days.items()}


def ring(hours: Mapping[Weekday, Sequence[Span]], margin_min: int = 0) -> tuple[Span, ...]:
    """The open minutes of a week, each stretch shortened by `margin_min` at both ends; midnight is no end.

    A stretch over the end of Sunday is given as two spans.
    """
    whole = [
        (n * DAY_MIN + begin, n * DAY_MIN + end)
        for n, day in enumerate(WEEKDAYS)
        for begin, end in hours.get(day, ((0, DAY_MIN),))
    ]
    spans = list(joined(whole))
    if not spans or spans == [(0, WEEK_MIN)]:
        return tuple(spans)
    if spans[0][0] == 0 and spans[-1][1] == WEEK_MIN:
        last = spans.pop()
        spans[0] = (last[0] - WEEK_MIN, spans[0][1])
    shorter = [(begin + margin_min, end - margin_min) for begin, end in spans]
    return joined(piece for span in shorter if span[0] < span[1] for piece in _inside_week(*span))


def _inside_week(begin: int, end: int) -> Iterable[Span]:
    if begin < 0:
        if end <= 0:
            return [(begin + WEEK_MIN, end + WEEK_MIN)]
        return [(begin + WEEK_MIN, WEEK_MIN), (0, end)]
    return [(begin, end)]


def written_span(span: Span) -> str:
    """ "09:00-20:00"."""
    return "-".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in span)
