"""What columns mean, and what becomes of a row."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.contacts.check import REJECTING, check_row, read_number
from app.domain.contacts.contact import Options, Terms, words_of
from app.domain.contacts.mapping import MEANINGS, Column, checked, has_heading, named, proposed, with_meanings
from app.domain.number import DIALLABLE, NumberRefused
from app.errors import ValidationFailed
from app.policy_packs import DEFAULT_PACKS, enabled_packs, load_packs

PACKS = enabled_packs(load_packs(), DEFAULT_PACKS)


def terms(target: str = "contacts", **options: object) -> Terms:
    return Terms(
        target=target,  # pyright: ignore[reportArgumentType]
        options=Options(**options),  # pyright: ignore[reportArgumentType]
        packs=PACKS,
        allowed_countries=("US", "DE"),
    )


def columns(*meanings: str) -> list[Column]:
    return [Column(name=f"c{n} {meaning}", meaning=meaning) for n, meaning in enumerate(meanings)]  # pyright: ignore


def meanings_of(heading: list[str], *rows: list[str]) -> list[str]:
    return [column.meaning for column in proposed(named(heading, len(heading)), rows)]


@pytest.mark.parametrize(
    ("heading", "rows", "meanings"),
    [
        (["Name", "Phone Number", "Notes"], [["Ann", "+12025550123", "x"]], ["name", "number", "preferences"]),
        (["Vorname", "Nachname", "Telefon"], [["A", "B", "+4930123456"]], ["first_name", "last_name", "number"]),
        (["who", "reach"], [["Ann", "+12025550123"], ["Bob", "+12025550124"]], ["variable", "number"]),
        (["Phone", "Mobile"], [["+12025550123", "+12025550124"]], ["number", "variable"]),
        (["Nummer", "Telefon"], [["7a", "+4930123456"], ["8", "+4930123457"]], ["variable", "number"]),
        (["Name", "where"], [["Ann", "Europe/Paris"]], ["name", "zone"]),
        (["Name", "Date"], [["Ann", "03.05.2026"]], ["name", "variable"]),
        (["Row in the file", "What is wrong", "In words"], [["2", "x", "y"]], ["leave_out"] * 3),
    ],
)
def test_columns_are_told_by_heading_and_by_what_stands_under_it(
    heading: list[str], rows: list[list[str]], meanings: list[str]
) -> None:
    assert meanings_of(heading, *rows) == meanings


def test_a_list_without_heading_gets_names() -> None:
    assert not has_heading(["Ann", "+1 202 555 0123"])
    assert has_heading(["Name", "Phone"])
    assert not has_heading(["", ""])
    assert named((), 3) == ("Column 1", "Column 2", "Column 3")
    assert named(("A", "A", "", "A"), 4) == ("A", "A (2)", "Column 3", "A (3)")


@pytest.mark.parametrize(
    "number",
    [
        *("+1 650 253 0000 ext. 12", "+1 650\u2011253\u20110000", "+1 800 FLOWERS", "tel:+16502530000"),
        *("650 253 0000 x12", "+49 (0)30 1234567, abends", "12345678901234567890"),
    ],
)
def test_a_row_with_a_number_is_no_heading_however_it_is_spelt(number: str) -> None:
    assert not has_heading([number])
    assert not has_heading(["Ann", number, "asked"])


@pytest.mark.parametrize("name", ["Phone 2", "2nd number", "Umsatz 2026", "2026-05-03", "03.05.2026", "+/-"])
def test_a_heading_may_hold_a_few_digits_or_a_date(name: str) -> None:
    assert has_heading(["Name", name])


def test_a_mapping_names_the_number_once() -> None:
    with pytest.raises(ValidationFailed, match="which column"):
        checked(columns("name", "variable"))
    with pytest.raises(ValidationFailed, match="cannot both be"):
        checked(columns("number", "number"))
    given_ = columns("number", "name", "variable")
    changed = with_meanings(given_, [("c2 variable", "number"), ("c1 name", "leave-out")])
    assert [one.meaning for one in changed] == ["variable", "leave_out", "number"], (
        "the old number column steps back"
    )
    for wrong in (("nothing", "name"), ("c1 name", "nonsense")):
        with pytest.raises(ValidationFailed):
            with_meanings(given_, [wrong])


@given(
    st.lists(st.text(max_size=12), min_size=1, max_size=8), st.lists(st.lists(st.text(max_size=20), max_size=9))
)
def test_any_list_gets_a_proposal(heading: list[str], rows: list[list[str]]) -> None:
    names = named(heading, len(heading))
    assert len(set(names)) == len(heading)
    found = [column.meaning for column in proposed(names, rows)]
    assert set(found) <= set(MEANINGS)
    for meaning in set(found) - {"variable", "leave_out"}:
        assert found.count(meaning) == 1


@pytest.mark.parametrize(
    ("cells", "issue", "said"),
    [
        (["Ann", "+1 202 555 0123"], "", ""),
        (["Ann", ""], "bad_number", "empty"),
        (["Ann", "2025550123"], "bad_number", "no country code"),
        (["Ann", "1.20256E+10"], "bad_number", "rounded by a spreadsheet"),
        (["Ann", "+1 900 555 0123"], "bad_number", "never dialed"),
        (["Ann", "+33140205050"], "wrong_country", "FR"),
        (["Ann", "112"], "bad_number", "emergency"),
        (["Ann", "+12025550123", "", "", "x"], "shape", "more cells"),
        (["A" * 2_001, "+12025550123"], "shape", "longer than"),
        (["Ann", "+12025550123", "Mars/Olympus"], "no_zone", "Mars/Olympus"),
        (["Ann", "+12025550123", "", "klingon"], "bad_value", "language"),
    ],
)
def test_rows(cells: list[str], issue: str, said: str) -> None:
    found = check_row(cells, columns("name", "number", "zone", "language"), terms())
    assert found.issue == issue
    assert said in found.sentence
    assert found.rejected == (issue in REJECTING)
    if not found.rejected:
        assert found.number == "+12025550123"


def test_a_number_of_no_place_has_no_zone() -> None:
    found = check_row(["+18005550199"], columns("number"), terms())
    assert (found.issue, found.rejected) == ("no_zone", False)
    assert check_row(["+18005550199", "America/New_York"], columns("number", "zone"), terms()).issue == ""


def test_nothing_that_a_row_says_is_lost() -> None:
    cols = columns("first_name", "last_name", "number", "kind", "region", "language", "variable", "leave_out")
    found = check_row(["Ann", "Lee", "+12025550123", "alien", "florida", "xx1", "blue", "away"], cols, terms())
    assert found.made.name == "Ann Lee"
    assert found.made.variables == {
        "first_name": "Ann",
        "last_name": "Lee",
        "kind": "alien",
        "region": "florida",
        "language": "xx1",
        "c6 variable": "blue",
    }


def test_a_zone_that_is_wrong_is_kept_and_never_replaced_by_a_guess() -> None:
    found = check_row(["+12025550123", "EST"], columns("number", "zone"), terms())
    assert (found.issue, found.made.zone) == ("no_zone", "EST")


def test_what_the_packs_ask_for_is_told_by_purpose() -> None:
    row, cols = ["+12025550123"], columns("number")
    assert check_row(row, cols, terms()).needs == "none"
    assert check_row(row, cols, terms(purpose="marketing")).needs == "written"


def test_numbers_as_spreadsheets_leave_them() -> None:
    assert read_number("0012025550123", terms()) == "+12025550123"
    assert read_number("12025550123", terms(bare_international=True)) == "+12025550123"
    assert read_number("(202) 555-0123", terms(region="US")) == "+12025550123"
    assert check_row(["'+12025550123"], columns("number"), terms()).number == "+12025550123"


def test_a_do_not_call_list_takes_numbers_that_are_never_dialed() -> None:
    cols = columns("number", "preferences")
    assert check_row(["+1 900 555 0123", "asked"], cols, terms("do_not_call")).number == "+19005550123"
    assert check_row(["+33140205050"], cols, terms("do_not_call")).issue == ""
    for wrong in ("nonsense", "+1 650 253 00000", "+52 1 55 1234 5678"):
        assert check_row([wrong], cols, terms("do_not_call")).issue == "bad_number"


@given(st.lists(st.text(max_size=30), max_size=6), st.sampled_from(["contacts", "do_not_call"]))
def test_any_row_gets_a_verdict_and_a_number_that_can_be_dialed_or_none(cells: list[str], target: str) -> None:
    cols = columns("number", "name", "zone", "language", "variable")
    found = check_row(cells, cols, terms(target))
    assert (found.number == "") or DIALLABLE.match(found.number)
    assert bool(found.issue) == bool(found.sentence)
    if not found.number:
        assert found.rejected


def test_spellings_of_one_number_are_one(seed: int) -> None:
    rnd = random.Random(seed)
    for _ in range(200):
        digits = f"202555{rnd.randrange(100, 200):04d}"
        spelt = "+1" + "".join(rnd.choice(["", "", " ", "-", "."]) + digit for digit in digits)
        try:
            assert read_number(spelt, terms()) == f"+1{digits}", spelt
        except NumberRefused as refused:
            pytest.fail(f"{spelt}: {refused.message}")


def test_a_name_is_found_without_case_and_accents() -> None:
    assert words_of("Jürgen WEISS", "Café-Noir 7") == ("jurgen", "weiss", "cafe", "noir", "7")
    assert words_of("") == ()
