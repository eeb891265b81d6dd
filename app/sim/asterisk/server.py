"""SimAsterisk: a strict twin of Asterisk 22's ARI and chan_rtp on loopback, with simulated callees.

    async with SimAsterisk(callees={"+15551000001": polite()}) as sim:
        ... a client of sim.base_url ...
        await sim.wait_until(lambda: sim.callees[0].heard_texts == ["hello"])

Part of the product: demo, rehearsal and tests use it. One TaskGroup owns everything; leaving ends it all.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from app.sim.asterisk.callee import Callee
from app.sim.asterisk.callers import Callers, PhoneIn
from app.sim.asterisk.channels import Json
from app.sim.asterisk.desk import Desk
from app.sim.asterisk.exchange import Exchange
from app.sim.asterisk.faults import Failure, Fault, Faults
from app.sim.asterisk.http_shell import HttpShell, Oddity
from app.sim.asterisk.outbound import Caller, OutboundWebsocket
from app.sim.asterisk.personas import Directory
from app.sim.asterisk.script import CalleeScript
from app.sim.asterisk.settings import ExchangeSettings
from app.sim.asterisk.timers import Changes, Timers
from app.sim.asterisk.trunk import Invite, Trunk

KEEP_ALIVE_S = 15.0
"""Asterisk's session_keep_alive: an idle connection is closed after this."""

_log = logging.getLogger(__name__)


