"""`opendeep doctor` on the calling rules: packs in force, caller id, countries, registries and their age."""

import asyncio
from collections.abc import Sequence
from datetime import date

from app.clock import SystemClock
from app.config import Settings
from app.config.site import site_packs
from app.doctor.check import Check
from app.domain.policy.registries import DAY_MS, asked_registries
from app.errors import StoreError
from app.policy_packs import review_warnings
from app.store import registries
from app.store.migrate import MIGRATIONS
from app.store.registries import Imported
from app.store.sqlite import SqliteDatabase


def calling_rules(settings: Settings, today: date) -> list[Check]:
    """Packs in force, when they were reviewed, which countries may be called, and what the caller id is good
    for.
    """
    packs = site_packs(settings)
    ok = [Check(severity="ok", name="calling rules", message="packs " + ", ".join(pack.id for pack in packs))]
    warnings = review_warnings(packs, today)
    if not settings.simulate and not settings.countries:
        warnings.append("ALLOWED_COUNTRIES is empty: nobody is called. Name the countries you call, like US,CA.")
    openings = [text for pack in packs for texts in pack.rules.disclosure.values() for text in texts]
    if not settings.company_name and any("{company}" in text for text in openings):
        warnings.append("COMPANY_NAME is empty: packs in force want it said at the start of each call.")
    demands = {demand for pack in packs for demand in pack.rules.caller_id or ()}
    met = {
        "presented": bool(settings.caller_id),
        "owned": settings.caller_id_owned,
        "reachable": settings.caller_id_reachable,
    }
    missing = [name for name in ("presented", "owned", "reachable") if name in demands and not met[name]]
    if missing:
        keys = {"presented": "CALLER_ID", "owned": "CALLER_ID_OWNED", "reachable": "CALLER_ID_REACHABLE"}
        named = " and ".join(keys[name] for name in missing)
        warnings.append(
            f"A pack in force asks for a caller id that is {', '.join(missing)}: set {named} if it is so."
        )
    return [*ok, *(Check(severity="warn", name="calling rules", message=text) for text in warnings)]


def stale_registries(settings: Settings, imported: Sequence[Imported], now_ms: int) -> list[Check]:
    """Registries the packs ask for that are missing or older than the packs allow."""
    at = {one.name: one.imported_ms for one in imported}
    found: list[Check] = []
    for name, one in asked_registries(site_packs(settings)).items():
        if name not in at:
            text = f"{name} was never imported; calls it is asked for wait"
        elif now_ms > one.stale_ms(at[name]):
            age = (now_ms - at[name]) // DAY_MS
            text = f"{name} was imported {age} days ago; packs allow {one.max_age_days}"
        else:
            continue
        text += f": opendeep registry import {name} FILE"
        found.append(Check(severity="warn", name="registry", message=text))
    return found


async def imported_registries(settings: Settings) -> list[Check]:
    """The same, asked of the database when it is there and at our schema: a check migrates nothing."""
    imported: list[Imported] = []
    try:
        if settings.database_url.get_secret_value():
            imported = await _of_postgres(settings)
        elif await asyncio.to_thread(settings.database_path.exists):
            async with SqliteDatabase(settings.database_path, migrations=MIGRATIONS) as db:
                imported = await registries.list_imported(db)
    except StoreError:
        return []  # told by the check of the database
    return stale_registries(settings, imported, SystemClock().unix_ms())


async def _of_postgres(settings: Settings) -> list[Imported]:
    # Only those who use PostgreSQL wait for its driver.
    from app.store.postgres import PostgresDatabase, connect_once  # noqa: PLC0415
    from app.store.postgres_errors import as_store_errors  # noqa: PLC0415
    from app.store.postgres_migrate import versions  # noqa: PLC0415

    url = settings.database_url.get_secret_value()
    async with as_store_errors():
        connection = await connect_once(url)
        try:
            there, known = await versions(connection, settings.database_schema)
        finally:
            await connection.close()
    if there != known:
        return []
    async with PostgresDatabase(url, schema=settings.database_schema) as db:
        return await registries.list_imported(db)
