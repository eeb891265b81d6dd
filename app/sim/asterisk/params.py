"""One ARI request as the verbs see it, and the replies they give.

Parameters come from the path, the query string and the JSON body; the body wins, and a body value of the wrong
JSON type counts as absent, as in Asterisk's generated parsers (a quoted "timeout" is 0 there, so 30 s).
"""

from collections.abc import Mapping
from typing import cast

import msgspec

from app.sim.asterisk.channels import Json


class Reply(msgspec.Struct, frozen=True):
    """Status and JSON body; no body when None."""

    status: int
    body: object = None


NO_CONTENT = Reply(204)
ALLOCATION_FAILED = Reply(500, {"error": "Allocation failed"})


def refused(status: int, message: str) -> Reply:
    """An error in ARI's usual form."""
    return Reply(status, {"message": message})


class Params:
    """Reads parameters and notes in `oddities` what Asterisk would swallow without a word."""

    def __init__(self, *, path: Mapping[str, str], query: Mapping[str, str], body: Json) -> None:
        self._path = path
        self._query = query
        self._body = body
        self.oddities: list[str] = []

    def text(self, name: str) -> str:
        """A string parameter; "" when absent."""
        if name in self._path:
            return self._path[name]
        if name in self._body:
            value = self._body[name]
            if isinstance(value, str):
                return value
            self.oddities.append(f"{name} is not a string")
            return ""
        return self._query.get(name, "")

    def integer(self, name: str) -> int:
        """An integer parameter; 0 when absent or unreadable."""
        if name in self._body:
            value = self._body[name]
            if isinstance(value, int) and not isinstance(value, bool):
                return value
            self.oddities.append(f"{name} is not an integer")
            return 0
        given = self._query.get(name, "0")
        if given.lstrip("-").isdigit():
            return int(given)
        self.oddities.append(f"{name}={given!r} is not an integer")
        return 0

    def flag(self, name: str) -> bool:
        """A boolean parameter."""
        if name in self._body:
            return self._body[name] is True
        return self._query.get(name, "").lower() in {"true", "yes", "1", "on", "y", "t"}

    def names(self, name: str) -> list[str]:
        """A parameter that may be repeated: a JSON array, or one comma separated string."""
        value = self._body.get(name)
        if isinstance(value, list):
            return [item for item in cast("list[object]", value) if isinstance(item, str) and item]
        return [item for item in self.text(name).split(",") if item]

    def body(self) -> Json:
        """The JSON body itself."""
        return self._body

    def variables(self) -> "tuple[dict[str, str], set[str]] | Reply":
        """`variables` of the body, and the names of those to report in events; a Reply when malformed."""
        if "variables" in self._query:
            self.oddities.append("variables in the query string vanish; they belong in the body")
        given = self._body.get("variables")
        if not isinstance(given, dict):
            return {}, set()
        values: dict[str, str] = {}
        reported: set[str] = set()
        for name, value in cast("Json", given).items():
            parsed = _variable(value)
            if isinstance(parsed, Reply):
                return parsed
            values[name] = parsed[0]
            if parsed[1]:
                reported.add(name)
        return values, reported


def _variable(value: object) -> tuple[str, bool] | Reply:
    if isinstance(value, str):
        return value, False
    if not isinstance(value, dict):
        return refused(
            400,
            "Each value in 'variables' must be a string or an object with 'value' and optional 'report_events'",
        )
    entry = cast("Json", value)
    text, report = entry.get("value"), entry.get("report_events", False)
    if not isinstance(text, str):
        return refused(400, "Each object value in 'variables' must include string field 'value'")
    if not isinstance(report, bool):
        return refused(400, "Field 'report_events' in 'variables' entries must be boolean")
    return text, report
