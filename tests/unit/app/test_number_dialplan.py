"""Number policy over thousands of numbers, and the same verdict in the bundled dialplan.

Two locks, one opinion: whatever the dialplan refuses the engine refuses too, and whatever the engine refuses for
what it is (premium, shared cost, satellite, emergency, high cost) the dialplan refuses as well. Whether a number
is in use only the engine knows.
"""

import random
import re
from collections import Counter

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from app.domain.number import DIALLABLE, NumberRefused, check_country, country_of, dial_target, parse_number
from app.domain.refused_ranges import REFUSED, refusal
from scripts.lib import refused_numbers
from tests.unit.app.dialplan import FILE, Dialplan, read

EVERYWHERE = ("_[1-9]XXXXX!",)
SEED = 20261121
TYPES = [kind for kind in PhoneNumberType.values() if kind != PhoneNumberType.UNKNOWN]
NOT_IN_USE = {"number_invalid", "number_too_short", "number_too_long", "number_unreadable", "number_spelling"}
"""Reasons that need a numbering plan; a dialplan cannot know them."""


def verdict(number: str) -> str:
    """Why the engine does not dial `number` as it stands, or "dial"."""
    try:
        return "dial" if parse_number(number) == number else "number_spelling"
    except NumberRefused as refused:
        return refused.code


def e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def examples() -> list[tuple[str, int]]:
    """(number, type) of every region and kind that phonenumbers has an example of."""
    found: list[tuple[str, int]] = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in TYPES:
            number = phonenumbers.example_number_for_type(region, kind)
            if number is not None:
                found.append((e164(number), kind))
    for code in sorted(phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS):
        number = phonenumbers.example_number_for_non_geo_entity(code)
        if number is not None:
            found.append((e164(number), phonenumbers.number_type(number)))
    return found


def neighbours(numbers: list[str]) -> list[str]:
    """The same with other last digits, one digit less and one more."""
    draw = random.Random(SEED)
    found: list[str] = []
    for number in numbers:
        found.append(number[:-2] + f"{draw.randrange(100):02d}")
        found.append(number[:-4] + f"{draw.randrange(10000):04d}")
        found += [number[:-1], number + str(draw.randrange(10))]
    return found


def out_of_ranges() -> list[str]:
    """Numbers made from every refused pattern."""
    draw = random.Random(SEED)
    found: list[str] = []
    for pattern in [one for each in REFUSED for one in each.patterns] + refused_numbers.patterns():
        start = re.sub(r"\[([^\]]*)\]", lambda m: m[1][0], pattern.rstrip("!")).replace("X", "5")
        for length in (9, 11, 12) if pattern.endswith("!") else (len(start),):
            found.append("+" + start + "".join(draw.choice("0123456789") for _ in range(length - len(start))))
    return found


HOSTILE = [
    *(
        "500&PJSIP/900",
        "+12025550123&PJSIP/900@x",
        "+12025550123@opendeep-trunk",
        "+12025550123;ext=5",
        "+1202555012a",
    ),
    *(
        "+1202555\r\n0123",
        "+12025550123\r\nX: y",
        "+12025550123\n",
        "\n+12025550123",
        "+12025550123\x00",
        "\x7f112",
    ),
    *(
        "${SHELL(id)}",
        "+1202${EXTEN}",
        "${EVAL(112)}",
        "$[1+1]",
        "+12025550123,1,2",
        "+12025550123/n",
        "Local/112@x",
    ),
    *("+١٢٠٢٥٥٥٠١٢٣", "+१२०२५५५०१२३", "＋１２０２５５５０１２３", "+1202555012³", "+1202555012٣", "+1202555012߃"),
    *("+1 202 555 0123", " +12025550123", "+12025550123 ", "+1-202-555-0123", "+1(202)5550123", "+1.202.555.0123"),
    *(
        "++12025550123",
        "+",
        "",
        "+0",
        "+01202555",
        "00442079460000",
        "0112025550123",
        "*67+12025550123",
        "#31#",
        "*",
        "#",
    ),
    *(
        "112",
        "911",
        "999",
        "110",
        "118",
        "+112",
        "+911",
        "+1911",
        "+44999",
        "+49112",
        "116117",
        "+116117",
        "s",
        "h",
        "i",
        "t",
    ),
    *(
        "+1202555012345678",
        "+12" + "0" * 60,
        "tel:+12025550123",
        "sip:112@x",
        "+1 800 FLOWERS",
        "１１２",
        "|reboot",
        "`id`",
    ),
    *(
        "%2B12025550123",
        "+12025550123%00",
        "+12025550123\u200b",
        "\u202e+12025550123",
        "+1\u00a02025550123",
        "<script>",
        "'--",
    ),
]


