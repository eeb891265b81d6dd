"""The data directory: private to its account, and of one engine at a time."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from app.config import Settings
from app.errors import ConflictError

LOCK_NAME = "engine.lock"


def private_folder(folder: Path) -> None:
    """Make a folder, and those above it, that only this account can enter: they hold what people said."""
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            each.mkdir(mode=0o700)


@contextmanager
def engine_lock(settings: Settings) -> Generator[None]:
    """Only one engine per data directory: two would take each other's Stasis application. Raises ConflictError."""
    folder = settings.runtime_dir
    private_folder(folder)
    handle = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConflictError(f"OpenDeep is running already with the data directory {settings.home}.") from error
        os.truncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())  # for `opendeep drain`
        yield
    finally:
        os.close(handle)
