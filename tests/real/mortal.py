"""An Asterisk of one's own that may be killed, and started again with the same command."""

import json
import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.real.conftest import SCRIPT, RealAsterisk


class Mortal:
    """It can be killed and started again with the same configuration."""

    def __init__(self, instance: RealAsterisk) -> None:
        self.instance = instance
        self._root = Path(f"/proc/{instance.pid}/root").readlink()
        self._command = Path(f"/proc/{instance.pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        self._again: subprocess.Popen[bytes] | None = None

    def kill(self) -> None:
        """As the kernel does it when memory runs out: nobody is told anything."""
        os.kill(self.instance.pid, signal.SIGKILL)

    def start(self) -> None:
        chroot = ["chroot", "--userspec=asterisk:asterisk", str(self._root)]
        nothing = subprocess.DEVNULL
        self._again = subprocess.Popen([*chroot, *self._command], stdin=nothing, stdout=nothing, stderr=nothing)
        (Path(self.instance.folder) / "pid").write_text(str(self._again.pid))

    def close(self) -> None:
        subprocess.run([SCRIPT, "down", "--name", self.instance.name], check=True, timeout=30)
        if self._again is not None:
            self._again.wait(5)


@contextmanager
def mortal_asterisk(name: str) -> Generator[Mortal]:
    """Runs while the block does."""
    up = [SCRIPT, "up", "--name", name]
    started = subprocess.run(up, capture_output=True, text=True, check=True, timeout=90)
    instance = Mortal(RealAsterisk(**json.loads(started.stdout)))
    try:
        yield instance
    finally:
        instance.close()
