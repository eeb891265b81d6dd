"""One row of a list: what it says of a contact, and whether it can be taken. Pure.

What only the store knows (known already, on a do-not-call list, consent on record, twice in the list) is added by
whoever asks it; the order of `ISSUES` is the order in which they are told.
"""

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from app.domain.contacts.contact import MAX_CELL, MAX_NAME, Made, Options, Terms
from app.domain.contacts.csv_text import unescaped
from app.domain.contacts.mapping import Column, Meaning
from app.domain.number import NumberRefused, check_country, country_of, parse_number, possible_number
from app.domain.policy.pack import ConsentLevel, Purpose
from app.domain.policy.selection import Callee, policy_for
from app.domain.policy.zones import ZonesUnknown, zones_of
from app.domain.recipient import MAX_PREFERENCES

Issue = Literal[
    "",
    "shape",
    "bad_number",
    "wrong_country",
    "duplicate",
    "do_not_call",
    "withdrawn",
    "bad_value",
    "no_zone",
    "no_consent",
    "known",
]
REJECTING: frozenset[Issue] = frozenset(
    {"shape", "bad_number", "wrong_country", "duplicate", "do_not_call", "withdrawn"}
)
"""Issues that keep a row out; all others are warnings, and the row is taken unless somebody skips it."""
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?E\+?\d+\Z", re.IGNORECASE)
_KINDS = {
    "person": "person", "private": "person", "consumer": "person", "b2c": "person", "privat": "person",
    "business": "business", "company": "business", "b2b": "business", "firma": "business",
}  # fmt: skip
_LANGUAGE = re.compile(r"[a-z]{2}(?:[-_][A-Za-z]{2,4})?\Z")
_REGION = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}\Z")


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a row. `number` is E.164, empty when it cannot be read. `needs`: consent the packs ask
    for."""

    number: str = ""
    issue: Issue = ""
    sentence: str = ""
    made: Made = Made()
    needs: ConsentLevel = "none"
    countries: tuple[str, ...] = ()

    @property
    def rejected(self) -> bool:
        """Whether the row stays out."""
        return self.issue in REJECTING

    def worse(self, issue: Issue, sentence: str) -> "Verdict":
        """The verdict with one more issue; the first one that keeps the row out is told."""
        if self.rejected or (self.issue and issue not in REJECTING):
            return self
        return msgspec.structs.replace(self, issue=issue, sentence=sentence)


def check_row(cells: Sequence[str], columns: Sequence[Column], terms: Terms) -> Verdict:
    """Read one row."""
    wide = next((cell for cell in cells[len(columns) :] if cell.strip()), None)
    if wide is not None:
        return Verdict(issue="shape", sentence=f"The row has more cells than there are columns: {wide[:60]!r}.")
    if any(len(cell) > MAX_CELL for cell in cells):
        return Verdict(issue="shape", sentence=f"A cell is longer than {MAX_CELL} characters.")
    found: dict[Meaning, str] = {}
    variables: dict[str, str] = {}
    for column, cell in zip(columns, cells, strict=False):
        text = unescaped(cell).replace("\0", "").strip()
        if column.meaning == "variable":
            if text:
                variables[column.name] = text
        elif column.meaning != "leave_out":
            found[column.meaning] = text
    typed = found.get("number", "")
    if terms.target == "do_not_call":
        return _listed(typed, found, terms.options)
    try:
        number = read_number(typed, terms)
        if not terms.fictional:
            check_country(number, terms.allowed_countries)
    except NumberRefused as refused:
        issue: Issue = "wrong_country" if refused.code == "number_country" else "bad_number"
        return Verdict(issue=issue, sentence=refused.message)
    return _judged(number, found, variables, terms)


def read_number(typed: str, terms: Terms) -> str:
    """E.164 of a cell. Raises NumberRefused."""
    options = terms.options
    if _ROUNDED.match(typed):
        sentence = f"{typed[:40]!r} was rounded by a spreadsheet; format the column as text and export it again."
        raise NumberRefused(sentence, code="number_rounded")
    if typed.startswith("00"):
        typed = f"+{typed[2:]}"
    if options.bare_international and typed[:1].isdigit():
        typed = f"+{typed}"
    return parse_number(typed, region=options.region, fictional=terms.fictional)


def _listed(typed: str, found: dict[Meaning, str], options: Options) -> Verdict:
    """A row of a do-not-call list: any number with a country code will do."""
    if typed.startswith("00"):
        typed = f"+{typed[2:]}"
    if options.bare_international and typed[:1].isdigit():
        typed = f"+{typed}"
    try:
        if typed[:1] == "+" or not options.region:
            number = possible_number(typed)
        else:
            number = parse_number(typed, region=options.region, fictional=True)
    except NumberRefused as refused:
        return Verdict(issue="bad_number", sentence=refused.message)
    return Verdict(number=number, made=Made(name=found.get("name", ""), preferences=found.get("preferences", "")))


def _judged(number: str, found: dict[Meaning, str], variables: dict[str, str], terms: Terms) -> Verdict:
    made, doubts = _made(found, variables)
    verdict = Verdict(number=number, made=made)
    if doubts:
        verdict = verdict.worse("bad_value", " ".join(doubts))
    zones = zones_of(number, made.zone)
    if isinstance(zones, ZonesUnknown) and (made.zone or not terms.fictional):
        verdict = verdict.worse("no_zone", zones.sentence)
    return _with_needs(verdict, terms)


def _with_needs(verdict: Verdict, terms: Terms) -> Verdict:
    purpose = terms.options.purpose
    if not purpose or terms.fictional:
        return verdict
    level = needed(verdict.number, verdict.made, purpose, terms)
    return msgspec.structs.replace(verdict, needs=level)


def needed(number: str, made: Made, purpose: Purpose, terms: Terms) -> ConsentLevel:
    """What the packs ask of a call to this contact; without a pack nobody is called, which is told elsewhere."""
    callee = Callee(
        number=number,
        countries=(country_of(number),),
        regions=(made.region,) if made.region else (),
        kind=made.kind or "person",
    )
    policy = policy_for(terms.packs, callee, purpose, terms.overlay)
    return "none" if policy is None else policy.rules.consent.get(callee.kind, {}).get(purpose, "none")


def _made(found: dict[Meaning, str], variables: dict[str, str]) -> tuple[Made, list[str]]:
    """The contact's fields; what cannot be read is told and kept as a variable, so that nothing is lost."""
    doubts: list[str] = []

    def doubt(meaning: Meaning, sentence: str) -> str:
        doubts.append(sentence)
        variables.setdefault(meaning, found[meaning])
        return ""

    name = found.get("name", "") or " ".join(filter(None, (found.get("first_name"), found.get("last_name"))))
    for meaning in ("first_name", "last_name"):
        if found.get(meaning):
            variables.setdefault(meaning, found[meaning])
    if len(name) > MAX_NAME:
        doubts.append(f"The name is longer than {MAX_NAME} characters and is shortened.")
        variables.setdefault("name", name)
    zone = found.get("zone", "")[:60]  # a wrong one stays, so that nobody guesses another
    language = found.get("language", "")
    kind, region = found.get("kind", ""), found.get("region", "")
    if language and not _LANGUAGE.match(language):
        language = doubt("language", f"{language[:40]!r} is no language like en or de.")
    if kind and kind.lower() not in _KINDS:
        kind = doubt("kind", f"{kind[:40]!r} is neither person nor business.")
    if region and not _REGION.match(region.upper()):
        variables.setdefault("region", region)
        region = ""
    preferences = found.get("preferences", "")[:MAX_PREFERENCES]
    return Made(
        name=name[:MAX_NAME],
        company=found.get("company", "")[:MAX_NAME],
        zone=zone,
        language=language[:2].lower(),
        kind="business" if _KINDS.get(kind.lower()) == "business" else "person" if kind else "",
        region=region.upper(),
        preferences=preferences,
        consent=found.get("consent", "")[:500],
        variables=variables,
    ), doubts
