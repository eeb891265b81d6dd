"""Forgetting people: how long what is kept, what stands for a number, and which texts name somebody. Pure."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, cast

import msgspec
import phonenumbers

from app.domain.personal_data import ERASED
from app.errors import ValidationFailed

DAY_MS = 86_400_000
MOST_DAYS = 3_650
"""That a tenant may set where the house sets none."""
PSEUDONYMS = "+999"
"""No country has this code, so what begins with it rings nowhere."""
_BETWEEN = r"[\s().\-/\u00a0\u2011\u2013]{0,3}"


class Kind(StrEnum):
    """What has its own days."""

    RECORDINGS = "recordings"
    TALKS = "talks"
    CHATS = "chats"
    WEBHOOKS = "webhooks"


class Days(msgspec.Struct, frozen=True, kw_only=True):
    """How many days each kind is kept. None of a tenant: as the house says; None of the house: kept."""

    recordings: int | None = None
    talks: int | None = None
    chats: int | None = None
    webhooks: int | None = None

    def of(self, kind: Kind) -> int | None:
        """The days of one kind."""
        return getattr(self, kind)


def in_force(house: Days, own: Days) -> dict[Kind, int]:
    """The days that count: a tenant shortens what the house allows, and never prolongs it. A kind for which nobody
    set any is not in it: it is kept.
    """
    set_days = {kind: [days for days in (house.of(kind), own.of(kind)) if days is not None] for kind in Kind}
    return {kind: min(days) for kind, days in set_days.items() if days}


def check_days(house: Days, own: Days) -> None:
    """Raises ValidationFailed for days of a tenant that are longer than the house's, or none at all."""
    for kind in Kind:
        days, house_days = own.of(kind), house.of(kind)
        most = MOST_DAYS if house_days is None else house_days
        if days is not None and not 1 <= days <= most:
            why = "" if house_days is None else "; the house allows no more"
            raise ValidationFailed(f"{kind.capitalize()}: between 1 and {most} days{why}.")


def pseudonym(key: bytes, tenant_id: str, number: str) -> str:
    """What stands for a number (E.164) that is forgotten: the same for the same key, tenant and number. It has the
    shape of a number and rings nowhere.
    """
    digest = hmac.new(key, f"{tenant_id} {number}".encode(), hashlib.sha256).digest()
    return f"{PSEUDONYMS}{int.from_bytes(digest[:8]) % 10**12:012}"


def number_hash(number: str) -> str:
    """What calling rules know a forgotten number (E.164) by while they look back. Whoever has the database guesses
    it in minutes, and reads the number itself on the do-not-call list there; this keeps it out of sight only.
    """
    return hashlib.sha256(f"attempts to {number}".encode()).hexdigest()


class Marks:
    """What names a person in a text: the number in any spelling, and names of two words or more.

    A single word ("Anna") names too many people to count by itself.
    """

    def __init__(self, number: str, names: Iterable[str]) -> None:
        self.number = number
        patterns = [rf"(?<!\d){_spelled(digits)}(?!\d)" for digits in _spellings(number)]
        for name in {" ".join(name.split()) for name in names}:
            if len(name.split()) > 1:
                patterns.append(r"(?<!\w)" + r"\s+".join(map(re.escape, name.split())) + r"(?!\w)")
        self._any = re.compile("|".join(patterns), re.IGNORECASE)

    def in_text(self, text: str) -> bool:
        """Whether the text names the person."""
        return self._any.search(text) is not None

    def without(self, text: str) -> str:
        """The text without each line that names the person: what else stands in it is about them as well."""
        if not self.in_text(text):
            return text
        kept = [ERASED if self.in_text(line) else line for line in text.splitlines()]
        rest = "\n".join(kept)
        return ERASED if self.in_text(rest) else rest  # a name that goes over the end of a line

    def without_names(self, text: str) -> str:
        """The text with nothing but the number and the names taken out."""
        return self._any.sub(ERASED, text)

    def without_json(self, text: str) -> str:
        """JSON text without what names the person: an entry of a list that is the person's own goes, other texts
        lose their lines.
        """
        if not text:
            return text
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return self.without(text)
        return msgspec.json.encode(self._walk(value)).decode() if self._named(value) else text

    def _named(self, value: object) -> bool:
        match value:
            case str():
                return self.in_text(value)
            case dict():
                items = cast("Mapping[str, object]", value)
                return any(self.in_text(key) or self._named(item) for key, item in items.items())
            case list():
                return any(self._named(item) for item in cast("list[object]", value))
            case bool() | float() | None:
                return False
            case _:
                return self.in_text(str(value))

    def _own(self, value: object) -> bool:
        """Whether an entry of a list is about nobody else: a call or a row of this number."""
        return isinstance(value, dict) and cast("dict[str, object]", value).get("number") == self.number

    def _walk(self, value: Any) -> Any:
        match value:
            case str():
                inner = value.lstrip()[:1] in ("{", "[") and self.in_text(value)
                return self.without_json(value) if inner and _is_json(value) else self.without(value)
            case dict():
                items = cast("Mapping[str, object]", value)
                return {self.without(key): self._walk(item) for key, item in items.items()}
            case list():
                return [self._walk(item) for item in cast("list[object]", value) if not self._own(item)]
            case bool() | float() | None:
                return value
            case _:
                return 0 if self.in_text(str(value)) else value


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _spelled(digits: str) -> str:
    return _BETWEEN.join(digits)


def _spellings(number: str) -> list[str]:
    """Digits of a number as people write it: with the country code, and as in its own country."""
    digits = number.removeprefix("+")
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return [digits]
    national = phonenumbers.national_significant_number(parsed)
    region = phonenumbers.region_code_for_number(parsed)
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL) if region else ""
    local = re.sub(r"\D", "", written)
    forms = {digits, f"{parsed.country_code}0{national}", national, local}
    return sorted((form for form in forms if len(form) >= 7), key=len, reverse=True)
