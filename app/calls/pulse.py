"""This engine's beat in the table `nodes`: it takes its name at start, beats, and says goodbye in order."""

import asyncio
import secrets
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from app.calls.plan import FAREWELL_MARGIN_S
from app.clock import Clock
from app.config import Settings
from app.errors import StoreError
from app.store import nodes
from app.store.db import Database
from app.store.nodes import Node

log = structlog.get_logger()

BEATS_PER_LEASE = 3
"""A dead engine is noticed one lease after its last beat, when its claims have run out as well."""
INSTALLATION_FILE = "installation"
_LOOPBACK = ("127.", "localhost", "::1")


class Pulse:
    """`start`, then `run` until cancelled, then `stop`."""

    def __init__(self, settings: Settings, db: Database, clock: Clock) -> None:
        self.name = settings.node_name
        self.instance = secrets.token_hex(8)
        self._settings = settings
        self._db = db
        self._clock = clock

    async def start(self) -> None:
        """Take the name. Raises ConflictError when a living engine of another data directory has it."""
        s = self._settings
        now_ms = self._clock.unix_ms()
        node = Node(
            name=self.name,
            installation=await asyncio.to_thread(_installation, s.home),
            instance=self.instance,
            version=_version(),
            ari_url=published_ari_url(s),
            ari_app=s.ari_app,
            longest_call_ms=1000 * (s.ring_timeout_s + s.max_call_duration_s + FAREWELL_MARGIN_S),
            started_ms=now_ms,
            beat=0,
            beat_ms=now_ms,
        )
        async with self._db.tx() as tx:
            await nodes.register(tx, node, s.lease_s * 1000)

    async def run(self, on_replaced: Callable[[], None]) -> None:
        """Beat. Returns after `on_replaced` when another process took our name: we may claim nothing more."""
        while True:
            await asyncio.sleep(self._settings.lease_s / BEATS_PER_LEASE)
            try:
                alive = await nodes.beat(self._db, self.name, self.instance, self._clock.unix_ms())
            except StoreError as error:
                log.warning("beat not stored", error=error.message)
                continue
            if not alive:
                log.error("another engine took this NODE_NAME; nothing is dialed any more", node=self.name)
                on_replaced()
                return

    async def stop(self) -> None:
        """Say that we ended in order; without a store nobody hears it, and our silence is noticed instead."""
        try:
            await nodes.stop(self._db, self.name, self.instance, self._clock.unix_ms())
        except StoreError as error:
            log.warning("end not stored", error=error.message)


def published_ari_url(settings: Settings) -> str:
    """How other engines reach our Asterisk. A loopback address is nobody else's, unless all share one machine."""
    if settings.ari_peer_url:
        return settings.ari_peer_url
    host = urlsplit(settings.ari_url).hostname or ""
    alone = not settings.database_url.get_secret_value()
    return settings.ari_url if alone or not host.startswith(_LOOPBACK) else ""


def _installation(home: Path) -> str:
    """The name of this data directory, made at the first start."""
    file = home / INSTALLATION_FILE
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        partial.write_text(secrets.token_hex(8), encoding="ascii")
        partial.rename(file)
    return file.read_text(encoding="ascii").strip()


def _version() -> str:
    try:
        return version("opendeep")
    except PackageNotFoundError:
        return "unknown"
