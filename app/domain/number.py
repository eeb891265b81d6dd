"""Telephone numbers: what a person typed -> E.164, which numbers are never dialed, test mode's redirect, masking.

E.164 = `+`, country code, national number, at most 15 digits. Only its output may reach a dial string. Called by
imports, plans, the command line and once more right before dialing. The bundled dialplan refuses the same numbers.
"""

import re
from collections.abc import Callable, Collection

import phonenumbers
from phonenumbers import PhoneNumberType

from app.domain.refused_ranges import refusal
from app.errors import ValidationFailed

DIALLABLE = re.compile(r"\+?[1-9]\d{5,14}\Z", re.ASCII)
"""The last check in front of the dial string; nothing but digits can pass."""
_TYPED = re.compile(r"^\+?[0-9 ().\-/\u00a0]+\Z")
_NEVER = frozenset(
    {PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST, PhoneNumberType.UAN, PhoneNumberType.VOICEMAIL}
)
_IN_TEXT = re.compile(
    r"""
    \+ (?: [0-9]{10,}      # written as one: what follows a blank is not of it
        | \(? [0-9] (?: [ \t\u00a0\u202f().\-/\u2010-\u2014]{0,3} [0-9] ){6,14} )
    """,
    re.VERBOSE,
)
"""A number with its country code in a text, however it is grouped."""
_EXAMPLE = "Write it with + and country code, like +12025550123."


class NumberRefused(ValidationFailed):
    """A number that is not dialed; `code` says why, the message says it in a sentence."""


def parse_number(text: str, *, region: str = "", fictional: bool = False) -> str:
    """E.164 form of `text`. Raises NumberRefused.

    `region` (ISO 3166, "US") lets national forms through. `fictional` accepts numbers of the right length that no
    one can own, such as +1 555: for simulated callees only.
    """
    typed = text.strip()
    _check_typed(typed, region)
    _check_one(typed, region)
    try:
        number = phonenumbers.parse(typed, region or None)
    except phonenumbers.NumberParseException:
        raise _refused("unreadable", f"{typed!r} has no known country code. {_EXAMPLE}") from None
    _check_length(typed, number)
    _check_kind(typed, number, fictional=fictional)
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if DIALLABLE.match(e164) is None:
        raise _refused("unreadable", f"{typed!r} cannot be dialed. {_EXAMPLE}")
    return e164


def canonical(text: str) -> str:
    """E.164 form of any spelling of a number, also of one that is never dialed: what lists are kept in.

    Raises NumberRefused for what has no country code. A length that its country does not have is taken: what a
    callee said counts for the number that was dialed, whatever the tables of numbers say by now.
    """
    return _e164_of(text.strip())[0]


def possible_number(text: str) -> str:
    """`canonical` of what a person typed or a list says. Raises NumberRefused also for a number that cannot exist:
    a digit too many or too few, and another number than the one that was meant would be listed or erased.
    """
    typed = text.strip()
    e164, number = _e164_of(typed)
    _check_length(typed[:40], number)
    return e164


def listed_number(text: str, country: str) -> str:
    """`possible_number` of a row of a public registry, in E.164 or as `country` (ISO) writes its numbers. Raises
    NumberRefused also for a number with another country code: the list is another one than was meant.
    """
    typed = text.strip()
    _check_typed(typed, country)
    e164, number = _e164_of(typed, country)
    _check_length(typed, number)
    if country and number.country_code != phonenumbers.country_code_for_region(country):
        raise _refused("country", f"{typed!r} is no number of {country}.")
    return e164


def _e164_of(typed: str, region: str = "") -> tuple[str, phonenumbers.PhoneNumber]:
    _check_one(typed, region)
    try:
        number = phonenumbers.parse(typed, region or None)
    except phonenumbers.NumberParseException:
        raise _refused("unreadable", f"{typed[:40]!r} is not a number with a country code. {_EXAMPLE}") from None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if DIALLABLE.match(e164) is None:
        raise _refused("unreadable", f"{typed[:40]!r} is not a telephone number. {_EXAMPLE}")
    return e164, number


def country_of(e164: str) -> str:
    """ISO country of a number ("US"), by its country code and, where several share it, its first digits.

    "001" for numbers of no country, "" when it cannot be told.
    """
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(e164)) or ""
    except phonenumbers.NumberParseException:
        return ""


