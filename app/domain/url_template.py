"""Addresses with places for arguments, like `https://crm.example/people/{id}`. Pure.

A place is in the path only. What is put there stays in its segment: it is percent-encoded, and a value that a
server or proxy could read as another path ("..", after its own decoding too) is refused.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from app.errors import ValidationFailed

PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")
MAX_VALUE = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PIECES = re.compile(r"[/\\]")


def names_in(template: str) -> tuple[str, ...]:
    """The arguments that an address has places for. Raises ValidationFailed for a place outside the path."""
    try:
        parts = urlsplit(template)
    except ValueError:
        raise ValidationFailed("the address cannot be read.") from None
    if any(sign in text for text in (parts.netloc, parts.query, parts.fragment) for sign in "{}"):
        raise ValidationFailed("{places} are possible in the path of an address only.")
    if any(sign in PLACE.sub("", parts.path) for sign in "{}"):
        raise ValidationFailed("the address has a {place} that is no name.")
    return tuple(dict.fromkeys(PLACE.findall(parts.path)))


def filled(template: str, arguments: Mapping[str, object]) -> str:
    """The address with its places filled. Raises ValidationFailed for a value that is no single path segment."""
    names_in(template)
    return PLACE.sub(lambda place: _segment(place[1], arguments.get(place[1])), template)


def with_query(url: str, arguments: Mapping[str, object]) -> str:
    """The address with arguments behind those of its query. Lists become repeated keys, objects JSON, null
    nothing.
    """
    pairs: list[tuple[str, str]] = []
    for name, value in arguments.items():
        each: list[object] = [*value] if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]
        pairs += [(name, _text(one)) for one in each if one is not None]
    if not pairs:
        return url
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode(pairs, quote_via=quote)) if part)
    return parts._replace(query=query).geturl()


def _segment(name: str, value: object) -> str:
    if isinstance(value, dict | list) or value is None:
        raise ValidationFailed(f"{name} must be one plain value: it is a part of the address.")
    text = _text(value)
    if not 0 < len(text) <= MAX_VALUE or _CONTROL.search(text):
        raise ValidationFailed(f"{name} is empty, too long or has characters that no address has.")
    if any(piece.strip() in {"", ".", ".."} for piece in _PIECES.split(text)):
        raise ValidationFailed(f"{name} would lead to another address.")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise ValidationFailed(f"{name} has characters that no address has.") from None


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
