"""Vocabulary of one Realtime session: what goes into `RealtimeSession.handle`, what comes out, what is reported.

Inputs come from the socket, the playout and the control process; effects are executed by the media engine in
the order given; what is reported to the control process is in `media.realtime.notifications`. All frozen values.
"""

from enum import StrEnum

import msgspec

from media.realtime.client_events import ClientEvent
from media.realtime.events import ServerEvent
from media.realtime.notifications import Notification
from media.speech_gate import GateEvent


class SessionState(StrEnum):
    """Where a session is in its life. Four of them are "live": see `LIVE_STATES`."""

    CONNECTING = "connecting"
    CONFIGURING = "configuring"
    LISTENING = "listening"
    USER_SPEAKING = "user_speaking"
    RESPONDING = "responding"
    TOOL_PENDING = "tool_pending"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


LIVE_STATES = frozenset(
    {
        SessionState.LISTENING,
        SessionState.USER_SPEAKING,
        SessionState.RESPONDING,
        SessionState.TOOL_PENDING,
    }
)
"""Configured and connected: user_speaking wins over responding (a response is being generated or its speech is
still being played), that over tool_pending (a tool result is awaited), that over listening."""

_DOWN = frozenset({SessionState.RECONNECTING, SessionState.CLOSED})

TRANSITIONS: dict[SessionState, frozenset[SessionState]] = {
    SessionState.CONNECTING: frozenset({SessionState.CONFIGURING, SessionState.CLOSED}),
    SessionState.CONFIGURING: LIVE_STATES | _DOWN,
    SessionState.LISTENING: LIVE_STATES | _DOWN,
    SessionState.USER_SPEAKING: LIVE_STATES | _DOWN,
    SessionState.RESPONDING: LIVE_STATES | _DOWN,
    SessionState.TOOL_PENDING: LIVE_STATES | _DOWN,
    SessionState.RECONNECTING: frozenset({SessionState.CONFIGURING, SessionState.CLOSED}),
    SessionState.CLOSED: frozenset(),
}


# --- inputs -----------------------------------------------------------------------------------------------------
class Connected(msgspec.Struct, frozen=True, kw_only=True):
    """The WebSocket is open. `at_unix_s` is the wall clock now, to read `expires_at` by (None: 60 minutes)."""

    at_unix_s: float | None = None


class ConnectFailed(msgspec.Struct, frozen=True, kw_only=True):
    """The WebSocket could not be opened. `status` is the HTTP status of a refused upgrade, `code` the error code
    of its body (e.g. `insufficient_quota`)."""

    status: int | None
    message: str
    code: str = ""


class Disconnected(msgspec.Struct, frozen=True, kw_only=True):
    """The open WebSocket is gone: close code (1006 = without a close frame). Never sent after `CloseSocket`."""

    code: int
    reason: str


class ServerFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One decoded event of the server (`media.realtime.events.decode`)."""

    event: ServerEvent


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The callee is in the bridge: audio position 0; speech queued before is released."""


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to a `ToolCalled`, JSON text. `respond` asks the model to speak on it."""

    tool_call_id: str
    output: str
    respond: bool = True


class SayNow(msgspec.Struct, frozen=True, kw_only=True):
    """Make the agent say something in its own words, with no tools, e.g. a farewell.

    Speech that is being generated or played is finished first (a farewell cut into half a sentence sounds like
    a fault); a response that has not produced any audio is cancelled in its favour. With `instead` the speech is
    cut: it was the answer to something that needs this one.
    """

    instructions: str
    instead: bool = False


class InjectText(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the model something the callee does not hear, as a system item; `respond` asks it to speak on it."""

    text: str
    respond: bool = False


class MuteAgent(msgspec.Struct, frozen=True, kw_only=True):
    """The agent is not heard (`on`), or again: what it said meanwhile is thrown away and truncated to nothing."""

    on: bool


class ListenOnly(msgspec.Struct, frozen=True, kw_only=True):
    """Make no responses to what is heard (`on`), or answer again; what was being said is cut and told as such.

    `owed`: it was a person after all, who gets the answer that was not given.
    """

    on: bool
    owed: bool = False


class LocalGate(msgspec.Struct, frozen=True, kw_only=True):
    """The leg's own ear on the callee; `queued_ms` of agent speech are still to be sent."""

    event: GateEvent
    queued_ms: int


