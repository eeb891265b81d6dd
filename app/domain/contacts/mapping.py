"""What the columns of a list mean: a proposal from their headings and first rows, which a person may change. Pure.

A column that means nothing to us stays a variable under its own name; only a person leaves one out.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import msgspec

from app.domain.contacts.contact import folded
from app.domain.policy.zones import zone_named
from app.errors import ValidationFailed

Meaning = Literal[
    "number",
    "name",
    "first_name",
    "last_name",
    "company",
    "zone",
    "language",
    "kind",
    "region",
    "preferences",
    "consent",
    "variable",
    "leave_out",
]
MEANINGS: tuple[Meaning, ...] = get_args(Meaning)
SAMPLES = 5
_ONCE: frozenset[Meaning] = frozenset(MEANINGS) - {"variable", "leave_out"}
_HEADINGS: dict[Meaning, str] = {
    "number": "phone number tel telephone telefon telefonnummer telefono telephonenumber mobile mobil handy cell "
    "cellphone phonenumber mobilenumber rufnummer nummer numero portable celular movil msisdn e164 phone1 "
    "primaryphone businessphone homephone mobilephone phonework phonemobile telefoon telefonszam",
    "name": "name fullname contact contactname displayname kontakt ansprechpartner nombre nom nomcomplet "
    "customer kunde callee calleename person naam",
    "first_name": "firstname givenname vorname prenom nombrepila forename voornaam",
    "last_name": "lastname surname familyname nachname familienname apellido apellidos nomdefamille achternaam",
    "company": "company organization organisation firma unternehmen empresa societe business account accountname "
    "companyname entreprise",
    "zone": "timezone zone tz zeitzone fuseauhoraire zonahoraria",
    "language": "language lang sprache langue idioma locale taal",
    "kind": "kind calleekind contacttype",
    "region": "region state bundesland province stateprovince",
    "preferences": "preferences notes note preference bemerkung notiz notizen comment comments kommentar remarks "
    "preferencias",
    "leave_out": "rowinthefile whatiswrong inwords",
    "consent": "consent consentevidence einwilligung optin consentement consentimiento",
}
_BY_HEADING: dict[str, Meaning] = {word: meaning for meaning, words in _HEADINGS.items() for word in words.split()}
_NUMBER = re.compile(r"'?(?:\+|00)?[0-9(][0-9 \u00a0().\-/]{5,22}[0-9]\Z")
_WITH_CODE = re.compile(r"'?[+\uff0b]\s*\(?[0-9]")
"""A country code begins; what follows may be letters, as in +1 800 FLOWERS."""
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}")


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column: its heading, what it means, and the first cells under it."""

    name: str
    meaning: Meaning
    samples: tuple[str, ...] = ()


def has_heading(first: Sequence[str]) -> bool:
    """Whether the first row names the columns: it holds no number to call, however that is spelt. A row that is
    no heading is judged and told; one that is taken for a heading is seen by nobody.
    """
    return not any(_holds_number(cell) for cell in first) and any(cell.strip() for cell in first)


def named(first: Sequence[str], width: int) -> tuple[str, ...]:
    """A name for every column, each once: its heading, or its place when there is none."""
    names: dict[str, None] = {}
    for at in range(width):
        wanted = " ".join((first[at] if at < len(first) else "").split())[:100] or f"Column {at + 1}"
        name, n = wanted, 2
        while name in names:
            name, n = f"{wanted} ({n})", n + 1
        names[name] = None
    return tuple(names)


def proposed(names: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[Column, ...]:
    """The meaning of every column, by heading and then by what stands under it; each meaning once."""
    samples = [
        tuple(cell for row in rows if at < len(row) and (cell := row[at].strip())) for at in range(len(names))
    ]
    meanings: list[Meaning] = ["variable"] * len(names)
    taken: set[Meaning] = set()
    for at, name in enumerate(names):
        meaning = _BY_HEADING.get(re.sub(r"[^a-z0-9]", "", folded(name)))
        if meaning is not None and meaning not in taken and _fits(meaning, samples[at]):
            meanings[at] = meaning
            taken |= _ONCE & {meaning}
    if "number" not in taken:
        shares = [_share(cells) if meanings[at] == "variable" else 0.0 for at, cells in enumerate(samples)]
        if shares and max(shares) >= 0.5:
            meanings[shares.index(max(shares))] = "number"
    if "zone" not in taken:
        for at, cells in enumerate(samples):
            if meanings[at] == "variable" and cells and all("/" in cell and zone_named(cell) for cell in cells):
                meanings[at] = "zone"
                break
    return tuple(
        Column(name=name, meaning=meaning, samples=tuple(cell[:80] for cell in cells[:SAMPLES]))
        for name, meaning, cells in zip(names, meanings, samples, strict=True)
    )


def checked(columns: Sequence[Column]) -> tuple[Column, ...]:
    """A mapping that can be used. Raises ValidationFailed with what is wrong."""
    meanings = [column.meaning for column in columns]
    if "number" not in meanings:
        raise ValidationFailed("Say which column holds the telephone number.")
    for meaning in _ONCE:
        if meanings.count(meaning) > 1:
            twice = " and ".join(column.name for column in columns if column.meaning == meaning)
            raise ValidationFailed(f"{twice} cannot both be the {meaning.replace('_', ' ')}; choose one.")
    return tuple(columns)


def with_meanings(columns: Sequence[Column], wanted: Iterable[tuple[str, str]]) -> tuple[Column, ...]:
    """The columns with other meanings, given as (name of the column, meaning). Raises ValidationFailed."""
    names = {column.name for column in columns}
    chosen: dict[str, Meaning] = {}
    for name, word in wanted:
        spelt = word.strip().lower().replace("-", "_")
        meaning: Meaning | None = next((one for one in MEANINGS if one == spelt), None)
        if meaning is None:
            raise ValidationFailed(f"{word[:40]!r} is no meaning of a column; there are: {', '.join(MEANINGS)}.")
        if name not in names:
            raise ValidationFailed(f"There is no column {name[:60]!r}; there are: {', '.join(names)[:400]}.")
        chosen[name] = meaning
    taken = {meaning for meaning in chosen.values() if meaning in _ONCE}

    def meaning_of(column: Column) -> Meaning:
        if column.name in chosen:
            return chosen[column.name]
        return "variable" if column.meaning in taken else column.meaning

    return checked([msgspec.structs.replace(column, meaning=meaning_of(column)) for column in columns])


def looks_like_number(cell: str) -> bool:
    """Whether a cell may hold a telephone number; dates and prices do not."""
    text = cell.strip()
    return _NUMBER.match(text) is not None and not _DATE.fullmatch(text) and 7 <= sum(map(str.isdigit, text)) <= 15


def _holds_number(cell: str) -> bool:
    text = cell.strip()
    if _WITH_CODE.match(text):
        return True
    return not _DATE.fullmatch(text) and sum(map(str.isdigit, text)) >= 7


def _share(cells: Sequence[str]) -> float:
    return sum(map(looks_like_number, cells)) / len(cells) if cells else 0.0


def _fits(meaning: Meaning, cells: Sequence[str]) -> bool:
    """A heading may lie: a column "Number" full of house numbers is no telephone number."""
    if meaning == "number":
        return not cells or _share(cells) >= 0.2
    if meaning == "zone":
        return not cells or any(zone_named(cell) is not None for cell in cells)
    return True
