"""Both databases have the same migrations, and after them the same schema: columns, checks, keys, indexes."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.store.migrate import MIGRATIONS, POSTGRES_MIGRATIONS, migrate, read_migrations
from app.store.postgres import connect_once
from app.store.postgres_migrate import migrate as migrate_postgres
from scripts.lib.postgres_schema import BY_HAND, translate

Schema = dict[str, dict[str, Any]]
KINDS = {"INTEGER": "bigint", "TEXT": "text", "REAL": "double precision", "BLOB": "bytea"}


def test_every_number_has_its_twin() -> None:
    ours = [(one.version, one.name) for one in read_migrations(MIGRATIONS)]
    theirs = [(one.version, one.name) for one in read_migrations(POSTGRES_MIGRATIONS)]
    assert ours == theirs, "run: python -m scripts.lib.postgres_schema --write"


@pytest.mark.parametrize("file", sorted(POSTGRES_MIGRATIONS.glob("*.sql")), ids=lambda file: file.name)
def test_a_migration_is_the_translation_or_says_why_not(file: Path) -> None:
    text = file.read_text()
    if not text.startswith(BY_HAND):
        assert text == translate((MIGRATIONS / file.name).read_text())


def test_what_is_not_known_is_not_translated() -> None:
    assert translate("CREATE TABLE a (x INTEGER) STRICT, WITHOUT ROWID;") == "CREATE TABLE a (x bigint);"
    assert translate("-- INTEGER\nCHECK (n GLOB '+[1-9]*' AND t <> 'TEXT')") == (
        "-- INTEGER\nCHECK (n ~ '^\\+[1-9]' AND t <> 'TEXT')"
    )
    for sql in (
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;",
        "CREATE TABLE a (x INTEGER PRIMARY KEY)",
    ):
        with pytest.raises(ValueError, match="by hand"):
            translate(sql)


@pytest.mark.anyio
@pytest.mark.postgres
async def test_the_two_schemas_are_the_same(tmp_path: Path, fresh_schema: Any) -> None:
    migrate(tmp_path / "a.db")
    url, name = fresh_schema()
    connection = await connect_once(url)
    try:
        assert await migrate_postgres(connection, name, POSTGRES_MIGRATIONS)
        theirs = await of_postgres(connection, name)
        ours = of_sqlite(tmp_path / "a.db")
        assert ours.keys() == theirs.keys()
        for table in ours:
            assert ours[table] == theirs[table], table
        await connection.execute(f"ALTER TABLE {name}.tasks DROP CONSTRAINT tasks_priority_check")
        assert await of_postgres(connection, name) != ours, "the comparison must see a check that is missing"
    finally:
        await connection.close()


# --- introspection ---------------------------------------------------------------------------------------------
def words(check: str, columns: set[str]) -> tuple[Any, ...]:
    """What a check is about, in any dialect: its columns, and the words and numbers it compares with."""
    quoted = {text for text in re.findall(r"'((?:[^']|'')*)'", check) if "[" not in text}
    bare = re.sub(r"'(?:[^']|'')*'|::[a-z]+", " ", check)
    found = set(re.findall(r"[a-z_][a-z0-9_]*", bare))
    return tuple(sorted(found & columns)), tuple(sorted(quoted)), tuple(sorted(set(re.findall(r"\b\d+\b", bare))))


def of_sqlite(path: Path) -> Schema:
    found: Schema = {}
    with closing(sqlite3.connect(path)) as look:
        tables = look.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        for table, sql in tables.fetchall():
            rows = look.execute(f"PRAGMA table_info({table})").fetchall()
            keys = [row[1] for row in sorted(rows, key=lambda row: row[5]) if row[5]]
            columns = {row[1]: (KINDS[row[2]], bool(row[3]) or row[1] in keys) for row in rows}
            listed = look.execute(f"PRAGMA index_list({table})").fetchall()
            indexes = sorted(sqlite_index(look, index) for index in listed if index[3] != "pk")
            references = sorted((row[3], row[2]) for row in look.execute(f"PRAGMA foreign_key_list({table})"))
            found[table] = {
                "columns": columns,
                "key": keys,
                "indexes": indexes,
                "references": references,
                "checks": sorted(words(check, set(columns)) for check in checks_in(sql)),
            }
    return found


def sqlite_index(look: sqlite3.Connection, index: tuple[Any, ...]) -> tuple[Any, ...]:
    _, name, unique, origin, partial = index
    parts = look.execute(f"PRAGMA index_xinfo({name})").fetchall()
    columns = tuple((part[2] or "expression", bool(part[3])) for part in parts if part[5])
    return (name if origin == "c" else "", bool(unique), bool(partial), columns)


def checks_in(sql: str) -> list[str]:
    """The text of every CHECK of a CREATE TABLE."""
    found: list[str] = []
    for start in re.finditer(r"\bCHECK\s*\(", re.sub(r"--[^\n]*", "", sql)):
        text, depth = re.sub(r"--[^\n]*", "", sql)[start.end() :], 1
        for at, sign in enumerate(text):
            depth += {"(": 1, ")": -1}.get(sign, 0)
            if depth == 0:
                found.append(text[:at])
                break
    return found


async def of_postgres(connection: Any, schema: str) -> Schema:
    found: Schema = {}
    rows = await connection.fetch(
        "SELECT c.relname, a.attname, format_type(a.atttypid, NULL), a.attnotnull, a.attnum, c.oid "
        "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped "
        "ORDER BY a.attnum",
        schema,
    )
    for table, column, kind, not_null, _, _ in rows:
        found.setdefault(table, {"columns": {}})["columns"][column] = (kind, not_null)
    for table, facts in found.items():
        oid = next(row[5] for row in rows if row[0] == table)
        facts["key"], facts["indexes"] = await postgres_indexes(connection, oid)
        constraints = await connection.fetch(
            "SELECT contype::text, pg_get_constraintdef(o.oid), confrelid::regclass::text, "
            "(SELECT attname FROM pg_attribute WHERE attrelid = conrelid AND attnum = conkey[1]) "
            "FROM pg_constraint o WHERE conrelid = $1 AND contype IN ('c', 'f')",
            oid,
        )
        names = set(facts["columns"])
        facts["checks"] = sorted(words(row[1], names) for row in constraints if row[0] == "c")
        facts["references"] = sorted((row[3], row[2].rpartition(".")[2]) for row in constraints if row[0] == "f")
    return found


async def postgres_indexes(connection: Any, table: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    rows = await connection.fetch(
        "SELECT c.relname, i.indisunique, i.indpred IS NOT NULL, i.indisprimary, "
        "ARRAY(SELECT coalesce((SELECT attname::text FROM pg_attribute WHERE attrelid = i.indrelid "
        "AND attnum = key.number), 'expression') "
        "FROM unnest(i.indkey) WITH ORDINALITY AS key(number, at) ORDER BY at), "
        "ARRAY(SELECT (flag & 1) = 1 FROM unnest(i.indoption) WITH ORDINALITY AS key(flag, at) ORDER BY at), "
        "EXISTS (SELECT 1 FROM pg_constraint o WHERE o.conindid = i.indexrelid AND o.contype = 'u') "
        "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1",
        table,
    )
    key = next((list(row[4]) for row in rows if row[3]), [])
    others = [
        ("" if row[6] else row[0], row[1], row[2], tuple(zip(row[4], row[5], strict=True)))
        for row in rows
        if not row[3]
    ]
    return key, sorted(others)
