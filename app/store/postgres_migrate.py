"""Migrations of PostgreSQL: the same numbers and names as SQLite's, in `migrations/postgres`.

Forward only, all missing ones in one transaction under an advisory lock, each recorded with its checksum. A newer
schema, or a file edited after it ran, refuses to start.

To add one: write `migrations/NNNN_name.sql` for SQLite, run `python -m scripts.lib.postgres_schema --write`, which
translates every file that has no PostgreSQL twin yet (types, STRICT, GLOB), and read the result. A trigger or
anything else it does not know stops it: write that file by hand, with `-- by hand:` and why as its first line.
`tests/unit/app/test_store_schemas.py` fails while a number is missing or the two schemas differ.
"""

from pathlib import Path

from app.clock import SystemClock
from app.store.migrate import POSTGRES_MIGRATIONS, Migration, check, read_migrations
from app.store.postgres_types import Connection

_LOCK = 0x6F70656E64656570
"""`opendeep` in ASCII; with the schema's name it is the advisory lock of whoever migrates."""
_LOCK_TIMEOUT_MS = 30_000
_LEDGER = (
    "CREATE TABLE IF NOT EXISTS schema_migrations ("
    'version bigint PRIMARY KEY, name text COLLATE "C" NOT NULL, checksum text COLLATE "C" NOT NULL, '
    "applied_ms bigint NOT NULL)"
)
_JSON_VALID = """
CREATE OR REPLACE FUNCTION json_valid(content text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $body$
BEGIN
    PERFORM content::json;
    RETURN true;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN false;
END
$body$
"""
_JSON_EACH = """
CREATE OR REPLACE FUNCTION json_each(content text) RETURNS TABLE (value text) LANGUAGE sql IMMUTABLE STRICT
    ROWS 10 AS $body$ SELECT json_array_elements_text(content::json) $body$
"""
"""The two functions of SQLite that our SQL uses, so that the text stays one."""


async def migrate(connection: Connection, schema: str, directory: Path) -> list[str]:
    """Bring `schema` up to date, making it when it is not there; answers the names of the migrations that ran.

    Raises SchemaError, or errors of the driver.
    """
    known = read_migrations(directory)
    transaction = connection.transaction()
    await transaction.start()
    try:
        names = await _apply(connection, schema, known)
    except BaseException:
        await transaction.rollback()
        raise
    await transaction.commit()
    return names


async def _apply(connection: Connection, schema: str, known: list[Migration]) -> list[str]:
    await connection.execute(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}")
    await connection.fetchval("SELECT pg_advisory_xact_lock($1::bigint # hashtextextended($2, 0))", _LOCK, schema)
    quoted = '"' + schema.replace('"', '""') + '"'
    if not await connection.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", schema):
        await connection.execute(f"CREATE SCHEMA {quoted}")
    await connection.execute(f"SET LOCAL search_path = {quoted}")
    if not await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL"):
        for statement in (_JSON_VALID, _JSON_EACH, _LEDGER):
            await connection.execute(statement)
    applied = {row[0]: row[1] for row in await connection.fetch("SELECT version, checksum FROM schema_migrations")}
    check(applied, known)
    missing = [migration for migration in known if migration.version not in applied]
    for migration in missing:
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO schema_migrations VALUES ($1, $2, $3, $4)",
            migration.version,
            migration.name,
            migration.checksum,
            SystemClock().unix_ms(),
        )
    return [migration.name for migration in missing]


async def versions(connection: Connection, schema: str) -> tuple[int, int]:
    """The newest migration that ran in `schema` (0: none) and the newest that this program knows."""
    known = read_migrations(POSTGRES_MIGRATIONS)
    table = '"' + schema.replace('"', '""') + '".schema_migrations'
    if not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table):
        return 0, len(known)
    newest = await connection.fetchval(f"SELECT coalesce(max(version), 0) FROM {table}")  # noqa: S608 - our own name
    return int(newest), len(known)
