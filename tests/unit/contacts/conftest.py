"""Stores on both databases, as for the store's own tests."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.app.conftest import Opener, opener
from tests.unit.contacts.import_world import ImportWorld

__all__ = ["opener"]


@pytest.fixture
async def world(opener: Opener) -> AsyncIterator[ImportWorld]:
    async with opener() as db:
        yield ImportWorld(db)
