"""Cells as CSV that no spreadsheet runs: a cell that would be read as a formula is written behind an apostrophe.

`unescaped` takes it off again, so that a file of ours comes back as it was. Used by every export and by the
import.
"""

from collections.abc import Iterable

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a formula may begin with, also in full width (OWASP, CSV injection)."""
BOM = "\ufeff"
"""Put before a file that Excel shall read as UTF-8."""
_QUOTED = frozenset(',;"\r\n\t')


def escaped(cell: str) -> str:
    """The cell as text for spreadsheets, also when it hides its first sign behind blanks."""
    begins = cell.lstrip(" \u00a0")
    return f"'{cell}" if begins.startswith(FORMULA) or _apostrophe(begins) else cell


def unescaped(cell: str) -> str:
    """What `escaped` was given."""
    return cell[1:] if cell.startswith("'") and escaped(cell[1:]) == cell else cell


def line(cells: Iterable[str]) -> str:
    """One line of a CSV file, RFC 4180."""
    return ",".join(_quoted(escaped(cell)) for cell in cells) + "\r\n"


def _apostrophe(begins: str) -> bool:
    """An apostrophe of one's own before a formula would be taken for ours."""
    rest = begins.lstrip("'")
    return rest != begins and rest.lstrip(" \u00a0").startswith(FORMULA)


def _quoted(cell: str) -> str:
    if not cell or (not _QUOTED & set(cell) and cell == cell.strip()):
        return cell
    return '"' + cell.replace('"', '""') + '"'
