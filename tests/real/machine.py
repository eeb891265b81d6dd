"""Whether the machine itself stood still during a test: a witness that needs nothing but 5 ms sleeps.

Audio tests promise milliseconds. A virtual machine that is paused for 100 ms breaks that promise for every process
on it, so a test asks this witness, one thread per processor in a process of its own, before it blames the product.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

TICK_S = 0.005
NOTICED_S = 0.015
WITNESS = f"""
import os, threading, time
try:
    os.nice(-10)
except OSError:
    pass
def watch(processor):
    os.sched_setaffinity(0, {{processor}})
    last = time.monotonic()
    while True:
        time.sleep({TICK_S})
        now = time.monotonic()
        if now - last > {NOTICED_S}:
            os.write(1, b"%f %f\\n" % (last, now - last))
        last = now
for processor in os.sched_getaffinity(0):
    threading.Thread(target=watch, args=(processor,), daemon=True).start()
os.write(1, b"0 0\\n")
os.read(0, 1)
"""


def group_niceness(pid: int) -> int | None:
    """Niceness of the process's autogroup, the last word of `/autogroup-42 nice -10`.

    None where it has none: a kernel without autogroups, or a process whose ancestors never opened a session (as
    under some init programs), for which the file is there but empty.
    """
    try:
        words = Path(f"/proc/{pid}/autogroup").read_text().split()
    except OSError:
        return None
    return int(words[-1]) if words else None


@contextmanager
def preferred(*pids: int) -> Generator[None]:
    """These processes run before other programs while the block runs, as if they were alone.

    Niceness counts between sessions only for their groups; a process without one has just its own.
    """
    undo: list[Callable[[], object]] = []
    for pid in pids:
        before = group_niceness(pid)
        with suppress(OSError):  # no right to it, or gone: then the test runs among equals
            if before is None:
                own = os.getpriority(os.PRIO_PROCESS, pid)
                os.setpriority(os.PRIO_PROCESS, pid, -5)
                undo.append(partial(os.setpriority, os.PRIO_PROCESS, pid, own))
            else:
                group = Path(f"/proc/{pid}/autogroup")
                group.write_text("-5")
                undo.append(partial(group.write_text, str(before)))
    try:
        yield
    finally:
        for restore in undo:
            with suppress(OSError):  # it may be gone
                restore()


@dataclass
class Stalls:
    """(monotonic time, seconds) of every time a processor did not run a waiting program; filled at the end."""

    noticed: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])

    @property
    def longest_ms(self) -> float:
        return max((seconds for _, seconds in self.noticed), default=0.0) * 1000

    @property
    def total_ms(self) -> float:
        return sum(seconds for _, seconds in self.noticed) * 1000

    @property
    def slots(self) -> int:
        """Slots of 20 ms these could have cost a sender: each begins within one and ends within another."""
        return sum(int(seconds / 0.020) + 2 for _, seconds in self.noticed)

    def __str__(self) -> str:
        return f"the machine stood still {len(self.noticed)} times, at most {self.longest_ms:.0f} ms"


@contextmanager
def watched() -> Generator[Stalls]:
    """Watches the machine while the block runs; read the result after it."""
    stalls = Stalls()
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", WITNESS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as witness:
        assert witness.stdout is not None
        witness.stdout.readline()
        try:
            yield stalls
        finally:
            told, _ = witness.communicate(b"x", timeout=5)
    for line in told.splitlines():
        at, seconds = map(float, line.split())
        if at >= began:
            stalls.noticed.append((at, seconds))
