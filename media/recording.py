"""Two-channel recordings (left = callee, right = agent) written by one background thread per process.

The event loop hands over what it has anyway, codec bytes or samples, about once a second per call; the thread
decodes, interleaves, writes and renews the WAV header, so a file is playable whenever the process dies. Recordings
give way to live audio: when the thread is too far behind, batches are dropped, counted and replaced by silence.
"""

import logging
import os
import queue
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Final, Literal, Self

import msgspec
import numpy as np

from media.errors import MediaUsageError
from media.g711 import LAWS, Int16Array
from media.wav import HEADER_BYTES, WavHeader, encode_header, interleave

Audio = bytes | Int16Array
"""Codec bytes as given by the recorder's encoding (pcm16: little-endian samples), or samples."""
Encoding = Literal["ulaw", "alaw", "pcm16"]

SLOT_MS: Final = 20
BATCH_SLOTS: Final = 50
MAX_QUEUED_BATCHES: Final = 600
SILENT_PIECE_SLOTS: Final = 500
"""Silence is written so many slots at a time: minutes of it never stand in memory as a whole."""
MAX_SKEW_MS: Final = 2500
"""A channel that is this much shorter than the other is filled up with silence. A network that stalls for two
seconds makes the callee's longer until the next pause makes up for it.
"""

_log = logging.getLogger(__name__)


class RecordingResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a recording ended. `error` is the operating system's sentence when the file could not be written."""

    path: str
    written_ms: int
    dropped_ms: int
    error: str | None = None


class _Batch(msgspec.Struct, frozen=True, kw_only=True):
    """About a second of one call; None is one slot of silence. Before it come `silent_slots` in which nothing was
    recorded, and `lost_slots` that were dropped.
    """

    file: "_RecordingFile"
    lost_slots: int
    silent_slots: int
    callee: list[Audio | None]
    agent: list[Audio | None]
    closed: Future[RecordingResult] | None = None


