"""What a Realtime session reports to the control process, each mapping 1:1 to a report of `media.protocol`.

Same field names as there; the media engine adds number, call and time. Put out by `Notify` effects.
"""

from typing import Literal

import msgspec


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """`LegReady`: the first session is configured, `connect_ms` after `start`."""

    connect_ms: int


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """`LegFailed`: the session cannot be had or is lost for good; `fatal` = the account itself is refused."""

    code: str
    message: str
    fatal: bool


class SpeechStarted(msgspec.Struct, frozen=True, kw_only=True):
    """`SpeechStarted`: the callee starts to speak, position on the call's time line."""

    audio_ms: int


class SpeechStopped(msgspec.Struct, frozen=True, kw_only=True):
    """`SpeechStopped`."""

    audio_ms: int


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """`TurnPartial`: whole text of a turn up to now, at most every `PARTIAL_PERIOD_S` per item."""

    speaker: Literal["callee", "agent"]
    item_id: str
    text: str


class TurnLatency(msgspec.Struct, frozen=True, kw_only=True):
    """Where an agent turn lost its time: callee's speech stopped -> response.created -> first delta -> first RTP
    packet, whole ms. `stop_to_response_ms` is None when it answered nobody.
    """

    response_id: str
    stop_to_response_ms: int | None
    response_to_delta_ms: int
    delta_to_rtp_ms: int


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """`TurnSpoken`: a callee turn always has words; of one whose transcription failed only a `Fault` tells."""

    speaker: Literal["callee", "agent"]
    item_id: str
    text: str
    start_audio_ms: int
    end_audio_ms: int
    interrupted: bool = False
    heard_ms: int = 0
    generated_ms: int = 0
    latency: TurnLatency | None = None


class AgentSpeaking(msgspec.Struct, frozen=True, kw_only=True):
    """`AgentSpeaking`: first packet of an agent item left, and what it waited for."""

    item_id: str
    response_to_first_delta_ms: int
    first_delta_to_rtp_ms: int
    speech_stop_to_rtp_ms: int | None


class BargeIn(msgspec.Struct, frozen=True, kw_only=True):
    """`BargeIn`."""

    item_id: str
    heard_ms: int
    generated_ms: int


class ToolCalled(msgspec.Struct, frozen=True, kw_only=True):
    """`ToolCalled`: `arguments` is the model's text, unchecked."""

    tool_call_id: str
    name: str
    arguments: str


class ResponseUsed(msgspec.Struct, frozen=True, kw_only=True):
    """`ResponseUsed`: text and audio counts include their cached part."""

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


class TranscriptionUsed(msgspec.Struct, frozen=True, kw_only=True):
    """`TranscriptionUsed`: `seconds` is 0 for models billed by token."""

    item_id: str
    model: str
    seconds: float
    cost_micro_usd: int | None
    price_table: str


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """`PlayoutDrained`: `item_id` was the last speech; nothing is generated, queued or asked for any more."""

    item_id: str


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """`Fault`: the call goes on. Rate limited by `Outbox`; `Counters` has the numbers."""

    code: str
    message: str


Notification = (
    Ready
    | Failed
    | SpeechStarted
    | SpeechStopped
    | Partial
    | Turn
    | AgentSpeaking
    | BargeIn
    | ToolCalled
    | ResponseUsed
    | TranscriptionUsed
    | Drained
    | Fault
)
