"""The checks of `opendeep doctor` beside the Asterisk configuration: each says what is and what to do."""

import asyncio
import socket
import sqlite3
import sys
import time
from collections.abc import Sequence
from datetime import date

import msgspec

from app.clock import SystemClock
from app.config import Settings, load_settings, setting_warnings
from app.config.packs import review_warnings
from app.config.site import site_packs
from app.errors import ConfigError, StoreError
from app.store import registries
from app.store.migrate import MIGRATIONS
from app.store.registries import Imported
from app.store.sqlite import MIN_SQLITE, SqliteDatabase
from media.realtime.connection import ConnectError, RealtimeConnection
from stasis.client import AriClient
from stasis.errors import AriError

MIN_ASTERISK = (22, 10, 1)
DAY_MS = 86_400_000


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One line: severity ok, warn or fail."""

    severity: str
    name: str
    message: str


def run_checks() -> list[Check]:
    """All checks that this machine allows, most basic first."""
    checks = [_python(), _sqlite()]
    try:
        settings = load_settings()
    except ConfigError as error:
        return [*checks, *(Check(severity="fail", name="settings", message=line) for line in error.problems)]
    checks.append(Check(severity="ok", name="settings", message="complete"))
    checks += [Check(severity="warn", name="settings", message=line) for line in setting_warnings()]
    checks.append(_test_mode(settings))
    checks += calling_rules(settings, SystemClock().now().date())
    return [*checks, *asyncio.run(_connections(settings))]


async def _connections(settings: Settings) -> list[Check]:
    checks = [await _database(settings), *await _registries(settings), _rtp_port(settings)]
    if settings.simulate:
        text = "SIMULATE is on: exchange and model are simulated, nothing real is dialed"
        return [*checks, Check(severity="ok", name="simulation", message=text)]
    return [*checks, await asterisk(settings), await model(settings)]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check(severity="ok", name="python", message=version)


def _sqlite() -> Check:
    if sqlite3.sqlite_version_info < MIN_SQLITE:
        text = f"{sqlite3.sqlite_version} is too old; use a Python built with SQLite 3.37 or newer"
        return Check(severity="fail", name="sqlite", message=text)
    return Check(severity="ok", name="sqlite", message=sqlite3.sqlite_version)


def _test_mode(settings: Settings) -> Check:
    if settings.app_test_mode:
        text = f"on: every call goes to {settings.app_test_mode_redirect_number}"
        return Check(severity="ok", name="test mode", message=text)
    return Check(severity="ok", name="test mode", message="off: the numbers of tasks are dialed")


def calling_rules(settings: Settings, today: date) -> list[Check]:
    """Packs in force, when they were reviewed, which countries may be called, and what the caller id is good
    for.
    """
    packs = site_packs(settings)
    ok = [Check(severity="ok", name="calling rules", message="packs " + ", ".join(pack.id for pack in packs))]
    warnings = review_warnings(packs, today)
    if not settings.simulate and not settings.countries:
        warnings.append("ALLOWED_COUNTRIES is empty: nobody is called. Name the countries you call, like US,CA.")
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
    wanted: dict[str, int] = {}
    for pack in site_packs(settings):
        for names in pack.rules.list_max_age_days.values():
            for name, days in names.items():
                wanted[name] = min(days, wanted.get(name, days))
    at = {one.name: one.imported_ms for one in imported}
    found: list[Check] = []
    for name, days in sorted(wanted.items()):
        if name not in at:
            text = f"{name} was never imported; calls it is asked for wait"
        elif now_ms - at[name] > days * DAY_MS:
            age = (now_ms - at[name]) // DAY_MS
            text = f"{name} was imported {age} days ago; packs allow {days}: import it again"
        else:
            continue
        found.append(Check(severity="warn", name="registry", message=text))
    return found


async def _database(settings: Settings) -> Check:
    path = settings.database_path
    if not path.exists():
        return Check(severity="ok", name="database", message=f"{path} will be made at the first start")
    try:
        async with SqliteDatabase(path, migrations=MIGRATIONS) as db:
            row = await db.one("SELECT count(*) FROM tasks")
    except StoreError as error:
        return Check(severity="fail", name="database", message=error.message)
    return Check(severity="ok", name="database", message=f"{path}, {row[0] if row else 0} tasks")


async def _registries(settings: Settings) -> list[Check]:
    imported: list[Imported] = []
    if settings.database_path.exists():
        try:
            async with SqliteDatabase(settings.database_path, migrations=MIGRATIONS) as db:
                imported = await registries.list_imported(db)
        except StoreError:
            return []  # told by the check of the database
    return stale_registries(settings, imported, SystemClock().unix_ms())


def _rtp_port(settings: Settings) -> Check:
    where = f"{settings.rtp_bind_host}:{settings.rtp_port or 'any'}"
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((settings.rtp_bind_host, settings.rtp_port))
    except OSError as error:
        text = f"{where} cannot be used ({error.strerror}); set RTP_BIND_HOST and RTP_PORT, or OpenDeep is running"
        return Check(severity="warn", name="rtp", message=text)
    return Check(severity="ok", name="rtp", message=f"{where} is free")


async def model(settings: Settings) -> Check:
    """Open a session and close it: proves address, key and model name, and costs nothing without a response."""
    connection = RealtimeConnection(
        settings.realtime_url, settings.openai_api_key.get_secret_value(), settings.realtime_model
    )
    started = time.monotonic()
    try:
        await connection.open()
    except ConnectError as error:
        text = f"{settings.realtime_url} refused: {error}. Check REALTIME_URL, OPENAI_API_KEY, REALTIME_MODEL."
        return Check(severity="fail", name="model", message=text)
    opened_ms = (time.monotonic() - started) * 1000
    await connection.close()
    return Check(severity="ok", name="model", message=f"{settings.realtime_model} opens in {opened_ms:.0f} ms")


async def asterisk(settings: Settings) -> Check:
    """Ask for the version; warn about releases without the security fixes we rely on."""
    password = settings.ari_password.get_secret_value()
    try:
        async with AriClient(
            settings.ari_url, settings.ari_username, password, settings.ari_app, settings.ari_timeout_s
        ) as client:
            info = await client.asterisk.info()
    except AriError as error:
        text = f"{settings.ari_url} does not answer as expected: {error}. Check ARI_URL, user and password."
        return Check(severity="fail", name="asterisk", message=text)
    version = info.system.version if info.system is not None else ""
    numbers = tuple(int(part) for part in version.split("~")[0].split("-")[0].split(".") if part.isdigit())
    if numbers < MIN_ASTERISK:
        text = f"{version} lacks security fixes of 22.10.1; upgrade"
        return Check(severity="warn", name="asterisk", message=text)
    return Check(severity="ok", name="asterisk", message=version)
