"""The seat of an operator at a leg: their voice to the callee, their words into the transcript.

`media.operator_seat` decides. The voice replaces what the agent would send, slot by slot. The words come from a
second model session that only listens to the microphone, so the two sides are never mixed; without it the callee
hears the operator all the same, and the transcript says that somebody spoke. Owned by `media.leg`.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, assert_never

from msgspec.structs import replace

from media import protocol
from media.commands import OpenLeg, TakeOver
from media.dsp import FORMATS, Lane
from media.leg_audio import LegAudio
from media.leg_session import LegSession
from media.operator_seat import (
    FRAME_BYTES,
    Effect,
    Joined,
    Left,
    OperatorSeat,
    Quiet,
    SeatState,
    TellAgent,
    WriteDown,
)
from media.playout import Playout
from media.protocol import NumberedReport
from media.realtime.settings import RealtimeSettings
from media.reports import unnumbered
from media.surroundings import Surroundings

logger = logging.getLogger(__name__)

RATE_HZ = 16_000
SILENCE = bytes(FRAME_BYTES)
ONLY_LISTEN = "Only listen: somebody else speaks for you. Never answer."


class LegOperator:
    """Does nothing at all until somebody takes over. `position`: where the call is on its own time line, ms."""

    def __init__(
        self,
        opening: OpenLeg,
        surroundings: Surroundings,
        *,
        session: LegSession,
        audio: LegAudio,
        report: Callable[[NumberedReport], None],
        guard: Callable[..., None],
        position: Callable[[], int],
    ) -> None:
        self.group: asyncio.TaskGroup | None = None
        """Of the leg's own tasks, while it runs."""
        self._opening = opening
        self._uplink = surroundings.uplink
        self._session = session
        self._audio = audio
        self._report = report
        self._guard = guard
        self._position = position
        self._loop = asyncio.get_running_loop()
        self._seat = OperatorSeat()
        self._quiet = {"supervision": False, "operator": False}
        self._takes = 0
        self._since_ms = 0
        self._writer: LegSession | None = None
        self._lane: Lane | None = None
        self._wrote = True  # nobody has spoken, so nothing is missing

    # --- what the leg calls -----------------------------------------------------------------------
    @property
    def seated(self) -> bool:
        """A person speaks for the agent."""
        return self._seat.state is not SeatState.EMPTY

    def take(self, command: TakeOver) -> None:
        """Somebody takes over from the agent; the callee is there."""
        if self.group is not None:
            self._carry_out(self._seat.take(command, self._loop.time()))

    def hand_back(self) -> None:
        """The agent shall go on."""
        self._carry_out(self._seat.hand_back(self._loop.time()))

    def hear(self, audio: bytes) -> None:
        """Some of the operator's voice."""
        self._seat.hear(audio, self._loop.time())

    def listen_only(self, *, on: bool, owed: bool) -> None:
        """Answer supervision wants the agent to listen only, or no more; `owed`: and answer what it let pass."""
        self._be_quiet("supervision", on=on, owed=owed)

    def serve(self, now: float) -> None:
        """One slot: before the leg sends its frame."""
        if not self.seated:
            return
        frame = self._seat.frame()
        self._audio.operator_frame = frame
        if self._lane is not None:
            self._lane.feed(SILENCE if frame is None else frame)  # its clock goes on while nobody speaks
        self._carry_out(self._seat.tick(now))

    def close(self) -> None:
        """The call is over."""
        self._write_down(on=False)
        self._audio.operator_leaves()

    # --- what the seat wants ----------------------------------------------------------------------
    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Quiet(on=on):
                    self._hush(on=on)
                case WriteDown(on=on):
                    self._write_down(on=on)
                case TellAgent(text=text):
                    self._session.inject(text, respond=True)
                case Joined():
                    self._tell(protocol.OperatorJoined)
                case Left(why=why, spoke_ms=spoke_ms):
                    self._audio.operator_leaves()
                    self._tell(protocol.OperatorLeft, why=why, spoke_ms=spoke_ms)
                case _:
                    assert_never(effect)

    def _hush(self, *, on: bool) -> None:
        """Closed on both sides of the model: it makes no responses, and what comes all the same is not played."""
        self._be_quiet("operator", on=on)
        self._session.mute(on=on)
        if on:
            self._audio.operator_joins()

    def _be_quiet(self, who: str, *, on: bool, owed: bool = False) -> None:
        self._quiet[who] = on
        self._session.listen_only(on=any(self._quiet.values()), owed=owed)

    # --- the words --------------------------------------------------------------------------------
    def _write_down(self, *, on: bool) -> None:
        if on:
            self._takes += 1
            self._since_ms = self._position()
            self._wrote = False
            self._open_writer()
            return
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        if self._lane is not None:
            self._uplink.close_lane(self._lane)
            self._lane = None
        if not self._wrote and self._seat.spoke_ms:
            self._mark()
            self._wrote = True  # the end of the call comes here again

    def _open_writer(self) -> None:
        """The second session, listening to the microphone alone."""
        if self.group is None:
            return
        facts = FORMATS[self._opening.realtime.audio_format]
        writer = LegSession(
            self._opening.call_id,
            _listening(self._opening.realtime),
            Playout(frame_bytes=facts.frame_bytes, bytes_per_ms=facts.frame_bytes // 20, silence=facts.silence),
            report=self._written,
            audio_ms=lambda: self._position() - self._since_ms,
            guard=self._guard,
        )
        rates, laws = (RATE_HZ, facts.sample_rate_hz), (None, facts.law)
        self._lane = self._uplink.open_lane(
            "polyphase", rates, laws, lambda audio: self._guard(writer.append, audio)
        )
        self._writer = writer
        self.group.create_task(self._live(writer), name=f"operator's words {self._opening.call_id}")

    async def _live(self, writer: LegSession) -> None:
        """Whatever becomes of it, the call goes on."""
        self._loop.call_soon(self._guard, _begin, writer)  # after the session's first step
        try:
            await writer.run()
        except Exception:
            logger.exception("the words of an operator on %s are not written down", self._opening.call_id)
            self._seat.unwritten()

    def _written(self, report: NumberedReport) -> None:
        """What the second session reports: words are the operator's, the rest is nobody's."""
        match report:
            case protocol.SpeechStarted():
                self._seat.speaks()
            case protocol.TurnPartial(speaker="callee"):
                self._report(replace(report, speaker="operator", item_id=self._item(report.item_id)))
            case protocol.TurnSpoken(speaker="callee"):
                self._wrote = True
                self._seat.said(report.text)
                start_ms, end_ms = report.start_audio_ms + self._since_ms, report.end_audio_ms + self._since_ms
                moved = replace(report, speaker="operator", item_id=self._item(report.item_id))
                self._report(replace(moved, start_audio_ms=start_ms, end_audio_ms=end_ms))
            case protocol.TranscriptionUsed():
                self._report(replace(report, item_id=self._item(report.item_id)))
            case protocol.LegFailed():
                self._seat.unwritten()
                self._tell(protocol.Fault, code="operator_not_written", message=report.message)
            case _:
                pass

    def _item(self, item_id: str) -> str:
        return f"operator-{self._takes}-{item_id}"

    def _mark(self) -> None:
        """Nothing was written down of what was said: the transcript says so."""
        seconds = round(self._seat.spoke_ms / 1000)
        self._tell(
            protocol.TurnSpoken,
            speaker="operator",
            item_id=self._item("voice"),
            text=f"(spoke for {seconds} s; the words were not written down)",
            start_audio_ms=self._since_ms,
            end_audio_ms=self._position(),
        )

    def _tell(self, kind: Callable[..., NumberedReport], **fields: Any) -> None:
        self._report(unnumbered(kind, self._opening.call_id, fields))


def _begin(writer: LegSession) -> None:
    """The microphone is there, and nobody is to be answered."""
    writer.listen_only(on=True)
    writer.answered()


def _listening(settings: RealtimeSettings) -> RealtimeSettings:
    """A session that only hears: no functions, nothing to say, nothing to play."""
    return replace(
        settings,
        instructions=ONLY_LISTEN,
        greeting="",
        opening="wait_for_hello",
        tools=(),
        filler=b"",
        apology=b"",
        priming="",
    )
