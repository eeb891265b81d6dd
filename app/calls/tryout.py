"""The shell of one test call: the rules of a talk, a leg of the media worker, and a browser at its other end.

The same worker, model session and rules as in a call (`app.calls.conversation`); what is missing is Asterisk, the
task and the attempt. What happens goes to the page as it happens, and into the row at the end. Owned by
`app.calls.tryout_desk`.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import assert_never, cast

import msgspec

from app.calls.closing import CLOSING
from app.calls.conversation import Conversation
from app.calls.field_desk import FieldDesk
from app.calls.plan import offer
from app.calls.talk_model import (
    AskPeople,
    Errand,
    ErrandDone,
    GiveUpAsking,
    NobodyAnswered,
    Note,
    PressKeys,
    StoreField,
    TakeTransferBack,
    TalkEffect,
    TalkState,
    ToMedia,
    TransferDropped,
    WaitLonger,
    WantHangUp,
    WithdrawQuestion,
)
from app.calls.tryout_answers import NOT_ASKED, NOT_PRESSED, answered
from app.calls.tryout_diary import TryoutDiary
from app.calls.tryout_line import BrowserLine, Heard
from app.calls.tryout_plan import Bench, TryoutOrder, leg_of
from app.domain.fields import FieldBook
from app.domain.messages import CallAudio, OperatorVoice, audio_topic, voice_topic
from app.domain.voice import VoiceCheck
from media import protocol as media
from media.client import WorkerLost
from stasis.outcome import EndedBy

READY_LIMIT_S = 15.0
LOST_S = 4.0
"""A microphone that has sent nothing for this long is gone."""
CLOSE_LIMIT_S = 5.0
SOUND_WAITING = 50
QUIET_NOTES = frozenset({"tool_call", "field_saved", "opt_out", "opt_out_listed", CLOSING})
"""Told by steps of their own."""


class Gone(msgspec.Struct, frozen=True):
    """The browser has left, or its person ended the talk."""


Inbox = media.NumberedReport | WorkerLost | ErrandDone | NobodyAnswered | Gone


class TryoutCall:
    """From the open leg to the row that says how it ended."""

    def __init__(self, bench: Bench, plan: TryoutOrder) -> None:
        self._bench = bench
        self._plan = plan
        self._one = plan.tryout
        self._id = plan.tryout.id
        agent = plan.order.agent
        fields = FieldDesk(FieldBook(agent.data_to_fill))
        self._talk = Conversation(self._id, plan.limits, offer(bench.settings, plan.order), fields)
        self._line = BrowserLine(bench.settings.leg_codec, self._heard)
        self._inbox: asyncio.Queue[Inbox] = asyncio.Queue()
        self._sound: asyncio.Queue[Heard] = asyncio.Queue(SOUND_WAITING)
        self._diary = TryoutDiary(bench, plan.tryout)
        self._end: WantHangUp | None = None
        self._began = self._voice_at = bench.clock.monotonic()
        self._open = False

    @property
    def key(self) -> tuple[str, str]:
        """Tenant and id."""
        return self._one.tenant_id, self._id

    def leave(self) -> None:
        """Whoever sat at the microphone has gone."""
        self._inbox.put_nowait(Gone())

    async def run(self) -> None:
        """Talk until somebody ends it, then write it down; cancelled, it is written down all the same."""
        end = WantHangUp(EndedBy.SYSTEM_COMPLETE, "OpenDeep is being stopped")
        try:
            end = await self._live()
        except Exception as fault:
            end = WantHangUp(EndedBy.SYSTEM_FAILURE, f"{_name_of(fault)} in the engine")
            raise
        finally:
            self._line.close()
            await asyncio.shield(self._write_down(end))

    async def _live(self) -> WantHangUp:
        with self._bench.media.open(self._id, self._one.tenant_id) as reports:
            async with asyncio.TaskGroup() as group:
                pumps = [
                    group.create_task(self._pump(reports)),
                    group.create_task(self._voices()),
                    group.create_task(self._play()),
                    group.create_task(self._diary.run()),
                    group.create_task(self._line.run()),
                ]
                end = await self._converse()
                await self._close_leg()
                for pump in pumps:
                    pump.cancel()
        return end

    async def _converse(self) -> WantHangUp:
        self._diary.step("state", "The model is being connected.")
        for sentence in self._plan.missing:
            self._diary.step("note", sentence)
        try:
            await self._bench.media.send(leg_of(self._bench, self._plan))
        except WorkerLost as lost:
            self._inbox.put_nowait(lost)
        while self._end is None:
            item = await self._next()
            now = self._bench.clock.monotonic()
            if item is not None:
                await self._take(item, now)
            else:
                await self._late(now)
        return self._end

    async def _next(self) -> Inbox | None:
        """What came, or None: a deadline has passed."""
        waiting = self._talk.state is TalkState.WAITING
        ours = self._began + READY_LIMIT_S if waiting else self._voice_at + LOST_S
        due = min(at for at in (self._talk.next_deadline, ours) if at is not None)
        try:
            async with asyncio.timeout(max(0.0, due - self._bench.clock.monotonic())):
                return await self._inbox.get()
        except TimeoutError:
            return None

    async def _late(self, now: float) -> None:
        if self._talk.state is TalkState.WAITING:
            if now >= self._began + READY_LIMIT_S:
                self._hang_up(EndedBy.SYSTEM_FAILURE, f"the model was not ready within {READY_LIMIT_S:.0f} s")
        elif now >= self._voice_at + LOST_S:
            self._hang_up(EndedBy.CALLEE, "the microphone is gone")
        await self._effects(self._talk.tick(now))

    async def _take(self, item: Inbox, now: float) -> None:
        match item:
            case media.LegOpened(rtp_port=port):
                self._open = True
                await self._connect(port)
            case media.LegReady() if self._talk.state is TalkState.WAITING:
                self._voice_at = now
                self._diary.begin()
                self._diary.step("state", "The agent is on the line: speak.", ref="live")
                await self._effects(self._talk.answered(now))
            case media.LegClosed():
                self._open = False
                self._hang_up(EndedBy.SYSTEM_FAILURE, "the media leg closed")
            case WorkerLost():
                self._open = False
                self._hang_up(EndedBy.SYSTEM_FAILURE, "the media worker died")
            case Gone():
                self._hang_up(EndedBy.CALLEE, "ended at the microphone")
            case media.Report():
                await self._diary.observe(item)
                await self._effects(self._talk.handle(item, now))
            case ErrandDone() | NobodyAnswered():
                await self._effects(self._talk.handle(item, now))

    async def _connect(self, port: int) -> None:
        """Both ends of the RTP learn of each other."""
        bound = self._bench.settings.rtp_bind_host
        host = "127.0.0.1" if bound == "0.0.0.0" else bound  # noqa: S104 - compared, not bound
        try:
            ours = await self._line.open(host)
        except OSError as problem:
            self._hang_up(EndedBy.SYSTEM_FAILURE, f"no place for the sound: {problem}")
            return
        self._line.connect((host, port))
        await self._send(media.ConnectPeer(call_id=self._id, host=ours[0], port=ours[1]))

    # --- what the talk wants ----------------------------------------------------------------------
    async def _effects(self, effects: Sequence[TalkEffect]) -> None:
        for effect in effects:
            match effect:
                case ToMedia(command):
                    if isinstance(command, media.ToolOutput):
                        self._diary.step("answer", command.output, ref=command.tool_call_id)
                    await self._send(command)
                case WantHangUp(by, reason):
                    self._hang_up(by, reason)
                case Note() | PressKeys() | AskPeople() | TransferDropped():
                    self._note(effect)
                case StoreField(value):
                    self._diary.step("field", value.value, ref=value.name, who=value.name)
                case Errand():
                    told, note = answered(effect)
                    self._diary.step("note", note)
                    self._inbox.put_nowait(ErrandDone(effect.tool_call_id, msgspec.json.encode(told).decode()))
                case GiveUpAsking():
                    self._inbox.put_nowait(NobodyAnswered())
                case WaitLonger() | WithdrawQuestion() | TakeTransferBack():
                    pass  # nobody was asked, and nobody rings
                case _:
                    assert_never(effect)

    def _note(self, effect: Note | PressKeys | AskPeople | TransferDropped) -> None:
        """What a call would do here, and a test call only tells."""
        match effect:
            case Note(kind, detail):
                if kind not in QUIET_NOTES:
                    self._diary.step("note", f"{kind.replace('_', ' ')}: {detail}")
            case PressKeys(digits):
                self._diary.step("note", f"{digits}: {NOT_PRESSED}")
            case AskPeople(question=question):
                self._diary.step("note", f"{question!r} {NOT_ASKED}")
            case TransferDropped(sentence):
                self._diary.step("note", sentence)

    def _hang_up(self, by: EndedBy, reason: str) -> None:
        self._end = self._end or WantHangUp(by, reason)

    async def _send(self, command: media.Command) -> None:
        with suppress(WorkerLost):  # the link tells
            await self._bench.media.send(command)

    # --- what goes on beside it --------------------------------------------------------------------
    async def _pump(self, reports: "asyncio.Queue[media.NumberedReport | WorkerLost]") -> None:
        while True:
            self._inbox.put_nowait(await reports.get())

    async def _voices(self) -> None:
        """The microphone's voice, signed by the console and by nobody else."""
        bench = self._bench
        check = VoiceCheck(bench.settings.command_key.get_secret_value().encode(), *self.key)
        with bench.bus.subscribe(voice_topic(self._id)) as messages:
            async for message in messages:
                if not isinstance(message, OperatorVoice):
                    continue
                if check.accepts(message, bench.clock.unix_ms(), self._one.mic_id):
                    self._voice_at = bench.clock.monotonic()
                    self._line.speak(message.audio)

    def _heard(self, heard: Heard) -> None:
        if not self._sound.full():
            self._sound.put_nowait(heard)

    async def _play(self) -> None:
        while True:
            heard = await self._sound.get()
            sound = CallAudio(call_id=self._id, codec=heard.codec, callee=b"", agent=heard.audio)
            await self._bench.bus.publish(audio_topic(self._id), sound)

    # --- its end ------------------------------------------------------------------------------------
    async def _close_leg(self) -> None:
        """What is still reported (costs, last words) is taken before the end is written."""
        await self._send(media.CloseLeg(call_id=self._id))
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT_S):
                while self._open:
                    item = await self._inbox.get()
                    if isinstance(item, media.LegClosed | WorkerLost):
                        self._open = False
                    elif isinstance(item, media.Report):
                        await self._diary.observe(item)

    async def _write_down(self, end: WantHangUp) -> None:
        bench = self._bench
        with suppress(WorkerLost):
            if self._open:  # cancelled in the middle
                await bench.media.send(media.CloseLeg(call_id=self._id))

        await self._diary.over(str(end.ended_by), end.reason)


def _name_of(fault: Exception) -> str:
    """Of the first one, where several came together."""
    if isinstance(fault, ExceptionGroup):
        group = cast("ExceptionGroup[Exception]", fault)
        return _name_of(group.exceptions[0])
    return type(fault).__name__
