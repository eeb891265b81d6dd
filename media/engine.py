"""The media engine: one UDP socket, one tick, many legs, all in one event loop.

Every 5 ms, on absolute monotonic deadlines, one quarter of the legs gets its 20 ms slot: late audio is filled in,
one frame goes out, levels and recordings take theirs; signal processing is done for all of them at once
(`media.dsp`). A leg that breaks is closed with a report and harms no other. Driven by `media.worker`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from media.clock import TickClock
from media.dsp import warm_up
from media.errors import MediaError, MediaUsageError
from media.lateness import LatenessHistogram
from media.leg import Leg
from media.leg_listener import Hear
from media.protocol import (
    Answered,
    CloseLeg,
    Command,
    ConnectPeer,
    Fault,
    HandBack,
    HoldPlayout,
    InjectText,
    LegClosed,
    LegFailed,
    LegSnapshot,
    LegStatistics,
    Listen,
    Mute,
    NumberedReport,
    OpenLeg,
    OperatorAudio,
    Record,
    Say,
    TakeOver,
    ToolOutput,
    WorkerLoad,
)
from media.reports import unnumbered
from media.surroundings import Surroundings
from media.udp import PeerRefused, RtpSocket

logger = logging.getLogger(__name__)

PHASES = 4
LOAD_PERIOD_S = 5.0
RECORDINGS_END_S = 0.5


class MediaEngine:
    """Legs by call id, their socket and their clock.

    `report` takes every report of every leg, unnumbered (`seq` and `at_unix_ms` 0), `hear` the audio of legs that
    somebody listens in on. The UDP port is taken by the
    constructor (raises OSError), everything else lives while `run` runs.
    """

    def __init__(
        self,
        bind_host: str,
        advertised_host: str,
        port: int,
        report: Callable[[NumberedReport], None],
        hear: Hear = lambda _: None,
    ) -> None:
        self.advertised_host = advertised_host
        self.started = asyncio.Event()
        self.legs: dict[str, Leg] = {}
        self.lateness = LatenessHistogram()
        self._socket = RtpSocket(bind_host, port)
        self.port = self._socket.port
        self._report = report
        self._shared = Surroundings(self._socket, advertised_host, hear)
        self._phases: tuple[list[Leg], ...] = tuple([] for _ in range(PHASES))
        self._stopping = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clock: TickClock | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._load_at = 0.0

    async def run(self) -> None:
        """Serve legs until `stop`; returns when the last leg has reported `LegClosed`."""
        warm_up()
        self._loop = loop = asyncio.get_running_loop()
        self._clock = TickClock(loop.time(), phases=PHASES)
        self._socket.attach(loop)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._tick()
                self.started.set()
                await self._stopping.wait()
                for leg in list(self.legs.values()):
                    leg.close(drain_timeout_ms=0)
        finally:
            self._group = None
            if self._timer is not None:
                self._timer.cancel()
            self._socket.close()
            self._shared.recordings.close(RECORDINGS_END_S)

    def stop(self) -> None:
        """Close all legs at once and end `run`."""
        self._stopping.set()

    def snapshots(self) -> tuple[LegSnapshot, ...]:
        """All living legs, for a control process that has just connected."""
        return tuple(leg.snapshot() for leg in self.legs.values())

    def handle(self, command: Command) -> None:
        """Carry out one command about a leg. A command for a leg that is gone is answered with a `Fault`."""
        if isinstance(command, OpenLeg):
            self._open(command)
            return
        leg = self.legs.get(getattr(command, "call_id", ""))
        if leg is None:
            self._refuse(command)
            return
        leg.guard(self._command, leg, command)

    def _command(self, leg: Leg, command: Command) -> None:
        match command:
            case ConnectPeer(host=host, port=port):
                self._connect(leg, host, port)
            case Answered():
                leg.answer()
            case ToolOutput(tool_call_id=tool_call_id, output=output, respond=respond):
                leg.tool_output(tool_call_id, output, respond=respond)
            case Say(instructions=instructions, instead=instead):
                leg.say(instructions, instead=instead)
            case InjectText(text=text, respond=respond):
                leg.inject(text, respond=respond)
            case Mute(agent=agent, callee=callee):
                leg.mute(agent=agent, callee=callee)
            case HoldPlayout(duration_ms=duration_ms):
                leg.hold_playout(duration_ms)
            case Record(on=on):
                leg.recording.switch(on=on)
            case Listen() | TakeOver() | OperatorAudio() | HandBack():
                _of_people(leg, command)
            case CloseLeg(drain_timeout_ms=drain_timeout_ms):
                leg.close(drain_timeout_ms=drain_timeout_ms)
            case _:
                raise MediaUsageError(f"{type(command).__name__} is no command about a leg")

    # --- legs -------------------------------------------------------------------------------------
    def _open(self, command: OpenLeg) -> None:
        """Start a leg; asked again for a living one (our answer was lost), tell where it is."""
        if self._group is None or self._stopping.is_set():
            self._report_stillborn(command.call_id, "worker_ending", "the media worker is ending")
            return
        leg = self.legs.get(command.call_id)
        if leg is not None:
            leg.report_opened()
            return
        try:
            leg = Leg(command, self._shared, self._report)
        except MediaError as error:
            self._report_stillborn(command.call_id, "settings_refused", str(error))
            return
        self.legs[command.call_id] = leg
        leg.report_opened()
        self._group.create_task(self._live(leg), name=f"leg {command.call_id}")

    async def _live(self, leg: Leg) -> None:
        """One leg's whole life; whatever happens in it ends here."""
        await self._supervised(leg, leg.run)
        for phase in self._phases:
            if leg in phase:
                phase.remove(leg)
        del self.legs[leg.call_id]
        await self._supervised(leg, leg.release)

    async def _supervised(self, leg: Leg, part: Callable[[], Awaitable[None]]) -> None:
        try:
            await part()
        except Exception as error:
            logger.exception("leg %s broke", leg.call_id)
            leg.report_crash(error)

    def _connect(self, leg: Leg, host: str, port: int) -> None:
        try:
            leg.connect_peer((host, port))
        except PeerRefused as error:
            self._report(unnumbered(Fault, leg.call_id, {"code": error.code, "message": str(error)}))
            return
        if not any(leg in phase for phase in self._phases):
            # Audio of all phases is resampled every 5 ms, so a leg loses nothing by joining the emptiest one.
            min(self._phases, key=len).append(leg)

    def _refuse(self, command: Command) -> None:
        call_id = str(getattr(command, "call_id", ""))
        name = type(command).__name__
        message = f"{name} for a leg that does not exist (any more)"
        self._report(unnumbered(Fault, call_id, {"code": "unknown_leg", "message": message}))

    def _report_stillborn(self, call_id: str, code: str, problem: str) -> None:
        """A leg that could not even be made fails and closes like any other."""
        failure = {"code": code, "message": problem, "fatal": False}
        self._report(unnumbered(LegFailed, call_id, failure))
        ending = {"audio_ms": 0, "recording_path": None, "recording_ms": 0, "statistics": LegStatistics()}
        self._report(unnumbered(LegClosed, call_id, ending))

    # --- tick -------------------------------------------------------------------------------------
    def _tick(self) -> None:
        assert self._loop is not None
        assert self._clock is not None
        try:
            self._work(self._clock)
        finally:
            self._timer = self._loop.call_at(self._clock.next_deadline, self._tick)

    def _work(self, clock: TickClock) -> None:
        assert self._loop is not None
        self._socket.drain()  # what waits there must not count as late
        now = self._loop.time()
        slots = clock.due(now)
        if slots:
            self.lateness.add(now - slots[-1].deadline)
        for slot in slots:
            for leg in tuple(self._phases[slot.phase]):
                leg.guard(leg.serve, slot, now)
            self._shared.downlink.run()
            self._shared.taps.run()
        self._shared.uplink.run()
        self._shared.ears.run()
        if now >= self._load_at:
            self._load_at = now + LOAD_PERIOD_S
            self._report_load(clock)

    def _report_load(self, clock: TickClock) -> None:
        if not self.legs:
            self.lateness.clear()
            return
        self._report(
            WorkerLoad(
                seq=0,
                call_id="",
                at_unix_ms=0,
                legs=len(self.legs),
                tick_late_p99_ms=self.lateness.quantile_ms(0.99),
                tick_late_max_ms=self.lateness.max_ms,
                slots_skipped=clock.slots_skipped,
                unknown_source_packets=self._socket.statistics.unknown_source,
                send_errors=self._socket.statistics.send_errors,
            )
        )
        self.lateness.clear()


def _of_people(leg: Leg, command: Listen | TakeOver | OperatorAudio | HandBack) -> None:
    """Somebody listens in, or speaks in the agent's place."""
    match command:
        case Listen(for_ms=for_ms):
            leg.listener.listen(for_ms, asyncio.get_running_loop().time())
        case TakeOver():
            if leg.snapshot().answered:
                leg.mute(agent=True, callee=False)  # an open line, whatever it was before
                leg.operator.take(command)
        case OperatorAudio(audio=audio):
            leg.operator.hear(audio)
        case HandBack():
            leg.operator.hand_back()
