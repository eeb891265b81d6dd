"""Pure: the heatmap's squares with their places, shades and words."""

import msgspec

from app.domain.calling_week import WeekHour

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LEFT, TOP, WIDTH, HEIGHT = 42, 22, 44, 20
"""In units of the drawing."""
SHADES = (1, 15, 30, 45, 60)
"""From how many percent on each shade begins, after the one for none."""
FEW = 5
"""Of fewer calls a share is shown in brackets: it may be chance."""


class Square(msgspec.Struct, frozen=True, kw_only=True):
    """One hour of the week. `closed_height`: how much of it is hatched because nobody may be called then."""

    x: int
    y: int
    closed_height: int
    shade: int
    text: str
    told: str


class Heat(msgspec.Struct, frozen=True, kw_only=True):
    """The drawing, and the same as rows of a table: (hour, one text a day)."""

    width: int
    height: int
    squares: list[Square]
    days: list[tuple[str, int]]
    hours: list[tuple[str, int]]
    rows: list[tuple[str, list[str]]]
    rung: int
    people: int
    best: str


def heat(hours: tuple[WeekHour, ...]) -> Heat:
    """The squares of a week; hours go down, days go right, so that it fits a telephone."""
    told = {(one.day, one.hour): _told(one) for one in hours}
    return Heat(
        width=LEFT + 7 * WIDTH,
        height=TOP + 24 * HEIGHT,
        squares=[_square(one) for one in hours],
        days=[(name, LEFT + at * WIDTH + WIDTH // 2) for at, name in enumerate(DAYS)],
        hours=[(f"{hour:02d}:00", TOP + hour * HEIGHT + HEIGHT // 2 + 4) for hour in range(24)],
        rows=[(f"{hour:02d}:00", [told[day, hour] for day in range(7)]) for hour in range(24)],
        rung=sum(one.rung for one in hours),
        people=sum(one.people for one in hours),
        best=_best(hours),
    )


def _square(one: WeekHour) -> Square:
    closed = 0 if one.open_min is None else round(HEIGHT * (60 - one.open_min) / 60)
    return Square(
        x=LEFT + one.day * WIDTH,
        y=TOP + one.hour * HEIGHT,
        closed_height=closed,
        shade=0 if one.percent is None else 1 + sum(one.percent >= bound for bound in SHADES),
        text=_share(one),
        told=f"{LONG_DAYS[one.day]} {one.hour:02d}:00: {_told(one)}",
    )


def _share(one: WeekHour) -> str:
    if one.percent is None:
        return ""
    return f"{one.percent}%" if one.rung >= FEW else f"({one.percent}%)"


def _told(one: WeekHour) -> str:
    rang = "no calls" if one.percent is None else f"{one.percent} % of {one.rung} reached a person"
    match one.open_min:
        case None:
            return f"{rang}; calling hours not known"
        case 60:
            return f"{rang}; open"
        case 0:
            return f"{rang}; closed"
        case minutes:
            return f"{rang}; open for {minutes} min"


def _best(hours: tuple[WeekHour, ...]) -> str:
    """The allowed hour with the highest share, of those that say something."""
    known = [one for one in hours if one.rung >= FEW and one.percent is not None and one.open_min != 0]
    if not known:
        return ""
    top = max(known, key=lambda one: (one.people / one.rung, one.rung))
    return f"{LONG_DAYS[top.day]} {top.hour:02d}:00, {top.percent} % of {top.rung} calls"
