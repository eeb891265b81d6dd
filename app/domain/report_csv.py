"""A report as CSV: the numbers, then the words, one thing a line. Pure."""

from collections.abc import Sequence

from app.domain.contacts.csv_text import BOM, line
from app.domain.report import Number
from app.domain.report_words import ReportWords

HEAD = ("kind", "name", "meaning", "value", "unit", "text")


def report_csv(numbers: Sequence[Number], words: ReportWords | None) -> str:
    """The whole file; cells that a spreadsheet would run are escaped."""
    rows: list[tuple[str, ...]] = [HEAD]
    rows += [("number", one.name, one.label, str(one.value), one.unit, one.text) for one in numbers]
    if words is not None:
        rows += [("headline", "", "", "", "", words.headline), ("summary", "", "", "", "", words.summary)]
        rows += [("finding", "", "", "", "", text) for text in words.findings]
        rows += [("next step", "", "", "", "", text) for text in words.next_steps]
        rows += [
            ("quote", one.call_id, f"turn {one.turn}", str(one.audio_ms), "milliseconds", one.quote)
            for one in words.quotes
        ]
    return BOM + "".join(map(line, rows))