@pytest.fixture(scope="module")
def plan() -> Dialplan:
    return Dialplan(read(), EVERYWHERE)


@pytest.fixture(scope="module")
def table() -> list[str]:
    known = [number for number, _ in examples()]
    behind = [f"+{number}" for number in refused_numbers.emergencies()]
    return sorted({*known, *neighbours(known), *out_of_ranges(), *behind})


def test_refused_kinds_are_refused_everywhere() -> None:
    """Of every region: premium, shared-cost, universal access and voicemail numbers never, the others may be."""
    never = {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
    }
    wrong: list[tuple[str, int, str]] = []
    for number, kind in examples():
        told = verdict(number)
        digits = number.removeprefix("+")
        if kind in never or refusal(digits) is not None:
            if told not in {"number_expensive", "number_too_short"}:
                wrong.append((number, kind, told))
        elif phonenumbers.number_type(phonenumbers.parse(number)) not in never and told != "dial":
            wrong.append((number, kind, told))
    assert not wrong


def test_both_locks_have_one_opinion(plan: Dialplan, table: list[str]) -> None:
    counts: Counter[str] = Counter()
    looser: list[tuple[str, str]] = []
    stricter: list[tuple[str, str]] = []
    for number in table:
        engine, dialplan = verdict(number), plan.verdict(number)
        counts[f"{engine} / {dialplan}"] += 1
        if engine == "dial" and dialplan != "send":
            stricter.append((number, dialplan))
        if engine == "number_expensive" and dialplan == "send":
            looser.append((number, phonenumbers.number_type(phonenumbers.parse(number))))
        assert engine == "dial" or engine == "number_expensive" or engine in NOT_IN_USE, (number, engine)
    print(len(table), dict(counts))
    assert len(table) >= 2000
    assert not stricter, "the dialplan refuses what the engine dials"
    assert not looser, "the dialplan dials what the engine never would"


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_spellings_reach_neither_trunk(plan: Dialplan, text: str) -> None:
    assert verdict(text) != "dial"
    with pytest.raises(NumberRefused):
        dial_target(text if DIALLABLE.match(text) is None else "", test_mode=False, redirect="")
    assert plan.verdict(text) != "send"


def test_emergency_numbers_behind_a_country_code(plan: Dialplan) -> None:
    for number in refused_numbers.emergencies():
        assert verdict(f"+{number}") != "dial", number
        assert plan.verdict(f"+{number}") != "send", number
        assert plan.verdict(number) != "send", number


def test_the_dialplan_holds_the_generated_ranges() -> None:
    text = FILE.read_text()
    assert refused_numbers.inserted(text) == text, "run: .venv/bin/python -m scripts.lib.refused_numbers --write"


def test_the_comparison_bites(table: list[str]) -> None:
    """A dialplan without its generated ranges, or without its list, is told apart."""
    contexts = read()
    patterns = contexts["opendeep-refused"].extensions
    listed = sum(len(each.patterns) for each in REFUSED)
    for kept in (patterns[:listed], patterns[listed:]):
        contexts["opendeep-refused"].extensions = kept
        poorer = Dialplan(contexts, EVERYWHERE)
        assert any(verdict(one) == "number_expensive" and poorer.verdict(one) == "send" for one in table)


def test_nothing_is_sent_until_the_site_allows_it() -> None:
    shipped = read()
    assert not shipped["opendeep-allowed"].extensions
    bare = Dialplan(shipped, ())
    assert {bare.verdict(number) for number in ("+12025550123", "+442079460000", "12025550123")} == {"unlisted"}
    some = Dialplan(read(), ("_1NXXNXXXXXX",))
    assert some.verdict("+12025550123") == "send"
    assert some.verdict("+19005550123") == "refused"
    assert some.verdict("+442079460000") == "unlisted"


def test_a_country_is_allowed_by_name() -> None:
    assert check_country("+12025550123", {"US"}) == "US"
    assert country_of("+447911123456") == "GG", "Guernsey shares the country code"
    for number, allowed in (
        ("+12025550123", ()),
        ("+12025550123", ("CA",)),
        ("+80012345678", ("US",)),
        ("x", ("US",)),
    ):
        with pytest.raises(NumberRefused) as caught:
            check_country(number, allowed)
        assert caught.value.code == "number_country"
        assert number not in caught.value.message or number == "x"
