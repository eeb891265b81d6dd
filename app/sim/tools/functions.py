"""What the simulated systems can do: a few functions of a restaurant."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

Json = dict[str, Any]


class SimTool(msgspec.Struct, frozen=True, kw_only=True):
    """One function; `do` gets arguments that fit `schema` and answers text, or an object (structured content)."""

    name: str
    description: str
    schema: Mapping[str, Any]
    do: Callable[[Json], object]


def _free_tables(arguments: Json) -> object:
    return {"date": arguments["date"], "free": ["18:30", "20:00"]}


def _book(arguments: Json) -> object:
    return f"Booked for {arguments.get('people', 2)} on {arguments['date']}, number 417."


_DATE = {"type": "string", "format": "date", "description": "YYYY-MM-DD"}
SAMPLES = (
    SimTool(
        name="free_tables",
        description="Which tables are free on a day.",
        schema={
            "type": "object",
            "properties": {"date": _DATE},
            "required": ["date"],
            "additionalProperties": False,
        },
        do=_free_tables,
    ),
    SimTool(
        name="book.table",
        description="Book a table.",
        schema={
            "type": "object",
            "properties": {
                "date": {**_DATE, "x-mcp-header": "Day"},
                "people": {"type": "integer", "minimum": 1, "maximum": 12},
            },
            "required": ["date"],
            "additionalProperties": False,
        },
        do=_book,
    ),
)
