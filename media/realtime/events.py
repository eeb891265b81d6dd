"""Server events of the Realtime API (GA form) and their decoder.

Only the events the session acts on have a type; known ones that it does not need become `IgnoredServerEvent`,
everything else `UnknownServerEvent` or `MalformedServerEvent`: a frame never raises. Unknown fields are skipped,
identifiers are required, all other fields have defaults. Called by `media.realtime.connection`.
"""

import msgspec


# --- parts ------------------------------------------------------------------------------------------------------
class FormatInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`audio.input.format` / `audio.output.format` of a session."""

    type: str = ""
    rate: int | None = None


class AudioSide(msgspec.Struct, frozen=True, kw_only=True):
    """One direction of `session.audio`."""

    format: FormatInfo | None = None


class AudioInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`session.audio`."""

    input: AudioSide | None = None
    output: AudioSide | None = None


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`session` of session.created / session.updated; `expires_at` is unix seconds."""

    id: str = ""
    model: str = ""
    expires_at: float | None = None
    audio: AudioInfo | None = None


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`error` of an error event; `event_id` names the client event that caused it."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation item: message, function_call or function_call_output."""

    id: str = ""
    type: str = ""
    role: str | None = None
    status: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class CachedDetails(msgspec.Struct, frozen=True, kw_only=True):
    """`usage.input_token_details.cached_tokens_details`; a subset of the input tokens."""

    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class InputDetails(msgspec.Struct, frozen=True, kw_only=True):
    """`usage.input_token_details`."""

    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None
    cached_tokens: int | None = None
    cached_tokens_details: CachedDetails | None = None


class OutputDetails(msgspec.Struct, frozen=True, kw_only=True):
    """`usage.output_token_details`."""

    text_tokens: int | None = None
    audio_tokens: int | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """`response.usage`."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: InputDetails | None = None
    output_token_details: OutputDetails | None = None


class TranscriptionUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Usage of one transcription: `duration` (seconds) or `tokens`, by the model."""

    type: str = ""
    seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: InputDetails | None = None


class StatusDetails(msgspec.Struct, frozen=True, kw_only=True):
    """`response.status_details`: why a response was cancelled, failed or is incomplete."""

    type: str | None = None
    reason: str | None = None
    error: ErrorInfo | None = None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """`response` of response.created / response.done."""

    id: str
    status: str | None = None
    status_details: StatusDetails | None = None
    output: list[Item] | None = None
    usage: Usage | None = None
    metadata: dict[str, str] | None = None


# --- session and input ------------------------------------------------------------------------------------------
class SessionCreated(msgspec.Struct, frozen=True, tag="session.created"):
    session: SessionInfo


class SessionUpdated(msgspec.Struct, frozen=True, tag="session.updated"):
    session: SessionInfo


class ErrorEvent(msgspec.Struct, frozen=True, tag="error"):
    error: ErrorInfo


class InputSpeechStarted(msgspec.Struct, frozen=True, tag="input_audio_buffer.speech_started"):
    """`audio_start_ms` counts audio appended to this session, prefix padding already taken off."""

    item_id: str
    audio_start_ms: int


class InputSpeechStopped(msgspec.Struct, frozen=True, tag="input_audio_buffer.speech_stopped"):
    item_id: str
    audio_end_ms: int


class InputCommitted(msgspec.Struct, frozen=True, tag="input_audio_buffer.committed"):
    item_id: str


class ItemAdded(msgspec.Struct, frozen=True, tag="conversation.item.added"):
    item: Item


class TranscriptionDelta(msgspec.Struct, frozen=True, tag="conversation.item.input_audio_transcription.delta"):
    item_id: str
    delta: str = ""


class TranscriptionCompleted(
    msgspec.Struct, frozen=True, tag="conversation.item.input_audio_transcription.completed"
):
    item_id: str
    transcript: str
    usage: TranscriptionUsage | None = None


class TranscriptionFailed(msgspec.Struct, frozen=True, tag="conversation.item.input_audio_transcription.failed"):
    item_id: str
    error: ErrorInfo = ErrorInfo()


# --- response ---------------------------------------------------------------------------------------------------
class ResponseCreated(msgspec.Struct, frozen=True, tag="response.created"):
    response: Response


class ResponseDone(msgspec.Struct, frozen=True, tag="response.done"):
    response: Response


class OutputItemAdded(msgspec.Struct, frozen=True, tag="response.output_item.added"):
    response_id: str
    item: Item


class OutputItemDone(msgspec.Struct, frozen=True, tag="response.output_item.done"):
    response_id: str
    item: Item


class OutputAudioDelta(msgspec.Struct, frozen=True, tag="response.output_audio.delta"):
    """A piece of speech; `delta` is decoded from base64 by the decoder."""

    response_id: str
    item_id: str
    delta: bytes
    content_index: int = 0


class OutputAudioDone(msgspec.Struct, frozen=True, tag="response.output_audio.done"):
    response_id: str
    item_id: str
    content_index: int = 0


class OutputTranscriptDelta(msgspec.Struct, frozen=True, tag="response.output_audio_transcript.delta"):
    response_id: str
    item_id: str
    delta: str
    content_index: int = 0


class OutputTranscriptDone(msgspec.Struct, frozen=True, tag="response.output_audio_transcript.done"):
    response_id: str
    item_id: str
    transcript: str
    content_index: int = 0


class OutputTextDone(msgspec.Struct, frozen=True, tag="response.output_text.done"):
    """A part answered in text only, although speech was asked."""

    response_id: str
    item_id: str
    text: str = ""
    content_index: int = 0


class FunctionCallArgumentsDone(msgspec.Struct, frozen=True, tag="response.function_call_arguments.done"):
    """`call_id` is OpenAI's: our `tool_call_id`."""

    response_id: str
    item_id: str
    call_id: str
    arguments: str
    name: str | None = None


# --- everything else --------------------------------------------------------------------------------------------
class IgnoredServerEvent(msgspec.Struct, frozen=True, tag=False):
    """A documented event the session has no use for."""

    type: str


class UnknownServerEvent(msgspec.Struct, frozen=True, tag=False):
    """An event type this client has never heard of."""

    type: str


class MalformedServerEvent(msgspec.Struct, frozen=True, tag=False):
    """Not JSON, not an event, or a known event with a field missing or of a wrong type."""

    type: str
    message: str


InputEvent = (
    InputSpeechStarted
    | InputSpeechStopped
    | InputCommitted
    | TranscriptionDelta
    | TranscriptionCompleted
    | TranscriptionFailed
)
ResponseEvent = (
    ResponseCreated
    | ResponseDone
    | OutputItemAdded
    | OutputItemDone
    | OutputAudioDelta
    | OutputAudioDone
    | OutputTranscriptDelta
    | OutputTranscriptDone
    | OutputTextDone
    | FunctionCallArgumentsDone
)
TypedServerEvent = SessionCreated | SessionUpdated | ErrorEvent | ItemAdded | InputEvent | ResponseEvent
ServerEvent = TypedServerEvent | IgnoredServerEvent | UnknownServerEvent | MalformedServerEvent
