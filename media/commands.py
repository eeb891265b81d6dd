"""What the control process tells the media worker; `media.protocol` has the answers and explains the wire.

Durations are milliseconds. A command about a leg that is gone is answered with a `Fault`, never with silence.
"""

from typing import Literal

import msgspec

from media.answer.model import AnswerSettings
from media.realtime.settings import RealtimeSettings

LegCodec = Literal["ulaw", "alaw", "g722"]
"""Codec of the Asterisk leg; the only three that chan_rtp carries in both directions."""


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """First frame of a connection. The worker answers `Welcome`, then every report after `acknowledged_seq`."""

    protocol_version: int
    control_id: str
    acknowledged_seq: int


class PastTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn of the conversation so far, as `TurnSpoken` told it."""

    speaker: Literal["callee", "agent"]
    text: str
    start_audio_ms: int
    interrupted: bool = False
    heard_ms: int = 0
    generated_ms: int = 0


class Continuation(msgspec.Struct, frozen=True, kw_only=True):
    """A leg that goes on with a conversation whose former leg died: it is answered already, at `audio_ms`.

    Until the agent speaks again the callee hears a soft tone, so that the line is not taken for dead.
    """

    audio_ms: int
    turns: tuple[PastTurn, ...] = ()


class OpenLeg(msgspec.Struct, frozen=True, kw_only=True, tag="open_leg"):
    """Prepare media for one call: reserve a place on the RTP socket and connect the model session.

    Answered by `LegOpened`, later `LegReady` (the model is configured) or `LegFailed`.
    """

    call_id: str
    codec: LegCodec
    realtime: RealtimeSettings
    recording_path: str | None = None
    record_from: Literal["answer", "command"] = "answer"
    """`command`: nothing is recorded before a `Record`; somebody has to agree first."""
    max_duration_ms: int = 1_800_000
    resampler: Literal["polyphase", "soxr"] = "polyphase"
    comfort_noise: bool = True
    continued: Continuation | None = None
    answer: AnswerSettings | None = None
    """Answer supervision (`AnswerVerdict`, `AnswerTreatment`); None: off."""


class ConnectPeer(msgspec.Struct, frozen=True, kw_only=True, tag="connect_peer"):
    """The address Asterisk announced (`UNICASTRTP_LOCAL_ADDRESS/PORT`): the only source whose packets count."""

    call_id: str
    host: str
    port: int


class Answered(msgspec.Struct, frozen=True, kw_only=True, tag="answered"):
    """The callee is in the bridge: audio position 0, listening and speaking start now."""

    call_id: str


class ToolOutput(msgspec.Struct, frozen=True, kw_only=True, tag="tool_output"):
    """Result of a `ToolCalled`, as JSON text. `respond` asks the model to speak on it."""

    call_id: str
    tool_call_id: str
    output: str
    respond: bool = True


class Say(msgspec.Struct, frozen=True, kw_only=True, tag="say"):
    """Make the agent say something in its own words, e.g. a farewell (`tool_choice` none). With `instead` whatever
    it is saying, or was told to say and has not begun, is cut: it was the answer to something that needs another
    one.
    """

    call_id: str
    instructions: str
    instead: bool = False


class InjectText(msgspec.Struct, frozen=True, kw_only=True, tag="inject_text"):
    """Tell the model something the callee does not hear; with `respond` it is asked to speak on it."""

    call_id: str
    text: str
    respond: bool = False


class Mute(msgspec.Struct, frozen=True, kw_only=True, tag="mute"):
    """Who is not heard from now on: `agent` by the callee, `callee` by the model. Both False opens the line.

    What the agent says while muted is never heard: opening the line throws it away and tells the model so.
    """

    call_id: str
    agent: bool
    callee: bool = False


class Record(msgspec.Struct, frozen=True, kw_only=True, tag="record"):
    """Record from now on, or no longer; of an answered leg with a `recording_path`. What was said while it was off
    is silence in the file, so that positions stay those of the call.
    """

    call_id: str
    on: bool


class HoldPlayout(msgspec.Struct, frozen=True, kw_only=True, tag="hold_playout"):
    """Send silence for `duration_ms` and count nothing as heard: Asterisk drops voice while it sends DTMF."""

    call_id: str
    duration_ms: int


class Listen(msgspec.Struct, frozen=True, kw_only=True, tag="listen"):
    """Somebody listens in for the next `for_ms` (0: nobody any more); asked again before that is over it goes on.
    Answered by a `CallAudio` every 20 ms.
    """

    call_id: str
    for_ms: int


class TakeOver(msgspec.Struct, frozen=True, kw_only=True, tag="take_over"):
    """A person takes the agent's place: it listens, makes no responses and is not heard; `OperatorAudio` is.

    What the agent is told when they hand back, and when their microphone is gone: `{words}` becomes what was said.
    """

    call_id: str
    told_back: str
    told_lost: str


class OperatorAudio(msgspec.Struct, frozen=True, kw_only=True, tag="operator_audio"):
    """A piece of that person's voice: 16 bit little-endian PCM at 16 kHz, as it comes."""

    call_id: str
    audio: bytes


class HandBack(msgspec.Struct, frozen=True, kw_only=True, tag="hand_back"):
    """The agent goes on. Answered by `OperatorLeft`, unless nobody had taken over."""

    call_id: str


class CloseLeg(msgspec.Struct, frozen=True, kw_only=True, tag="close_leg"):
    """End the leg. With `drain_timeout_ms` > 0 the queued speech is played first. Answered by `LegClosed`."""

    call_id: str
    drain_timeout_ms: int = 0


class Acknowledge(msgspec.Struct, frozen=True, kw_only=True, tag="acknowledge"):
    """Reports up to and including `seq` are stored; the worker may forget them."""

    seq: int


class Shutdown(msgspec.Struct, frozen=True, kw_only=True, tag="shutdown"):
    """End the worker: at once, or (`when_idle`) after its last leg closed."""

    when_idle: bool = False


Command = (
    Hello
    | OpenLeg
    | ConnectPeer
    | Answered
    | ToolOutput
    | Say
    | InjectText
    | Mute
    | HoldPlayout
    | Record
    | Listen
    | TakeOver
    | OperatorAudio
    | HandBack
    | CloseLeg
    | Acknowledge
    | Shutdown
)
