"""Translates SQLite migrations into PostgreSQL ones: `python -m scripts.lib.postgres_schema [--write]`.

Without --write it prints what would be written. Files that are there stay as they are. What it does not know (a
trigger, a virtual table, a pragma) stops it: such a file is written by hand and begins with `-- by hand:`.
"""

import re
import sys
from pathlib import Path

from app.store.migrate import MIGRATIONS, POSTGRES_MIGRATIONS

BY_HAND = "-- by hand:"
_TYPES = {"INTEGER": "bigint", "REAL": "double precision", "TEXT": 'text COLLATE "C"', "BLOB": "bytea"}
_PIECE = re.compile(
    r"(?P<comment>--[^\n]*)|(?P<glob>\bGLOB\s+'(?P<pattern>[^']*)')|(?P<quoted>'(?:[^']|'')*')"
    r"|(?P<strict>\)\s*STRICT\b(?:\s*,\s*WITHOUT\s+ROWID\b)?)|(?P<type>\b(?:INTEGER|REAL|TEXT|BLOB)\b)"
)
_UNKNOWN = re.compile(
    r"\b(INTEGER\s+PRIMARY\s+KEY|TRIGGER|VIRTUAL|PRAGMA|AUTOINCREMENT|strftime|unixepoch|datetime|RAISE|GLOB|rowid)\b",
    re.IGNORECASE,
)


def translate(sql: str) -> str:
    """The PostgreSQL text of a SQLite migration. Raises ValueError for what has to be written by hand."""
    bare = _PIECE.sub(lambda piece: "" if piece["comment"] or piece["quoted"] or piece["glob"] else piece[0], sql)
    if unknown := _UNKNOWN.search(bare.replace("WITHOUT ROWID", "")):
        raise ValueError(f"{unknown[0]} has to be translated by hand")
    return _PIECE.sub(_in_postgres, sql)


def _in_postgres(piece: re.Match[str]) -> str:
    if piece["glob"] is not None:
        return f"~ '{_expression(piece['pattern'])}'"
    if piece["strict"] is not None:
        return ")"
    if piece["type"] is not None:
        return _TYPES[piece["type"]]
    return piece[0]


def _expression(pattern: str) -> str:
    """A GLOB pattern (`*`, `?`, `[a-z]`) as a regular expression."""
    made = ""
    for part in re.findall(r"\[[^\]]*\]|.", pattern):
        made += {"*": ".*", "?": "."}.get(part) or (part if part.startswith("[") else re.escape(part))
    return f"^{made}$".removesuffix(".*$") if made.endswith(".*") else f"^{made}$"


def missing() -> list[Path]:
    """SQLite migrations without a PostgreSQL twin."""
    return [file for file in sorted(MIGRATIONS.glob("*.sql")) if not (POSTGRES_MIGRATIONS / file.name).exists()]


def main() -> None:
    """See the module."""
    write = "--write" in sys.argv[1:]
    for file in missing():
        try:
            text = translate(file.read_text(encoding="utf-8"))
        except ValueError as error:
            twin = POSTGRES_MIGRATIONS / file.name
            sys.exit(f"{file.name}: {error}; write {twin}, first line '{BY_HAND} <why>'")
        if write:
            (POSTGRES_MIGRATIONS / file.name).write_text(text, encoding="utf-8")
            print(f"wrote {POSTGRES_MIGRATIONS / file.name}")
        else:
            print(f"-- {file.name}\n{text}")


if __name__ == "__main__":
    main()
