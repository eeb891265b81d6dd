"""What happens while a session lives: greeting, user turns, barge-in, tools, farewell.

The part of the Realtime session machine that knows nothing of sockets; it joins the response slot (`sequencer`),
the agent's responses and speech, the callee's turns and the tool calls. Called by `media.realtime.session`.
"""

from typing import assert_never

from media.realtime import events as ev
from media.realtime.callee import CalleeTurns
from media.realtime.client_events import ConversationItem, ConversationItemCreate
from media.realtime.greeting import Greeting
from media.realtime.input_audio import InputAudio
from media.realtime.listening import Listening
from media.realtime.muting import Muting
from media.realtime.notifications import Turn
from media.realtime.outbox import Outbox
from media.realtime.priming import spoken_only, system_item
from media.realtime.reply import Reply
from media.realtime.responses import Responses
from media.realtime.sequencer import Sequencer
from media.realtime.session_model import (
    EngineInput,
    FlushPlayback,
    HeardItem,
    InjectText,
    ListenOnly,
    LocalGate,
    MuteAgent,
    PlaybackFinished,
    PlaybackFlushed,
    PlaybackStarted,
    SayNow,
    SessionState,
    ToolResult,
)
from media.realtime.settings import RealtimeSettings
from media.realtime.speech import AgentSpeech
from media.realtime.tool_calls import ToolCalls, call_item, output_item
from media.realtime.transcript import TurnLedger
from media.realtime.turn_taking import TurnTaking
from media.realtime.unheard import Unheard
from media.realtime.wants import ActiveResponse, Want

AFTER_OUTAGE_S = 1.0
"""A callee cut off in the middle of a sentence may still be speaking: listen this long before answering."""
INJECTED_KEPT = 6
"""What the model was told behind the callee's back and a session that takes over must know too."""


