"""A UDP path that goes wrong by seed: loss, bursts, delay, jitter, reordering, duplicates, one-way, strangers.

`UdpRelay` stands between two peers, one socket towards each: each sees the other under the relay's address. What a
path does is a `Path` per direction and may be changed at any time. A burst of loss is one of time, as on a real
line: everything within `burst_ms` is gone. Around 100 us of CPU a packet: good for some tens of calls.
"""

import asyncio
import random
import socket
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import msgspec

Address = tuple[str, int]
DATAGRAM_BYTES = 2_048
RECEIVE_BUFFER_BYTES = 1 << 20
NEVER = float("-inf")


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to datagrams of one direction; all rates are probabilities per datagram."""

    loss: float = 0.0
    burst_rate: float = 0.0
    burst_ms: int = 0
    """A burst begins with probability `burst_rate` and takes everything for `burst_ms`."""
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Further delay, uniform between 0 and this, one by one: datagrams overtake each other."""
    reorder: float = 0.0
    reorder_ms: float = 40.0
    """This share comes `reorder_ms` later than the others."""
    duplicate: float = 0.0
    hold_ms: float = 0.0
    hold_every_ms: float = 1_000.0
    """The first `hold_ms` of each such time everything is held back, and then comes at once."""
    closed: bool = False
    """Nothing gets through: one-way audio."""


CLEAR = Path()


@dataclass
class Traffic:
    """What became of the datagrams of one direction."""

    arrived: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    passed: int = 0


@dataclass
class Fate:
    """Decides, from seed and path alone, what happens to each datagram: answers after how many seconds it leaves,
    once per copy; nothing for a lost one. Pure but for its own random numbers.
    """

    chance: random.Random
    traffic: Traffic = field(default_factory=Traffic)
    _burst_until: float = NEVER

    def of_next(self, path: Path, now: float) -> tuple[float, ...]:
        """`now` in monotonic seconds."""
        self.traffic.arrived += 1
        if path.burst_rate and now >= self._burst_until and self.chance.random() < path.burst_rate:
            self._burst_until = now + path.burst_ms / 1000
        if path.closed or now < self._burst_until or self.chance.random() < path.loss:
            self.traffic.lost += 1
            return ()
        delay_ms = path.delay_ms + self.chance.uniform(0, path.jitter_ms)
        delay_ms += max(0.0, path.hold_ms - now * 1_000 % path.hold_every_ms)
        if self.chance.random() < path.reorder:
            self.traffic.reordered += 1
            delay_ms += path.reorder_ms
        if self.chance.random() < path.duplicate:
            self.traffic.duplicated += 1
            return delay_ms / 1000, delay_ms / 1000
        return (delay_ms / 1000,)


class UdpRelay(AbstractContextManager["UdpRelay"]):
    """`near_port` is where the near peer sends to, `far_port` where the far one does; use in a running event loop.

    A peer that is not named is learnt from its first datagram.
    """

    def __init__(
        self,
        seed: int,
        *,
        near: Address | None = None,
        far: Address | None = None,
        to_far: Path = CLEAR,
        to_near: Path = CLEAR,
    ) -> None:
        self.near, self.far = near, far
        self.to_far, self.to_near = to_far, to_near
        self._fate_to_far = Fate(random.Random(f"{seed} to far"))
        self._fate_to_near = Fate(random.Random(f"{seed} to near"))
        self._near_socket, self._far_socket = _bound(), _bound()
        self.near_port: int = self._near_socket.getsockname()[1]
        self.far_port: int = self._far_socket.getsockname()[1]
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def counted(self) -> tuple[Traffic, Traffic]:
        """Towards the far peer, towards the near one."""
        return self._fate_to_far.traffic, self._fate_to_near.traffic

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._near_socket, self._from_near)
        self._loop.add_reader(self._far_socket, self._from_far)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self._near_socket, self._far_socket):
            if self._loop is not None:
                self._loop.remove_reader(one)
            one.close()
        self._loop = None

    def _from_near(self) -> None:
        self.near = self._carry(self._near_socket, self._far_socket, self.near, self.far, self._fate_to_far)

    def _from_far(self) -> None:
        self.far = self._carry(self._far_socket, self._near_socket, self.far, self.near, self._fate_to_near)

    def _carry(
        self, taken: socket.socket, given: socket.socket, known: Address | None, to: Address | None, fate: Fate
    ) -> Address | None:
        """Everything that waits in `taken`; answers the address of its peer."""
        assert self._loop is not None
        while True:
            try:
                data, source = taken.recvfrom(DATAGRAM_BYTES)
            except BlockingIOError:
                return known
            except OSError:  # ICMP: the peer's port is closed
                continue
            known = known or source
            path = self.to_far if taken is self._near_socket else self.to_near
            for after_s in fate.of_next(path, self._loop.time()):
                if to is None:
                    continue
                if after_s:
                    self._loop.call_later(after_s, _send, given, data, to, fate.traffic)
                else:
                    _send(given, data, to, fate.traffic)


def _send(given: socket.socket, data: bytes, to: Address, traffic: Traffic) -> None:
    if given.fileno() < 0:
        return  # the relay was closed meanwhile
    try:
        given.sendto(data, to)
    except OSError:
        return  # nobody listens there
    traffic.passed += 1


def _bound() -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    one.bind(("127.0.0.1", 0))
    return one


@asynccontextmanager
async def sprayed(to: Address, datagrams: list[bytes], per_s: int, seed: int) -> AsyncGenerator[Traffic]:
    """Strangers send `datagrams`, chosen by seed, to an address while the block runs."""
    chance, traffic = random.Random(f"{seed} spray"), Traffic()
    strangers = [_stranger("127.0.0.1"), _stranger("127.0.0.3")]

    async def spray() -> None:
        while True:
            for _ in range(max(1, per_s // 100)):
                traffic.arrived += 1
                _send(chance.choice(strangers), chance.choice(datagrams), to, traffic)
            await asyncio.sleep(0.01)

    try:
        async with asyncio.TaskGroup() as group:
            spraying = group.create_task(spray())
            yield traffic
            spraying.cancel()
    finally:
        for one in strangers:
            one.close()


def _stranger(host: str) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setblocking(False)
    one.bind((host, 0))
    return one
