"""How fast the queue gives work out, and how fast work becomes a ringing phone.

`claims`: a table of a million tasks, a tenth of them due, and what one claim takes. `calls`: twenty tasks a second
fall due for a minute; the whole engine on a real Asterisk, SIPp answers. From the claim to the INVITE on the wire.
Each on SQLite and on PostgreSQL, each as a ratio against the barest thing that could do the same. Called by
`scripts/bench dialer`; about four minutes for one store.
"""

import asyncio
import importlib.util
import pkgutil
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from app.figures import Result
from app.store.db import Database
from app.store.sqlite import SqliteDatabase
from scripts.benchmarks import dialer_calls, dialer_claims
from tests.real.conftest import missing

TASKS = 1_000_000
RATE_PER_S, SECONDS = 20, 60
STORES = ("sqlite", "postgres")
Open = Callable[[Path], AbstractAsyncContextManager[tuple[Database, dict[str, Any]]]]
"""Opens a store in a folder; answers it, and the settings with which the product finds it."""


def run(
    tasks: int = TASKS, rate_per_s: int = RATE_PER_S, seconds: int = SECONDS, stores: tuple[str, ...] = STORES
) -> tuple[Result, ...]:
    """All of it; `tasks` 0 leaves the claims out, `seconds` 0 the calls."""
    found: list[Result] = []
    for store in stores:
        reason = no_postgres() if store == "postgres" else None
        opens: Open = partial(opened, store)
        if reason is not None:
            found += [Result(name=f"dialer {part} {store}", not_run=reason) for part in ("claims", "calls")]
            continue
        if tasks:
            found.append(asyncio.run(_claims(store, opens, tasks)))
        lacking = missing()
        if not seconds:
            continue
        if lacking is not None:
            found.append(Result(name=f"dialer calls {store}", not_run=lacking))
        else:
            found += dialer_calls.run(store, opens, rate_per_s, seconds)
    return tuple(found)


def no_postgres() -> str | None:
    """Why PostgreSQL cannot be measured, or None."""
    if importlib.util.find_spec("app.store.postgres") is None:
        return "PostgreSQL is not in this version"
    if importlib.util.find_spec("asyncpg") is None:
        return "asyncpg is not installed"
    lacking: Callable[[], str | None] = pkgutil.resolve_name("scripts.lib.postgres_server:missing")
    return lacking()


@asynccontextmanager
async def opened(store: str, folder: Path) -> AsyncGenerator[tuple[Database, dict[str, Any]]]:
    """A fresh store, durable as the product has it."""
    if store == "sqlite":
        async with SqliteDatabase(folder / "data" / "opendeep.db") as db:
            yield db, {"data_dir": str(folder / "data")}
        return
    server = pkgutil.resolve_name("scripts.lib.postgres_server:postgres_server")
    kind = pkgutil.resolve_name("app.store.postgres:PostgresDatabase")
    with server() as running:
        async with kind(running.url) as db:
            yield db, {"data_dir": str(folder / "data"), "database_url": running.url}


async def _claims(store: str, opens: Open, tasks: int) -> Result:
    with tempfile.TemporaryDirectory(prefix="od-") as folder:
        async with opens(Path(folder)) as (db, _):
            return await dialer_claims.measure(store, db, tasks)