class RecordingWriter:
    """The thread and its queue. Use as a context manager, or call `close` once all recorders are closed.

    Queue law: at most `max_queued_batches` wait; further ones are dropped and counted by their recorder. Closing
    is never dropped.
    """

    def __init__(self, *, max_queued_batches: int = MAX_QUEUED_BATCHES) -> None:
        self._queue: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._room = threading.BoundedSemaphore(max_queued_batches)
        self._thread = threading.Thread(target=self._run, name="recording-writer", daemon=True)
        self._closed = False
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, path: str | Path, rate_hz: int, *, encoding: Encoding = "pcm16") -> "Recorder":
        """Begin a recording. The file is made by the thread and must not exist yet."""
        return Recorder(path, rate_hz, writer=self, encoding=encoding)

    def post(self, batch: _Batch) -> bool:
        """Queue a batch without waiting; False when there is no room for it."""
        if self._closed:
            raise MediaUsageError("the recording writer is closed")
        if batch.closed is None and not self._room.acquire(blocking=False):
            return False
        self._queue.put(batch)
        return True

    def close(self, timeout_s: float = 10.0) -> bool:
        """Write what is queued and end the thread; False when it did not end in time."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        opened: set[_RecordingFile] = set()
        while (batch := self._queue.get()) is not None:
            opened.add(batch.file)
            batch.file.write(batch)
            if batch.closed is None:
                self._room.release()
            else:
                opened.discard(batch.file)
                result = batch.file.close()
                if batch.closed.set_running_or_notify_cancel():
                    batch.closed.set_result(result)
        for file in opened:
            file.close()


class Recorder:
    """One call's recording, fed by the event loop; no method waits for the disk.

    `write` takes what each side said in one slot: any length, None for a slot of silence, empty for nothing yet
    (a side whose packets are late catches up later). `dropped_ms` counts what a full queue cost.
    """

    def __init__(
        self, path: str | Path, rate_hz: int, *, writer: RecordingWriter, encoding: Encoding = "pcm16"
    ) -> None:
        self._file = _RecordingFile(Path(path), rate_hz, encoding)
        self._writer = writer
        self._lost_slots = self._silent_slots = 0
        self._closing: Future[RecordingResult] | None = None
        self._callee: list[Audio | None] = []
        self._agent: list[Audio | None] = []
        self.dropped_ms = 0

    def write(self, callee: Audio | None, agent: Audio | None) -> None:
        """Record one slot."""
        if self._closing is not None:
            raise MediaUsageError("the recording is closed")
        self._callee.append(callee)
        self._agent.append(agent)
        if len(self._callee) >= BATCH_SLOTS:
            self._post()

    def skip(self, slots: int) -> None:
        """Nothing of these slots is recorded; they are silence in the file. Costs the same for any number."""
        if self._closing is not None:
            raise MediaUsageError("the recording is closed")
        if self._callee:
            self._post()
        self._silent_slots += max(0, slots)

    def close(self) -> Future[RecordingResult]:
        """End the recording; the future has the result once the file is complete. A second call gives the same."""
        if self._closing is None:
            self._closing = Future()
            self._post(closed=self._closing)
        return self._closing

    def _post(self, closed: Future[RecordingResult] | None = None) -> None:
        batch = _Batch(
            file=self._file,
            lost_slots=self._lost_slots,
            silent_slots=self._silent_slots,
            callee=self._callee,
            agent=self._agent,
            closed=closed,
        )
        if self._writer.post(batch):
            self._lost_slots = self._silent_slots = 0
        else:
            self._lost_slots += len(self._callee)
            self.dropped_ms += len(self._callee) * SLOT_MS
        self._callee, self._agent = [], []


class _RecordingFile:
    """The file behind a recorder; every method runs in the writer thread."""

    def __init__(self, path: Path, rate_hz: int, encoding: Encoding) -> None:
        self._path = path
        self._rate_hz = rate_hz
        self._law = None if encoding == "pcm16" else LAWS[encoding]
        self._slot = np.zeros(rate_hz * SLOT_MS // 1000, np.int16)
        self._descriptor: int | None = None
        self._left = self._right = np.zeros(0, np.int16)
        self._data_bytes = 0
        self._dropped_ms = 0
        self._error: str | None = None

    def write(self, batch: _Batch) -> None:
        """Append a batch. The first error ends the recording, not the call and not the thread."""
        self._dropped_ms += batch.lost_slots * SLOT_MS
        if self._error is not None:
            return
        try:
            for begin in range(0, silent := batch.lost_slots + batch.silent_slots, SILENT_PIECE_SLOTS):
                piece: list[Audio | None] = [None] * min(SILENT_PIECE_SLOTS, silent - begin)
                self._append(self._mixed(piece, piece, last=False))
            self._append(self._mixed(batch.callee, batch.agent, last=batch.closed is not None))
        except (OSError, ValueError) as error:
            self._error = str(error)
            _log.warning("recording stopped: %s", type(error).__name__)

    def close(self) -> RecordingResult:
        """Release the file. A disk may tell only now that it could not write."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            try:
                os.close(descriptor)
            except OSError as error:
                self._error = self._error or str(error)
        return RecordingResult(
            path=str(self._path),
            written_ms=self._header().duration_ms,
            dropped_ms=self._dropped_ms,
            error=self._error,
        )

    def _mixed(self, callee: list[Audio | None], agent: list[Audio | None], *, last: bool) -> bytes:
        """What both channels have; at the end, or when one is far behind, the shorter is filled up."""
        self._left = self._joined(self._left, callee)
        self._right = self._joined(self._right, agent)
        length, longest = sorted((len(self._left), len(self._right)))
        if last or longest - length > MAX_SKEW_MS * self._rate_hz // 1000:
            length = longest
        left, self._left = _split(self._left, length)
        right, self._right = _split(self._right, length)
        return interleave(left, right)

    def _append(self, data: bytes) -> None:
        """Samples first and the header after them, so that the header never promises what is not there."""
        if self._descriptor is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        offset = HEADER_BYTES + self._data_bytes
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            view, offset = view[written:], offset + written
        self._data_bytes += len(data)
        os.pwrite(self._descriptor, encode_header(self._header()), 0)

    def _header(self) -> WavHeader:
        return WavHeader(channels=2, rate_hz=self._rate_hz, data_bytes=self._data_bytes)

    def _joined(self, before: Int16Array, parts: list[Audio | None]) -> Int16Array:
        return np.concatenate([before, *(self._samples(part) for part in parts)])

    def _samples(self, part: Audio | None) -> Int16Array:
        match part:
            case None:
                return self._slot
            case bytes():
                return self._law.decode_bytes(part) if self._law else np.frombuffer(part, np.dtype("<i2"))
            case _:
                return part


def _split(samples: Int16Array, count: int) -> tuple[Int16Array, Int16Array]:
    """The first `count` samples, padded with silence, and the rest."""
    if len(samples) < count:
        samples = np.concatenate([samples, np.zeros(count - len(samples), np.int16)])
    return samples[:count], samples[count:].copy()
