"""What the media worker reports about its legs, one struct a fact; `media.protocol` explains numbering and replay.

`*_audio_ms` are positions on the call's own audio time line (0 = the callee answered).
"""

from typing import Literal

import msgspec

from media.realtime.notifications import TurnLatency


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What every numbered report carries."""

    seq: int
    call_id: str
    at_unix_ms: int


class CallAudio(msgspec.Struct, frozen=True, kw_only=True, tag="call_audio"):
    """What was said in one slot of a call somebody listens in on, both directions.

    Not numbered and never kept: a listener who is slow loses it. `codec` pcm16 is 16 bit little-endian at 16 kHz,
    the laws are at 8 kHz. `agent` is what was sent to the callee, whoever spoke.
    """

    call_id: str
    codec: Literal["ulaw", "alaw", "pcm16"]
    callee: bytes
    agent: bytes


class LegOpened(Report, frozen=True, kw_only=True, tag="leg_opened"):
    """Where Asterisk shall send this call's RTP (`external_host`)."""

    rtp_host: str
    rtp_port: int


class LegReady(Report, frozen=True, kw_only=True, tag="leg_ready"):
    """The model session is configured; dialing may begin. `connect_ms` from `OpenLeg` to here."""

    connect_ms: int


class LegFailed(Report, frozen=True, kw_only=True, tag="leg_failed"):
    """The model session cannot be had or is lost for good. `fatal` = the account itself is refused.

    `queued_ms` of sound, the apology included, are still to be sent then; no `PlayoutDrained` follows.
    """

    code: str
    message: str
    fatal: bool
    queued_ms: int = 0


class SpeechStarted(Report, frozen=True, kw_only=True, tag="speech_started"):
    """The server heard the callee start to speak."""

    audio_ms: int


class SpeechStopped(Report, frozen=True, kw_only=True, tag="speech_stopped"):
    """The server heard the callee stop."""

    audio_ms: int


Speaker = Literal["callee", "agent", "operator"]
"""operator: a person who has taken over."""


class TurnPartial(Report, frozen=True, kw_only=True, tag="turn_partial"):
    """Words so far of a turn still being spoken; `text` is the whole turn up to now."""

    speaker: Speaker
    item_id: str
    text: str


class TurnSpoken(Report, frozen=True, kw_only=True, tag="turn_spoken"):
    """One finished turn. For an interrupted agent turn `heard_ms` < `generated_ms` tells how much was heard."""

    speaker: Speaker
    item_id: str
    text: str
    start_audio_ms: int
    end_audio_ms: int
    interrupted: bool = False
    heard_ms: int = 0
    generated_ms: int = 0
    latency: TurnLatency | None = None


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


class AnswerVerdict(Report, frozen=True, kw_only=True, tag="answer_verdict"):
    """Who answered (`media.answer.model.Verdict`), `decision_ms` after the answer.

    A final verdict is followed only when the call goes on (machine -> beep, hold_music -> human); one that is not
    final may turn out wrong: talk.
    """

    verdict: str
    final: bool
    decision_ms: int
    evidence: str


class AnswerTreatment(Report, frozen=True, kw_only=True, tag="answer_treatment"):
    """What the treatment policy asks for. The worker has already done `listen_only`, `respond` (the model makes no
    responses, or again), `wait` and `wake` (it hears nothing, or again); the rest is up to the control process:
    say the message or the identity (`Say`), or hang up. `mark_number` says what the number is.
    """

    action: Literal["leave_message", "say_identity", "hang_up", "listen_only", "respond", "wait", "wake"]
    reason: str
    mark_number: Literal["fax"] | None
    audio_ms: int


class OperatorJoined(Report, frozen=True, kw_only=True, tag="operator_joined"):
    """The callee hears a person from now on, the agent listens."""


class OperatorLeft(Report, frozen=True, kw_only=True, tag="operator_left"):
    """The agent goes on and knows what was said. lost: nothing came of the person's microphone any more.

    `spoke_ms`: how much of their voice was sent.
    """

    why: Literal["handed_back", "lost"]
    spoke_ms: int


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
    """Counters of one leg over its whole life; `filled_ms` counts from the answer: before it nobody sends."""

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
    playout_underruns: int = 0
    model_events_unknown: int = 0
    model_events_malformed: int = 0
    model_reconnects: int = 0
    model_input_dropped_ms: int = 0
    fillers_played: int = 0
    backchannels_ignored: int = 0
    echoes_ignored: int = 0
    recording_dropped_ms: int = 0


class LegClosed(Report, frozen=True, kw_only=True, tag="leg_closed"):
    """Last report of a leg: no socket, task or file of it is left."""

    audio_ms: int
    recording_path: str | None
    recording_ms: int
    statistics: LegStatistics
