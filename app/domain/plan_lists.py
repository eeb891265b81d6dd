"""A call for every row of a table that the user sent. Pure."""

import re
from collections.abc import Mapping

from app.domain.plan import CallDraft, ListDraft
from app.domain.plan_sources import Sources

_PLACE = re.compile(r"\{([^{}]{1,100})\}")


def rows_of(listed: ListDraft, sources: Sources) -> tuple[list[CallDraft | str], list[str]]:
    """For each row its call or why it becomes none, and what is wrong with the way the table is used (then there
    are no rows).
    """
    table = sources.tables.get(listed.table)
    if table is None:
        known = ", ".join(sources.tables) or "none"
        return [], [f"There is no table {listed.table[:60]!r}; tables of the user: {known}."]
    wanted = [listed.number_column, *([listed.name_column] if listed.name_column else [])]
    wanted += _PLACE.findall(listed.objective)
    unknown = [name for name in wanted if name not in table.columns]
    if unknown:
        return [], [f"{listed.table} has no column {unknown[0]!r}; it has {', '.join(table.columns)}."]
    if not table.rows:
        return [], [f"{listed.table} has a heading and no rows."]
    return [_call(listed, dict(zip(table.columns, row, strict=True))) for row in table.rows], []


def _call(listed: ListDraft, cells: Mapping[str, str]) -> CallDraft | str:
    """A cell that the objective names and that is empty would leave a hole in what is said on the telephone."""
    empty = next((name for name in _PLACE.findall(listed.objective) if not cells[name].strip()), None)
    if empty is not None:
        return f"the cell {empty} is empty."
    return CallDraft(
        callee_name=cells[listed.name_column] if listed.name_column else "",
        number=cells[listed.number_column],
        objective=_PLACE.sub(lambda place: cells[place[1]], listed.objective),
        window=listed.window,
        callee_kind=listed.callee_kind,
        business_quote=listed.business_quote,
        consent=listed.consent,
    )
