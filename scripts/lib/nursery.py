"""Control processes that can be killed and replaced within milliseconds: forked from one that has read everything.

`python -m scripts.lib.nursery settings.json FD MUTANT` reads one line per process to start on stdin (the crash
point to arm, or nothing), forks, and writes the child's pid to FD. A child runs the engine as `opendeep up` does,
without console, until SIGTERM; SIGKILL is what it is for. The proofs `dial` and `restart` use it.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from app import crash_points
from app.bus import MemoryBus
from app.cli.stop import stop_signals, until_stopped
from app.clock import SystemClock
from app.config import Settings
from app.domain import retry
from app.engine import Engine
from app.logs import set_up_logs
from app.store.sqlite import SqliteDatabase
from scripts.lib import dial_mutants

ROOT = Path(__file__).resolve().parents[2]
RETRY_MS = 300
"""Pause after an attempt that rang nobody: minutes in the product."""


async def serve(settings: Settings, mutant: str) -> None:
    """The engine, until a signal."""
    async with SqliteDatabase(settings.database_path) as db:
        if mutant:
            await dial_mutants.before_start(mutant, db)
        engine = Engine(settings, db, MemoryBus(), SystemClock())
        with stop_signals() as signals:
            async with engine.running():
                await until_stopped(engine, settings, signals, print)


def child(settings: Settings, armed: str, mutant: str) -> None:
    """The life of one control process."""
    if armed:
        crash_points.arm(armed)
    retry.NOT_DIALED_DELAY_MS = RETRY_MS
    asyncio.run(serve(settings, mutant))


def main() -> None:
    """Fork on request until stdin closes."""
    settings = Settings.model_validate_json(Path(sys.argv[1]).read_bytes())
    pids, mutant = int(sys.argv[2]), sys.argv[3]
    set_up_logs("info", as_json=False)
    dial_mutants.apply(mutant)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are not waited for: the proof watches them by pidfd
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                sys.stdin.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # it waits for the media worker it starts
                child(settings, line.strip(), mutant)
                status = 0
            finally:
                sys.stdout.flush()
                os._exit(status)
        os.write(pids, f"{pid}\n".encode())


class Control:
    """One control process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    async def gone(self, timeout_s: float) -> bool:
        """Wait for its end; False when it lives on."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._descriptor, ended.set)
        try:
            async with asyncio.timeout(timeout_s):
                await ended.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        return True

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.gone(10.0)


class Nursery:
    """Starts control processes; `log` is what all of them wrote."""

    def __init__(self, process: asyncio.subprocess.Process, pids: asyncio.StreamReader, log: Path) -> None:
        self._process = process
        self._pids = pids
        self.log = log

    async def start(self, armed: str = "") -> Control:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{armed}\n".encode())
        return Control(int(await self._pids.readline()))


@asynccontextmanager
async def nursery(settings: Settings, mutant: str = "") -> AsyncGenerator[Nursery]:
    """One that has read the whole program and waits."""
    secrets = {
        "ari_password": settings.ari_password.get_secret_value(),
        "openai_api_key": settings.openai_api_key.get_secret_value(),
    }
    file, log = settings.data_dir / "nursery.json", settings.data_dir / "control.log"
    values = settings.model_dump(mode="json") | secrets
    await asyncio.to_thread(file.write_text, json.dumps(values))
    read_end, write_end = os.pipe()
    with log.open("ab") as written:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "scripts.lib.nursery",
            str(file),
            str(write_end),
            mutant,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=asyncio.subprocess.PIPE,
            stdout=written,
            stderr=written,
            pass_fds=(write_end,),
        )
    os.close(write_end)
    pids = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(pids), os.fdopen(read_end, "rb")
    )
    try:
        yield Nursery(process, pids, log)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        transport.close()


if __name__ == "__main__":
    main()
