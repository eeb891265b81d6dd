"""Promise `latedial`: nobody is rung after the dial deadline, even when Asterisk stood still with our request.

A real Asterisk is stopped (SIGSTOP), a worker sends its originates into it and is killed, the deadline passes, and
Asterisk goes on (SIGCONT). The witness is SIPp's log of INVITEs. Two ways are tried: `direct` is the default
endpoint, guarded by the sign of life `stasis.runner` asks for; `gate` is the dialplan, given the bare requests.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from app.figures import Result
from scripts.promises.late_worker import Orders
from stasis.requests import Originate
from tests.real.conftest import SCRIPT, RealAsterisk, missing
from tests.real.phones import Callee, Phones

NUMBER = 12025550100
N = 100
N_MUTANT = 16
DEADLINE_S = 2
"""From the request to the deadline; Asterisk sleeps beyond it."""
IN_TIME_S = 30
"""The same for an Asterisk that is awake."""
SETTLE_S = 3.0


class Way(NamedTuple):
    """How the product's calls get to the trunk; `deadline` False and an unguarded `direct` are the mutants."""

    endpoint: str
    guarded: bool
    deadline: bool


DIRECT, GATE = "PJSIP/+{}@opendeep-trunk", "Local/+{}@opendeep-outbound/n"
WAYS = {"direct": Way(DIRECT, True, True), "gate": Way(GATE, False, True)}
MUTANTS = {"no-ping": Way(DIRECT, False, True), "no-deadline": Way(GATE, False, False)}


def run(seed: int = 0, mutant: str = "") -> Result:
    """Every way with `N` requests, then both mutants, which must ring somebody late; or one mutant alone."""
    reason = missing()
    if reason is not None:
        return Result(name="latedial", seed=seed, not_run=reason)
    began = time.monotonic()
    figures: dict[str, int | float | str | bool | None] = {}
    late = 0
    with tempfile.TemporaryDirectory() as folder, _asterisk() as asterisk:
        for name in [mutant] if mutant else WAYS:
            way = {**WAYS, **MUTANTS}[name]
            figures[f"{name}_in_time"] = in_time = asked(
                asterisk, Path(folder) / f"{name}-c", way, 4, asleep=False
            )
            figures[f"{name}_late"] = late_here = asked(asterisk, Path(folder) / name, way, N)
            late += late_here + (in_time != 4)
        for name in [] if mutant else MUTANTS:
            figures[f"mutant_{name}_late"] = rung = asked(asterisk, Path(folder) / name, MUTANTS[name], N_MUTANT)
            late += rung == 0
    n = N if mutant else N * len(WAYS)
    return Result(
        name="latedial",
        n=n,
        violations=late,
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        figures=figures,
    )


def asked(asterisk: RealAsterisk, folder: Path, way: Way, n: int, *, asleep: bool = True) -> int:
    """How many of `n` numbers got an INVITE. With `asleep` Asterisk stands still from before the requests until
    after their deadline, and the worker that sent them is dead by then.
    """
    numbers = [str(NUMBER + at) for at in range(n)]
    phones = Phones(asterisk.trunk_port, tuple(Callee(one, status=486, ring_ms=0) for one in numbers), folder)
    phones.start()
    try:
        with _worker(asterisk, way, numbers, DEADLINE_S if asleep else IN_TIME_S) as worker:
            try:
                if asleep:
                    os.kill(asterisk.pid, signal.SIGSTOP)
                _say(worker, "go")
                _hear(worker, "sent")
                if asleep:
                    worker.kill()
                    worker.wait(timeout=5)
                    time.sleep(DEADLINE_S + 1)
            finally:
                os.kill(asterisk.pid, signal.SIGCONT)
            time.sleep(SETTLE_S)
        return len(phones.invites)
    finally:
        phones.close()


@contextmanager
def _worker(
    asterisk: RealAsterisk, way: Way, numbers: list[str], deadline_in_s: int
) -> Generator[subprocess.Popen[bytes]]:
    orders = Orders(
        url=f"{asterisk.url}/ari",
        username=asterisk.username,
        password=asterisk.password,
        app="late",
        guarded=way.guarded,
        deadline_in_s=deadline_in_s if way.deadline else None,
        originates=[
            Originate(
                endpoint=way.endpoint.format(number),
                app="late",
                channel_id=f"late-{time.monotonic_ns()}-{number}",
                timeout_s=10,
            )
            for number in numbers
        ],
    )
    command = [sys.executable, "-m", "scripts.promises.late_worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        try:
            _say(worker, msgspec.json.encode(orders).decode())
            _hear(worker, "ready")
            yield worker
        finally:
            worker.kill()


def _say(worker: subprocess.Popen[bytes], line: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(line.encode() + b"\n")
    worker.stdin.flush()


def _hear(worker: subprocess.Popen[bytes], word: str) -> None:
    assert worker.stdout is not None
    heard = worker.stdout.readline().decode().strip()
    if heard != word:
        raise RuntimeError(f"the worker said {heard!r} and not {word!r}")


@contextmanager
def _asterisk() -> Generator[RealAsterisk]:
    name = f"late-{os.getpid()}"
    up = subprocess.run([SCRIPT, "up", "--name", name], capture_output=True, check=True, timeout=90)
    try:
        yield RealAsterisk(**msgspec.json.decode(up.stdout))
    finally:
        subprocess.run([SCRIPT, "down", "--name", name], check=True, timeout=30)
