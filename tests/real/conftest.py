"""Fixtures of the real lane: a real Asterisk with the bundled configuration, SIPp telephones, nothing left behind.

Without root, Asterisk or SIPp the lane is skipped with the reason; with CI=true it fails instead.
"""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.real.machine import preferred
from tests.real.phones import Callee, Phones
from tests.real.raw_ari import RawAri

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "asterisk"
StartPhones = Callable[..., Phones]


@dataclass(frozen=True)
class RealAsterisk:
    """A running instance, as scripts/asterisk describes it. `trunk_port` is where the phones listen."""

    name: str
    url: str
    username: str
    password: str
    http_port: int
    sip_port: int
    trunk_port: int
    rtp_start: int
    pid: int
    folder: str

    def cli(self, command: str) -> str:
        """What Asterisk's console answers."""
        done = subprocess.run(
            [SCRIPT, "cli", "--name", self.name, command], capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout

    def ask(self, path: str, method: str = "GET") -> bytes:
        """A plain ARI request, outside any event loop."""
        login = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}"}
        request = urllib.request.Request(f"{self.url}/ari/{path}", method=method, headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=5) as answer:
            return answer.read()

    def get(self, path: str) -> Any:
        return json.loads(self.ask(path))

    def client(self, app: str) -> RawAri:
        return RawAri(self.url, self.username, self.password, app)

    def leftovers(self) -> list[str]:
        """ARI paths of all channels and bridges that exist now."""
        return [
            f"{kind}/{quote(one['id'], safe='')}" for kind in ("channels", "bridges") for one in self.get(kind)
        ]

    def leftovers_after(self, patience_s: float) -> list[str]:
        """What is still there after giving teardown that long to finish."""
        deadline = time.monotonic() + patience_s
        while (left := self.leftovers()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left


def missing() -> str | None:
    """Why the lane cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root: Asterisk runs in a chroot"
    if shutil.which("sipp") is None:
        return "SIPp is not installed (package sip-tester)"
    if subprocess.run([SCRIPT, "path"], capture_output=True, check=False).returncode != 0:
        return "Asterisk is not installed (scripts/asterisk install)"
    return None


@pytest.fixture(scope="session")
def asterisk() -> Iterator[RealAsterisk]:
    """One Asterisk for the whole session, on free ports of 127.0.0.1."""
    reason = missing()
    if reason is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the real-Asterisk lane cannot run: {reason}")
        pytest.skip(reason)
    name = f"test-{os.getpid()}"
    up = subprocess.run([SCRIPT, "up", "--name", name], capture_output=True, text=True, check=False, timeout=90)
    try:
        assert up.returncode == 0, up.stderr
        instance = RealAsterisk(**json.loads(up.stdout))
        with preferred(os.getpid(), instance.pid):
            yield instance
    finally:
        subprocess.run([SCRIPT, "down", "--name", name], check=True, timeout=30)


@pytest.fixture
def phones(asterisk: RealAsterisk, tmp_path: Path) -> Iterator[StartPhones]:
    """`phones(Callee(...), ...)` starts the telephones of this test behind the trunk; closed afterwards."""
    opened: list[Phones] = []

    def start(*callees: Callee) -> Phones:
        opened.append(Phones(asterisk.trunk_port, callees, tmp_path / f"phones{len(opened)}"))
        opened[-1].start()
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
async def nothing_left(asterisk: RealAsterisk) -> AsyncIterator[None]:
    """Name it first in a test: afterwards no channel, no bridge, no further open file, no further task."""
    tasks, files = asyncio.all_tasks(), open_files()
    yield
    left = await asyncio.to_thread(asterisk.leftovers_after, 5.0)
    for path in left:  # so that the next test is judged by itself
        await asyncio.to_thread(asterisk.ask, path, "DELETE")
    assert not left, f"channels or bridges left in Asterisk: {left}"
    runner = "TestRunner."  # anyio's own task, in which this fixture ends
    new = [one for one in asyncio.all_tasks() - tasks if runner not in str(one.get_coro())]
    assert not new, f"asyncio tasks left: {new}"
    assert open_files() <= files, f"open files grew from {len(files)}: {open_files() - files}"


def open_files() -> set[str]:
    """What this process has open, except the loop's own plumbing."""
    found: set[str] = set()
    for one in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{one.name} {one.readlink()}")
        except FileNotFoundError:
            continue  # the listing's own descriptor
    return found
