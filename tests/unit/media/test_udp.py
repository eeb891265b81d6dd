"""The shared RTP socket: exact sources, counted errors, nothing raised."""

import asyncio
import logging
import socket
from collections.abc import Iterator

import pytest

from media.udp import DATAGRAMS_PER_WAKE, AddressInUse, RtpSocket

pytestmark = pytest.mark.anyio


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(2)
        yield peer


@pytest.fixture
def shared() -> Iterator[RtpSocket]:
    shared = RtpSocket("127.0.0.1")
    yield shared
    shared.close()


async def test_only_the_announced_address_is_heard(shared: RtpSocket, peer: socket.socket) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    shared.attach(asyncio.get_running_loop())
    shared.add_peer(peer.getsockname(), lambda data, _now: heard.put_nowait(data))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        for _ in range(20):
            stranger.sendto(b"foreign", ("127.0.0.1", shared.port))
    peer.sendto(b"ours", ("127.0.0.1", shared.port))
    async with asyncio.timeout(2):
        assert await heard.get() == b"ours"
    assert heard.empty()
    assert shared.statistics.unknown_source == 20
    assert shared.statistics.received == 1


async def test_a_removed_peer_is_foreign_again(shared: RtpSocket, peer: socket.socket) -> None:
    shared.attach(asyncio.get_running_loop())
    shared.add_peer(peer.getsockname(), lambda _data, _now: pytest.fail("heard a removed peer"))
    with pytest.raises(AddressInUse):
        shared.add_peer(peer.getsockname(), lambda _data, _now: None)
    shared.remove_peer(peer.getsockname())
    peer.sendto(b"late", ("127.0.0.1", shared.port))
    shared.drain()
    assert shared.statistics.unknown_source == 1


async def test_sends_from_the_receiving_socket(shared: RtpSocket, peer: socket.socket) -> None:
    assert shared.send(b"x", peer.getsockname())
    _, source = peer.recvfrom(100)
    assert source == ("127.0.0.1", shared.port)


async def test_a_closed_peer_port_costs_packets_and_nothing_else(shared: RtpSocket) -> None:
    shared.attach(asyncio.get_running_loop())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        address = gone.getsockname()
    for _ in range(10):
        shared.send(b"x", address)
        shared.drain()
    assert shared.send(b"x", ("127.0.0.1", 0)) is False
    assert shared.statistics.send_errors >= 1


async def test_one_wake_is_bounded(shared: RtpSocket, peer: socket.socket) -> None:
    heard: list[bytes] = []
    shared.attach(asyncio.get_running_loop())
    shared.add_peer(peer.getsockname(), lambda data, _now: heard.append(data))
    for number in range(DATAGRAMS_PER_WAKE + 10):
        peer.sendto(b"%d" % number, ("127.0.0.1", shared.port))
    shared.drain()
    assert len(heard) == DATAGRAMS_PER_WAKE
    shared.drain()
    assert heard[-1] == b"%d" % (DATAGRAMS_PER_WAKE + 9)


async def test_a_small_receive_buffer_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        shared = RtpSocket("127.0.0.1")
    shared.close()
    small = shared.receive_buffer_bytes < 1024 * 1024
    assert small == any("receive buffer" in record.message for record in caplog.records)
