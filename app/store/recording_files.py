"""Recordings as files: where they are, how much of them is there, and what their waveform looks like.

A file is found by its name inside the folder of recordings, wherever it was when it was written, so no stored path
leads out of that folder. Everything here reads the disk: call it in a thread.
"""

import os
import stat
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from app.errors import NotFoundError
from media.errors import MediaError
from media.wav import HEADER_BYTES, WavHeader, decode_header

BUCKETS: Final = 2_000
"""Points of a waveform at most."""
SHORTEST_BUCKET_MS: Final = 20
_READ_FRAMES: Final = 1 << 20
_FRAME_BYTES: Final = 4


class RecordingFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that can be played; a frame is a sample of both channels."""

    path: Path
    size: int
    rate_hz: int
    frames: int
    mark: str
    """Changes when the file does."""

    @property
    def duration_ms(self) -> int:
        """Of what is there, which may be less than the header says; whole ms."""
        return self.frames * 1_000 // self.rate_hz


class Peaks(msgspec.Struct, frozen=True, kw_only=True):
    """The loudest sample of each `bucket_ms`, 0..255, for both channels."""

    duration_ms: int
    bucket_ms: int
    callee: list[int]
    agent: list[int]


def find(folder: Path, stored: str) -> RecordingFile:
    """The file of a stored path. Raises NotFoundError with what is wrong: gone, or no recording of ours."""
    path = folder / Path(stored).name
    try:
        descriptor = _open(path)
    except OSError as error:
        raise NotFoundError("The file of this recording is not on this machine.") from error
    try:
        size, changed_ns = _told(descriptor)
        header = decode_header(os.pread(descriptor, HEADER_BYTES, 0))
    except (OSError, MediaError) as error:
        raise NotFoundError("The file of this recording cannot be read.") from error
    finally:
        os.close(descriptor)
    if header.channels != 2 or header.rate_hz <= 0:
        raise NotFoundError("The file of this recording is not one of ours: it has not two channels.")
    return RecordingFile(
        path=path,
        size=size,
        rate_hz=header.rate_hz,
        frames=_frames(size, header),
        mark=f"{size:x}-{changed_ns:x}",
    )


def read_at(file: RecordingFile, offset: int, count: int) -> bytes:
    """Some bytes of the file; fewer only at its end. Raises OSError."""
    descriptor = _open(file.path)
    try:
        return os.pread(descriptor, count, offset)
    finally:
        os.close(descriptor)


def peaks(file: RecordingFile, buckets: int = BUCKETS) -> Peaks:
    """The waveform, read a piece at a time. Raises NotFoundError when the file is gone meanwhile."""
    bucket_ms = max(SHORTEST_BUCKET_MS, -(-file.duration_ms // max(1, buckets)))
    per_bucket = max(1, file.rate_hz * bucket_ms // 1_000)
    piece = max(per_bucket, _READ_FRAMES // per_bucket * per_bucket)
    found: list[np.ndarray] = []
    try:
        for first in range(0, file.frames, piece):
            count = min(piece, file.frames - first)
            data = read_at(file, HEADER_BYTES + first * _FRAME_BYTES, count * _FRAME_BYTES)
            found.append(_loudest(data, per_bucket))
    except OSError as error:
        raise NotFoundError("The file of this recording is not on this machine.") from error
    both = np.concatenate(found) if found else np.zeros((0, 2), np.uint8)
    both = both[:buckets]
    return Peaks(
        duration_ms=file.duration_ms, bucket_ms=bucket_ms, callee=both[:, 0].tolist(), agent=both[:, 1].tolist()
    )


def _loudest(data: bytes, per_bucket: int) -> np.ndarray:
    frames = np.frombuffer(data[: len(data) // _FRAME_BYTES * _FRAME_BYTES], "<i2").reshape(-1, 2)
    if not len(frames):
        return np.zeros((0, 2), np.uint8)
    starts = np.arange(0, len(frames), per_bucket)
    high = np.maximum.reduceat(frames, starts, axis=0).astype(np.int32)
    low = np.minimum.reduceat(frames, starts, axis=0).astype(np.int32)
    return (np.minimum(np.maximum(high, -low), 32_767) >> 7).astype(np.uint8)


def _open(path: Path) -> int:
    """A regular file, itself and no link to another."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError("not a regular file")


def _told(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns


def _frames(size: int, header: WavHeader) -> int:
    """What is there, at most what the header says: a file that was cut short plays up to its end."""
    there = max(0, size - HEADER_BYTES)
    return min(there, header.data_bytes or there) // _FRAME_BYTES
