"""Numbers: what gets through is E.164, what does not says why, and test mode has one target."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.number import (
    DIALLABLE,
    NumberRefused,
    canonical,
    dial_target,
    mask_number,
    mask_numbers,
    parse_number,
    possible_number,
)


@pytest.mark.parametrize(
    ("typed", "region", "e164"),
    [
        ("+1 202 555 0123", "", "+12025550123"),
        (" +1 (202) 555-0123 ", "", "+12025550123"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("020 7946 0000", "GB", "+442079460000"),
        ("+44 (0)20 7946 0000", "", "+442079460000"),
        ("030/1234567", "DE", "+49301234567"),
        ("+49 171/1234567", "", "+491711234567"),
        ("0711/1234567", "DE", "+497111234567"),
        ("+41 44/123 45 67", "", "+41441234567"),
        ("02/511.45.67", "BE", "+3225114567"),
        ("0512/123456", "AT", "+43512123456"),
        ("+39 06 1234 5678", "", "+390612345678"),
    ],
)
def test_the_same_phone_is_one_number(typed: str, region: str, e164: str) -> None:
    assert parse_number(typed, region=region) == e164


@pytest.mark.parametrize(
    ("typed", "region"),
    [
        ("030 4567 / 4568", "DE"),
        ("0711 12345/12346", "DE"),
        ("+43 512 1234 / 5678", ""),
        ("+49 30 1234567 / 89", ""),
    ],
)
def test_two_numbers_in_one_cell_are_not_a_third(typed: str, region: str) -> None:
    with pytest.raises(NumberRefused) as caught:
        parse_number(typed, region=region)
    assert caught.value.code == "number_two", caught.value.message
    if not region:
        with pytest.raises(NumberRefused):
            canonical(typed)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("call me", "letters"),
        ("+1 800 FLOWERS", "letters"),
        ("+12025550123;ext=5", "letters"),
        ("+12025550123&PJSIP/900", "letters"),
        ("PJSIP/100", "letters"),
        ("${SHELL(id)}", "letters"),
        ("+1202555\r\n0123", "letters"),
        ("+١٢٠٢٥٥٥٠١٢٣", "letters"),
        ("++12025550123", "letters"),
        ("911", "short"),
        ("112", "short"),
        ("116117", "short"),
        ("2025550123", "no_country"),
        ("+1911", "too_short"),
        ("+4", "unreadable"),
        ("+999123456789", "unreadable"),
        ("+12025550123456789", "too_long"),
        ("+1" + "2" * 60, "too_long"),
        ("+15551000001", "invalid"),
        ("+19005550123", "expensive"),
        ("+881612345678", "expensive"),
        ("+882161234567", "expensive"),
    ],
)
def test_refusals_have_a_code_and_a_sentence(typed: str, code: str) -> None:
    with pytest.raises(NumberRefused) as caught:
        parse_number(typed)
    assert caught.value.code == f"number_{code}", caught.value.message
    assert caught.value.message.endswith(".")


def test_fictional_numbers_are_for_simulations_only() -> None:
    assert parse_number("+1 555 100 0001", fictional=True) == "+15551000001"
    with pytest.raises(NumberRefused):
        parse_number("+1911", fictional=True)


@given(st.text(max_size=25), st.sampled_from(["", "US", "DE", "GB"]), st.booleans())
def test_whatever_is_typed_only_digits_come_out(typed: str, region: str, fictional: bool) -> None:
    try:
        number = parse_number(typed, region=region, fictional=fictional)
    except NumberRefused:
        return
    assert re.fullmatch(r"\+[1-9][0-9]{5,14}", number)


@given(st.text(alphabet="+0123456789 ()-./&;@x", max_size=20))
def test_digits_and_signs_never_raise_anything_else(typed: str) -> None:
    with contextlib.suppress(NumberRefused):
        assert DIALLABLE.match(parse_number(typed))


def test_test_mode_has_one_target_and_never_the_requested_one() -> None:
    assert dial_target("+12025550123", test_mode=False, redirect="+12025550199") == "+12025550123"
    assert dial_target("+12025550123", test_mode=True, redirect="+12025550199") == "+12025550199"
    with pytest.raises(NumberRefused, match="nothing is dialed"):
        dial_target("+12025550123", test_mode=True, redirect="")


@pytest.mark.parametrize("bad", ["", "abc", "+1202&x", "12\n34567", "+12025550123\n", "+0123456789", "+1" * 20])
def test_only_digits_reach_the_dial_string(bad: str) -> None:
    with pytest.raises(NumberRefused):
        dial_target(bad, test_mode=False, redirect="")


@pytest.mark.parametrize(
    ("number", "masked"),
    [("+15551000001", "+1555•••0001"), ("+442079460000", "+4420••••0000"), ("112", "•12"), ("", "")],
)
def test_masking(number: str, masked: str) -> None:
    assert mask_number(number) == masked


@given(st.from_regex(r"\+[1-9][0-9]{5,14}", fullmatch=True))
def test_a_mask_hides_at_least_three_digits_and_keeps_the_length(number: str) -> None:
    masked = mask_number(number)
    assert len(masked) == len(number)
    assert masked.count("•") >= 3


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("call +12025550123 now", "call +1202•••0123 now"),
        ("+12025550123+12025550124", "+1202•••0123+1202•••0124"),
        ("1+1=2, +5 and +", "1+1=2, +5 and +"),
        ("+٣٣٣٣٣٣٣٣٣", "+٣٣٣٣٣٣٣٣٣"),
        ("no number", "no number"),
        ("at +1 202-555-0123, or later", "at +1202•••0123, or later"),
        ("+1 (202) 555.0123", "+1202•••0123"),
        ("+(1) 202 555 0123.", "+1202•••0123."),
        ("+49 30 1234567 (Berlin)", "+4930•••4567 (Berlin)"),
        ("+12025550123 2027-01-16 10:00", "+1202•••0123 2027-01-16 10:00"),
        ("2027-01-16T10:00:00+01:00", "2027-01-16T10:00:00+01:00"),
        ("+49 30 1", "+49 30 1"),
    ],
)
def test_numbers_in_texts_are_masked(text: str, masked: str) -> None:
    assert mask_numbers(text) == masked


@given(st.text(alphabet="+0123456789 -()a", max_size=60))
def test_no_number_gets_through_the_mask(text: str) -> None:
    assert not re.search(r"\+(?:[ -]?[0-9]){7,}", mask_numbers(text))
    assert mask_numbers(mask_numbers(text)) == mask_numbers(text)


@pytest.mark.parametrize(
    "typed", ["+1 650 253 00000", "+1 650 253 000", "+52 1 55 1234 5678", "+800 123456789", "+1 253 0000"]
)
def test_a_number_that_cannot_exist_is_refused_and_what_was_dialed_is_not(typed: str) -> None:
    with pytest.raises(NumberRefused, match=r"too long|too short|not a possible number"):
        possible_number(typed)
    digits = "".join(filter(str.isdigit, typed))
    assert canonical(typed) == f"+{digits}", "a callee who was dialed there may say no"


@pytest.mark.parametrize(
    "typed",
    ["+1 900 555 0123", "+1 555 000 0001", "+33 1 40 20 50 50", "+1 650 253 0000 ext. 12", "+800 1234 5678"],
)
def test_numbers_that_are_never_dialed_can_exist(typed: str) -> None:
    assert possible_number(typed) == canonical(typed)
