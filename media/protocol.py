"""Control process <-> media worker: every message of the local socket, as msgspec structs.

Frames are a 4 byte big-endian length and a MessagePack body. The worker numbers its reports (`seq`) and keeps
each one until the control process acknowledges it, so a control process that died misses nothing: the next one
says `Hello(acknowledged_seq)` and receives the rest. Times are milliseconds; `at_unix_ms` is the wall clock of
the worker, `*_audio_ms` are positions on the call's own audio time line (0 = the callee answered).
"""

from typing import Literal

import msgspec

from media.realtime.settings import RealtimeSettings

PROTOCOL_VERSION = 1
MAX_FRAME_BYTES = 16 * 1024 * 1024

LegCodec = Literal["ulaw", "alaw", "g722"]
"""Codec of the Asterisk leg; the only three that chan_rtp carries in both directions."""


# --- control -> worker ------------------------------------------------------------------------------------------
class Hello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """First frame of a connection. The worker answers `Welcome`, then every report after `acknowledged_seq`."""

    protocol_version: int
    control_id: str
    acknowledged_seq: int


class OpenLeg(msgspec.Struct, frozen=True, kw_only=True, tag="open_leg"):
    """Prepare media for one call: reserve a place on the RTP socket and connect the model session.

    Answered by `LegOpened`, later `LegReady` (the model is configured) or `LegFailed`.
    """

    call_id: str
    codec: LegCodec
    realtime: RealtimeSettings
    recording_path: str | None = None
    max_duration_ms: int = 1_800_000
    resampler: Literal["polyphase", "soxr"] = "polyphase"
    comfort_noise: bool = True


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
    """Make the agent say something in its own words, e.g. a farewell (`tool_choice` none)."""

    call_id: str
    instructions: str


class HoldPlayout(msgspec.Struct, frozen=True, kw_only=True, tag="hold_playout"):
    """Send silence for `duration_ms` and count nothing as heard: Asterisk drops voice while it sends DTMF."""

    call_id: str
    duration_ms: int


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
    Hello | OpenLeg | ConnectPeer | Answered | ToolOutput | Say | HoldPlayout | CloseLeg | Acknowledge | Shutdown
)


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


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What every numbered report carries."""

    seq: int
    call_id: str
    at_unix_ms: int


class LegOpened(Report, frozen=True, kw_only=True, tag="leg_opened"):
    """Where Asterisk shall send this call's RTP (`external_host`)."""

    rtp_host: str
    rtp_port: int


class LegReady(Report, frozen=True, kw_only=True, tag="leg_ready"):
    """The model session is configured; dialing may begin. `connect_ms` from `OpenLeg` to here."""

    connect_ms: int


class LegFailed(Report, frozen=True, kw_only=True, tag="leg_failed"):
    """The model session cannot be had or is lost for good. `fatal` = the account itself is refused."""

    code: str
    message: str
    fatal: bool


class SpeechStarted(Report, frozen=True, kw_only=True, tag="speech_started"):
    """The server heard the callee start to speak."""

    audio_ms: int


class SpeechStopped(Report, frozen=True, kw_only=True, tag="speech_stopped"):
    """The server heard the callee stop."""

    audio_ms: int


class TurnPartial(Report, frozen=True, kw_only=True, tag="turn_partial"):
    """Words so far of a turn still being spoken; `text` is the whole turn up to now."""

    speaker: Literal["callee", "agent"]
    item_id: str
    text: str


class TurnSpoken(Report, frozen=True, kw_only=True, tag="turn_spoken"):
    """One finished turn. For an interrupted agent turn `heard_ms` < `generated_ms` tells how much was heard."""

    speaker: Literal["callee", "agent"]
    item_id: str
    text: str
    start_audio_ms: int
    end_audio_ms: int
    interrupted: bool = False
    heard_ms: int = 0
    generated_ms: int = 0


class AgentSpeaking(Report, frozen=True, kw_only=True, tag="agent_speaking"):
    """First RTP packet of an agent turn left. Latencies are None when there was no callee turn before it."""

    item_id: str
    response_to_first_delta_ms: int
    first_delta_to_rtp_ms: int
    speech_stop_to_rtp_ms: int | None


class BargeIn(Report, frozen=True, kw_only=True, tag="barge_in"):
    """The callee interrupted; `heard_ms` of `item_id` had been sent when the agent fell silent."""

    item_id: str
    heard_ms: int
    generated_ms: int


class ToolCalled(Report, frozen=True, kw_only=True, tag="tool_called"):
    """The model calls a function; answer with `ToolOutput`. `arguments` is the model's JSON text, unchecked."""

    tool_call_id: str
    name: str
    arguments: str


class ResponseUsed(Report, frozen=True, kw_only=True, tag="response_used"):
    """Tokens and cost of one response. `cost_micro_usd` is None when the model is not in the price table."""

    response_id: str
    model: str
    status: str
    input_text_tokens: int
    input_audio_tokens: int
    input_cached_text_tokens: int
    input_cached_audio_tokens: int
    output_text_tokens: int
    output_audio_tokens: int
    cost_micro_usd: int | None
    price_table: str


class TranscriptionUsed(Report, frozen=True, kw_only=True, tag="transcription_used"):
    """Cost of transcribing one callee turn."""

    item_id: str
    model: str
    seconds: float
    cost_micro_usd: int | None
    price_table: str


class PlayoutDrained(Report, frozen=True, kw_only=True, tag="playout_drained"):
    """Everything the agent said has been sent and no response is in progress."""

    item_id: str


class DtmfHeard(Report, frozen=True, kw_only=True, tag="dtmf_heard"):
    """A telephone-event (RFC 4733) arrived on the media leg."""

    digit: str
    duration_ms: int


class Levels(Report, frozen=True, kw_only=True, tag="levels"):
    """Once a second: loudness both ways (dBov, 0 = full scale) and what the receiver saw (RFC 3550)."""

    callee_dbov: float
    agent_dbov: float
    jitter_ms: float
    packets_lost: int
    audio_ms: int


class Fault(Report, frozen=True, kw_only=True, tag="fault"):
    """Something was wrong and the call goes on: a model error event, a reconnect, a malformed frame."""

    code: str
    message: str


class WorkerLoad(Report, frozen=True, kw_only=True, tag="worker_load"):
    """Every few seconds while legs live; `call_id` is empty. Tick lateness decides whether new calls are taken."""

    legs: int
    tick_late_p99_ms: float
    tick_late_max_ms: float
    slots_skipped: int
    unknown_source_packets: int
    send_errors: int


class LegStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of one leg over its whole life."""

    packets_received: int = 0
    packets_sent: int = 0
    packets_lost: int = 0
    packets_late: int = 0
    packets_duplicate: int = 0
    packets_reordered: int = 0
    packets_malformed: int = 0
    packets_wrong_payload_type: int = 0
    ssrc_changes: int = 0
    filled_ms: int = 0
    dropped_ms: int = 0
    max_jitter_ms: float = 0.0
    slots_skipped: int = 0
    model_events_unknown: int = 0
    model_events_malformed: int = 0
    model_reconnects: int = 0
    recording_dropped_ms: int = 0


class LegClosed(Report, frozen=True, kw_only=True, tag="leg_closed"):
    """Last report of a leg: no socket, task or file of it is left."""

    audio_ms: int
    recording_path: str | None
    recording_ms: int
    statistics: LegStatistics


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
    | Levels
    | Fault
    | WorkerLoad
    | LegClosed
)
WorkerMessage = Welcome | Refused | NumberedReport
