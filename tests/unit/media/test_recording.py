"""Recordings: what was said is in the file, the file is valid at any moment, nothing leaks, nobody waits."""

import os
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from media.errors import MediaUsageError
from media.g711 import ALAW, ULAW, G711Law
from media.recording import BATCH_SLOTS, Recorder, RecordingResult, RecordingWriter

DEADLINE_S = 5.0


@pytest.fixture
def writer() -> Iterator[RecordingWriter]:
    with RecordingWriter() as writer:
        yield writer


def read(path: Path) -> tuple[int, np.ndarray]:
    """Rate and samples (n, 2) by the standard library."""
    with wave.open(str(path)) as file:
        data = file.readframes(file.getnframes())
        assert len(data) == file.getnframes() * 4
        return file.getframerate(), np.frombuffer(data, "<i2").reshape(-1, 2)


def finish(recorder: Recorder) -> RecordingResult:
    return recorder.close().result(DEADLINE_S)


def open_files() -> set[str]:
    found: set[str] = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            continue
    return {name for name in found if name.endswith(".wav")}


@pytest.mark.parametrize("law", [ULAW, ALAW], ids=["ulaw", "alaw"])
def test_left_is_the_callee_and_right_the_agent(writer: RecordingWriter, tmp_path: Path, law: G711Law) -> None:
    codes = np.random.default_rng(5).integers(0, 256, (2, 120, 160)).astype(np.uint8)
    recorder = writer.open(tmp_path / "a.wav", 8000, encoding=law.name)
    for callee, agent in zip(*codes, strict=True):
        recorder.write(callee.tobytes(), agent.tobytes())
    assert finish(recorder) == RecordingResult(path=str(tmp_path / "a.wav"), written_ms=2400, dropped_ms=0)
    rate_hz, samples = read(tmp_path / "a.wav")
    assert rate_hz == 8000
    assert np.array_equal(samples, law.decode(codes).reshape(2, -1).T)


def test_samples_pcm_bytes_and_silence_mix(writer: RecordingWriter, tmp_path: Path) -> None:
    recorder = writer.open(tmp_path / "deep" / "b.wav", 16000)
    said = np.arange(320, dtype=np.int16)
    recorder.write(said, None)
    recorder.write(None, said.tobytes())
    assert finish(recorder).written_ms == 40
    rate_hz, samples = read(tmp_path / "deep" / "b.wav")
    silence = np.zeros(320, np.int16)
    assert rate_hz == 16000
    assert np.array_equal(samples[:, 0], np.concatenate((said, silence)))
    assert np.array_equal(samples[:, 1], np.concatenate((silence, said)))
    assert (tmp_path / "deep" / "b.wav").stat().st_mode & 0o777 == 0o600


def test_a_side_that_is_late_catches_up(writer: RecordingWriter, tmp_path: Path) -> None:
    recorder = writer.open(tmp_path / "c.wav", 8000)
    callee, agent = np.arange(160 * 60, dtype=np.int16), np.arange(160 * 60, dtype=np.int16)[::-1]
    for slot in range(60):
        late = callee[160 * (slot - 9) : 160 * (slot + 1)] if slot % 10 == 9 else callee[:0]
        recorder.write(late, agent[160 * slot : 160 * (slot + 1)])
    finish(recorder)
    _, samples = read(tmp_path / "c.wav")
    assert np.array_equal(samples, np.stack((callee, agent), axis=1))


def test_a_side_that_never_comes_is_silence(writer: RecordingWriter, tmp_path: Path) -> None:
    recorder = writer.open(tmp_path / "d.wav", 8000)
    agent = np.full(160, 7, np.int16)
    for _ in range(150):
        recorder.write(b"", agent)
    wait_for(tmp_path / "d.wav", 2000)
    assert finish(recorder).written_ms == 3000
    _, samples = read(tmp_path / "d.wav")
    assert not samples[:, 0].any()
    assert (samples[:, 1] == 7).all()


