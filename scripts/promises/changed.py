"""Replaces one attribute for a while: how deliberately wrong products are made."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def changed(owner: Any, name: str, value: Any) -> Generator[None]:
    """`owner.name` is `value` inside the block."""
    real = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, real)
