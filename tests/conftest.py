"""Shared test setup: asyncio for anyio tests, a derandomized hypothesis profile, printed seeds."""

import gc
import os
import zoneinfo
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.lone_postgres import fresh_database, fresh_schema, postgres_cluster

__all__ = ["fresh_database", "fresh_schema", "postgres_cluster"]

zoneinfo.reset_tzpath(to=())  # the pinned tzdata package, as the program does
settings.register_profile(
    "fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60
)
settings.register_profile("long", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


LONG = frozenset(
    line
    for line in (Path(__file__).parent / "long.txt").read_text().splitlines()
    if line and not line.startswith("#")
)
"""Test functions that are marked `long`."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before marks are asked for."""
    for item in items:
        if item.nodeid.partition("[")[0] in LONG:
            item.add_marker("long")


def pytest_collection_finish() -> None:
    """The collector need not walk again and again through modules and tests that stay until the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Seed of this test's randomness, printed with a failure; OPENDEEP_SEED overrides it."""
    value = int(os.environ.get("OPENDEEP_SEED", "20261121"))
    print(f"seed={value} for {request.node.nodeid}")
    return value
