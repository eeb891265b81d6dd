"""Stores for the tests of this folder: everything the store promises, it promises on both databases."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.store.postgres import PostgresDatabase
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite

AnyDatabase = SqliteDatabase | PostgresDatabase
Opener = Callable[[], AnyDatabase]
BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=BOTH)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Makes an unopened database; all that one test makes lie on the same data."""
    if request.param == "sqlite":
        return lambda: SqliteDatabase(fresh_sqlite(tmp_path / "test.db"))
    url, schema = request.getfixturevalue("fresh_schema")()
    return lambda: PostgresDatabase(url, schema=schema)
