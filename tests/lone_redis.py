"""A real redis-server for one test: started on a free port in the test's folder, gone with the test."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from scripts.lib.redis_server import RedisServer, missing, redis_server


@asynccontextmanager
async def lone_redis(folder: Path, password: str = "") -> AsyncGenerator[RedisServer]:
    """Skips the test with the reason when there is no redis-server here; with CI=true it fails instead."""
    reason = missing()
    if reason is not None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    async with redis_server(folder, password) as server:
        yield server
