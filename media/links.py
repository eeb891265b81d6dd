"""Two ways from the control side to a media worker: its Unix socket, or the worker as an object in our own loop.

Used by `media.client`.
"""

import asyncio
import contextlib
from collections import deque
from typing import Protocol

from media.errors import MediaError
from media.protocol import CallAudio, Command, Hello, Refused, Welcome, WorkerMessage
from media.reports import ReportLog
from media.wire import FrameSplitter, decode_message, frame
from media.worker import Worker

READ_BYTES = 256 * 1024
TAKE_ALL = 1 << 30
AUDIO_LIMIT = 500
"""Messages that may wait before audio that is listened in on is lost."""


class WorkerLost(MediaError):
    """The worker is gone or hung up. Its legs may live (hung up) or not (died): connect again to know."""


class WorkerRefused(WorkerLost):
    """The worker said no and why; `reason` as in `media.protocol.Refused`."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message)
        self.reason = refused.reason


class Link(Protocol):
    """Two ways to a worker: its socket, or its object."""

    async def send(self, command: Command) -> None:
        """Hand over one command; waits only when the worker does not read. Raises WorkerLost."""
        ...

    async def receive(self) -> WorkerMessage:
        """The next message, in order. Raises WorkerLost."""
        ...

    async def close(self) -> None:
        """Hang up. Idempotent."""
        ...


class SocketLink:
    """Frames over the Unix socket. `receive` belongs to one reader at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._splitter = FrameSplitter()
        self._bodies: deque[bytes] = deque()

    async def send(self, command: Command) -> None:
        if self._writer.is_closing():
            raise WorkerLost("the connection to the media worker is closed")
        self._writer.write(frame(command))
        try:
            await self._writer.drain()
        except OSError as error:
            raise WorkerLost(f"the media worker is gone: {error}") from error

    async def receive(self) -> WorkerMessage:
        while not self._bodies:
            try:
                data = await self._reader.read(READ_BYTES)
            except OSError as error:
                raise WorkerLost(f"the media worker is gone: {error}") from error
            if not data:
                raise WorkerLost("the media worker closed the connection")
            self._bodies.extend(self._splitter.feed(data))
        message = decode_message(self._bodies.popleft())
        if isinstance(message, Refused):
            raise WorkerRefused(message)
        return message

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class LocalLink:
    """Direct calls and a queue; the worker sees it as its control link."""

    def __init__(self, worker: Worker, group: asyncio.TaskGroup) -> None:
        self._worker = worker
        self._messages: asyncio.Queue[WorkerMessage | None] = asyncio.Queue()
        self._closed = False
        self._task = group.create_task(worker.run(), name="media worker")
        self._task.add_done_callback(self._ended)

    def welcome(self, message: Welcome) -> None:
        self._messages.put_nowait(message)

    def pump(self, log: ReportLog) -> None:
        for kept in log.take(TAKE_ALL):
            self._messages.put_nowait(kept.report)

    def hear(self, audio: CallAudio) -> None:
        if self._messages.qsize() < AUDIO_LIMIT:
            self._messages.put_nowait(audio)

    def refuse(self, message: Refused) -> None:
        self._messages.put_nowait(message)

    async def send(self, command: Command) -> None:
        if self._closed:
            raise WorkerLost("the media worker of this process has ended")
        if isinstance(command, Hello):
            self._worker.attach(self, command)
        else:
            self._worker.handle(command)

    async def receive(self) -> WorkerMessage:
        message = None if self._closed and self._messages.empty() else await self._messages.get()
        if message is None:
            self._closed = True  # for good: every later call ends here too
            raise WorkerLost("the media worker of this process has ended")
        if isinstance(message, Refused):
            raise WorkerRefused(message)
        return message

    async def close(self) -> None:
        self._closed = True
        self._worker.stop()
        await asyncio.wait([self._task])

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._worker.detach(self)
        self._messages.put_nowait(None)
