"""Temporary folders of tests in memory: a store that waits for its disk after every transaction waits for nothing.

What a killed process leaves is the same in memory; what a machine without power leaves no test here can ask.
"""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
"""Memory as files, on Linux."""
ENOUGH_BYTES = 2 << 30


def use_memory() -> None:
    """For this process and its children, unless somebody chose a folder or it is short (64 MB in a container)."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free > ENOUGH_BYTES:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)
