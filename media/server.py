"""The control socket of a media worker process, and the process itself (`python -m media`).

A Unix socket of mode 0600 in a directory of mode 0700, one control connection at a time. A lock file tells whether
a worker lives in the directory, so a socket file left by a dead one is removed safely; `worker.json` beside it
names the living one. Frames as in `media.wire`.
"""

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from typing import cast

import msgspec

from media.errors import MediaError
from media.protocol import PROTOCOL_VERSION, CallAudio, Hello, Refused, Welcome
from media.reports import KeptReport, ReportLog
from media.wire import FrameSplitter, FrameTooLong, MalformedMessage, decode_command, frame
from media.worker import Worker, WorkerOptions

logger = logging.getLogger(__name__)

PRIORITY = 10
"""Niceness the other way round."""
REPORTS_PER_WRITE = 64
WRITE_LIMIT_BYTES = 1024 * 1024
"""Above this the link pauses and reports wait in the log: a stalled control process costs no more memory."""

AUDIO_LIMIT_BYTES = 64 * 1024
"""Audio that is listened in on waits behind no more than this; what comes then is lost, reports go first."""

LAST_WORDS_S = 1.0
"""How long a worker that ends waits for its last reports to be read."""


class WorkerInUse(MediaError):
    """Another worker lives in this runtime directory."""


class WorkerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`worker.json`: which worker lives in a runtime directory."""

    pid: int
    worker_id: str
    protocol_version: int
    rtp_host: str
    rtp_port: int


def record_path(socket_path: Path) -> Path:
    """Where the worker of this socket describes itself."""
    return socket_path.with_suffix(".json")


class ControlConnection(asyncio.Protocol):
    """One accepted connection of the control socket. Garbage costs the sender, never the worker."""

    def __init__(self, worker: Worker, connections: "set[ControlConnection]") -> None:
        self.malformed = 0
        self._worker = worker
        self._connections = connections
        self._lost = asyncio.Event()
        self._splitter = FrameSplitter()
        self._transport: asyncio.Transport | None = None
        self._attached = False
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_LIMIT_BYTES)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._attached = False
        self._lost.set()
        self._connections.discard(self)
        self._worker.detach(self)

    def data_received(self, data: bytes) -> None:
        try:
            bodies = self._splitter.feed(data)
        except FrameTooLong as error:
            logger.warning("control socket: %s; hanging up", error)
            self._close()
            return
        for body in bodies:
            if self._transport is not None:
                self._take(body)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._attached:
            self.pump(self._worker.log)

    def welcome(self, message: Welcome) -> None:
        self._write(frame(message))

    def pump(self, log: ReportLog) -> None:
        while self._transport is not None and not self._paused and (batch := log.take(REPORTS_PER_WRITE)):
            self._write(_joined(batch))

    def hear(self, audio: CallAudio) -> None:
        free = self._transport is not None and self._transport.get_write_buffer_size() < AUDIO_LIMIT_BYTES
        if free and not self._paused:
            self._write(frame(audio))

    def refuse(self, message: Refused) -> None:
        self._attached = False
        self._write(frame(message))
        self._close()

    async def hang_up(self) -> None:
        """Close after what was written has left; returns once the connection is gone."""
        self._close()
        await self._lost.wait()

    def _take(self, body: bytes) -> None:
        try:
            command = decode_command(body)
        except MalformedMessage as error:
            self.malformed += 1
            logger.warning("control socket: frame skipped, %s", error)
            return
        if self._attached:
            self._worker.handle(command)
        elif isinstance(command, Hello):
            # Set first: attaching pumps, and a full socket must find us attached when it resumes.
            self._attached = True
            self._attached = self._worker.attach(self, command)
        else:
            self.refuse(
                Refused(
                    protocol_version=PROTOCOL_VERSION, reason="no_hello", message="The first frame must be Hello."
                )
            )

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None


def _joined(batch: list[KeptReport]) -> bytes:
    return b"".join(kept.frame for kept in batch)


class ControlSocket:
    """Listens for control processes; keeps the open connections to end them with the worker."""

    def __init__(self, worker: Worker, path: Path) -> None:
        self.connections: set[ControlConnection] = set()
        self._worker = worker
        self._path = path
        self._server: asyncio.AbstractServer | None = None

    async def open(self) -> None:
        """Listen. The caller owns the directory (`locked`), so whatever lies at the path is stale."""
        self._path.unlink(missing_ok=True)
        previous = os.umask(0o177)
        try:
            self._server = await asyncio.get_running_loop().create_unix_server(self._accept, str(self._path))
        finally:
            os.umask(previous)

    async def close(self) -> None:
        """Stop listening, let last reports out, hang up."""
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                for connection in list(self.connections):
                    await connection.hang_up()

    def _accept(self) -> ControlConnection:
        return ControlConnection(self._worker, self.connections)


@contextlib.contextmanager
def locked(socket_path: Path) -> Generator[None]:
    """Own the runtime directory (made with mode 0700) while the block runs. Raises WorkerInUse."""
    socket_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket_path.parent.chmod(0o700)
    with socket_path.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise WorkerInUse(f"a media worker already lives in {socket_path.parent}") from error
        yield


async def serve(socket_path: Path, options: WorkerOptions) -> None:
    """Run one worker until it is told to end or has been idle long enough. Raises WorkerInUse, OSError."""
    with locked(socket_path):
        worker = Worker(options)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stop)
        control = ControlSocket(worker, socket_path)
        record = record_path(socket_path)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(worker.run(), name="worker")
                await worker.started.wait()
                _write_record(record, worker)
                await control.open()
                # What lives now lives for good: the collector need not look at it between two frames.
                gc.collect()
                gc.freeze()
        finally:
            await control.close()
            record.unlink(missing_ok=True)


def _write_record(path: Path, worker: Worker) -> None:
    record = WorkerRecord(
        pid=os.getpid(),
        worker_id=worker.worker_id,
        protocol_version=PROTOCOL_VERSION,
        rtp_host=worker.engine.advertised_host,
        rtp_port=worker.engine.port,
    )
    draft = path.with_suffix(".new")
    draft.write_bytes(msgspec.json.encode(record))
    draft.replace(path)


def _come_first() -> None:
    """Run before other programs. It needs a right that small installs lack; without it only busy machines suffer.

    With autogroups (the default of most kernels) niceness counts only among the processes of one session, and this
    one is alone in its own: there the group needs it.
    """
    with contextlib.suppress(OSError):
        os.nice(-PRIORITY)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(-PRIORITY))


def run_worker(socket_path: Path, options: WorkerOptions) -> int:
    """Whole life of a worker process, with its log on stderr. Returns the exit status."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    _come_first()
    try:
        asyncio.run(serve(socket_path, options))
    except WorkerInUse as error:
        logger.error("%s", error)
        return 3
    return 0
