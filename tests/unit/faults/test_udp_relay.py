"""The UDP relay: rates by seed, the same fate for the same seed, and what each kind of trouble does."""

import asyncio
import random
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from scripts.lib.faults.udp import CLEAR, Fate, Path, UdpRelay, sprayed

pytestmark = pytest.mark.anyio
SLOT_S = 0.02


def fates(path: Path, count: int, seed: int) -> tuple[Fate, list[tuple[float, ...]]]:
    one = Fate(random.Random(f"{seed}"))
    return one, [one.of_next(path, at * SLOT_S) for at in range(count)]


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.2])
def test_loss_has_its_rate(loss: float, seed: int) -> None:
    one, found = fates(Path(loss=loss), 20_000, seed)
    assert one.traffic.lost == found.count(())
    assert loss * 0.8 < one.traffic.lost / one.traffic.arrived < loss * 1.2


def test_the_same_seed_is_the_same_fate(seed: int) -> None:
    path = Path(loss=0.1, jitter_ms=50, reorder=0.1, duplicate=0.1, burst_rate=0.01, burst_ms=100)
    assert fates(path, 500, seed)[1] == fates(path, 500, seed)[1]
    assert fates(path, 500, seed)[1] != fates(path, 500, seed + 1)[1]


def test_a_burst_takes_everything_for_its_time(seed: int) -> None:
    _, found = fates(Path(burst_rate=0.01, burst_ms=200), 5_000, seed)
    gaps = [len(part) for part in "".join("." if one else "x" for one in found).split(".") if part]
    assert gaps
    assert min(gaps) >= 10, "200 ms are ten slots"


def test_jitter_delay_and_order(seed: int) -> None:
    _, found = fates(Path(delay_ms=10, jitter_ms=120, reorder=0.1, duplicate=0.05), 5_000, seed)
    delays = [one[0] * 1000 for one in found]
    assert min(delays) >= 10
    assert 120 < max(delays) <= 10 + 120 + 40
    assert 150 < sum(len(one) == 2 for one in found) < 350


def test_what_is_held_back_comes_at_once(seed: int) -> None:
    _, found = fates(Path(hold_ms=300), 100, seed)
    leaves = [round(at * SLOT_S + one[0], 6) for at, one in enumerate(found)]
    assert leaves[:16] == [0.3] * 16
    assert leaves[16:50] == [round(at * SLOT_S, 6) for at in range(16, 50)]
    assert leaves[50:66] == [1.3] * 16


@asynccontextmanager
async def peers(seed: int, to_far: Path = CLEAR, to_near: Path = CLEAR) -> AsyncGenerator[tuple]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
    ):
        for one in (near, far):
            one.setblocking(False)
            one.bind(("127.0.0.1", 0))
        with UdpRelay(seed, far=far.getsockname(), to_far=to_far, to_near=to_near) as relay:
            yield relay, near, far


async def taken(one: socket.socket, timeout_s: float = 1.0) -> bytes:
    async with asyncio.timeout(timeout_s):
        return (await asyncio.get_running_loop().sock_recvfrom(one, 2048))[0]


async def test_both_ways_under_the_relays_address(seed: int) -> None:
    async with peers(seed) as (relay, near, far):
        near.sendto(b"there", ("127.0.0.1", relay.near_port))
        assert await taken(far) == b"there"
        far.sendto(b"and back", ("127.0.0.1", relay.far_port))
        assert await taken(near) == b"and back"
        assert [one.passed for one in relay.counted] == [1, 1]


async def test_one_way(seed: int) -> None:
    async with peers(seed, to_near=Path(closed=True)) as (relay, near, far):
        near.sendto(b"there", ("127.0.0.1", relay.near_port))
        assert await taken(far) == b"there"
        far.sendto(b"and not back", ("127.0.0.1", relay.far_port))
        with pytest.raises(TimeoutError):
            await taken(near, 0.2)
        assert relay.counted[1].lost == 1


async def test_duplicates_and_delay_on_the_wire(seed: int) -> None:
    loop = asyncio.get_running_loop()
    async with peers(seed, to_far=Path(duplicate=1.0, delay_ms=60)) as (relay, near, far):
        began = loop.time()
        near.sendto(b"twice", ("127.0.0.1", relay.near_port))
        assert [await taken(far), await taken(far)] == [b"twice", b"twice"]
        assert loop.time() - began >= 0.055


async def test_a_closed_port_behind_the_relay_ends_nothing(seed: int) -> None:
    async with peers(seed) as (relay, near, far):
        address = far.getsockname()
        far.close()
        for _ in range(3):
            near.sendto(b"nobody", ("127.0.0.1", relay.near_port))
            await asyncio.sleep(0.01)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.setblocking(False)
            again.bind(address)
            near.sendto(b"somebody", ("127.0.0.1", relay.near_port))
            assert await taken(again) == b"somebody"


async def test_strangers_come_from_elsewhere(seed: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
        target.setblocking(False)
        target.bind(("127.0.0.1", 0))
        loop, sources = asyncio.get_running_loop(), set[str]()
        async with sprayed(target.getsockname(), [b"a", b"b"], 1_000, seed) as traffic:
            async with asyncio.timeout(2.0):
                while len(sources) < 2:
                    sources.add((await loop.sock_recvfrom(target, 100))[1][0])
        assert sources == {"127.0.0.1", "127.0.0.3"}
        assert traffic.passed
