"""Sets of digit strings given by regular expressions, taken apart digit by digit (Brzozowski derivatives).

Just enough of regular expressions for phonenumbers' metadata: digits, classes, groups, alternatives, repetition.
Called by `scripts.lib.refused_numbers`.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from re import _constants as op  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]
from re import _parser as parser  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]
from typing import Any

Language = tuple[Any, ...]
NOTHING: Language = ("nothing",)
EMPTY: Language = ("empty",)
DIGITS = frozenset("0123456789")


@cache
def language(pattern: str) -> Language:
    """The set of strings a regular expression over digits describes. Raises ValueError for what it cannot read."""
    return _sequence(parser.parse(pattern.replace(" ", "").replace("\n", "")))


def either(*choices: Language) -> Language:
    """Union."""
    flat: set[Language] = set()
    for one in choices:
        flat |= one[1] if one[0] == "either" else {one}
    flat.discard(NOTHING)
    if not flat:
        return NOTHING
    return next(iter(flat)) if len(flat) == 1 else ("either", frozenset(flat))


@cache
def after(these: Language, digit: str) -> Language:
    """What may follow once `digit` was read."""
    match these[0]:
        case "one_of":
            return EMPTY if digit in these[1] else NOTHING
        case "then":
            first = _then(after(these[1], digit), these[2])
            return either(first, after(these[2], digit)) if 0 in lengths(these[1]) else first
        case "either":
            return either(*(after(one, digit) for one in these[1]))
        case _:
            return NOTHING


@cache
def lengths(these: Language) -> frozenset[int]:
    """Lengths that strings of the set have; empty for NOTHING."""
    match these[0]:
        case "empty":
            return frozenset({0})
        case "one_of":
            return frozenset({1}) if these[1] else frozenset()
        case "then":
            return frozenset(a + b for a in lengths(these[1]) for b in lengths(these[2]))
        case "either":
            return frozenset().union(*(lengths(one) for one in these[1]))
        case _:
            return frozenset()


def words(these: Language, prefix: str = "") -> Iterator[str]:
    """Every string of the set; for small sets."""
    if 0 in lengths(these):
        yield prefix
    for digit in sorted(DIGITS):
        rest = after(these, digit)
        if lengths(rest):
            yield from words(rest, prefix + digit)


def _then(first: Language, second: Language) -> Language:
    if NOTHING in (first, second):
        return NOTHING
    if first == EMPTY:
        return second
    return first if second == EMPTY else ("then", first, second)


def _sequence(items: Iterable[tuple[Any, Any]]) -> Language:
    found = EMPTY
    for kind, value in reversed(list(items)):
        found = _then(_item(kind, value), found)
    return found


def _item(kind: Any, value: Any) -> Language:
    if kind is op.LITERAL:
        return ("one_of", frozenset(chr(value)))
    if kind is op.IN:
        return ("one_of", frozenset().union(*(_members(*one) for one in value)))
    if kind is op.BRANCH:
        return either(*(_sequence(one) for one in value[1]))
    if kind is op.SUBPATTERN:
        return _sequence(value[-1])
    if kind is op.MAX_REPEAT:
        low, high, inner = value
        once, found = _sequence(inner), EMPTY
        for _ in range(high - low):
            found = either(EMPTY, _then(once, found))
        for _ in range(low):
            found = _then(once, found)
        return found
    raise ValueError(f"{kind} is not expected in a numbering plan")


def _members(kind: Any, value: Any) -> frozenset[str]:
    if kind is op.LITERAL:
        return frozenset(chr(value))
    if kind is op.RANGE:
        return frozenset(chr(code) for code in range(value[0], value[1] + 1))
    if kind is op.CATEGORY and value is op.CATEGORY_DIGIT:
        return DIGITS
    raise ValueError(f"{kind} is not expected in a numbering plan")
