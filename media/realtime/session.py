"""State machine of one model session over the whole call: connect, configure, talk, reconnect, close (pure).

`handle(input, now)` returns the effects to execute in order; `append(audio)` is the fast path for the callee's
audio. Rules of the OpenAI Realtime API (GA form, WebSocket). Executed by the media engine's leg.
"""

from media.realtime import events as ev
from media.realtime import session_model as sm
from media.realtime.api_errors import FATAL_CODES, FATAL_STATUS, HOPELESS_STATUS, SESSION_EXPIRED
from media.realtime.configure import format_problem, session_config
from media.realtime.conversation import Conversation
from media.realtime.filler import Filler
from media.realtime.input_audio import InputAudio
from media.realtime.listening import Listening
from media.realtime.notifications import Failed, Ready, Turn
from media.realtime.outbox import CODE_LENGTH, MESSAGE_LENGTH, Outbox
from media.realtime.reconnect import ReconnectPlan, SessionLife
from media.realtime.settings import RealtimeSettings
from media.realtime.takeover import Takeover

_NO_SOCKET = frozenset({sm.SessionState.CONNECTING, sm.SessionState.RECONNECTING})


class RealtimeSession:
    """One call's model session. Build it, `start` it, then `handle` every input until `state` is closed."""

    def __init__(self, settings: RealtimeSettings, continued: tuple[Turn, ...] | None = None) -> None:
        """`continued`: turns to go on after. Raises `MediaUsageError` when a tool schema is not JSON."""
        self._settings = settings
        self._outbox = Outbox()
        self._audio = InputAudio(settings.audio_format)
        self._listening = Listening(session_config(settings), self._outbox)
        self._talk = Conversation(settings, self._outbox, self._audio, self._listening, continued)
        self._takeover = Takeover(settings, self._outbox, self._audio, talk=self._talk, listening=self._listening)
        self._filler = Filler(settings.filler, self._outbox)
        self._plan = ReconnectPlan()
        self._life = SessionLife()
        self._state = sm.SessionState.CONNECTING
        self._started_at = 0.0
        self._ready = False
        self._configure_by: float | None = None

    # --- what the engine reads ----------------------------------------------------------------------------------
    @property
    def state(self) -> sm.SessionState:
        """Where the session is in its life."""
        return self._state

    @property
    def closed(self) -> bool:
        """The end: no input has an effect any more."""
        return self._state is sm.SessionState.CLOSED

    @property
    def ready(self) -> bool:
        """`Ready` was reported: a session was configured at least once."""
        return self._ready

    @property
    def settled(self) -> bool:
        """The agent has nothing left to say: nothing is wanted, generated, queued or being sent."""
        return self.closed or self._talk.settled

    @property
    def quiet(self) -> bool:
        """Settled, nobody speaks, waits for an answer or for a tool."""
        return self._talk.quiet

    @property
    def position_ms(self) -> int:
        """Callee audio handed to `append` since the answer: the call's own audio time line."""
        return self._audio.position_ms

    @property
    def counters(self) -> sm.Counters:
        """What was seen and survived."""
        self._outbox.counters.input_dropped_ms = self._audio.dropped_ms
        return self._outbox.counters

    @property
    def next_deadline(self) -> float | None:
        """When a `Tick` is due at the latest (monotonic seconds), None if only inputs matter, or none any more."""
        times = [self._filler.next_deadline, self._configure_by]
        if self._configure_by is None and self._talk.live:
            times += [self._talk.next_deadline, self._life.rotate_at if self._talk.quiet else None]
        return None if self.closed else min((time for time in times if time is not None), default=None)

    # --- what the engine calls ----------------------------------------------------------------------------------
    def start(self, now: float) -> list[sm.Effect]:
        """Begin: hold the playback until the answer, and connect."""
        self._started_at = now
        self._plan.begin(now)
        self._outbox.put(sm.HoldPlayback())
        self._outbox.put(sm.Connect(delay_ms=0))
        return self._outbox.drain()

    def append(self, audio: bytes) -> bytes | None:
        """Callee audio in the session's format, as the frame to send; None when there is nothing to send now.

        Before `Answered` audio is dropped, between sessions the last second is kept for the next one.
        """
        return None if self.closed else self._audio.append(audio)

    def audio_lost(self, audio_bytes: int, now: float) -> None:
        """Frames of `append` were thrown away unsent: keeps audio positions right. Told with the next effects."""
        self._audio.lose(audio_bytes)
        self._outbox.fault("audio_dropped", "the network takes the callee's audio too slowly", now)

    def handle(self, event: sm.Input, now: float) -> list[sm.Effect]:
        """Take one input, return the effects in order. Nothing a server sends raises; closed answers nothing."""
        if self.closed:
            return []
        self._take(event, now)
        if not self.closed:
            self._advance(now)
        if not self.closed:
            self._filler.watch(now, waiting=self._talk.waited_for)
        return self._outbox.drain()

    # --- inputs -------------------------------------------------------------------------------------------------
    def _take(self, event: sm.Input, now: float) -> None:
        match event:
            case sm.ServerFrame():
                if self._state not in _NO_SOCKET:
                    self._talk.sequencer.heard_at = now
                    self._frame(event.event, now)
            case sm.Connected():
                self._connected(event, now)
            case sm.ConnectFailed():
                self._connect_failed(event, now)
            case sm.Disconnected():
                self._disconnected(event, now)
            case sm.Answered():
                self._answered(now)
            case sm.Close(unplayed=unplayed):
                self._end(now, unplayed=unplayed)
            case sm.Tick():
                pass
            case _:
                self._talk.engine_input(event, now)

    def _connected(self, event: sm.Connected, now: float) -> None:
        if self._state not in _NO_SOCKET:
            return
        self._life.opened(event.at_unix_s, now)
        self._configure_by = now + self._settings.connect_timeout_ms / 1_000
        self._enter(sm.SessionState.CONFIGURING)

    def _connect_failed(self, event: sm.ConnectFailed, now: float) -> None:
        if self._state not in _NO_SOCKET:
            return
        fatal = event.code in FATAL_CODES or event.status in FATAL_STATUS
        if fatal or event.status in HOPELESS_STATUS:
            self._fail(event.code or f"http_{event.status}", event.message, now, fatal=fatal)
        else:
            self._connect_again(event.message, now)

    def _disconnected(self, event: sm.Disconnected, now: float) -> None:
        if self._state in _NO_SOCKET:
            return
        self._outbox.fault("disconnected", f"the server closed the connection ({event.code}) {event.reason}", now)
        self._lost(now)
        self._connect_again(f"connection closed with {event.code} {event.reason}".rstrip(), now)

    def _answered(self, now: float) -> None:
        if self._audio.answered:
            return
        self._audio.answered = True
        self._outbox.put(sm.ReleasePlayback())
        self._talk.answered(now)

    # --- frames -------------------------------------------------------------------------------------------------
    def _frame(self, event: ev.ServerEvent, now: float) -> None:
        match event:
            case ev.IgnoredServerEvent():
                pass
            case ev.UnknownServerEvent():
                self._outbox.counters.events_unknown += 1
                self._outbox.fault("unknown_event", event.type, now)
            case ev.MalformedServerEvent():
                self._outbox.counters.events_malformed += 1
                self._outbox.fault("malformed_event", f"{event.type}: {event.message}", now)
            case ev.SessionCreated():
                self._session_created(event.session, now)
            case ev.SessionUpdated():
                self._session_updated(event.session, now)
            case _ if self._state is sm.SessionState.CONFIGURING and isinstance(event, ev.InputEvent):
                self._talk.callee.recovered(event, now)
            case ev.ErrorEvent() if self._error_ends_session(event.error, now):
                pass
            case _:
                if self._talk.live or isinstance(event, ev.ErrorEvent):
                    self._talk.server_event(event, now)

    def _session_created(self, session: ev.SessionInfo, now: float) -> None:
        if self._state is not sm.SessionState.CONFIGURING or self._takeover.update_id is not None:
            return
        self._life.announced(session.expires_at, now)
        self._takeover.begin()

    def _session_updated(self, session: ev.SessionInfo, now: float) -> None:
        if self._state is not sm.SessionState.CONFIGURING or self._takeover.update_id is None:
            return
        if (problem := format_problem(session, self._settings)) is not None:
            self._fail("audio_format_refused", problem, now)
            return
        if not self._takeover.configured():
            return
        self._configure_by = None
        self._plan.configured(now)
        self._talk.began(now)
        if not self._ready:
            self._ready = True
            self._outbox.notify(Ready(connect_ms=round((now - self._started_at) * 1_000)))
        self._enter(self._talk.state)

    def _error_ends_session(self, error: ev.ErrorInfo, now: float) -> bool:
        if error.code == SESSION_EXPIRED:
            self._rotate(now)
            return True
        configuring = self._state is sm.SessionState.CONFIGURING
        if configuring and error.event_id and error.event_id == self._takeover.update_id:
            code = error.code or error.type or "configure_refused"
            self._fail(code, error.message or "", now, fatal=code in FATAL_CODES)
            return True
        return False

    # --- time and ends ------------------------------------------------------------------------------------------
    def _advance(self, now: float) -> None:
        if self._configure_by is not None and now >= self._configure_by:
            self._abandon("configure_timeout", "the server did not confirm the session", now)
        if self._talk.live and self._talk.sequencer.server_silent(now):
            self._abandon("server_silent", "the server answers a request with nothing at all", now)
        if self._talk.live:
            self._talk.advance(now)
        if (failure := self._talk.responses.failure) is not None:
            self._fail(failure.code, failure.message, now, fatal=failure.fatal)
        if not self._talk.live:
            return
        rotate_at = self._life.rotate_at
        if rotate_at is not None and now >= rotate_at and self._talk.quiet:
            self._rotate(now)
        else:
            self._enter(self._talk.state)

    def _abandon(self, code: str, why: str, now: float) -> None:
        """Drop a socket that is open and useless."""
        self._outbox.fault(code, why, now)
        self._outbox.put(sm.CloseSocket())
        self._lost(now)
        self._connect_again(why, now)

    def _rotate(self, now: float) -> None:
        self._outbox.put(sm.CloseSocket())
        self._lost(now)
        self._outbox.counters.rotations += 1
        self._connect(self._plan.rotate(now), "the session expired at once", now)

    def _lost(self, now: float) -> None:
        """The socket is gone; the phone call is not."""
        self._configure_by = None
        self._takeover.lost()
        self._life.closed()
        self._audio.shut()
        self._talk.ended(now)
        self._enter(sm.SessionState.RECONNECTING)

    def _connect_again(self, why: str, now: float) -> None:
        if self._ready:
            self._outbox.counters.reconnects += 1
        self._connect(self._plan.lost(now), why, now)

    def _connect(self, delay_ms: int | None, why: str, now: float) -> None:
        if delay_ms is None:
            self._fail("connection_lost", why, now)
        else:
            self._outbox.put(sm.Connect(delay_ms=delay_ms))

    def _fail(self, code: str, message: str, now: float, *, fatal: bool = False) -> None:
        self._end(now, Failed(code=code[:CODE_LENGTH], message=message[:MESSAGE_LENGTH], fatal=fatal))

    def _end(self, now: float, failure: Failed | None = None, unplayed: tuple[sm.HeardItem, ...] = ()) -> None:
        """Report what is open, then why it ends (nothing for a plain `Close`), then let the socket go."""
        if failure is not None and self._settings.apology and self._audio.answered:
            self._outbox.put(sm.Play(item_id="apology", content_index=0, audio=self._settings.apology))
            self._outbox.put(sm.FinishItem(item_id="apology"))
        self._talk.close(now, unplayed)
        self._configure_by = None
        if failure is not None:
            self._outbox.notify(failure)
        self._enter(sm.SessionState.CLOSED)
        self._outbox.put(sm.CloseSocket())

    # --- state --------------------------------------------------------------------------------------------------
    def _enter(self, state: sm.SessionState) -> None:
        """The only writer of `state`."""
        if state is self._state:
            return
        assert state in sm.TRANSITIONS[self._state], f"{self._state} -> {state}"
        self._state = state
