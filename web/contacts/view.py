"""Pure: contacts, imports and do-not-call entries as pages show them; numbers masked for who may not see them."""

import re

import msgspec

from app.domain.contacts.contact import Contact
from app.domain.contacts.mapping import MEANINGS, Column
from app.domain.number import mask_number
from app.domain.people import Permission, Person
from app.store.contact_imports import RUNNING, TOLD, ContactImport
from app.store.contact_rows import ImportRow
from app.store.dnd import DoNotCall
from web.masks import mask_of
from web.view import moment, shown_number

ISSUE_WORDS: dict[str, str] = {
    "shape": "row does not fit",
    "bad_number": "bad number",
    "wrong_country": "wrong country",
    "duplicate": "twice in the list",
    "do_not_call": "on a do-not-call list",
    "withdrawn": "consent withdrawn",
    "bad_value": "a value cannot be read",
    "no_zone": "no time zone",
    "no_consent": "consent missing",
    "known": "known already",
}
STATE_WORDS = {
    "unchecked": "… not checked yet",
    "ready": "✓ ready",
    "rejected": "✕ left out",
    "skipped": "– skipped",
    "imported": "✓ imported",
}
MEANING_WORDS = {
    "number": "Telephone number",
    "name": "Name",
    "first_name": "First name",
    "last_name": "Last name",
    "company": "Company",
    "zone": "Time zone",
    "language": "Language",
    "kind": "Person or business",
    "region": "Region (US-FL)",
    "preferences": "Notes for the agent",
    "consent": "Evidence of consent",
    "variable": "Keep as a variable",
    "leave_out": "Leave out",
}
_LIKE_NUMBER = re.compile(r"\+?\(?\d[\d \t\u00a0()./-]{5,}\d")
SOURCE_WORDS = {"operator": "entered by hand", "callee": "said on a call", "import": "from a list"}


class ContactLine(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the page."""

    id: str
    number: str
    name: str
    company: str
    zone: str
    kind: str
    variables: list[tuple[str, str]]
    added: str


class ImportCard(msgspec.Struct, frozen=True, kw_only=True):
    """An import. `percent` is None when nobody knows how far it is."""

    id: str
    name: str
    target: str
    what: str
    state: str
    told: str
    running: bool
    percent: int | None
    problem: str
    rows: int
    ready: int
    rejected: int
    skipped: int
    imported: int
    issues: list[tuple[str, str, int]]
    notes: tuple[str, ...]
    at: str


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an import is, for the page that waits for it."""

    state: str
    running: bool
    percent: int | None
    told: str


class RowLine(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the list: `cells` are (place, heading, text)."""

    seq: int
    line: int
    state: str
    state_word: str
    issue: str
    sentence: str
    cells: list[tuple[int, str, str]]
    edited: bool


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A do-not-call entry."""

    id: str
    number: str
    reason: str
    source: str
    call_id: str
    item_id: str
    own: bool
    at: str


def variables(person: Person, contact: Contact) -> dict[str, str]:
    """What a list said besides; what looks like a telephone number is masked for who may not see numbers."""
    told = msgspec.json.decode(contact.variables, type=dict[str, str])
    if person.may(Permission.SEE_NUMBERS):
        return told
    return {name: _LIKE_NUMBER.sub(_masked, text) for name, text in told.items()}


def _masked(match: re.Match[str]) -> str:
    """A number however it is spelled, or several in a row; what has fewer digits is none."""
    digits = re.sub(r"\D", "", match[0])
    return mask_number(f"+{digits}" if match[0].startswith("+") else digits) if len(digits) >= 7 else match[0]


def contact_line(person: Person, contact: Contact) -> ContactLine:
    """A contact."""
    told = variables(person, contact)
    return ContactLine(
        id=contact.id,
        number=shown_number(person, contact.number),
        name=contact.name or "(no name)",
        company=contact.company,
        zone=contact.zone,
        kind=contact.kind,
        variables=[(name, text[:200]) for name, text in list(told.items())[:12]],
        added=moment(contact.created_ms),
    )


def import_card(one: ContactImport) -> ImportCard:
    """An import with its counts."""
    tally = one.tally
    return ImportCard(
        id=one.id,
        name=one.name,
        target=one.target,
        what="do-not-call list" if one.target == "do_not_call" else "contacts",
        state=one.state,
        told=TOLD[one.state],
        running=one.state in RUNNING,
        percent=progress(one).percent,
        problem=one.problem,
        rows=one.rows_total,
        ready=tally.get("ready", 0),
        rejected=tally.get("rejected", 0),
        skipped=tally.get("skipped", 0),
        imported=tally.get("imported", 0),
        issues=[
            (issue, words, tally[f"issue:{issue}"])
            for issue, words in ISSUE_WORDS.items()
            if tally.get(f"issue:{issue}")
        ],
        notes=one.told,
        at=moment(one.created_ms),
    )


def progress(one: ContactImport) -> Progress:
    """How far it is; while the file is read nobody knows how long it is."""
    done = {"checking": one.checked_seq, "importing": one.imported_seq}.get(one.state)
    if done is None:
        words = f"{TOLD[one.state]}: {one.rows_total} rows so far"
        return Progress(state=one.state, running=one.state in RUNNING, percent=None, told=words)
    words = f"{TOLD[one.state]}: {done} of {one.rows_total} rows"
    return Progress(state=one.state, running=True, percent=100 * done // max(one.rows_total, 1), told=words)


def row_line(row: ImportRow, columns: tuple[Column, ...]) -> RowLine:
    """A row of the grid: cells that belong to a column that is kept."""
    values = row.values
    return RowLine(
        seq=row.seq,
        line=row.line,
        state=row.state,
        state_word=STATE_WORDS[row.state],
        issue=ISSUE_WORDS.get(row.issue, row.issue),
        sentence=row.sentence,
        cells=[
            (at, column.name, values[at] if at < len(values) else "")
            for at, column in enumerate(columns)
            if column.meaning != "leave_out"
        ],
        edited=row.edited,
    )


def listed(person: Person, entry: DoNotCall) -> Listed:
    """An entry of a do-not-call list. The list of everybody tells no tenant what was said to another."""
    own = entry.tenant_id is not None
    return Listed(
        id=entry.id,
        number=shown_number(person, entry.number),
        reason=mask_of(person)(entry.reason),
        source=SOURCE_WORDS[entry.source],
        call_id=(entry.evidence_call_id or "") if own else "",
        item_id=(entry.evidence_item_id or "") if own else "",
        own=own,
        at=moment(entry.created_ms),
    )


def meanings() -> list[tuple[str, str]]:
    """What a column may mean: value and words."""
    return [(meaning, MEANING_WORDS[meaning]) for meaning in MEANINGS]
