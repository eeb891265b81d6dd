"""The control side of a media worker: find or start it, send commands, read reports in order.

`MediaClient.connect_or_spawn` talks to a worker process that outlives us; `MediaClient.in_process` runs a worker
inside our own event loop (tests, tiny installs). Both speak the same message structs of `media.protocol`.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

from media.errors import MediaError
from media.links import Link, LocalLink, SocketLink, WorkerLost, WorkerRefused
from media.protocol import (
    PROTOCOL_VERSION,
    Acknowledge,
    CallAudio,
    Command,
    Hello,
    NumberedReport,
    Refused,
    Shutdown,
    Welcome,
)
from media.worker import Worker, WorkerOptions

SOCKET_NAME = "worker.sock"
LOG_NAME = "worker.log"
START_TIMEOUT_S = 15.0
ANSWER_TIMEOUT_S = 5.0
RETRY_S = 0.05
SPAWN_AGAIN_S = 3.0
MAX_SOCKET_PATH_BYTES = 107  # sockaddr_un on Linux


class WorkerUnavailable(MediaError):
    """No worker answers in the runtime directory and none could be started; its log file says why."""


class MediaClient:
    """One control connection. `welcome` is the worker's answer to our Hello: its legs at that moment.

    When the worker dies, `reports()` and `send` raise WorkerLost; after `close` the iterator just ends.
    """

    def __init__(self, link: Link, welcome: Welcome) -> None:
        self.welcome = welcome
        self.on_audio: Callable[[CallAudio], Awaitable[None]] | None = None
        """Gets what is listened in on; it is read with the reports."""
        self._link = link
        self._closed = False

    @classmethod
    async def connect_or_spawn(
        cls, runtime_dir: Path, options: WorkerOptions, acknowledged_seq: int, control_id: str
    ) -> "MediaClient":
        """The living worker of `runtime_dir`, or a new detached one.

        Raises WorkerUnavailable when none can be had and WorkerRefused when it speaks another protocol version.
        """
        socket_path = runtime_dir / SOCKET_NAME
        if len(os.fsencode(socket_path)) > MAX_SOCKET_PATH_BYTES:
            raise WorkerUnavailable(
                f"{socket_path} is too long for a Unix socket; choose a shorter runtime directory"
            )
        spawned_at: float | None = None
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + START_TIMEOUT_S
        while loop.time() < give_up_at:
            client = await cls._try(socket_path, acknowledged_seq, control_id)
            if client is not None:
                return client
            if spawned_at is None or loop.time() - spawned_at > SPAWN_AGAIN_S:
                # A worker that was just ending may still have kept the directory from the one started before.
                await _spawn(socket_path, options)
                spawned_at = loop.time()
            await asyncio.sleep(RETRY_S)
        raise WorkerUnavailable(
            f"no media worker answers at {socket_path} {START_TIMEOUT_S:.0f} s after it was started; "
            f"see {socket_path.with_name(LOG_NAME)}"
        )

    @classmethod
    async def _try(cls, socket_path: Path, acknowledged_seq: int, control_id: str) -> "MediaClient | None":
        """The worker behind the socket; None when nobody listens, or it dies while we say Hello."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(socket_path))
        except OSError:
            return None
        try:
            return await cls._greet(SocketLink(reader, writer), acknowledged_seq, control_id)
        except WorkerRefused:
            raise
        except WorkerLost:
            return None

    @classmethod
    async def in_process(
        cls,
        options: WorkerOptions,
        group: asyncio.TaskGroup,
        *,
        acknowledged_seq: int = 0,
        control_id: str = "in-process",
    ) -> "MediaClient":
        """A worker that lives as a task of `group`, until `close`."""
        worker = Worker(options)
        link = LocalLink(worker, group)
        await worker.started.wait()
        return await cls._greet(link, acknowledged_seq, control_id)

    @classmethod
    async def _greet(cls, link: Link, acknowledged_seq: int, control_id: str) -> "MediaClient":
        hello = Hello(protocol_version=PROTOCOL_VERSION, control_id=control_id, acknowledged_seq=acknowledged_seq)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await link.send(hello)
                answer = await link.receive()
        except TimeoutError as error:
            await link.close()
            raise WorkerUnavailable(f"the media worker did not answer in {ANSWER_TIMEOUT_S:.0f} s") from error
        except BaseException:
            await link.close()
            raise
        if not isinstance(answer, Welcome):
            await link.close()
            raise WorkerUnavailable("the media worker answered Hello with something else than Welcome")
        return cls(link, answer)

    async def send(self, command: Command) -> None:
        """Hand one command to the worker; order is kept. Raises WorkerLost."""
        await self._link.send(command)

    async def acknowledge(self, seq: int) -> None:
        """Everything up to report `seq` is stored; the worker forgets it. Raises WorkerLost."""
        await self._link.send(Acknowledge(seq=seq))

    async def reports(self) -> AsyncGenerator[NumberedReport]:
        """Reports in order; first those no earlier control process acknowledged. Raises WorkerLost."""
        while True:
            try:
                message = await self._link.receive()
            except WorkerLost:
                if self._closed:
                    return
                raise
            if isinstance(message, CallAudio):
                if self.on_audio is not None:
                    await self.on_audio(message)
            elif not isinstance(message, Welcome | Refused):
                yield message

    async def close(self, *, shutdown: bool = False) -> None:
        """Hang up; with `shutdown` the worker ends its legs and itself. A process worker lives on without it."""
        self._closed = True
        if shutdown:
            with contextlib.suppress(WorkerLost):
                await self._link.send(Shutdown())
        await self._link.close()


async def _spawn(socket_path: Path, options: WorkerOptions) -> None:
    """Start `python -m media --detach`: it leaves a grandchild that nobody has to wait for."""
    runtime_dir = socket_path.parent
    runtime_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    arguments = ["-m", "media", "--detach", "--socket", str(socket_path), "--bind", options.bind_host]
    arguments += ["--port", str(options.port), "--idle-exit-s", str(options.idle_exit_s)]
    if options.advertised_host is not None:
        arguments += ["--advertise", options.advertised_host]
    with (runtime_dir / LOG_NAME).open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    if await process.wait() != 0:
        raise WorkerUnavailable(f"the media worker could not be started; see {runtime_dir / LOG_NAME}")