class SimAsterisk:
    """Async context manager; attributes below are valid inside it."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        http_port: int = 0,
        callees: Directory | None = None,
        credentials: tuple[str, str] = ("opendeep", "secret"),
        settings: ExchangeSettings | None = None,
        dials: OutboundWebsocket | None = None,
        seed: int = 1,
    ) -> None:
        self.host = host
        self.http_port = http_port
        self.username, self.password = credentials
        self.faults = Faults()
        self._changes = Changes()
        self._settings = settings or ExchangeSettings()
        self._directory: Directory = {} if callees is None else callees
        self._seed = seed
        self._dials = dials
        self._caller: Caller | None = None
        self._stack = AsyncExitStack()
        self._timers: Timers
        self._shell: HttpShell
        self._runner: web.AppRunner
        self.exchange: Exchange
        self.trunk: Trunk
        self.callers: Callers

    async def __aenter__(self) -> Self:
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        self._timers = Timers(group)
        self.exchange = Exchange(self._settings, self._timers, self._changes, self._seed)
        self.trunk = Trunk(self.exchange, self._directory)
        self.callers = Callers(self.exchange)
        self._shell = HttpShell(
            Desk(self.exchange, self.trunk, self.callers), self.faults, (self.username, self.password)
        )
        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", self._shell.handle)
        self._runner = web.AppRunner(
            application, access_log=None, keepalive_timeout=KEEP_ALIVE_S, shutdown_timeout=0.1
        )
        await self._runner.setup()
        await self._listen()
        if self._dials is not None:
            self._caller = Caller(self._dials, self.exchange, self.faults)
            self._caller.register()
            calling = group.create_task(self._caller.run(self._shell.write_timeout_s))
            self._stack.callback(calling.cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._shell.close()
        self.drop_websocket()
        await self._runner.cleanup()
        self.exchange.restart()
        if isinstance(error, asyncio.CancelledError):
            return await self._stack.__aexit__(kind, error, trace)
        await self._stack.aclose()
        return None

    async def _listen(self) -> None:
        site = web.TCPSite(self._runner, self.host, self.http_port, reuse_address=True)
        await site.start()
        if self.http_port == 0:
            self.http_port = self._runner.addresses[0][1]
        _log.info("simulated Asterisk on http://%s:%d/ari", self.host, self.http_port)

    @property
    def base_url(self) -> str:
        """`http://host:port/ari`."""
        return f"http://{self.host}:{self.http_port}/ari"

    # -- witnesses

    @property
    def invites(self) -> list[Invite]:
        """Every originate that left for a callee: (number, channel_id, monotonic seconds)."""
        return self.trunk.invites

    @property
    def callees(self) -> list[Callee]:
        """Callees of all calls so far, oldest first."""
        return list(self.trunk.callees)

    def callee(self, number: str) -> Callee:
        """The latest call of this number; KeyError when it was never dialled."""
        for callee in reversed(self.trunk.callees):
            if callee.number == number:
                return callee
        raise KeyError(number)

    def call_in(self, number: str, script: CalleeScript, **how: Any) -> PhoneIn:
        """Somebody calls us; see `Callers.call_in`."""
        return self.callers.call_in(number, script, **how)

    @property
    def oddities(self) -> list[Oddity]:
        """What Asterisk would have swallowed in silence: unknown parameters, wrong types, unknown verbs."""
        return self._shell.oddities

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Method and path of every verb asked for."""
        return self._shell.requests

    @property
    def events(self) -> list[tuple[Json, bool]]:
        """Events in order of their making, and whether each reached a websocket."""
        return list(self.exchange.history)

    @property
    def websockets(self) -> int:
        """Open event websockets, in both directions."""
        return len(self._shell.sockets) + (self._caller is not None and self._caller.connected)

    def leftovers(self) -> list[str]:
        """Living channels, bridges and RTP sockets; empty when a client cleaned up after itself."""
        return [
            *(f"channel {channel_id}" for channel_id in self.exchange.channels),
            *(f"bridge {bridge_id}" for bridge_id in self.exchange.bridges),
            *(f"rtp {leg.local_address[1]}" for leg in self.exchange.legs.values() if not leg.closed),
        ]

    @property
    def tasks(self) -> int:
        """Tasks of living channels and callees; 0 when all calls have ended."""
        return self._timers.count

    async def wait_until(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
        """Wait for anything observable here; TimeoutError after `timeout_s`."""
        await self._changes.wait_until(condition, timeout_s)

    # -- faults

    @property
    def stasis_start_before_reply(self) -> bool:
        """Whether replies to originate and externalMedia wait until after StasisStart (at most 1 s)."""
        return self._shell.stasis_start_before_reply

    @stasis_start_before_reply.setter
    def stasis_start_before_reply(self, value: bool) -> None:
        self._shell.stasis_start_before_reply = value

    @property
    def dial_tries(self) -> int:
        """How often this Asterisk tried to connect to its client (`dials`)."""
        return 0 if self._caller is None else self._caller.tries

    def drop_websocket(self, away_s: float = 0.0) -> None:
        """Cut every event websocket without a handshake; this Asterisk itself dials again after `away_s`."""
        for socket in tuple(self._shell.sockets):
            socket.drop()
        if self._caller is not None:
            self._caller.drop(away_s)

    def freeze_http(self, duration_s: float) -> None:
        """Requests that arrive in the next seconds are handled only afterwards."""
        self.faults.frozen_until_s = asyncio.get_running_loop().time() + duration_s

    def fail_next(self, method: str, path_pattern: str, failure: Failure, *, times: int = 1) -> Fault:
        """A status: refused. "timeout": never answered, not done. "lost_reply": done, the answer is lost. "twice":
        done again, and that answered.
        """
        return self.faults.fail_next(method, path_pattern, failure, times=times)

    def delay_events(self, delay_s: float) -> None:
        """Every event from now on comes this much later, in order; 0 ends it."""
        self.faults.event_delay_s = delay_s

    def hold_back_event(self, event_type: str, delay_s: float) -> None:
        """The next event of this type is overtaken by those that follow it."""
        self.faults.hold_back(event_type, delay_s)

    def inject_event(self, data: bytes) -> None:
        """Send bytes as they are, as a text frame, to every websocket."""
        for socket in self._shell.sockets:
            socket.send_raw(data)
        if self._caller is not None:
            self._caller.send_raw(data)

    async def restart(self, down_s: float = 0.0) -> None:
        """Asterisk dies, and all connections, channels and bridges with it; back after `down_s`, newly started."""
        for site in self._runner.sites:
            await site.stop()
        server = self._runner.server
        for connection in server.connections if server is not None else ():
            if connection.transport is not None:
                connection.transport.abort()
        self.exchange.restart()
        if self._caller is not None:
            self._caller.drop(down_s)
            self._caller.register()
        await asyncio.sleep(down_s)
        await self._listen()
