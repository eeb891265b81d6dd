"""Faults of the machine: processes that stand still, a loop that stalls, a disk that is full.

Only processes and folders that the caller started and named are touched.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path


def no_small_disk() -> str | None:
    """Why there can be no disk of limited size here, or None."""
    return None if os.geteuid() == 0 else "a file system of limited size needs root"


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Generator[Path]:
    """A tmpfs of that size over `folder` while the block runs. Raises OSError where mounts are refused."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={size_bytes},mode=0700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "opendeep-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        raise OSError(f"no file system of limited size here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@contextmanager
def filled(folder: Path, leave_bytes: int = 0) -> Generator[None]:
    """Takes all the room that is left on the disk of `folder` but `leave_bytes`; gives it back at the end."""
    ballast = folder / "ballast"
    room = os.statvfs(folder)
    size = max(0, room.f_bavail * room.f_frsize - leave_bytes)
    with ballast.open("wb") as file, suppress(OSError):
        os.posix_fallocate(file.fileno(), 0, size)
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def stopped(pid: int) -> Generator[None]:
    """SIGSTOP while the block runs: the process keeps its sockets and says nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def stall(seconds: float) -> None:
    """This thread's event loop does not run for so long, from its next turn on."""
    asyncio.get_running_loop().call_soon(time.sleep, seconds)


def sockets_of(pid: int, kind: str = "udp") -> set[str]:
    """Inodes of the UDP (or TCP) sockets a process has open; empty when it is gone."""
    held: set[str] = set()
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = os.readlink(entry)
                if target.startswith("socket:["):
                    held.add(target[8:-1])
    rows = Path(f"/proc/{pid}/net/{kind}")
    with suppress(OSError):
        return held & {line.split()[9] for line in rows.read_text().splitlines()[1:]}
    return set()