class HeardItem(msgspec.Struct, frozen=True, kw_only=True):
    """One item the playout held when it was flushed: `heard_ms` of the `received_ms` were sent to the callee.

    `finished` = everything of it was sent and no more was to come.
    """

    item_id: str
    content_index: int
    heard_ms: int
    received_ms: int
    finished: bool


class PlaybackFlushed(msgspec.Struct, frozen=True, kw_only=True):
    """The playout executed `FlushPlayback`; items in playing order, at position `audio_ms` of the call."""

    items: tuple[HeardItem, ...]
    audio_ms: int


class PlaybackStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The first frame of an item was sent, at position `audio_ms` of the call."""

    item_id: str
    audio_ms: int


class PlaybackFinished(msgspec.Struct, frozen=True, kw_only=True):
    """The last frame of an item was sent (after its `FinishItem`), at position `audio_ms` of the call."""

    item_id: str
    audio_ms: int


class Close(msgspec.Struct, frozen=True, kw_only=True):
    """The call is over: turns still open are reported, then the socket is closed.

    `unplayed` is what the playout still held, and how much of it was heard.
    """

    unplayed: tuple[HeardItem, ...] = ()


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """`next_deadline` has passed."""


SocketInput = Connected | ConnectFailed | Disconnected | ServerFrame
PlaybackInput = PlaybackFlushed | PlaybackStarted | PlaybackFinished
EngineInput = ToolResult | SayNow | InjectText | MuteAgent | ListenOnly | LocalGate | PlaybackInput
Input = SocketInput | EngineInput | Answered | Close | Tick


# --- effects ----------------------------------------------------------------------------------------------------
class Connect(msgspec.Struct, frozen=True, kw_only=True):
    """Wait `delay_ms`, open a WebSocket, answer `Connected` or `ConnectFailed`."""

    delay_ms: int


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """Send one client event (`media.realtime.client_events.encode`)."""

    event: ClientEvent


class Play(msgspec.Struct, frozen=True, kw_only=True):
    """Queue speech, in the session's `audio_format`."""

    item_id: str
    content_index: int
    audio: bytes


class FinishItem(msgspec.Struct, frozen=True, kw_only=True):
    """No more audio of this item will come; answer `PlaybackFinished` once it was all sent."""

    item_id: str


class FlushPlayback(msgspec.Struct, frozen=True, kw_only=True):
    """Throw away all queued speech now and answer `PlaybackFlushed` (also when nothing was queued)."""

    fade: bool


class PausePlayback(msgspec.Struct, frozen=True, kw_only=True):
    """Fall silent within a frame and keep everything: whether the callee interrupts is not known yet."""


class ResumePlayback(msgspec.Struct, frozen=True, kw_only=True):
    """They did not: go on where it stopped."""


class DuckPlayback(msgspec.Struct, frozen=True, kw_only=True):
    """Play 12 dB softer (`on`), or as loud as ever again."""

    on: bool


class HoldPlayback(msgspec.Struct, frozen=True, kw_only=True):
    """Queue, but play nothing: the callee has not answered."""


class ReleasePlayback(msgspec.Struct, frozen=True, kw_only=True):
    """Play what is queued."""


class CloseSocket(msgspec.Struct, frozen=True, kw_only=True):
    """Close the WebSocket and forget it: none of its frames, nor its `Disconnected`, may be handed in after."""

    code: int = 1000
    reason: str = ""


class Notify(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the control process."""

    report: Notification


PlayoutEffect = (
    Play
    | FinishItem
    | FlushPlayback
    | PausePlayback
    | ResumePlayback
    | DuckPlayback
    | HoldPlayback
    | ReleasePlayback
)
Effect = PlayoutEffect | Connect | Send | CloseSocket | Notify


class Counters(msgspec.Struct, kw_only=True):
    """What was seen and survived; `reconnects`, `events_unknown` and `events_malformed` go to `LegStatistics`."""

    events_unknown: int = 0
    events_malformed: int = 0
    errors: int = 0
    errors_ignored: int = 0
    reconnects: int = 0
    rotations: int = 0
    late_audio_deltas: int = 0
    input_dropped_ms: int = 0
    responses_retried: int = 0
    faults_withheld: int = 0
    fillers: int = 0
    backchannels: int = 0
    echoes: int = 0