def check_country(e164: str, allowed: Collection[str]) -> str:
    """The country of a number, when the site calls there. Raises NumberRefused; an empty list allows nothing."""
    country = country_of(e164)
    if country in allowed and country:
        return country
    if not allowed:
        raise _refused("country", "No country is allowed to be called yet; name the countries you call.")
    where = f"in {country}" if country not in ("", "001") else "of no single country"
    raise _refused(
        "country", f"{mask_number(e164)} is a number {where}, which is not among the allowed countries."
    )


def dial_target(requested: str, *, test_mode: bool, redirect: str) -> str:
    """The number that is really dialed: in test mode always `redirect`. Raises NumberRefused, never guesses."""
    target = redirect if test_mode else requested
    if not target:
        raise _refused(
            "no_redirect", "Test mode is on and APP_TEST_MODE_REDIRECT_NUMBER is empty: nothing is dialed."
        )
    if DIALLABLE.match(target) is None:
        raise _refused("unreadable", f"{target!r} cannot be dialed. {_EXAMPLE}")
    return target


def mask_number(number: str) -> str:
    """A number for screens and logs: `+15551000001` -> `+1555•••0001`. Short ones keep two digits."""
    if len(number) < 9:
        return "•" * max(0, len(number) - 2) + number[-2:]
    hidden = max(3, len(number) - 9)
    return number[: len(number) - hidden - 4] + "•" * hidden + number[-4:]


def mask_numbers(text: str) -> str:
    """The text with every telephone number in it masked: `+` and 7 or more digits, together or in groups."""
    if "+" not in text:
        return text
    return _IN_TEXT.sub(lambda found: mask_number("+" + re.sub(r"[^0-9]", "", found[0])), text)


def with_texts(value: object, change: Callable[[str], str]) -> object:
    """JSON-like dicts and lists with `change` applied to every text in them; names of dicts stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: with_texts(one, change) for name, one in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any JSON
    if isinstance(value, list | tuple):
        return [with_texts(one, change) for one in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any JSON
    return value


def _refused(code: str, sentence: str) -> NumberRefused:
    return NumberRefused(sentence, code=f"number_{code}")


def _check_typed(typed: str, region: str) -> None:
    if not typed:
        raise _refused("empty", f"The number is empty. {_EXAMPLE}")
    if len(typed) > 40:
        raise _refused("too_long", f"{typed[:20]!r}... is too long for a phone number. {_EXAMPLE}")
    if _TYPED.match(typed) is None:
        raise _refused("letters", f"{typed!r} contains characters that are not part of a phone number. {_EXAMPLE}")
    digits = re.sub(r"\D", "", typed)
    if not typed.startswith("+"):
        if len(digits) <= 6:
            raise _refused("short", f"{typed!r} is an emergency or short number; those are never dialed.")
        if not region:
            raise _refused("no_country", f"{typed!r} has no country code. {_EXAMPLE}")


def _check_one(typed: str, region: str) -> None:
    """`030 4567 / 4568` is two numbers, and their digits together are a third; `030/4567` is one."""
    for sign in re.finditer("/", typed):
        try:
            left = phonenumbers.parse(typed[: sign.start()], region or None)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(left):
            raise _refused("two", f"{typed[:40]!r} holds two numbers, or one with an extension; keep one number.")


def _check_length(typed: str, number: phonenumbers.PhoneNumber) -> None:
    match phonenumbers.is_possible_number_with_reason(number):
        case phonenumbers.ValidationResult.TOO_SHORT | phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
            raise _refused("too_short", f"{typed!r} is too short for a number in +{number.country_code}.")
        case phonenumbers.ValidationResult.TOO_LONG:
            raise _refused("too_long", f"{typed!r} is too long for a number in +{number.country_code}.")
        case phonenumbers.ValidationResult.INVALID_COUNTRY_CODE | phonenumbers.ValidationResult.INVALID_LENGTH:
            raise _refused("invalid", f"{typed!r} is not a possible number in +{number.country_code}.")
        case _:
            pass


def _check_kind(typed: str, number: phonenumbers.PhoneNumber, *, fictional: bool) -> None:
    why = refusal(f"{number.country_code}{phonenumbers.national_significant_number(number)}")
    if why is not None:
        raise _refused("expensive", f"{typed!r} is a number of {why}; those are never dialed.")
    if phonenumbers.number_type(number) in _NEVER:
        raise _refused("expensive", f"{typed!r} is a premium or shared-cost number; those are never dialed.")
    if not fictional and not phonenumbers.is_valid_number(number):
        raise _refused("invalid", f"{typed!r} is not a number that is in use in +{number.country_code}.")
