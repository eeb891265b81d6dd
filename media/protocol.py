"""Control process <-> media worker: every message of the local socket, as msgspec structs.

Frames are a 4 byte big-endian length and a MessagePack body. The worker numbers its reports (`seq`) and keeps
each one until the control process acknowledges it, so a control process that died misses nothing: the next one
says `Hello(acknowledged_seq)` and receives the rest. Times are milliseconds; `at_unix_ms` is the wall clock of
the worker, `*_audio_ms` are positions on the call's own audio time line (0 = the callee answered).
"""

from typing import Literal

import msgspec

from media.commands import (
    Acknowledge,
    Answered,
    CloseLeg,
    Command,
    ConnectPeer,
    Continuation,
    HandBack,
    Hello,
    HoldPlayout,
    InjectText,
    LegCodec,
    Listen,
    Mute,
    OpenLeg,
    OperatorAudio,
    PastTurn,
    Record,
    Say,
    Shutdown,
    TakeOver,
    ToolOutput,
)
from media.report_types import (
    AgentSpeaking,
    AnswerTreatment,
    AnswerVerdict,
    BargeIn,
    CallAudio,
    DtmfHeard,
    Fault,
    LegClosed,
    LegFailed,
    LegOpened,
    LegReady,
    LegStatistics,
    Levels,
    OperatorJoined,
    OperatorLeft,
    PlayoutDrained,
    Report,
    ResponseUsed,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    TranscriptionUsed,
    TurnPartial,
    TurnSpoken,
    WorkerLoad,
)

__all__ = [  # one name space: the commands live in media.commands
    "MAX_FRAME_BYTES",
    "PROTOCOL_VERSION",
    "Acknowledge",
    "AgentSpeaking",
    "AnswerTreatment",
    "AnswerVerdict",
    "Answered",
    "BargeIn",
    "CallAudio",
    "CloseLeg",
    "Command",
    "ConnectPeer",
    "Continuation",
    "DtmfHeard",
    "Fault",
    "HandBack",
    "Hello",
    "HoldPlayout",
    "InjectText",
    "LegClosed",
    "LegCodec",
    "LegFailed",
    "LegOpened",
    "LegReady",
    "LegSnapshot",
    "LegStatistics",
    "Levels",
    "Listen",
    "Mute",
    "NumberedReport",
    "OpenLeg",
    "OperatorAudio",
    "OperatorJoined",
    "OperatorLeft",
    "PastTurn",
    "PlayoutDrained",
    "Record",
    "Refused",
    "Report",
    "ResponseUsed",
    "Say",
    "Shutdown",
    "SpeechStarted",
    "SpeechStopped",
    "TakeOver",
    "ToolCalled",
    "ToolOutput",
    "TranscriptionUsed",
    "TurnPartial",
    "TurnSpoken",
    "Welcome",
    "WorkerLoad",
    "WorkerMessage",
]

PROTOCOL_VERSION = 4
MAX_FRAME_BYTES = 16 * 1024 * 1024


# --- worker -> control ------------------------------------------------------------------------------------------
class LegSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One living leg as told to a control process that has just connected."""

    call_id: str
    codec: LegCodec
    rtp_host: str
    rtp_port: int
    peer: tuple[str, int] | None
    ready: bool
    answered: bool
    audio_ms: int
    agent_speaking: bool = False
    """Speech of the agent is queued or being sent: `PlayoutDrained` will follow."""
    tools_awaited: tuple[str, ...] = ()
    """`tool_call_id` of each function call that was reported and not answered yet."""


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag="welcome"):
    """Answer to `Hello`; not numbered, never replayed."""

    protocol_version: int
    worker_id: str
    pid: int
    last_seq: int
    legs: tuple[LegSnapshot, ...]
    reports_lost: int = 0
    """Reports the worker had to forget unacknowledged since it started, because they filled its memory."""


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """Last frame before the worker hangs up: another protocol version, or a newer control process said Hello."""

    protocol_version: int
    reason: Literal["protocol_version", "replaced", "no_hello"]
    message: str


NumberedReport = (
    LegOpened
    | LegReady
    | LegFailed
    | SpeechStarted
    | SpeechStopped
    | TurnPartial
    | TurnSpoken
    | AgentSpeaking
    | BargeIn
    | ToolCalled
    | ResponseUsed
    | TranscriptionUsed
    | PlayoutDrained
    | DtmfHeard
    | AnswerVerdict
    | AnswerTreatment
    | OperatorJoined
    | OperatorLeft
    | Levels
    | Fault
    | WorkerLoad
    | LegClosed
)
WorkerMessage = Welcome | Refused | CallAudio | NumberedReport
