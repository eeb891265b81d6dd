"""`RealtimeSettings` -> the `session` of session.update, and the check that the server took the audio format.

A server that ignores the format would have us play PCM as G.711: loud noise in somebody's ear. Called by
`media.realtime.session`.
"""

import msgspec
from msgspec import UNSET

from media.errors import MediaUsageError
from media.realtime.client_events import (
    AudioConfig,
    AudioFormatConfig,
    AudioInputConfig,
    AudioOutputConfig,
    FunctionTool,
    NoiseReductionConfig,
    SemanticVadConfig,
    ServerVadConfig,
    SessionConfig,
    TranscriptionConfig,
)
from media.realtime.events import AudioSide, SessionInfo
from media.realtime.settings import RealtimeSettings, ToolSpec, TurnDetection

PCM_RATE_HZ = 24_000
_LANGUAGES_PREFIXES = ("gpt-transcribe", "gpt-live-transcribe")


def session_config(settings: RealtimeSettings) -> SessionConfig:
    """The whole configuration of a session. `MediaUsageError` for a tool whose schema is not a JSON object."""
    audio_format = _format(settings.audio_format)
    noise = settings.noise_reduction
    return SessionConfig(
        output_modalities=("audio",),
        instructions=settings.instructions,
        audio=AudioConfig(
            input=AudioInputConfig(
                format=audio_format,
                transcription=_transcription(settings),
                noise_reduction=None if noise is None else NoiseReductionConfig(type=noise),
                turn_detection=_turn_detection(settings.turn_detection, by_server=settings.barge_in == "server"),
            ),
            output=AudioOutputConfig(format=audio_format, voice=settings.voice),
        ),
        tools=tuple(_tool(tool) for tool in settings.tools),
        tool_choice="auto",
        max_output_tokens=settings.max_output_tokens,
    )


def format_problem(session: SessionInfo, settings: RealtimeSettings) -> str | None:
    """What is wrong with the formats a session.updated echoes, None if nothing.

    Both directions must say what was asked; saying nothing is taken as the API's default, 24 kHz PCM.
    """
    audio = session.audio
    sides = {"input": audio.input if audio else None, "output": audio.output if audio else None}
    for direction, side in sides.items():
        answered = _answered_format(side)
        if answered != settings.audio_format:
            return f"asked {settings.audio_format} for {direction}, the server uses {answered}"
    return None


def _answered_format(side: AudioSide | None) -> str:
    if side is None or side.format is None:
        return "audio/pcm"
    rate = side.format.rate
    if side.format.type == "audio/pcm" and rate is not None and rate != PCM_RATE_HZ:
        return f"audio/pcm at {rate} Hz"
    return side.format.type


def _format(audio_format: str) -> AudioFormatConfig:
    return AudioFormatConfig(type=audio_format, rate=PCM_RATE_HZ if audio_format == "audio/pcm" else UNSET)


def _transcription(settings: RealtimeSettings) -> TranscriptionConfig | None:
    model, language = settings.transcription_model, settings.language
    if not model:
        return None
    if not language:
        return TranscriptionConfig(model=model)
    if model.startswith(_LANGUAGES_PREFIXES):
        return TranscriptionConfig(model=model, languages=(language,))
    return TranscriptionConfig(model=model, language=language)


def _turn_detection(detection: TurnDetection, *, by_server: bool) -> ServerVadConfig | SemanticVadConfig:
    """In guarded mode the server only listens; with one of the two flags on, turns would be half its own."""
    if detection.type == "semantic_vad":
        return SemanticVadConfig(
            eagerness=detection.eagerness, create_response=by_server, interrupt_response=by_server
        )
    return ServerVadConfig(
        threshold=detection.threshold,
        prefix_padding_ms=detection.prefix_padding_ms,
        silence_duration_ms=detection.silence_duration_ms,
        create_response=by_server,
        interrupt_response=by_server,
    )


def _tool(tool: ToolSpec) -> FunctionTool:
    try:
        msgspec.json.decode(tool.parameters, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise MediaUsageError(f"parameters of tool {tool.name!r} are not a JSON object: {error}") from error
    parameters = msgspec.Raw(tool.parameters.encode())
    return FunctionTool(name=tool.name, description=tool.description, parameters=parameters)
