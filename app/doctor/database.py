"""`opendeep doctor` on the database: there, new enough, at our schema, allowed to write, its clock like ours."""

import asyncio
from typing import TYPE_CHECKING

from app.clock import SystemClock
from app.config import Settings
from app.doctor.check import Check
from app.errors import StoreError
from app.store.migrate import MIGRATIONS
from app.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from app.store.postgres_types import Connection

MIN_POSTGRES = 140000
MAX_SKEW_MS = 2_000
_READS_ONLY = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'"
_DURABLE = "SELECT current_setting('fsync') = 'on' AND current_setting('synchronous_commit') <> 'off'"
_RIGHTS = """
    SELECT CASE WHEN to_regnamespace($1) IS NULL THEN has_database_privilege(current_database(), 'CREATE')
        ELSE has_schema_privilege($1, 'USAGE') AND has_schema_privilege($1, 'CREATE') END
"""


async def database(settings: Settings) -> list[Check]:
    """Nothing is migrated in PostgreSQL; a SQLite file that is there is brought up to date, as by every start."""
    if settings.database_url.get_secret_value():
        return await _postgres(settings)
    path = settings.database_path
    if not await asyncio.to_thread(path.exists):
        return [Check(severity="ok", name="database", message=f"{path} will be made at the first start")]
    try:
        async with SqliteDatabase(path, migrations=MIGRATIONS) as db:
            row = await db.one("SELECT count(*) FROM tasks")
    except StoreError as error:
        return [Check(severity="fail", name="database", message=error.message)]
    return [Check(severity="ok", name="database", message=f"{path}, {row[0] if row else 0} tasks")]


async def _postgres(settings: Settings) -> list[Check]:
    # Only those who use PostgreSQL wait for its driver.
    from app.store.postgres import connect_once  # noqa: PLC0415
    from app.store.postgres_errors import as_store_errors  # noqa: PLC0415

    try:
        async with as_store_errors():
            connection = await connect_once(settings.database_url.get_secret_value())
        try:
            async with as_store_errors():
                return [
                    await _version(connection),
                    await _schema(connection, settings.database_schema),
                    await _rights(connection, settings.database_schema),
                    await _clock(connection),
                ]
        finally:
            await connection.close()
    except StoreError as error:
        return [Check(severity="fail", name="database", message=error.message)]


async def _version(connection: "Connection") -> Check:
    number = int(await connection.fetchval("SELECT current_setting('server_version_num')"))
    text = await connection.fetchval("SELECT current_setting('server_version')")
    if number < MIN_POSTGRES:
        message = f"PostgreSQL {text} is too old; use 14 or newer"
        return Check(severity="fail", name="database", message=message)
    if await connection.fetchval(_READS_ONLY):
        message = f"PostgreSQL {text} only reads here (a standby?); point DATABASE_URL at the primary"
        return Check(severity="fail", name="database", message=message)
    if not await connection.fetchval(_DURABLE):
        message = f"PostgreSQL {text} may lose what it committed: set fsync and synchronous_commit to on"
        return Check(severity="fail", name="database", message=message)
    return Check(severity="ok", name="database", message=f"PostgreSQL {text}")


async def _schema(connection: "Connection", schema: str) -> Check:
    from app.store.postgres_migrate import versions  # noqa: PLC0415

    there, known = await versions(connection, schema)
    if there > known:
        message = f"{schema} is at {there}, this program knows {known}: start the newer program"
        return Check(severity="fail", name="database schema", message=message)
    if there < known:
        message = f"{schema} is at {there} of {known}; the next start migrates it, or `opendeep migrate` does"
        return Check(severity="warn", name="database schema", message=message)
    return Check(severity="ok", name="database schema", message=f"{schema} is at {there}")


async def _rights(connection: "Connection", schema: str) -> Check:
    if await connection.fetchval(_RIGHTS, schema):
        return Check(severity="ok", name="database rights", message="may make and change what is needed")
    user = await connection.fetchval("SELECT current_user")
    name = await connection.fetchval("SELECT current_database()")
    message = f"{user} may not: GRANT CREATE ON DATABASE {name} TO {user}, or make it the owner of schema {schema}"
    return Check(severity="fail", name="database rights", message=message)


async def _clock(connection: "Connection") -> Check:
    before_ms = SystemClock().unix_ms()
    theirs_ms = int(await connection.fetchval("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"))
    skew_ms = theirs_ms - (before_ms + SystemClock().unix_ms()) // 2
    if abs(skew_ms) > MAX_SKEW_MS:
        message = f"differs from this machine's by {skew_ms / 1000:.1f} s: leases run out early; set both by NTP"
        return Check(severity="warn", name="database clock", message=message)
    return Check(severity="ok", name="database clock", message=f"differs by {skew_ms} ms")
