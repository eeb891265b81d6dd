"""What plans may be made of: texts with their origin, the numbers in them, and the tables a user sent. Pure.

A number that stands in no source is invented, whoever says it. National spellings count only when the site names
its country (DEFAULT_REGION): a guess of the country would ring a stranger.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import msgspec
import phonenumbers

from app.domain.analysis.evidence import occurs
from app.domain.number import DIALLABLE
from app.domain.plan import Origin, SourceKind
from app.errors import ValidationFailed

MAX_ROWS = 5_000
MAX_COLUMNS = 40
_CANDIDATE = re.compile(r"(?<![\w+])(?:\+|00)?[(0-9][0-9 \t\u00a0().\-/]{4,26}[0-9](?!\w)")


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A text that facts may rest on."""

    origin: Origin
    text: str


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A list the user sent as CSV. `name` is how the model refers to it."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Sources:
    """Everything that was said, typed or looked up in one conversation."""

    def __init__(
        self,
        texts: Iterable[Source],
        tables: Sequence[Table] = (),
        *,
        region: str = "",
        zones: Mapping[str, str] | None = None,
    ) -> None:
        """`zones`: IANA names that contacts have on record, by their numbers as they are written there."""
        self.texts = tuple(texts)
        self.tables = {table.name: table for table in tables}
        self.region = region
        self._zones = {_e164(number, region): zone for number, zone in (zones or {}).items() if zone}

    @cached_property
    def _numbers(self) -> dict[str, Origin]:
        found: dict[str, Origin] = {}
        for source in self.texts:
            for number in numbers_in(source.text, self.region):
                found.setdefault(number, source.origin)
        for table in self.tables.values():
            origin = Origin(kind="user", ref=table.name)
            for cell in (cell for row in table.rows for cell in row if _CANDIDATE.fullmatch(cell)):
                if number := _e164(cell, self.region):
                    found.setdefault(number, origin)
        return found

    @property
    def numbers(self) -> tuple[str, ...]:
        """E.164 of everything that was supplied."""
        return tuple(self._numbers)

    def of_number(self, e164: str) -> Origin | None:
        """Who supplied a number first; None: nobody."""
        return self._numbers.get(e164)

    def zone_of(self, e164: str) -> str:
        """The zone that the contact of exactly this number has on record; empty: none."""
        return self._zones.get(e164, "")

    def of_quote(self, quote: str, kinds: Sequence[SourceKind]) -> Origin | None:
        """Where these words stand; None: in no source of these kinds."""
        return next(
            (one.origin for one in self.texts if one.origin.kind in kinds and occurs(quote, one.text)), None
        )

    def says(self, word: str, kinds: Sequence[SourceKind]) -> bool:
        """Whether a source of these kinds has this very word, like the name of a zone."""
        return bool(word) and any(word in one.text for one in self.texts if one.origin.kind in kinds)


def numbers_in(text: str, region: str = "") -> set[str]:
    """E.164 forms of the telephone numbers in a text; `region` (ISO country) also reads national spellings."""
    found = {e164 for match in _CANDIDATE.finditer(text) if (e164 := _e164(match[0].strip(), region))}
    for match in phonenumbers.PhoneNumberMatcher(text, region or None, leniency=phonenumbers.Leniency.POSSIBLE):
        number = phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)
        around = text[max(0, match.start - 1) : match.start] + text[match.end : match.end + 1]
        if DIALLABLE.match(number) and not re.search(r"\w", around):  # INV4155550123 is no telephone number
            found.add(number)
    return found


def _e164(typed: str, region: str) -> str:
    if typed.startswith("00"):
        typed = "+" + typed[2:]
    try:
        number = phonenumbers.parse(typed, region or None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return e164 if DIALLABLE.match(e164) else ""


def read_table(name: str, text: str) -> Table:
    """A CSV text with a heading; the delimiter is found out. Raises ValidationFailed, names what is wrong."""
    lines = text.lstrip("\ufeff").strip()
    if not lines or "\0" in lines:
        raise ValidationFailed(f"The table {name} is empty or no text.")
    heading = lines.splitlines()[0]
    delimiter = max(",;\t|", key=heading.count)
    try:
        # Strict: a quotation mark that is never closed would swallow the rows after it.
        read = csv.reader(io.StringIO(lines), delimiter=delimiter, strict=True)
        rows = [row for row in read if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ValidationFailed(f"The table {name} cannot be read as CSV: {error}.") from None
    columns = tuple(cell.strip()[:100] for cell in rows[0])
    if len(columns) > MAX_COLUMNS or len(rows) - 1 > MAX_ROWS:
        raise ValidationFailed(f"The table {name} is larger than {MAX_ROWS} rows of {MAX_COLUMNS} columns.")
    if len(set(columns)) != len(columns) or "" in columns:
        raise ValidationFailed(f"The table {name} needs a heading that names every column once.")
    width = len(columns)
    cells = tuple(tuple(cell.strip()[:500] for cell in (row + [""] * width)[:width]) for row in rows[1:])
    return Table(name=name, columns=columns, rows=cells)
