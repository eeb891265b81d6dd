"""Stores on both databases, as for the store's own tests."""

from tests.unit.app.conftest import opener

__all__ = ["opener"]
