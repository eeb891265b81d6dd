"""A registry's file: every row is a number of its country or counted, and a wrong file is refused."""

from pathlib import Path

import pytest

from app.contacts import registry_file
from app.contacts.registry_file import RegistryList, read_registry
from app.errors import ValidationFailed

MANY = "\n".join(f"+1202555{n:04}" for n in range(200)) + "\n"


def read(folder: Path, text: str, country: str = "US") -> RegistryList:
    file = folder / "list.txt"
    file.write_text(text, encoding="utf-8", newline="")
    return read_registry(file, country)


@pytest.mark.parametrize(
    ("country", "row", "number"),
    [
        ("US", "+12025550123", "+12025550123"),
        ("US", "2025550123", "+12025550123"),
        ("US", "12025550123", "+12025550123"),
        ("US", "(202) 555-0123", "+12025550123"),
        ("US", "202,5550123", "+12025550123"),
        ("US", '"2025550123","2026-11-01",listed', "+12025550123"),
        ("US", "2025550123;x", "+12025550123"),
        ("US", "\ufeff2025550123\r\n", "+12025550123"),
        ("GB", "02079460123", "+442079460123"),
        ("GB", "2079460123", "+442079460123"),
        ("GB", "442079460123", "+442079460123"),
        ("GB", "+44 20 7946 0123,x", "+442079460123"),
    ],
)
def test_a_number_is_read_as_its_country_writes_it(tmp_path: Path, country: str, row: str, number: str) -> None:
    found = read(tmp_path, row, country)
    assert (list(found.numbers()), found.rows, found.unreadable) == ([number], 1, 0)


def test_rows_are_counted_and_numbers_stand_once_in_order(tmp_path: Path) -> None:
    found = read(tmp_path, "Phone number\r\n\r\n2025550124\r\n2025550123\r\n(202) 555-0124\r\n")
    assert (list(found.numbers()), found.rows, found.unreadable) == (["+12025550123", "+12025550124"], 3, 0)


def test_a_few_rows_may_be_unreadable_and_are_told_with_their_lines(tmp_path: Path) -> None:
    found = read(tmp_path, MANY + "n/a\n+442079460123\n911\n")
    assert (len(found.digits), found.rows, found.unreadable) == (200, 203, 3)
    assert [problem.partition(":")[0] for problem in found.problems] == ["line 201", "line 202", "line 203"]
    assert "no number of US" in found.problems[1]


@pytest.mark.parametrize(
    ("country", "text", "said"),
    [
        ("US", "", "holds no numbers"),
        ("US", "\n \n", "holds no numbers"),
        ("US", "Phone\n", "holds no numbers"),
        ("GB", MANY, "200 of 200 rows"),
        ("US", MANY + "x\n" * 7, "line 201"),
        ("US", "2025550123" * 2000, "longer than"),
        ("US", "PK\x03\x04\x00\ufffd\n" * 3, "2 of 2 rows"),
    ],
)
def test_another_file_than_was_meant_is_refused(tmp_path: Path, country: str, text: str, said: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        read(tmp_path, text, country)
    assert said in refused.value.message
    assert len(refused.value.message.splitlines()) <= registry_file.SHOWN + 2
