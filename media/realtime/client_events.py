"""Client events of the Realtime API (GA form) as structs, and their JSON.

Field names and nesting are the API's own; UNSET fields are left out. Every event carries an `event_id`, which
the server echoes in `error.event_id`. Built by `media.realtime.session`, encoded by the engine when it sends.
"""

from binascii import b2a_base64

import msgspec
from msgspec import UNSET, UnsetType


# --- session.update ---------------------------------------------------------------------------------------------
class AudioFormatConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`{"type": "audio/pcmu"}` or `{"type": "audio/pcm", "rate": 24000}`."""

    type: str
    rate: int | UnsetType = UNSET


class TranscriptionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`audio.input.transcription`; `languages` and `language` exclude each other."""

    model: str
    language: str | UnsetType = UNSET
    languages: tuple[str, ...] | UnsetType = UNSET


class NoiseReductionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`audio.input.noise_reduction`."""

    type: str


class ServerVadConfig(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="server_vad"):
    """`audio.input.turn_detection` by loudness."""

    threshold: float
    prefix_padding_ms: int
    silence_duration_ms: int
    create_response: bool = True
    interrupt_response: bool = True


class SemanticVadConfig(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="semantic_vad"):
    """`audio.input.turn_detection` by meaning."""

    eagerness: str
    create_response: bool = True
    interrupt_response: bool = True


class AudioInputConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`audio.input`; None for `noise_reduction` or `turn_detection` turns it off."""

    format: AudioFormatConfig
    transcription: TranscriptionConfig | None
    noise_reduction: NoiseReductionConfig | None
    turn_detection: ServerVadConfig | SemanticVadConfig | None


class AudioOutputConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`audio.output`."""

    format: AudioFormatConfig
    voice: str


class AudioConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`audio`."""

    input: AudioInputConfig
    output: AudioOutputConfig


class FunctionTool(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="function"):
    """A function the model may call; `parameters` is the JSON schema as it was given."""

    name: str
    description: str
    parameters: msgspec.Raw


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="realtime"):
    """`session` of session.update. `tracing` is left out on purpose: traces hold what callees say."""

    output_modalities: tuple[str, ...]
    instructions: str
    audio: AudioConfig
    tools: tuple[FunctionTool, ...]
    tool_choice: str
    max_output_tokens: int


# --- conversation items -----------------------------------------------------------------------------------------
class TextPart(msgspec.Struct, frozen=True, kw_only=True):
    """`input_text` in user and system messages, `output_text` in assistant messages."""

    type: str
    text: str


class MessageItem(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """A text message put into the conversation by us."""

    role: str
    content: tuple[TextPart, ...]


class FunctionCallItem(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="function_call"):
    """A call made in an earlier session, told to a new one."""

    call_id: str
    name: str
    arguments: str


class FunctionCallOutputItem(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="function_call_output"
):
    """The result of a call."""

    call_id: str
    output: str


ConversationItem = MessageItem | FunctionCallItem | FunctionCallOutputItem


# --- events -----------------------------------------------------------------------------------------------------
class ResponseConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`response` of response.create; its `instructions` replace the session's for this response."""

    instructions: str | UnsetType = UNSET
    tool_choice: str | UnsetType = UNSET
    output_modalities: tuple[str, ...] | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET


class SessionUpdate(msgspec.Struct, frozen=True, kw_only=True, tag="session.update"):
    event_id: str
    session: SessionConfig


class InputAudioBufferAppend(msgspec.Struct, frozen=True, kw_only=True, tag="input_audio_buffer.append"):
    event_id: str
    audio: bytes


class InputAudioBufferCommit(msgspec.Struct, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    """What was appended is a turn."""

    event_id: str


class ConversationItemCreate(msgspec.Struct, frozen=True, kw_only=True, tag="conversation.item.create"):
    event_id: str
    item: ConversationItem


class ConversationItemTruncate(msgspec.Struct, frozen=True, kw_only=True, tag="conversation.item.truncate"):
    """Cut the server's memory of an assistant item to what was heard."""

    event_id: str
    item_id: str
    content_index: int
    audio_end_ms: int


class ConversationItemDelete(msgspec.Struct, frozen=True, kw_only=True, tag="conversation.item.delete"):
    """Take an item out of the server's memory."""

    event_id: str
    item_id: str


class ResponseCreate(msgspec.Struct, frozen=True, kw_only=True, tag="response.create"):
    event_id: str
    response: ResponseConfig


class ResponseCancel(msgspec.Struct, frozen=True, kw_only=True, tag="response.cancel"):
    event_id: str
    response_id: str


ClientEvent = (
    SessionUpdate
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | ConversationItemCreate
    | ConversationItemDelete
    | ConversationItemTruncate
    | ResponseCreate
    | ResponseCancel
)

_encoder = msgspec.json.Encoder()
_APPEND_HEAD = b'{"type":"input_audio_buffer.append","event_id":"a%d","audio":"'


def encode(event: ClientEvent) -> bytes:
    """JSON of one client event, UTF-8, to be sent as a text message."""
    return _encoder.encode(event)


def append_frame(audio: bytes, number: int) -> bytes:
    """JSON of one `input_audio_buffer.append` with event id `a<number>`: `encode` by hand, for the hot path."""
    return _APPEND_HEAD % number + b2a_base64(audio, newline=False) + b'"}'
