"""One WebSocket message -> one `ServerEvent`; called by `media.realtime.connection` for every frame.

The typed events are one msgspec union on `type`, audio deltas come out as bytes. A frame never raises.
"""

import msgspec

from media.realtime.events import (
    IgnoredServerEvent,
    MalformedServerEvent,
    ServerEvent,
    TypedServerEvent,
    UnknownServerEvent,
)

IGNORED_TYPES = frozenset(
    {
        "conversation.created",
        "conversation.item.created",
        "conversation.item.deleted",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.segment",
        "conversation.item.retrieved",
        "conversation.item.truncated",
        "input_audio_buffer.cleared",
        "input_audio_buffer.dtmf_event_received",
        "input_audio_buffer.timeout_triggered",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "mcp_list_tools.in_progress",
        "output_audio_buffer.cleared",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
        "rate_limits.updated",
        "response.content_part.added",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "response.mcp_call.in_progress",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.output_text.delta",
    }
)
"""Documented, without meaning here: acknowledgements, pieces of what comes whole later, other transports."""


class _Envelope(msgspec.Struct, frozen=True):
    type: str


_typed = msgspec.json.Decoder(TypedServerEvent)
_envelope = msgspec.json.Decoder(_Envelope)
_TYPED_TAGS = frozenset(str(event.__struct_config__.tag) for event in TypedServerEvent.__args__)


def decode(frame: bytes | str) -> ServerEvent:
    """One text or binary message of the server as an event. Never raises on its content."""
    try:
        return _typed.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _not_typed(frame, str(error))


def _not_typed(frame: bytes | str, problem: str) -> ServerEvent:
    try:
        event_type = _envelope.decode(frame).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return MalformedServerEvent(type="", message=problem)
    if event_type in IGNORED_TYPES:
        return IgnoredServerEvent(type=event_type)
    if event_type in _TYPED_TAGS:
        return MalformedServerEvent(type=event_type, message=problem)
    return UnknownServerEvent(type=event_type)