class Conversation:
    """State of one call's conversation; `live` from the configuring of a session to its loss."""

    def __init__(
        self,
        settings: RealtimeSettings,
        outbox: Outbox,
        audio: InputAudio,
        listening: Listening,
        continued: tuple[Turn, ...] | None = None,
    ) -> None:
        self.live = False
        self.injected: tuple[str, ...] = ()
        self.ledger = TurnLedger(audio.bytes_per_ms)
        self.tools = ToolCalls()
        self.sequencer = Sequencer(outbox)
        self.speech = AgentSpeech(outbox, self.ledger, settings.path_ms)
        self.responses = Responses(settings.model, outbox, self.sequencer, self.speech, self.tools)
        self._listening = listening
        self._settings = settings
        self._outbox = outbox
        self._audio = audio
        self.callee = CalleeTurns(outbox, self.ledger, audio, settings.transcription_model)
        self._unheard = Unheard(audio)
        self._answered_at: float | None = None
        self._greeting = Greeting(settings, self.sequencer)
        self.reply = Reply(outbox, self.responses, listening)
        self.turns = TurnTaking(
            settings.barge_in, outbox, self.sequencer, speech=self.speech, reply=self.reply, callee=self.callee
        )
        self._muting = Muting(outbox, self.sequencer)
        self._continuing = continued is not None  # then it has been greeted, and the agent speaks first
        if continued is not None:
            self._greeting.off()
            self.ledger.before = continued

    @property
    def settled(self) -> bool:
        """The agent has nothing left to say: nothing is wanted, generated, queued or being sent."""
        return self.sequencer.idle and not self.speech.playing

    @property
    def quiet(self) -> bool:
        """Settled, nobody speaks, waits for an answer or for a tool: a good moment to change sessions."""
        return self.settled and self.turns.heard_out and not self.tools.pending

    @property
    def state(self) -> SessionState:
        """Which of the live states this is."""
        if self.sequencer.user_speaking:
            return SessionState.USER_SPEAKING
        if self.sequencer.busy or self.speech.playing:
            return SessionState.RESPONDING
        return SessionState.TOOL_PENDING if self.tools.pending else SessionState.LISTENING

    @property
    def waited_for(self) -> bool:
        """The callee is there, nobody speaks, and it is the agent's turn (in an outage: whatever it said last)."""
        if self._answered_at is None or self._muting.on or self.speech.playing or self.sequencer.user_speaking:
            return False
        return not self.live or not self.sequencer.idle or self.tools.pending or self.reply.due is not None

    @property
    def next_deadline(self) -> float | None:
        """When `advance` has something to do without an input; only of use while live."""
        times = (self._greeting.due, self.turns.next_deadline, self.sequencer.next_deadline)
        return min((time for time in times if time is not None), default=None)

    # --- life of a session --------------------------------------------------------------------------------------
    def began(self, now: float) -> None:
        """A session is configured."""
        self.live = True
        self._listening.confirmed()
        if self._continuing:
            self._continuing = False
            self.reply.owe(now)
        if self._answered_at is None:
            self._greeting.early(now)

    def ended(self, now: float) -> None:
        """The session is gone; what the callee is owed is asked for in the next one."""
        self.callee.lost()
        if not self.live:
            return
        self.live = False
        speaking = self.sequencer.user_speaking
        self._unheard.lost(self.sequencer.heard_at, noticed=speaking)
        owed = self.turns.lost()
        owed = self.tools.new_session() or owed
        owed = (self.sequencer.reset() and not self.tools.pending) or owed
        self.speech.new_session()
        if self._answered_at is None:
            self._greeting.lost()
            if self.speech.playing:
                self._outbox.put(FlushPlayback(fade=False))
        elif owed and not self.sequencer.wants:
            self._owe_again(now, AFTER_OUTAGE_S if speaking else 0.0)

    def close(self, now: float, unplayed: tuple[HeardItem, ...] = ()) -> None:
        """The call is over: report the turns that are still open."""
        self.live = False
        self.speech.close(unplayed, 0 if self._answered_at is None else round((now - self._answered_at) * 1_000))
        self.callee.abandon(now)

    # --- what the engine says -----------------------------------------------------------------------------------
    def engine_input(self, event: EngineInput, now: float) -> None:
        """What the control process asks for and what the playout reports; also between two sessions."""
        match event:
            case SayNow():
                self._say(event, now)
            case ToolResult():
                self._tool_result(event, now)
            case InjectText():
                self._inject(event, now)
            case MuteAgent(on=on) if self._answered_at is not None:
                self._muting.turn(now, on=on)
            case LocalGate():
                self._gate(event, now)
            case ListenOnly():
                self._listen_only(event, now)
            case PlaybackStarted():
                self._playback_started(event, now)
            case PlaybackFinished():
                self.speech.finished(event)
            case PlaybackFlushed():
                self.speech.flushed(event, answered=self._answered_at is not None)
            case MuteAgent():
                pass  # nobody could hear it yet
            case _:
                assert_never(event)

    def answered(self, now: float) -> None:
        """Audio position 0. Who waits for a hello waits from here."""
        self._answered_at = now
        self._greeting.answered(now)

    def _say(self, event: SayNow, now: float) -> None:
        self._greeting.off()
        if event.instead:
            self.turns.fall_silent(now)
        config = spoken_only(self._settings.instructions, event.instructions)
        self.sequencer.ask(Want(kind="say", asked_at=now, config=config), instead=event.instead)

    def _inject(self, event: InjectText, now: float) -> None:
        self.injected = (*self.injected, event.text)[-INJECTED_KEPT:]
        if self.live:
            self._create_item(system_item(event.text))
        if event.respond:
            self.responses.owe(now)

    def _gate(self, event: LocalGate, now: float) -> None:
        self._unheard.gate(event.event, now, live=self.live, heard_at=self.sequencer.heard_at)
        self.turns.gate(event, now)

    def _listen_only(self, event: ListenOnly, now: float) -> None:
        waits = self._listening.missed and event.owed
        if not self._listening.turn(only=event.on, live=self.live):
            return
        if not event.on:
            if waits and not self.sequencer.user_speaking:
                self.reply.owe_turn(now)
            return
        self._listening.missed = self.sequencer.busy or self.reply.due is not None or self.speech.playing
        self._greeting.wait()
        self.sequencer.wants = [want for want in self.sequencer.wants if want.kind == "say"]
        self.turns.fall_silent(now)

    def _tool_result(self, event: ToolResult, now: float) -> None:
        call = self.tools.answer(event.tool_call_id, event.output, respond=event.respond)
        if call is None:
            self._outbox.fault("unexpected_tool_result", f"no call {event.tool_call_id} awaits a result", now)
            return
        if not self.live:
            return
        if not call.known:
            self._create_item(call_item(call))
            call.known = True
        self._create_item(output_item(call))

    def _playback_started(self, event: PlaybackStarted, now: float) -> None:
        answered_at = now if self._answered_at is None else self._answered_at
        if self.speech.started(event, now, answered_at=answered_at, stopped_at=self.reply.stopped_at):
            self.reply.stopped_at = None

    # --- what the server says -----------------------------------------------------------------------------------
    def server_event(self, event: ev.TypedServerEvent, now: float) -> None:
        """Any event but those of the session's own life."""
        match event:
            case ev.InputSpeechStarted() if self._answered_at is not None:
                self._greeting.off()
                self.turns.speech_started(event, now)
            case ev.InputSpeechStopped() if self._answered_at is not None:
                self.turns.speech_stopped(event, now)
            case ev.InputCommitted():
                self._listening.heard()
                self.turns.committed(event, now)
            case ev.TranscriptionDelta():
                self.callee.event(event, now)
            case ev.TranscriptionCompleted() | ev.TranscriptionFailed():
                self.turns.transcribed(event, now)
            case ev.ItemAdded():
                self.tools.acknowledge(event.item)
            case ev.ErrorEvent():
                self.responses.error(event.error, now)
            case ev.SessionCreated() | ev.SessionUpdated() | ev.InputSpeechStarted() | ev.InputSpeechStopped():
                pass
            case _:
                over = self.responses.event(event, now)
                if isinstance(event, ev.ResponseDone):
                    self.turns.over(event.response.status, over)
                    self.speech.response_done(event.response)
                self._begun(over, now)

    # --- time ---------------------------------------------------------------------------------------------------
    def advance(self, now: float) -> None:
        """Do what is due: the end of every step while live."""
        self._begun(self.sequencer.active, now)
        self._greeting.advance(now)
        self.turns.advance(now)
        self.responses.follow_up_tools(now)
        self.sequencer.pump(now)
        self.speech.close_items(self.sequencer.is_active)
        if self.settled and self.turns.heard_out:
            self.speech.tell_drained()

    # --- inside -------------------------------------------------------------------------------------------------
    def _owe_again(self, now: float, pause_s: float) -> None:
        if self._listening.only:
            return
        if self.ledger.callee or self.ledger.recent(1):
            self.responses.owe(now, pause_s)
        else:
            self._greeting.again(now)

    def _begun(self, response: ActiveResponse | None, now: float) -> None:
        """A response came: nobody else has to greet."""
        if response is None or response.muted:
            return
        if response.request is None:
            self._greeting.off()
        self.turns.begun(response, now)

    def _create_item(self, item: ConversationItem) -> None:
        self._outbox.send(ConversationItemCreate(event_id=self._outbox.event_id(), item=item))
