"""Opens what a command beside the engine needs: the database, the bus."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.bus import Bus, MemoryBus
from app.cli.data_directory import private_folder
from app.config import Settings
from app.store.db import Database
from app.store.sqlite import SqliteDatabase


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncGenerator[Database]:
    """The database alone, migrated."""
    private_folder(settings.home)
    url = settings.database_url.get_secret_value()
    if not url:
        async with SqliteDatabase(settings.database_path) as db:
            yield db
        return
    from app.store.postgres import PostgresDatabase  # noqa: PLC0415 - only those who use it wait for the driver

    async with PostgresDatabase(url, schema=settings.database_schema) as shared:
        yield shared


@asynccontextmanager
async def open_bus(settings: Settings) -> AsyncGenerator[Bus]:
    """The bus of one process, or of all that share REDIS_URL."""
    if not settings.redis_url:
        yield MemoryBus()
        return
    from app.bus.redis import RedisBus  # noqa: PLC0415 - redis-py takes 0.4 s, which most commands do not owe it

    async with RedisBus(settings.redis_url).running() as bus:
        yield bus
