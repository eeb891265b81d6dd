"""Reads a public do-not-call registry: a number a line, or CSV whose first column is one.

Read line by line; a number is kept in 8 bytes, so ten million take 80 MB.
"""

import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import msgspec
import numpy as np
import numpy.typing as npt
import phonenumbers

from app.domain.number import listed_number
from app.errors import ValidationFailed

LONGEST_LINE = 16_384
MOST_UNREADABLE = 0.03
"""Of the rows; more, and the file is another one than was meant, or damaged."""
SHOWN = 5
_CELL = re.compile(r"[,;\t]")
_NANP = re.compile(r"(?:\+?1)?([2-9][0-9]{2}[2-9][0-9]{6})\Z")
"""A number of country code 1 has one form: the tables of numbers would take minutes for millions of them."""
_AREA, _SUBSCRIBER = re.compile(r"[0-9]{3}\Z"), re.compile(r"[0-9]{7}\Z")


class RegistryList(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds. `digits`: the numbers in order, each once, without +. `problems`: of the first rows that
    could not be read, with their lines.
    """

    digits: npt.NDArray[np.uint64]
    rows: int
    unreadable: int
    problems: tuple[str, ...]

    def numbers(self) -> Iterator[str]:
        """In E.164, in order."""
        return (f"+{digits}" for digits in self.digits)


def read_registry(file: Path, country: str) -> RegistryList:
    """The numbers of a file, in E.164 or as `country` (ISO) writes them. Raises ValidationFailed for a file that
    holds no number, or too much that is none.
    """
    digits, problems, rows, unreadable = array("Q"), list[str](), 0, 0
    shared = phonenumbers.country_code_for_region(country) == 1
    with file.open(encoding="utf-8-sig", errors="replace") as source:
        for at, line in _lines(source):
            cells = [cell.strip(" \t\"'") for cell in _CELL.split(line.strip(), maxsplit=2)]
            if not any(cells):
                continue
            try:
                digits.append(_digits(cells, country, shared=shared))
            except ValidationFailed as refused:
                if at == 1 and re.search("[0-9]", cells[0]) is None:
                    continue  # names of columns
                unreadable += 1
                if unreadable <= SHOWN:
                    problems.append(f"line {at}: {refused.message}")
            rows += 1
    _check(file, rows, unreadable, problems)
    return RegistryList(
        digits=np.unique(np.frombuffer(digits, dtype=np.uint64)),
        rows=rows,
        unreadable=unreadable,
        problems=tuple(problems),
    )


def _lines(source: TextIO) -> Iterator[tuple[int, str]]:
    at = 0
    while line := source.readline(LONGEST_LINE):
        at += 1
        if len(line) == LONGEST_LINE:
            raise ValidationFailed(f"Line {at} is longer than {LONGEST_LINE} characters; nothing was imported.")
        yield at, line


def _digits(cells: list[str], country: str, *, shared: bool) -> int:
    text = cells[0]
    if shared and len(cells) > 1 and _AREA.match(text) and _SUBSCRIBER.match(cells[1]):
        text += cells[1]  # the United States hand out area code and number in columns of their own
    if shared and (plain := _NANP.match(text)):
        return int("1" + plain[1])
    return int(listed_number(text, country)[1:])


def _check(file: Path, rows: int, unreadable: int, problems: list[str]) -> None:
    if not rows:
        raise ValidationFailed(f"{file.name} holds no numbers; nothing was imported.")
    if unreadable > rows * MOST_UNREADABLE:
        said = "\n  ".join(
            [f"{unreadable} of {rows} rows of {file.name} are no numbers of this registry:", *problems]
        )
        raise ValidationFailed(f"{said}\nNothing was imported.")
