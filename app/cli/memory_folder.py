"""Where a rehearsal puts its files: a private folder that goes with it, in memory where there is any."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - only as the parent of a private folder
GIVEN = "TMPDIR"


@contextmanager
def memory_folder() -> Generator[Path]:
    """A busy disk is not what is rehearsed. Within the folder of `GIVEN`, where a parent process has made one: it
    outlives this process and takes along what a killed one has left.
    """
    parent = MEMORY if MEMORY.is_dir() and not os.environ.get(GIVEN) else None
    with tempfile.TemporaryDirectory(prefix="od-", dir=parent) as folder:
        yield Path(folder)