def wait_for(path: Path, milliseconds: int) -> None:
    """Until the file on disk says it is this long."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if path.exists() and path.stat().st_size > 44 and len(read(path)[1]) >= milliseconds * 8:
            return
        threading.Event().wait(0.002)
    pytest.fail(f"{path} never got {milliseconds} ms")


def test_the_file_is_readable_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "e.wav"
    with RecordingWriter(max_queued_batches=2) as writer:
        recorder = writer.open(path, 8000, encoding="ulaw")
        for second in range(1, 6):
            for _ in range(BATCH_SLOTS):
                recorder.write(b"\x80" * 160, b"\xff" * 160)
            wait_for(path, second * 1000)  # what a crash now would leave
        assert finish(recorder).dropped_ms == 0


def test_a_full_queue_drops_counts_and_keeps_the_time_line(tmp_path: Path) -> None:
    entered, release = threading.Event(), threading.Event()

    class SlowSamples:
        """Stands for a disk that hangs: the thread waits until these samples are ready."""

        def __array__(self, *_: object, **__: object) -> np.ndarray:
            entered.set()
            assert release.wait(DEADLINE_S)
            return np.zeros(160, np.int16)

    with RecordingWriter(max_queued_batches=2) as writer:
        slow = writer.open(tmp_path / "slow.wav", 8000)
        for _ in range(BATCH_SLOTS):
            slow.write(SlowSamples(), None)
        assert entered.wait(DEADLINE_S)
        recorder = writer.open(tmp_path / "f.wav", 8000)
        started = time.monotonic()
        for second in range(4):
            for _ in range(BATCH_SLOTS):
                recorder.write(np.full(160, second + 1, np.int16), None)
        assert time.monotonic() - started < 1.0
        assert recorder.dropped_ms == 3000
        closed = recorder.close()
        release.set()  # one batch is in the thread's hands, one of two places was left
        result = closed.result(DEADLINE_S)
        assert (result.written_ms, result.dropped_ms) == (4000, 3000)
        slow.close().result(DEADLINE_S)
    _, samples = read(tmp_path / "f.wav")
    assert [int(samples[8000 * second + 100, 0]) for second in range(4)] == [1, 0, 0, 0]


def test_a_late_begin_is_one_batch_and_keeps_the_time_line(tmp_path: Path) -> None:
    """A quarter of an hour that was not recorded, while only one batch has room."""
    path, slots = tmp_path / "late.wav", 45_000
    with RecordingWriter(max_queued_batches=1) as writer:
        recorder = writer.open(path, 8000, encoding="ulaw")
        recorder.skip(slots)
        for _ in range(10):
            recorder.write(b"\x80" * 160, None)
        assert finish(recorder) == RecordingResult(path=str(path), written_ms=slots * 20 + 200, dropped_ms=0)
    _, samples = read(path)
    assert np.flatnonzero(samples[:, 0])[[0, -1]].tolist() == [slots * 160, slots * 160 + 1599]
    assert not samples[:, 1].any()


def test_a_pause_stands_where_it_was(writer: RecordingWriter, tmp_path: Path) -> None:
    recorder = writer.open(tmp_path / "pause.wav", 8000, encoding="ulaw")
    for _ in range(3):
        recorder.write(b"\x80" * 160, None)
        recorder.skip(0)
        recorder.skip(600)
    assert finish(recorder).written_ms == 3 * 20 * 601
    _, samples = read(tmp_path / "pause.wav")
    loud = np.flatnonzero(samples[:, 0])
    assert [int(at) for at in loud[::160]] == [0, 601 * 160, 1202 * 160]


def test_an_unwritable_path_is_told_and_stops_nobody_else(writer: RecordingWriter, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    bad = writer.open(tmp_path / "file" / "x.wav", 8000)
    good = writer.open(tmp_path / "good.wav", 8000)
    for _ in range(BATCH_SLOTS):
        bad.write(None, None)
        good.write(None, None)
    result = finish(bad)
    assert (result.written_ms, result.error is None) == (0, False)
    assert finish(good).error is None


def test_damage_in_one_recording_stops_nobody_else(writer: RecordingWriter, tmp_path: Path) -> None:
    bad = writer.open(tmp_path / "bad.wav", 8000)
    bad.write(b"odd", None)
    assert finish(bad).error is not None
    good = writer.open(tmp_path / "good.wav", 8000)
    good.write(None, None)
    assert finish(good).written_ms == 20


def test_an_existing_file_is_never_overwritten(writer: RecordingWriter, tmp_path: Path) -> None:
    path = tmp_path / "kept.wav"
    path.write_bytes(b"precious")
    assert finish(writer.open(path, 8000)).error is not None
    assert path.read_bytes() == b"precious"


def test_a_waiter_that_went_away_stops_nobody_else(writer: RecordingWriter, tmp_path: Path) -> None:
    for n in range(20):
        writer.open(tmp_path / f"{n}.wav", 8000).close().cancel()
    assert finish(writer.open(tmp_path / "good.wav", 8000)).error is None
    assert len(list(tmp_path.iterdir())) == 21


def test_an_empty_recording_is_a_valid_file(writer: RecordingWriter, tmp_path: Path) -> None:
    result = finish(writer.open(str(tmp_path / "empty.wav"), 8000))
    assert (result.written_ms, result.error) == (0, None)
    assert len(read(tmp_path / "empty.wav")[1]) == 0


def test_closing_twice_is_one_close_and_writing_after_it_our_mistake(
    writer: RecordingWriter, tmp_path: Path
) -> None:
    recorder = writer.open(tmp_path / "g.wav", 8000)
    assert recorder.close() is recorder.close()
    with pytest.raises(MediaUsageError):
        recorder.write(None, None)


def test_shutdown_writes_everything_joins_the_thread_and_leaks_no_file(tmp_path: Path) -> None:
    threads = threading.active_count()
    with RecordingWriter() as writer:
        assert threading.active_count() == threads + 1
        recorders = [writer.open(tmp_path / f"{n}.wav", 8000, encoding="alaw") for n in range(20)]
        for recorder in recorders:
            for _ in range(2 * BATCH_SLOTS):
                recorder.write(b"\xd5" * 160, None)
        for recorder in recorders[:10]:
            recorder.close()
    assert threading.active_count() == threads
    assert open_files() == set()
    assert all(len(read(tmp_path / f"{n}.wav")[1]) == 16000 for n in range(20))
    with pytest.raises(MediaUsageError):
        writer.open(tmp_path / "late.wav", 8000).close()
    assert writer.close()
