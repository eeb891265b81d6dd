"""The checks of `opendeep doctor` beside the Asterisk configuration: each says what is and what to do."""

import asyncio
import sqlite3
import sys

import msgspec

from app.config import Settings, load_settings, setting_warnings
from app.errors import ConfigError, StoreError
from app.store.migrate import MIGRATIONS
from app.store.sqlite import MIN_SQLITE, SqliteDatabase
from stasis.client import AriClient
from stasis.errors import AriError

MIN_ASTERISK = (22, 10, 1)


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
    checks.append(asyncio.run(_database(settings)))
    if settings.simulate:
        text = "SIMULATE is on: nothing real is dialed"
        checks.append(Check(severity="ok", name="asterisk", message=text))
    else:
        checks.append(asyncio.run(_asterisk(settings)))
    return checks


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


async def _asterisk(settings: Settings) -> Check:
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
