"""A real PostgreSQL for a test run: one cluster, started by the first test; every test has its own schema."""

import asyncio
import itertools
import os
from collections.abc import Callable, Generator

import pytest

from app.store.postgres import connect_once
from scripts.lib.postgres_server import PostgresServer, missing, postgres_server

Schema = tuple[str, str]
"""Address of the server, and the name of a schema that nobody used before."""
_numbers = itertools.count(1)


def skip_without_postgres() -> None:
    """Skips the test with the reason when there is no PostgreSQL here; with CI=true it fails instead."""
    reason = missing()
    if reason is not None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


@pytest.fixture(scope="session")
def postgres_cluster() -> Generator[PostgresServer]:
    """Without fsync: what a crash leaves is asked of a server of one's own."""
    skip_without_postgres()
    with postgres_server(durable=False) as server:
        yield server


@pytest.fixture
def fresh_schema(postgres_cluster: PostgresServer) -> Callable[[], Schema]:
    """Answers a new one at every call."""
    return lambda: (postgres_cluster.url, f"test_{next(_numbers)}")


@pytest.fixture
def fresh_database(postgres_cluster: PostgresServer) -> str:
    """The address of a database of its own, for what chooses its schema itself."""
    name = f"test_{next(_numbers)}"

    async def create() -> None:
        connection = await connect_once(postgres_cluster.url)
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()

    asyncio.run(create())
    return postgres_cluster.url.rpartition("/")[0] + f"/{name}"
