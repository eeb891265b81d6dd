"""Writes the refused numbers of the bundled dialplan, from the list and the metadata the engine itself refuses by.

    python -m scripts.lib.refused_numbers            print them
    python -m scripts.lib.refused_numbers --write    put them between the markers of opendeep-extensions.conf

phonenumbers describes each kind of number by a regular expression. A prefix is refused here when every number that
begins with it is premium, shared-cost, universal access or voicemail; where only the length tells, the pattern has
a fixed length. `tests/unit/app/test_number_dialplan.py` fails when the file is stale.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import phonenumbers
from phonenumbers import PhoneMetadata

from app.domain.refused_ranges import REFUSED, REVIEWED_ON, refusal
from scripts.lib.digit_languages import NOTHING, Language, after, either, language, lengths, words

DIALPLAN = Path(__file__).resolve().parents[2] / "asterisk" / "opendeep-extensions.conf"
BEGIN, END = "; <refused ranges>", "; </refused ranges>"
NEVER = ("premium_rate", "shared_cost", "uan", "voicemail")
OTHERS = ("fixed_line", "mobile", "toll_free", "voip", "personal_number", "pager")
PREFIX_DIGITS = 4
"""National digits looked at; beyond, a range is left to the engine."""
DIALLABLE_DIGITS = range(6, 16)


def patterns() -> list[str]:
    """Patterns of all countries for the kinds of NEVER, sorted, last digits taken together."""
    found = {one for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE for one in _of_country(code)}
    # What the list refuses already needs no second line.
    return _squeezed(sorted(one for one in found | set(emergencies()) if refusal(one.rstrip("!")) is None))


def emergencies() -> Iterator[str]:
    """Emergency numbers behind the country code of their own country, as somebody may write them by mistake."""
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        for region in regions:
            known = PhoneMetadata.short_metadata_for_region(region)
            if known is not None and known.emergency is not None and known.emergency.national_number_pattern:
                for word in words(language(known.emergency.national_number_pattern)):
                    if len(f"{code}{word}") in DIALLABLE_DIGITS:
                        yield f"{code}{word}"


def trunk_prefixes() -> list[str]:
    """A 0 behind the country codes whose numbers never begin with one: an exchange that drops it would connect
    another number than the one that was judged. Country codes are taken together by their last digit.
    """
    families: dict[str, list[str]] = {}
    for code in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE):
        if not lengths(after(_numbers(code, NEVER + OTHERS), "0")):
            families.setdefault(str(code)[:-1], []).append(str(code)[-1])
    return [f"{head}{_one_of(digits)}0!" for head, digits in sorted(families.items())]


def inserted(text: str) -> str:
    """The dialplan with everything between the markers replaced."""
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{_section()}\n{END}{tail}"


def _section() -> str:
    lines: list[str] = [f"; Reviewed on {REVIEWED_ON}."]
    for each in REFUSED:
        lines.append(f"; {each.why}")
        lines += [f"exten => _{pattern},1,Hangup(28)" for pattern in each.patterns]
    lines.append(f"; premium, shared-cost, universal access, voicemail, emergency: phonenumbers {_release()}")
    lines += [f"exten => _{pattern},1,Hangup(28)" for pattern in patterns()]
    lines.append("; a national 0 behind the country code")
    return "\n".join([*lines, *(f"exten => _{pattern},1,Hangup(28)" for pattern in trunk_prefixes())])


def _release() -> str:
    return str(phonenumbers.__version__)


def _of_country(code: int) -> Iterator[str]:
    never, others = _numbers(code, NEVER), _numbers(code, OTHERS)
    open_ended: list[str] = []
    mixed = _walk("", (never, others), open_ended)
    yield from (f"{code}{prefix}!" for prefix in open_ended)
    if mixed:
        for total in sorted(lengths(never)):
            fixed: list[str] = []
            _walk("", (never, others), fixed, total)
            for prefix in fixed:
                if not any(prefix.startswith(one) for one in open_ended):
                    yield f"{code}{prefix}{'X' * (total - len(prefix))}"


def _numbers(code: int, kinds: tuple[str, ...]) -> Language:
    """National numbers of these kinds, in all regions of a country code."""
    found = NOTHING
    for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]:
        known = (
            PhoneMetadata.metadata_for_nongeo_region(code)
            if region == "001"
            else PhoneMetadata.metadata_for_region(region)
        )
        for described in (getattr(known, kind, None) for kind in kinds):
            if described is not None and described.national_number_pattern:
                found = either(found, language(described.national_number_pattern))
    return found


def _walk(prefix: str, kinds: tuple[Language, Language], found: list[str], total: int | None = None) -> bool:
    """Shortest prefixes under which only numbers of the first kind lie; True when some range stayed mixed."""
    never, others = kinds
    if not _any(never, prefix, total):
        return False
    if not _any(others, prefix, total):
        found.append(prefix)
        return False
    if len(prefix) == PREFIX_DIGITS:
        return True
    mixed = False
    for digit in "0123456789":
        mixed |= _walk(prefix + digit, (after(never, digit), after(others, digit)), found, total)
    return mixed


def _any(rest: Language, prefix: str, total: int | None) -> bool:
    return rest != NOTHING if total is None else total - len(prefix) in lengths(rest)


def _squeezed(all_patterns: list[str]) -> list[str]:
    """`49130! 49131!` -> `4913[01]!`: patterns that differ in their last written digit only."""
    families: dict[tuple[str, str], list[str]] = {}
    for pattern in all_patterns:
        written = pattern.rstrip("X!")
        families.setdefault((written[:-1], pattern[len(written) :]), []).append(written[-1])
    return sorted(head + _one_of(digits) + tail for (head, tail), digits in families.items())


def _one_of(digits: list[str]) -> str:
    if len(digits) == 1:
        return digits[0]
    return "X" if len(digits) == 10 else f"[{''.join(digits)}]"


if __name__ == "__main__":
    if "--write" in sys.argv:
        DIALPLAN.write_text(inserted(DIALPLAN.read_text()))
    else:
        print(_section())
