"""What people without SEE_NUMBERS read: telephone numbers masked in every text, wherever in a value it stands."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from app.domain.number import mask_numbers, with_texts
from app.domain.people import Permission, Person

T = TypeVar("T")


def masking(*, full: bool) -> Callable[[str], str]:
    """What makes texts fit to be shown: with `full` false every telephone number in them is masked."""
    return (lambda text: text) if full else mask_numbers


def mask_of(person: Person) -> Callable[[str], str]:
    """What makes texts fit to be shown to somebody."""
    return masking(full=person.may(Permission.SEE_NUMBERS))


def masked(value: object, mask: Callable[[str], str]) -> object:
    """The same, as plain dicts and lists, with `mask` applied to every text in it."""
    return with_texts(msgspec.to_builtins(value), mask)


def shown(person: Person, value: object, kind: type[T]) -> T:
    """The same, with numbers masked for those who may not see them."""
    return msgspec.convert(masked(value, mask_of(person)), kind)


def without_numbers(data: bytes) -> bytes:
    """JSON with every telephone number in its texts masked."""
    return data if b"+" not in data else msgspec.json.encode(with_texts(msgspec.json.decode(data), mask_numbers))
