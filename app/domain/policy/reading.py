"""From the content of a TOML file to a pack, or to a tenant's own rules; errors name the key.

Stricter than the shapes: hours name every day of the week, calendars and dates exist, texts use known fields.
Called by `app.policy_packs` with what it parsed.
"""

import string
from collections.abc import Mapping
from datetime import date
from typing import Any, TypeVar, cast

import msgspec

from app.domain.policy.holiday_calendar import check_calendar
from app.domain.policy.merge import merge
from app.domain.policy.pack import WEEKDAYS, Pack, Rules, Span, Weekday
from app.domain.policy.week import by_day, read_span
from app.domain.shape_errors import key_and_problem
from app.errors import ValidationFailed

FIELDS = frozenset({"caller", "company", "callback"})
Shape = TypeVar("Shape", Pack, Rules)


class PackInvalid(ValidationFailed):
    """A pack cannot be used; `key` says where, like rules.hours.mon."""

    code = "policy_pack"

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}" if key else problem)
        self.key = key


def read_pack(data: Mapping[str, Any]) -> Pack:
    """A pack out of its parsed file. Raises PackInvalid."""
    pack = _shape({**data, "rules": _with_hours(data.get("rules", {}), "rules", whole_week=True)}, Pack)
    try:
        date.fromisoformat(pack.reviewed_on)
    except ValueError:
        raise PackInvalid("reviewed_on", f"{pack.reviewed_on!r} is not a day of the calendar.") from None
    if not pack.match.countries:
        raise PackInvalid("match.countries", "Name the countries the pack is about.")
    return msgspec.structs.replace(pack, rules=_checked(pack.rules, "rules."))


def read_overlay(data: Mapping[str, Any]) -> Rules:
    """A tenant's own rules, with the keys of a pack's [rules]; days may be missing. Raises PackInvalid."""
    return _checked(_shape(_with_hours(data, "", whole_week=False), Rules), "")


def _shape(data: Mapping[str, Any], shape: type[Shape]) -> Shape:
    try:
        return msgspec.convert(_plain(data), shape)
    except msgspec.ValidationError as error:
        raise PackInvalid(*key_and_problem(error)) from None


def _plain(value: Any) -> Any:
    """TOML dates as text; everything else as it is."""
    if isinstance(value, Mapping):
        table = cast(Mapping[str, Any], value)
        return {key: _plain(inner) for key, inner in table.items()}
    return value.isoformat() if isinstance(value, date) else value


def _with_hours(rules: Any, at: str, *, whole_week: bool) -> Any:
    """`rules` with `hours` turned from "09:00-20:00" into minutes, past midnight moved to the next day."""
    if not isinstance(rules, Mapping):
        raise PackInvalid(at, "Must be a table.")
    table = cast(Mapping[str, Any], rules)
    if "hours" not in table:
        return table
    place = f"{at}.hours".removeprefix(".")
    written = _written_days(table["hours"], place)
    missing = [day for day in WEEKDAYS if day not in written]
    if missing and whole_week:
        raise PackInvalid(f"{place}.{missing[0]}", "Missing; write [] for a day without calls.")
    try:
        days = by_day(written)
    except ValueError as error:
        raise PackInvalid(place, f"{error}.") from None
    return {**table, "hours": days}


def _written_days(hours: Any, place: str) -> dict[Weekday, tuple[Span, ...]]:
    if not isinstance(hours, Mapping):
        raise PackInvalid(place, "Must be a table of days.")
    table = cast(Mapping[str, Any], hours)
    unknown = sorted(set(table) - set(WEEKDAYS))
    if unknown:
        raise PackInvalid(f"{place}.{unknown[0]}", f"Not a day; days are {', '.join(WEEKDAYS)}.")
    return {day: _spans(table[day], f"{place}.{day}") for day in WEEKDAYS if day in table}


def _spans(written: Any, place: str) -> tuple[Span, ...]:
    try:
        spans = msgspec.convert(written, tuple[str, ...])
        return tuple(read_span(text) for text in spans)
    except (msgspec.ValidationError, ValueError) as error:
        raise PackInvalid(place, f"{error}.") from None


def _checked(rules: Rules, at: str) -> Rules:
    for name in rules.holidays or ():
        try:
            check_calendar(name)
        except ValueError as error:
            raise PackInvalid(f"{at}holidays", f"{error}.") from None
    for name, spoken in (("disclosure", rules.disclosure), ("recording_notice", rules.recording_notice)):
        for language, texts in spoken.items():
            for text in texts:
                _check_text(f"{at}{name}.{language}", text)
    return merge(rules, rules)  # sorted, and without what says nothing


def _check_text(key: str, text: str) -> None:
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise PackInvalid(key, f"{error}.") from None
    if not text.strip() or fields - FIELDS:
        known = ", ".join(sorted(f"{{{name}}}" for name in FIELDS))
        raise PackInvalid(key, f"The text is empty or has an unknown field; known are {known}.")
