"""SQL as the store writes it, made into what a driver takes: `:name` parameters and locking clauses. Pure.

The store writes one text for both databases. PostgreSQL gets `$1, $2, ...` for `:name`, each name once; SQLite
gets the text without `FOR UPDATE ...` or `FOR KEY SHARE`, since its one writer locks everything. Quotes, comments,
dollar quotes and casts (`::`) are left as they are. `:name IS NULL` says nothing about the type of `name`, so
PostgreSQL gets a text parameter of its own for it; and as units are in our names, `:..._ms` is a bigint: two of
them can be added.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r"""
      (?P<kept> '(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/
              | (?<![\w$])\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$
              | :: )
    | :(?P<name>[A-Za-z_]\w*)(?P<null>(?=\s+IS\s+(?:NOT\s+)?NULL\b))?
    | (?P<lock>\bFOR\s+(?:UPDATE|KEY\s+SHARE)\b(?:\s+OF\s+\w+)?(?:\s+SKIP\s+LOCKED\b)?)
    | (?P<position>(?<![\w$])\$\d+)
    | (?P<open> ' | " | /\* )
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_NESTED = re.compile(r"/\*.*/\*", re.DOTALL)
_ESCAPES = re.compile(r"(?<![\w$])[eE]$")


class Positional(NamedTuple):
    """`text` with `$1`, `$2`, ...; `parameters` are the names they stand for, `True` with those that only ask
    whether it is NULL.
    """

    text: str
    parameters: tuple[tuple[str, bool], ...]

    def values(self, given: Mapping[str, Any]) -> list[Any]:
        """The values in order. Raises KeyError for one that is missing."""
        return [_presence(given[name]) if asks else given[name] for name, asks in self.parameters]


def _presence(value: object) -> str | None:
    return None if value is None else ""


@lru_cache(maxsize=1024)
def positional(sql: str) -> Positional:
    """`sql` for PostgreSQL. Raises ValueError for what cannot be told apart: an unfinished quote or comment, a
    comment inside a comment, an E'' string, a `$1` of its own.
    """
    numbers: dict[tuple[str, bool], int] = {}

    def put(match: re.Match[str]) -> str:
        _refuse_unclear(match, sql)
        if match["name"] is None:
            return match[0]
        key = (match["name"], match["null"] is not None)
        number = numbers.setdefault(key, len(numbers) + 1)
        if key[1]:
            return f"${number}::text"
        return f"${number}::bigint" if key[0].endswith("_ms") else f"${number}"

    return Positional(_TOKEN.sub(put, sql), tuple(numbers))


@lru_cache(maxsize=1024)
def without_locks(sql: str) -> str:
    """`sql` for SQLite. Raises ValueError as `positional` does."""

    def put(match: re.Match[str]) -> str:
        _refuse_unclear(match, sql)
        return "" if match["lock"] is not None else match[0]

    return _TOKEN.sub(put, sql)


def _refuse_unclear(match: re.Match[str], sql: str) -> None:
    where = f"at character {match.start()}"
    if match["position"] is not None:
        raise ValueError(f"{match[0]} {where}: parameters are named")
    if match["open"] is not None:
        raise ValueError(f"unfinished {match[0]} {where}")
    kept = match["kept"] or ""
    if kept.startswith("/*") and _NESTED.match(kept):
        raise ValueError(f"a comment inside a comment {where}")
    if kept.startswith("'") and _ESCAPES.search(sql, 0, match.start()):
        raise ValueError(f"an E'' string {where}: write the text without escapes")
