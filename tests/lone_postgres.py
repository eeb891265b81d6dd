"""A real PostgreSQL for a test run: one cluster, started by the first test; every test has its own schema."""

import itertools
import os
from collections.abc import Callable, Generator

import pytest

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
