"""What one Realtime session is told: where to connect, who speaks, how turns are taken.

Pure values; the control process fills them in, `media.realtime.session` turns them into `session.update`
(OpenAI Realtime API, GA form, `session.type = "realtime"`).
"""

from typing import Any, Literal

import msgspec

AudioFormat = Literal["audio/pcmu", "audio/pcma", "audio/pcm"]
"""Wire format of the model's audio: G.711 at 8 kHz, or 16 bit little-endian PCM at 24 kHz."""

NoiseReduction = Literal["near_field", "far_field"]
BargeIn = Literal["server", "guarded"]
"""Who decides that the callee interrupts: the server's turn detection, or the local gate with echo reference."""


class TurnDetection(msgspec.Struct, frozen=True, kw_only=True):
    """Server side turn detection (`audio.input.turn_detection`)."""

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float = 0.6
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 600
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A function the model may call; `parameters` is a JSON schema as JSON text."""

    name: str
    description: str
    parameters: str


class RealtimeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one session needs. `api_key` is a secret: never logged, shown or stored by the worker."""

    url: str
    api_key: str
    model: str
    instructions: str
    voice: str = "marin"
    greeting: str = ""
    opening: Literal["greet_first", "wait_for_hello"] = "wait_for_hello"
    greet_after_silence_ms: int = 2_000
    language: str = "en"
    audio_format: AudioFormat = "audio/pcmu"
    transcription_model: str = "gpt-transcribe"
    turn_detection: TurnDetection = TurnDetection()
    barge_in: BargeIn = "server"
    noise_reduction: NoiseReduction | None = None
    tools: tuple[ToolSpec, ...] = ()
    max_output_tokens: int = 1024
    connect_timeout_ms: int = 10_000
    filler: bytes = b""
    """Played, in `audio_format`, to a callee who waits too long for an answer; empty: silence."""
    apology: bytes = b""
    """Played when the model is lost for good in the middle of a talk."""
    path_ms: int = 0
    """Assumed way from our socket to the callee's ear; taken off when an interrupted item is truncated."""
    priming: str = ""
    """Text of one system item sent after configuring; used when a conversation is continued."""
    resumed: str = ""
    """What a session that takes over is told about the interruption; empty: that a phone call goes on."""
    retold_turns: int = 0
    """How many of the last turns it is told as one text, beside those that it gets as items."""

    def __repr__(self) -> str:
        return f"RealtimeSettings(url={self.url!r}, model={self.model!r}, voice={self.voice!r}, ...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("url", self.url), ("model", self.model), ("voice", self.voice)]
