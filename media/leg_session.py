"""A leg's model session: feeds the session machine, executes its effects, turns what it notices into reports.

The machine (`media.realtime.session`) decides, the connection (`media.realtime.connection`) talks to the server,
the playout is the leg's. Inputs are taken one after the other: an input that an effect causes (a flush answers
with what was heard) waits until all effects of the step before it are done, still in the same callback.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import assert_never

import msgspec

from media import protocol
from media.continuing import on_call_time, past_turns
from media.playout import Playout
from media.protocol import NumberedReport
from media.realtime import notifications as nt
from media.realtime import session_model as sm
from media.realtime.client_events import ClientEvent, encode
from media.realtime.connection import ConnectError, RealtimeConnection, SocketLife
from media.realtime.events import ServerEvent
from media.realtime.session import RealtimeSession
from media.realtime.settings import RealtimeSettings
from media.reports import unnumbered
from media.speech_gate import GateEvent

REPORTS: dict[type[nt.Notification], Callable[..., NumberedReport]] = {
    nt.Ready: protocol.LegReady,
    nt.Failed: protocol.LegFailed,
    nt.SpeechStarted: protocol.SpeechStarted,
    nt.SpeechStopped: protocol.SpeechStopped,
    nt.Partial: protocol.TurnPartial,
    nt.Turn: protocol.TurnSpoken,
    nt.AgentSpeaking: protocol.AgentSpeaking,
    nt.BargeIn: protocol.BargeIn,
    nt.ToolCalled: protocol.ToolCalled,
    nt.ResponseUsed: protocol.ResponseUsed,
    nt.TranscriptionUsed: protocol.TranscriptionUsed,
    nt.Drained: protocol.PlayoutDrained,
    nt.Fault: protocol.Fault,
}
"""Notifications carry the field names of their reports."""


class LegSession:
    """The session of one leg, from the start of `run` to its end."""

    def __init__(
        self,
        call_id: str,
        settings: RealtimeSettings,
        playout: Playout,
        *,
        report: Callable[[NumberedReport], None],
        audio_ms: Callable[[], int],
        guard: Callable[..., None],
        continued: protocol.Continuation | None = None,
    ) -> None:
        self._call_id = call_id
        self._playout = playout
        self._report = report
        self._audio_ms = audio_ms
        self._guard = guard
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._continued = continued
        self._machine = RealtimeSession(settings, None if continued is None else past_turns(continued))
        self._group: asyncio.TaskGroup | None = None
        self._ended = asyncio.Event()
        self._life: SocketLife | None = None
        self._inputs: deque[sm.Input] = deque()
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._playing: str | None = None

    # --- life -------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Connect and talk until `close`, or until the session is lost for good."""
        try:
            async with asyncio.TaskGroup() as group:
                if self._ended.is_set():  # closed before its first step
                    return
                self._group = group
                self._execute(self._machine.start(self._loop.time()))
                if self._continued is not None:
                    self.answered()
                await self._ended.wait()
        finally:
            self._group = None
            self._set_timer(None)

    def close(self) -> None:
        """The call is over: nothing more is played, open turns are reported, the socket closed, `run` returns."""
        self._input(sm.Close(unplayed=self._take_back(fade=False)))
        self._ended.set()

    # --- what happens in the call -----------------------------------------------------------------
    def answered(self) -> None:
        """The callee is there."""
        self._input(sm.Answered())

    def append(self, audio: bytes) -> None:
        """The callee's audio, in the session's format."""
        if (frame := self._machine.append(audio)) is None:
            return
        lost = self._life.connection.append(frame, len(audio)) if self._life is not None else len(audio)
        if lost:
            self._machine.audio_lost(lost, self._loop.time())

    def tool_output(self, tool_call_id: str, output: str, *, respond: bool) -> None:
        """The result of a tool call."""
        self._input(sm.ToolResult(tool_call_id=tool_call_id, output=output, respond=respond))

    def say(self, instructions: str, *, instead: bool = False) -> None:
        """Something the agent shall say."""
        self._input(sm.SayNow(instructions=instructions, instead=instead))

    def inject(self, text: str, *, respond: bool) -> None:
        """Something only the model shall know."""
        self._input(sm.InjectText(text=text, respond=respond))

    def listen_only(self, *, on: bool, owed: bool = False) -> None:
        """The model makes no responses, or again; then `owed`: it answers what it let pass."""
        self._input(sm.ListenOnly(on=on, owed=owed))

    def mute(self, *, on: bool) -> None:
        """The agent is not heard, or again."""
        self._input(sm.MuteAgent(on=on))

    def gate(self, event: GateEvent) -> None:
        """The local gate noticed something about the callee's voice."""
        self._input(sm.LocalGate(event=event, queued_ms=self._playout.queued_ms))

    def playing(self, item_id: str) -> None:
        """A frame of this item was sent."""
        if item_id != self._playing:
            self._playing = item_id
            self._input(sm.PlaybackStarted(item_id=item_id, audio_ms=self._audio_ms()))

    def played(self, item_id: str) -> None:
        """The last frame of this item was sent."""
        self._input(sm.PlaybackFinished(item_id=item_id, audio_ms=self._audio_ms()))

    # --- what the leg reads -----------------------------------------------------------------------
    @property
    def ready(self) -> bool:
        """A session was configured at least once."""
        return self._machine.ready

    @property
    def live(self) -> bool:
        """A session is connected and configured now."""
        return self._machine.state in sm.LIVE_STATES

    @property
    def counters(self) -> sm.Counters:
        """For the statistics of the leg."""
        return self._machine.counters

    @property
    def settled(self) -> bool:
        """The agent has nothing left to say."""
        return self._machine.settled

    @property
    def quiet(self) -> bool:
        """Settled, and nobody speaks or waits for an answer."""
        return self._machine.quiet

    # --- the machine ------------------------------------------------------------------------------
    def _input(self, event: sm.Input) -> None:
        self._inputs.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._inputs:
                self._execute(self._machine.handle(self._inputs.popleft(), self._loop.time()))
        finally:
            self._busy = False
        self._set_timer(self._machine.next_deadline)
        if self._machine.state is sm.SessionState.CLOSED:
            self._ended.set()

    def _execute(self, effects: list[sm.Effect]) -> None:
        for effect in effects:
            match effect:
                case sm.Notify(report=notification):
                    self._notify(notification)
                case sm.Send(event=event):
                    self._send(event)
                case sm.Connect(delay_ms=delay_ms):
                    self._connect(delay_ms)
                case sm.CloseSocket(code=code, reason=reason):
                    self._close_socket(code, reason)
                case _:
                    self._play(effect)

    def _play(self, effect: sm.PlayoutEffect) -> None:
        match effect:
            case sm.Play(item_id=item_id, content_index=content_index, audio=audio):
                self._playout.enqueue(item_id, content_index, audio)
            case sm.FinishItem(item_id=item_id):
                self._playout.finish_item(item_id)
            case sm.FlushPlayback(fade=fade):
                self._flush(fade=fade)
            case sm.PausePlayback():
                self._playout.pause()
            case sm.ResumePlayback():
                self._playout.resume()
            case sm.DuckPlayback(on=on):
                self._playout.ducked = on
            case sm.HoldPlayback():
                self._playout.hold()
            case sm.ReleasePlayback():
                self._playout.release()
            case _:
                assert_never(effect)

    def _flush(self, *, fade: bool) -> None:
        self._inputs.append(sm.PlaybackFlushed(items=self._take_back(fade=fade), audio_ms=self._audio_ms()))

    def _take_back(self, *, fade: bool) -> tuple[sm.HeardItem, ...]:
        """Silence the playout; what it held, and how much of it was heard."""
        self._playing = None
        return tuple(
            sm.HeardItem(
                item_id=one.item_id,
                content_index=one.content_index,
                heard_ms=one.heard_ms,
                received_ms=one.received_ms,
                finished=one.finished and one.heard_ms == one.received_ms,
            )
            for one in self._playout.flush(fade=fade)
        )

    def _notify(self, notification: nt.Notification) -> None:
        fields = msgspec.structs.asdict(notification)
        fields |= {"queued_ms": self._playout.queued_ms} if isinstance(notification, nt.Failed) else {}
        fields = fields if self._continued is None else on_call_time(fields, self._continued)
        self._report(unnumbered(REPORTS[type(notification)], self._call_id, fields))

    def _set_timer(self, deadline: float | None) -> None:
        if self._timer is not None:
            if self._timer.when() == deadline:
                return
            self._timer.cancel()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._guard, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._input(sm.Tick())

    # --- the socket -------------------------------------------------------------------------------
    def _send(self, event: ClientEvent) -> None:
        if self._life is not None:
            self._life.connection.send(encode(event))

    def _connect(self, delay_ms: int) -> None:
        if self._group is None:
            return
        settings = self._settings
        connection = RealtimeConnection(
            settings.url,
            settings.api_key,
            settings.model,
            audio_format=settings.audio_format,
            open_timeout_s=settings.connect_timeout_ms / 1000,
        )
        self._life = life = SocketLife(connection)
        life.task = self._group.create_task(self._live(life, delay_ms), name=f"model socket {self._call_id}")

    async def _live(self, life: SocketLife, delay_ms: int) -> None:
        """One connection from its start to its end. After `CloseSocket` nothing of it reaches the machine."""
        await asyncio.sleep(delay_ms / 1000)
        try:
            await life.connection.open()
            self._input(sm.Connected(at_unix_s=time.time()))
            ended = await life.connection.receive(partial(self._event, life))
        except ConnectError as error:
            ended = sm.ConnectFailed(status=error.status, message=error.message, code=error.code)
        finally:
            await life.connection.close(life.close_code, life.close_reason)
        if self._life is life:
            self._life = None
            self._input(ended)

    def _event(self, life: SocketLife, event: ServerEvent) -> None:
        if self._life is life:
            self._input(sm.ServerFrame(event=event))

    def _close_socket(self, code: int, reason: str) -> None:
        life, self._life = self._life, None
        if life is not None and life.task is not None:
            life.close_code, life.close_reason = code, reason
            life.task.cancel()
