"""Whether the machine itself stood still during a test: a witness that needs nothing but 5 ms sleeps.

Audio tests promise milliseconds. A virtual machine that is paused for 100 ms breaks that promise for every process
on it, so a test asks this witness, one thread per processor in a process of its own, before it blames the product.
"""

import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
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


@contextmanager
def preferred(*pids: int) -> Generator[None]:
    """The sessions of these processes run before other programs while the block runs, as if they were alone."""
    groups = [Path(f"/proc/{pid}/autogroup") for pid in pids]
    before = [one.read_text().rsplit(maxsplit=1)[-1] for one in groups if one.exists()]
    for one in groups[: len(before)]:
        one.write_text("-5")
    try:
        yield
    finally:
        for one, niceness in zip(groups, before, strict=False):
            with suppress(OSError):  # it may be gone
                one.write_text(niceness)


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
