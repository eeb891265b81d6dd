"""The control socket: permissions, handshake, garbage, replay, idleness."""

import asyncio
import contextlib
import stat
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.protocol import (
    PROTOCOL_VERSION,
    Acknowledge,
    Command,
    Fault,
    Hello,
    Refused,
    Say,
    Shutdown,
    Welcome,
    WorkerMessage,
)
from media.server import ControlSocket, WorkerInUse, locked, record_path, serve
from media.wire import FrameSplitter, decode_message, frame
from media.worker import Worker, WorkerOptions

pytestmark = pytest.mark.anyio


class RawControl:
    """A control process by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.splitter = FrameSplitter()
        self.waiting: list[WorkerMessage] = []

    def send(self, *commands: Command) -> None:
        for command in commands:
            self.writer.write(frame(command))

    async def read(self) -> WorkerMessage | None:
        """The next message; None when the worker hung up."""
        async with asyncio.timeout(3):
            while not self.waiting:
                data = await self.reader.read(65536)
                if not data:
                    return None
                self.waiting += [decode_message(body) for body in self.splitter.feed(data)]
        return self.waiting.pop(0)


@contextlib.asynccontextmanager
async def raw_control(path: Path) -> AsyncIterator[RawControl]:
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        yield RawControl(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def hello(seq: int = 0, version: int = PROTOCOL_VERSION, control_id: str = "c1") -> Hello:
    return Hello(protocol_version=version, control_id=control_id, acknowledged_seq=seq)


def provoke() -> Say:
    """A command that is answered with exactly one Fault."""
    return Say(call_id="nobody", instructions="x")


@contextlib.asynccontextmanager
async def served(path: Path, **options: object) -> AsyncIterator[tuple[Worker, Path]]:
    worker = Worker(WorkerOptions(**options))
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run())
        await worker.started.wait()
        control = ControlSocket(worker, path)
        await control.open()
        try:
            yield worker, path
        finally:
            worker.stop()
            await control.close()


async def test_files_are_private_and_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "run" / "worker.sock"
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(path, WorkerOptions()))
        async with asyncio.timeout(3):
            while not path.exists():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.01)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert record_path(path).exists()
        async with raw_control(path) as control:
            control.send(hello(), Shutdown())
            assert isinstance(await control.read(), Welcome)
            assert await control.read() is None
    assert not path.exists()
    assert not record_path(path).exists()


async def test_a_second_worker_does_not_take_the_directory(tmp_path: Path) -> None:
    path = tmp_path / "worker.sock"
    path.touch()
    with locked(path), pytest.raises(WorkerInUse), locked(path):
        pass
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(path, WorkerOptions(idle_exit_s=0.1)))


async def test_another_protocol_version_is_refused_with_a_sentence(tmp_path: Path) -> None:
    async with served(tmp_path / "w.sock") as (worker, path), raw_control(path) as control:
        control.send(hello(version=PROTOCOL_VERSION + 1), provoke())
        refused = await control.read()
        assert isinstance(refused, Refused)
        assert refused.reason == "protocol_version"
        assert str(PROTOCOL_VERSION + 1) in refused.message
        assert await control.read() is None
        assert worker.log.last_seq > 0
        assert len(worker.log) == 0


async def test_who_does_not_say_hello_is_sent_away(tmp_path: Path) -> None:
    async with served(tmp_path / "w.sock") as (_, path), raw_control(path) as control:
        control.send(provoke())
        refused = await control.read()
        assert isinstance(refused, Refused)
        assert refused.reason == "no_hello"


async def test_garbage_does_not_kill_the_worker(tmp_path: Path) -> None:
    async with served(tmp_path / "w.sock") as (_, path):
        async with raw_control(path) as control:
            control.send(hello())
            await control.read()
            for body in (b"", b"\xc1", b"\x81\xa4type\xa3foo", b"x" * 1000):
                control.writer.write(struct.pack(">I", len(body)) + body)
            control.send(provoke())
            assert isinstance(await control.read(), Fault)
        async with raw_control(path) as control:
            control.writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await control.read() is None
        async with raw_control(path) as control:
            control.send(hello())
            assert isinstance(await control.read(), Welcome)


async def test_reports_wait_for_the_next_control_process_and_come_once(tmp_path: Path) -> None:
    async with served(tmp_path / "w.sock") as (worker, path):
        async with raw_control(path) as control:
            control.send(hello(), provoke(), provoke(), provoke())
            await control.read()
            first = [await control.read() for _ in range(3)]
            control.send(Acknowledge(seq=first[0].seq))
            control.send(provoke())
            first.append(await control.read())
        while worker.log.connected:  # noqa: ASYNC110 - one turn of the loop or two
            await asyncio.sleep(0)
        worker.handle(provoke())
        async with raw_control(path) as control:
            control.send(hello(seq=first[1].seq, control_id="c2"), provoke())
            welcome = await control.read()
            again = [await control.read() for _ in range(4)]
        assert welcome.last_seq == again[2].seq
        assert [report.seq for report in again] == [first[2].seq + step for step in range(4)]


async def test_a_newer_hello_wins(tmp_path: Path) -> None:
    async with (
        served(tmp_path / "w.sock") as (_, path),
        raw_control(path) as old,
        raw_control(path) as new,
    ):
        old.send(hello(control_id="old"))
        await old.read()
        new.send(hello(control_id="new"))
        await new.read()
        refused = await old.read()
        assert isinstance(refused, Refused)
        assert refused.reason == "replaced"
        assert await old.read() is None
        new.send(provoke())
        assert isinstance(await new.read(), Fault)


async def test_a_control_process_that_does_not_read_costs_bounded_memory(tmp_path: Path) -> None:
    async with (
        served(tmp_path / "w.sock", reports_limit_bytes=50_000) as (worker, path),
        raw_control(path) as control,
    ):
        control.send(hello())
        await control.read()
        control.writer.transport.pause_reading()
        for _ in range(40_000):
            worker.handle(provoke())
        assert worker.log.lost > 0
        assert len(worker.log) < 1000
        control.writer.transport.resume_reading()
        seen = 0
        async with asyncio.timeout(3):
            while seen < worker.log.last_seq:
                seen = (await control.read()).seq


async def test_an_idle_worker_ends_by_itself_but_not_under_a_control_process(tmp_path: Path) -> None:
    path = tmp_path / "w.sock"
    async with asyncio.TaskGroup() as group:
        ended = group.create_task(serve(path, WorkerOptions(idle_exit_s=0.1)))
        async with asyncio.timeout(3):
            while not path.exists():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.01)
        async with raw_control(path) as control:
            control.send(hello())
            await control.read()
            await asyncio.wait([ended], timeout=0.3)
            assert not ended.done()
        async with asyncio.timeout(3):
            await ended


async def test_shutdown_when_idle_ends_a_worker_without_legs(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group, asyncio.timeout(3):
        worker = Worker(WorkerOptions(idle_exit_s=1.0))
        group.create_task(worker.run())
        await worker.started.wait()
        worker.handle(Shutdown(when_idle=True))
