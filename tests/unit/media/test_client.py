"""The control side, against a real worker process and against one in this process."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from media.client import MediaClient, WorkerLost, WorkerRefused, WorkerUnavailable
from media.protocol import (
    Answered,
    CloseLeg,
    ConnectPeer,
    LegClosed,
    LegOpened,
    LegReady,
    Levels,
    NumberedReport,
    OpenLeg,
    Say,
    WorkerLoad,
)
from media.server import WorkerRecord
from media.worker import WorkerOptions
from tests.unit.media.peers import FakeModel, FakePeer, fake_peer

pytestmark = pytest.mark.anyio

CALL = "d" * 32
OPTIONS = WorkerOptions(idle_exit_s=2.0)


async def until(client: MediaClient, kind: type, seen: list[NumberedReport]) -> NumberedReport:
    """Read reports into `seen` up to the first of this kind."""
    async with asyncio.timeout(5):
        async with contextlib.aclosing(client.reports()) as reports:
            async for report in reports:
                seen.append(report)
                if isinstance(report, kind):
                    return report
    raise AssertionError("the reports ended")


async def answered_leg(client: MediaClient, model: FakeModel, peer: FakePeer) -> list[NumberedReport]:
    seen: list[NumberedReport] = []
    await client.send(OpenLeg(call_id=CALL, codec="ulaw", realtime=model.settings()))
    opened = await until(client, LegOpened, seen)
    peer.target = (opened.rtp_host, opened.rtp_port)
    await client.send(ConnectPeer(call_id=CALL, host=peer.address[0], port=peer.address[1]))
    await until(client, LegReady, seen)
    await client.send(Answered(call_id=CALL))
    return seen


@contextlib.asynccontextmanager
async def runtime(tmp_path: Path) -> AsyncIterator[Path]:
    """A runtime directory whose worker is gone afterwards."""
    directory = tmp_path / "run"
    try:
        yield directory
    finally:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            record = msgspec.json.decode((directory / "worker.json").read_bytes(), type=WorkerRecord)
            os.kill(record.pid, signal.SIGKILL)


async def gone(pid: int) -> None:
    """Wait until a process that is nobody's child here has ended."""
    async with asyncio.timeout(5):
        while alive(pid):  # noqa: ASYNC110 - another process has no event
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def read_to_the_end(client: MediaClient) -> None:
    async with asyncio.timeout(3):
        async for _ in client.reports():
            pass


async def test_a_worker_outlives_its_control_process(tmp_path: Path) -> None:
    async with FakeModel() as model, fake_peer() as peer, runtime(tmp_path) as directory:
        first = await MediaClient.connect_or_spawn(directory, OPTIONS, 0, "first")
        seen = await answered_leg(first, model, peer)
        await peer.received(3)
        await first.acknowledge(seen[0].seq)
        await first.send(Say(call_id="nobody", instructions="x"))
        await first.close()
        session = await model.session()
        await session.send({"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "u"})
        await session.send({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 9, "item_id": "u"})
        peer.send(b"\x01" * 160)
        await session.signal.until(lambda: b"\x01" * 160 in session.audio)

        second = await MediaClient.connect_or_spawn(directory, OPTIONS, seen[0].seq, "second")
        assert second.welcome.worker_id == first.welcome.worker_id
        assert second.welcome.pid != os.getpid()
        (leg,) = second.welcome.legs
        assert (leg.call_id, leg.ready, leg.answered, leg.peer) == (CALL, True, True, peer.address)
        await second.send(CloseLeg(call_id=CALL))
        again: list[NumberedReport] = []
        await until(second, LegClosed, again)
        numbers = [report.seq for report in again]
        assert numbers == sorted(set(numbers))
        assert min(numbers) > seen[0].seq
        kinds = [type(report).__name__ for report in again if not isinstance(report, Levels | WorkerLoad)]
        assert kinds[:4] == ["LegReady", "Fault", "SpeechStarted", "SpeechStopped"]
        assert kinds.count("LegReady") == kinds.count("SpeechStarted") == kinds.count("LegClosed") == 1
        assert all((b.sequence_number - a.sequence_number) % 65536 == 1 for a, b in pairwise(peer.packets))
        assert all((b.timestamp - a.timestamp) % 2**32 <= 640 for a, b in pairwise(peer.packets))
        await second.close(shutdown=True)
        await gone(second.welcome.pid)
        assert not (directory / "worker.sock").exists()


async def test_a_worker_that_is_killed_is_noticed_and_replaced(tmp_path: Path) -> None:
    async with runtime(tmp_path) as directory:
        first = await MediaClient.connect_or_spawn(directory, OPTIONS, 0, "first")
        await first.send(Say(call_id="nobody", instructions="x"))
        seen: list[NumberedReport] = []
        await until(first, NumberedReport, seen)
        os.kill(first.welcome.pid, signal.SIGKILL)
        with pytest.raises(WorkerLost):
            await read_to_the_end(first)
        await gone(first.welcome.pid)
        assert (directory / "worker.sock").exists()
        second = await MediaClient.connect_or_spawn(directory, OPTIONS, seen[-1].seq, "first")
        assert second.welcome.worker_id != first.welcome.worker_id
        assert second.welcome.legs == ()
        await second.send(Say(call_id="nobody", instructions="x"))
        report = await until(second, NumberedReport, seen)
        assert report.seq > seen[0].seq
        await first.close()
        await second.close(shutdown=True)
        await gone(second.welcome.pid)


async def test_a_path_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(WorkerUnavailable, match="too long"):
        await MediaClient.connect_or_spawn(tmp_path / ("x" * 120), OPTIONS, 0, "c")


async def test_in_process_speaks_the_same(tmp_path: Path) -> None:
    async with FakeModel() as model, fake_peer() as peer, asyncio.TaskGroup() as group:
        client = await MediaClient.in_process(OPTIONS, group)
        await answered_leg(client, model, peer)
        await peer.received(3)
        await client.send(CloseLeg(call_id=CALL))
        seen: list[NumberedReport] = []
        closed = await until(client, LegClosed, seen)
        await client.acknowledge(closed.seq)
        await client.close()
        assert [report async for report in client.reports()] == []
        with pytest.raises(WorkerLost):
            await client.send(Answered(call_id=CALL))


async def test_in_process_shutdown_ends_the_iterator_with_worker_lost() -> None:
    async with asyncio.TaskGroup() as group:
        client = await MediaClient.in_process(OPTIONS, group)
        client._link._worker.stop()
        with pytest.raises(WorkerLost):
            await read_to_the_end(client)
        await client.close()


async def test_a_newer_client_replaces_an_older_one(tmp_path: Path) -> None:
    async with runtime(tmp_path) as directory:
        old = await MediaClient.connect_or_spawn(directory, OPTIONS, 0, "old")
        new = await MediaClient.connect_or_spawn(directory, OPTIONS, 0, "new")
        with pytest.raises(WorkerRefused) as refused:
            await read_to_the_end(old)
        assert refused.value.reason == "replaced"
        await old.close()
        await new.close(shutdown=True)
        await gone(new.welcome.pid)
