"""Many legs in one engine: isolation, foreign packets, clean ends."""

import asyncio
import itertools
import os
import socket
import threading
import time

import pytest

from media.engine import MediaEngine
from media.lateness import LatenessHistogram
from media.protocol import (
    Answered,
    CloseLeg,
    ConnectPeer,
    Fault,
    LegClosed,
    LegFailed,
    LegOpened,
    LegReady,
    OpenLeg,
    Say,
    WorkerLoad,
)
from media.realtime.settings import ToolSpec
from tests.unit.media.peers import Bench, FakeModel, FakePeer, bench, fake_peer

pytestmark = pytest.mark.anyio


async def open_leg(made: Bench, model: FakeModel, peer: FakePeer, call_id: str) -> None:
    opened = await made.open(call_id, model.settings())
    peer.target = (opened.rtp_host, opened.rtp_port)
    made.engine.handle(ConnectPeer(call_id=call_id, host=peer.address[0], port=peer.address[1]))
    await made.told(LegReady, call_id)
    made.engine.handle(Answered(call_id=call_id))


async def test_legs_share_a_socket_and_hear_only_their_own_peer() -> None:
    async with FakeModel() as model, fake_peer() as one, fake_peer() as two, bench() as made:
        await open_leg(made, model, one, "a")
        await open_leg(made, model, two, "b")
        one.send(b"\x01" * 160)
        two.send(b"\x02" * 160)
        first, second = await model.session(0), await model.session(1)
        await first.signal.until(lambda: b"\x01" * 160 in first.audio)
        await second.signal.until(lambda: b"\x02" * 160 in second.audio)
        assert b"\x02" not in first.audio
        assert b"\x01" not in second.audio


async def test_foreign_sources_reach_nobody_and_are_counted() -> None:
    async with FakeModel() as model, fake_peer() as peer, fake_peer() as stranger, bench() as made:
        await open_leg(made, model, peer, "a")
        stranger.target = peer.target
        stranger.sender.ssrc = peer.sender.ssrc
        for _ in range(50):
            stranger.send(b"\x66" * 160)
        peer.send(b"\x01" * 160)
        session = await model.session()
        await session.signal.until(lambda: b"\x01" * 160 in session.audio)
        assert b"\x66" not in session.audio
        assert made.engine._socket.statistics.unknown_source == 50
        made.engine.handle(CloseLeg(call_id="a"))
        closed = await made.told(LegClosed)
        assert closed.statistics.packets_received == 1


async def test_a_closed_leg_gives_its_address_back() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        await open_leg(made, model, peer, "a")
        made.engine.handle(CloseLeg(call_id="a"))
        await made.told(LegClosed, "a")
        await open_leg(made, model, peer, "b")
        peer.send(b"\x01" * 160)
        session = await model.session(1)
        await session.signal.until(lambda: b"\x01" * 160 in session.audio)


async def test_one_address_belongs_to_one_leg() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        await open_leg(made, model, peer, "a")
        await made.open("b", model.settings())
        made.engine.handle(ConnectPeer(call_id="b", host=peer.address[0], port=peer.address[1]))
        assert (await made.told(Fault, "b")).code == "peer_in_use"


@pytest.mark.parametrize("where", ["serve", "receive", "_to_model"])
async def test_a_leg_that_breaks_closes_with_a_report_and_harms_no_other(where: str) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    async with FakeModel() as model, fake_peer() as one, fake_peer() as two, bench() as made:
        await open_leg(made, model, two, "b")
        await open_leg(made, model, one, "a")
        setattr(made.engine.legs["a"]._audio, where, broken)
        one.send(b"\x01" * 160)
        failed = await made.told(LegFailed, "a")
        assert failed.code == "leg_broke"
        await made.told(LegClosed, "a")
        await two.received(5)
        assert made.of(LegFailed, "b") == []
        assert list(made.engine.legs) == ["b"]


async def test_settings_that_cannot_be_used_fail_and_close_the_leg() -> None:
    async with FakeModel() as model, bench() as made:
        tool = ToolSpec(name="x", description="", parameters="not json")
        settings = model.settings(tools=(tool,))
        made.engine.handle(OpenLeg(call_id="a", codec="ulaw", realtime=settings))
        assert (await made.told(LegFailed, "a")).code == "settings_refused"
        await made.told(LegClosed, "a")
        assert "a" not in made.engine.legs


async def test_opening_again_tells_the_same_place() -> None:
    async with FakeModel() as model, bench() as made:
        first = await made.open("a", model.settings())
        again = await made.open("a", model.settings())
        assert (first.rtp_host, first.rtp_port) == (again.rtp_host, again.rtp_port)
        assert len(made.of(LegOpened)) == 2
        assert len(made.engine.legs) == 1


async def test_a_command_for_a_leg_that_is_gone_is_told() -> None:
    async with bench() as made:
        made.engine.handle(Say(call_id="nobody", instructions="x"))
        assert (await made.told(Fault, "nobody")).code == "unknown_leg"


async def test_a_stall_of_the_loop_skips_slots_and_never_bursts() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        await open_leg(made, model, peer, "a")
        await peer.received(3)
        before = len(peer.packets)
        time.sleep(0.2)  # noqa: ASYNC251 - the stall under test
        await peer.received(4)
        packets, arrivals = peer.packets[before - 1 :], peer.arrivals[before - 1 :]
        close = [b - a < 0.010 for a, b in itertools.pairwise(arrivals)]
        assert not any(first and second for first, second in itertools.pairwise(close))
        ticks = (packets[-1].timestamp - packets[0].timestamp) % 2**32
        assert abs(ticks / 8 - (arrivals[-1] - arrivals[0]) * 1000) < 45
        assert (packets[-1].sequence_number - packets[0].sequence_number) % 65536 == len(packets) - 1
        made.engine.handle(CloseLeg(call_id="a"))
        assert (await made.told(LegClosed)).statistics.slots_skipped >= 6


async def test_lateness_is_told_while_legs_live() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        made.engine._load_at = float("inf")
        await open_leg(made, model, peer, "a")
        made.engine.lateness.clear()
        await peer.received(5)
        made.engine._load_at = 0.0
        load = await made.told(WorkerLoad)
        assert load.legs == 1
        assert 0 < load.tick_late_p99_ms <= load.tick_late_max_ms


def test_lateness_quantiles_are_never_too_small() -> None:
    histogram = LatenessHistogram()
    assert histogram.quantile_ms(0.99) == 0.0
    for late_ms in [0.2] * 98 + [6.0, 2000.0]:
        histogram.add(late_ms / 1000)
    assert histogram.quantile_ms(0.5) == 0.25
    assert histogram.quantile_ms(0.99) == 7.5
    assert histogram.quantile_ms(1.0) == 2000.0


async def test_nothing_is_left_after_the_end() -> None:
    async def life() -> None:
        async with FakeModel() as model, fake_peer() as peer, bench() as made:
            await open_leg(made, model, peer, "a")
            await peer.received(2)

    await life()
    tasks, threads, descriptors = asyncio.all_tasks(), threading.enumerate(), os.listdir("/proc/self/fd")
    for _ in range(3):
        await life()
    assert asyncio.all_tasks() == tasks
    assert threading.enumerate() == threads
    assert len(os.listdir("/proc/self/fd")) == len(descriptors)


async def test_a_port_that_is_taken_is_told_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="in use"):
            MediaEngine("127.0.0.1", "127.0.0.1", other.getsockname()[1], lambda _: None)
