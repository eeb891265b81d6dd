"""The checks of `opendeep doctor` beside the Asterisk configuration: each says what is and what to do."""

import asyncio
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncGenerator

from app.clock import SystemClock
from app.config import Settings, load_settings, setting_warnings
from app.doctor.calling_rules import calling_rules, imported_registries
from app.doctor.check import Check
from app.doctor.database import database
from app.errors import ConfigError
from app.store.sqlite import MIN_SQLITE
from media.realtime.connection import ConnectError, RealtimeConnection
from stasis.client import AriClient
from stasis.errors import AriError

MIN_ASTERISK = (22, 10, 1)
DAY_MS = 86_400_000


def run_checks() -> list[Check]:
    """All checks that this machine allows, most basic first."""
    try:
        settings = load_settings()
    except ConfigError as error:
        wrong = [Check(severity="fail", name="settings", message=line) for line in error.problems]
        return [_python(), _sqlite(), *wrong]

    async def collected() -> list[Check]:
        return [check async for check in checking(settings)]

    return asyncio.run(collected())


async def checking(settings: Settings, *, running: bool = False) -> AsyncGenerator[Check]:
    """Each check as it is done. `running`: asked by the program itself, which holds its own ports."""
    yield _python()
    yield _sqlite()
    yield Check(severity="ok", name="settings", message="complete")
    for line in setting_warnings():
        yield Check(severity="warn", name="settings", message=line)
    yield _test_mode(settings)
    for check in await asyncio.to_thread(calling_rules, settings, SystemClock().now().date()):
        yield check
    for check in [*await database(settings), *await imported_registries(settings)]:
        yield check
    if not running:
        yield _rtp_port(settings)
    if settings.simulate:
        text = "SIMULATE is on: exchange and model are simulated, nothing real is dialed"
        yield Check(severity="ok", name="simulation", message=text)
        return
    for ask in (asterisk, model, text_models):
        yield await ask(settings)


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


async def text_models(settings: Settings) -> Check:
    """Ask the text models' server what it has."""
    from app.doctor.text_models import text_model_problems  # noqa: PLC0415 - the SDK takes most of a second to import

    severity, message = await text_model_problems(settings)
    return Check(severity=severity, name="text models", message=message)


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
