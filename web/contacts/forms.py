"""What the forms of imports say, read."""

from collections.abc import AsyncIterator, Mapping

import msgspec
from litestar.datastructures import UploadFile

from app.domain.contacts.contact import Options, Target
from app.domain.contacts.mapping import Column
from app.errors import ValidationFailed

PART_BYTES = 256 * 1024


def target_of(form: Mapping[str, object]) -> Target:
    """What the list is to become."""
    return "do_not_call" if form.get("target") == "do_not_call" else "contacts"


def options_of(form: Mapping[str, object], region: str) -> Options:
    """How the list is to be read. Raises ValidationFailed."""
    given = {
        "region": _text(form, "region", region).strip().upper(),
        "bare_international": "bare_international" in form,
        "purpose": _text(form, "purpose"),
        "consent_level": _text(form, "consent_level") or "none",
        "consent_evidence": _text(form, "consent_evidence").strip(),
        "skip_known": "skip_known" in form,
        "reason": _text(form, "reason").strip(),
    }
    return options_from(given)


def options_from(given: Mapping[str, object]) -> Options:
    """How a list is to be read, checked. Raises ValidationFailed."""
    try:
        return msgspec.convert(given, Options)
    except msgspec.ValidationError as error:
        raise ValidationFailed(f"What was chosen does not fit: {error}.") from None


def mapping_of(form: Mapping[str, object], columns: tuple[Column, ...]) -> list[tuple[str, str]]:
    """(column, meaning) for every column, by its place in the form."""
    return [(column.name, _text(form, f"meaning-{at}", column.meaning)) for at, column in enumerate(columns)]


def cells_of(form: Mapping[str, object]) -> dict[int, str]:
    """Cells of a row that were typed, by their place. Raises ValidationFailed when there is none."""
    found: dict[int, str] = {}
    for name, text in form.items():
        place = name.removeprefix("cell-")
        if place != name and place.isdecimal() and len(place) < 4 and isinstance(text, str):
            found[int(place)] = text
    if not found:
        raise ValidationFailed("The form has no cell.")
    return found


def file_of(form: Mapping[str, object]) -> UploadFile:
    """The file. Raises ValidationFailed when none was chosen."""
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise ValidationFailed("Choose a file first: CSV or XLSX.")
    return file


async def parts(file: UploadFile) -> AsyncIterator[bytes]:
    """The file in parts."""
    while part := await file.read(PART_BYTES):
        yield part


def back(form: Mapping[str, object]) -> str:
    """Where in the grid somebody was."""
    what, after = _text(form, "rows"), _text(form, "after")
    what = what if what.replace("_", "").replace(":", "").isalpha() else ""
    return f"?rows={what}&after={after if after.isdecimal() and len(after) < 9 else '0'}#grid"


def _text(form: Mapping[str, object], name: str, default: str = "") -> str:
    value = form.get(name, default)
    return value if isinstance(value, str) else default
