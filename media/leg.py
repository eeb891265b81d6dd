"""One call's media: an audio path, a model session, a recording, and the reports about them.

Lives from `OpenLeg` to `LegClosed`. It ends when told to, at once or after its last words, when it has lived
longer than `max_duration_ms` even if no control process is left, or when something in it breaks. Owned and
supervised by `media.engine`.
"""

import asyncio
import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

from media.awaited import AwaitedTools
from media.clock import Slot
from media.dsp import FORMATS
from media.dtmf import DtmfPress
from media.leg_answer import LegAnswer
from media.leg_audio import LegAudio
from media.leg_listener import LegListener
from media.leg_operator import LegOperator
from media.leg_recording import LegRecording
from media.leg_session import LegSession
from media.leg_statistics import leg_statistics
from media.protocol import (
    DtmfHeard,
    Fault,
    LegClosed,
    LegFailed,
    LegOpened,
    LegSnapshot,
    Levels,
    NumberedReport,
    OpenLeg,
)
from media.recording import RecordingResult
from media.reports import unnumbered
from media.speech_gate import SpeechGate
from media.surroundings import Surroundings
from media.taps import Measured
from media.udp import Address

logger = logging.getLogger(__name__)

LEVELS_EVERY_SLOTS = 50


class Leg:
    """See the module. Every method that the engine calls goes through `guard`, so a leg can only harm itself."""

    def __init__(
        self, opening: OpenLeg, surroundings: Surroundings, report: Callable[[NumberedReport], None]
    ) -> None:
        self.call_id = opening.call_id
        self._opening = opening
        self._shared = surroundings
        self._tell_control = report
        self._loop = asyncio.get_running_loop()
        self._peer: Address | None = None
        self._answered_at: float | None = None
        self._ended_at: float | None = None
        self._ending = asyncio.Event()
        self._draining = self._deaf = False
        self._broken: Exception | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._slots, self._tools = 0, AwaitedTools()
        self._audio = LegAudio(
            opening,
            batches=(surroundings.uplink, surroundings.downlink),
            guard=self.guard,
            to_model=self._to_model,
            to_peer=self._to_peer,
        )
        self._session = LegSession(
            opening.call_id,
            opening.realtime,
            self._audio.playout,
            report=self._report,
            audio_ms=lambda: self.audio_ms,
            guard=self.guard,
            continued=opening.continued,
        )
        self.recording = LegRecording(opening, surroundings.recordings, self._audio.tap)
        self.listener = LegListener(opening.call_id, self._audio.tap, surroundings.hear)
        self._offset_ms = 0 if opening.continued is None else opening.continued.audio_ms
        self.operator = LegOperator(
            opening,
            surroundings,
            session=self._session,
            audio=self._audio,
            report=self._report,
            guard=self.guard,
            position=lambda: self._offset_ms + self.audio_ms,
        )
        self._gate = SpeechGate()
        self._audio.tap.on_levels = functools.partial(self.guard, self._measured)
        self._answer = LegAnswer(
            opening,
            surroundings.ears,
            tell=self._tell,
            listen_only=lambda on, owed: self.operator.listen_only(on=on, owed=owed),
            to_model=self._session.append,
        )

    async def run(self) -> None:
        """Talk until the leg ends. Raises what broke it."""
        self._timers.append(self._loop.call_later(self._opening.max_duration_ms / 1000, self._outlived))
        try:
            async with asyncio.TaskGroup() as group:
                self.operator.group = group
                group.create_task(self._session.run(), name=f"session {self.call_id}")
                if self._opening.continued is not None:
                    self._loop.call_soon(self.guard, self.answer)  # after the session's first step
                await self._ending.wait()
                # The call is over now; that a server takes seconds to say goodbye belongs neither to its length
                # nor into its recording.
                self._ended_at = self._loop.time()
                self.recording.stop()
                self.operator.close()
                self._session.close()
        finally:
            for timer in self._timers:
                timer.cancel()
        if self._broken is not None:
            raise self._broken

    async def release(self) -> None:
        """Give back everything and report `LegClosed`: after it nothing of the leg is left."""
        audio_ms = self._offset_ms + self.audio_ms
        recorded: RecordingResult | None = None
        try:
            if self._peer is not None:
                self._shared.socket.remove_peer(self._peer)
            self._audio.close()
            self._answer.close()
            recorded = await self.recording.end(
                lambda problem: self._tell(Fault, code="recording_failed", message=problem)
            )
        finally:
            self._tell(
                LegClosed,
                audio_ms=audio_ms,
                recording_path=recorded.path if recorded is not None and recorded.written_ms else None,
                recording_ms=recorded.written_ms if recorded is not None else 0,
                statistics=leg_statistics(self._audio, self._session.counters, recorded),
            )

    def guard(self, step: Callable[..., None], *arguments: Any) -> None:
        """Run a step of this leg; what it raises ends this leg and nothing else."""
        try:
            step(*arguments)
        except Exception as error:  # noqa: BLE001 - supervision: a bug met by one call must not end the others
            if self._broken is None:
                self._broken = error
            self._ending.set()

    def report_crash(self, error: Exception) -> None:
        """Tell that the leg ended because of a bug; the log has the details."""
        self._tell(LegFailed, code="leg_broke", message=f"{type(error).__name__} in the media leg", fatal=False)

    def _outlived(self) -> None:
        limit = f"the leg lived longer than {self._opening.max_duration_ms} ms"
        self._tell(LegFailed, code="max_duration", message=limit, fatal=False)
        self._ending.set()

    def report_opened(self) -> None:
        """Where this leg's RTP is expected."""
        self._tell(LegOpened, rtp_host=self._shared.advertised_host, rtp_port=self._shared.socket.port)

    def connect_peer(self, address: Address) -> None:
        """Talk with this address from now on, and with no other. Raises PeerRefused."""
        if address == self._peer:
            return
        self._shared.socket.add_peer(address, functools.partial(self.guard, self._receive))
        if self._peer is not None:
            self._shared.socket.remove_peer(self._peer)
        self._peer = address

    def answer(self) -> None:
        """The callee is there: audio position 0. Repeated answers change nothing."""
        if self._answered_at is not None or self._ended_at is not None:
            return
        self._answered_at = self._loop.time()
        self._audio.begin_count()
        self.recording.begin()
        self._answer.answered(self.guard)
        self._session.answered()

    def tool_output(self, tool_call_id: str, output: str, *, respond: bool) -> None:
        """Hand the result of a tool call to the model."""
        self._tools.answered(tool_call_id)
        self._session.tool_output(tool_call_id, output, respond=respond)

    def say(self, instructions: str, *, instead: bool = False) -> None:
        """Make the agent say something of its own accord."""
        self._session.say(instructions, instead=instead)

    def inject(self, text: str, *, respond: bool) -> None:
        """Tell the model something the callee does not hear."""
        self._session.inject(text, respond=respond)

    def mute(self, *, agent: bool, callee: bool) -> None:
        """Who is not heard from now on. A callee who is not heard is silent to the model: its time goes on."""
        self._deaf = callee
        self._session.mute(on=agent)

    def hold_playout(self, duration_ms: int) -> None:
        """Be silent for a while; what is queued is kept."""
        self._audio.playout.hold_until(self._loop.time() + duration_ms / 1000)

    def close(self, drain_timeout_ms: int) -> None:
        """End the leg; with a timeout, after what the agent still has to say was sent."""
        if drain_timeout_ms <= 0 or self._answered_at is None or self._peer is None:
            self._ending.set()
        elif not self._draining:
            self._draining = True
            self._timers.append(self._loop.call_later(drain_timeout_ms / 1000, self._ending.set))

    def serve(self, slot: Slot, now: float) -> None:
        """One 20 ms slot of this leg."""
        self.operator.serve(now)
        out, presses = self._audio.serve(slot, now)
        self._answer.feed(self._audio.tap.callee_passed, self.audio_ms)
        self._shared.taps.add(self._audio.tap)
        self.listener.serve(now)
        self._dtmf(presses)
        if out.item_id is not None:
            self._session.playing(out.item_id)
        for item_id in out.finished_items:
            self._session.played(item_id)
        self._slots += 1
        if self._slots % LEVELS_EVERY_SLOTS == 0:
            self._report_levels()
        if self._draining and out.payload is None and self._audio.idle and self._session.settled:
            self._ending.set()

    def _receive(self, datagram: bytes, now: float) -> None:
        self._dtmf(self._audio.receive(datagram, now))

    def _to_model(self, audio: bytes) -> None:
        silence = FORMATS[self._opening.realtime.audio_format].silence
        self._answer.forward(silence * len(audio) if self._deaf else audio)

    def _to_peer(self, datagram: bytes) -> None:
        if self._peer is not None:
            self._shared.socket.send(datagram, self._peer)

    def _measured(self, callee: Sequence[Measured], agent: Measured) -> None:
        """The levels of one slot: what the local gate makes of them goes to the session."""
        if self._answered_at is None or self._ended_at is not None:
            return
        heard = [(0.0 if self._deaf else one.square, one.ms) for one in callee]
        for event in self._gate.slot(heard, agent.square):
            self._session.gate(event)
        self._audio.callee.quiet_square = self._gate.quiet_square

    def _dtmf(self, presses: list[DtmfPress]) -> None:
        for press in presses:
            self._tell(DtmfHeard, digit=press.digit, duration_ms=press.duration_ms)

    @property
    def audio_ms(self) -> int:
        """Position on this leg's time line: since the answer, 0 before it, standing still after the end."""
        if self._answered_at is None:
            return 0
        now = self._loop.time() if self._ended_at is None else self._ended_at
        return int((now - self._answered_at) * 1000)

    def snapshot(self) -> LegSnapshot:
        """This leg as a new control process needs to know it."""
        return LegSnapshot(
            call_id=self.call_id,
            codec=self._opening.codec,
            rtp_host=self._shared.advertised_host,
            rtp_port=self._shared.socket.port,
            peer=self._peer,
            ready=self._session.ready,
            answered=self._answered_at is not None,
            audio_ms=self._offset_ms + self.audio_ms,
            agent_speaking=not self._audio.playout.drained,
            tools_awaited=self._tools.ids,
        )

    def _report(self, report: NumberedReport) -> None:
        self._tell_control(report)
        self._tools.reported(report)
        self._answer.overhear(report)

    def _tell(self, kind: Callable[..., NumberedReport], **fields: object) -> None:
        self._report(unnumbered(kind, self.call_id, fields))

    def _report_levels(self) -> None:
        self._tell(
            Levels,
            callee_dbov=round(self._audio.tap.callee.take(), 1),
            agent_dbov=round(self._audio.tap.agent.take(), 1),
            jitter_ms=round(self._audio.received.jitter_ms, 2),
            packets_lost=self._audio.jitter.stats.packets_lost,
            audio_ms=self._offset_ms + self.audio_ms,
        )
