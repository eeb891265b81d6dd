"""The session object of the simulated API: defaults, merging of `session.update`, and the rules the types lack.

Only sent fields change; `audio.input` and `audio.output` merge per key, everything below them is replaced. Pure.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, cast

from app.sim.realtime.protocol_check import Json, Refusal

VOICES = frozenset(["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"])
_STREAMING_TRANSCRIBERS = frozenset({"gpt-live-transcribe", "gpt-realtime-whisper"})
_SERVER_VAD: Json = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD: Json = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
_VOICE_IS_FIXED = "Cannot update a conversation's voice if assistant audio is present."
_PCM: Json = {"type": "audio/pcm", "rate": 24_000}


def defaults(*, session_id: str, model: str, expires_at: int) -> Json:
    """The session of `session.created`."""
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "expires_at": expires_at,
        "output_modalities": ["audio"],
        "instructions": "You are a helpful assistant.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "truncation": "auto",
        "tracing": None,
        "prompt": None,
        "include": None,
        "audio": {
            "input": {
                "format": dict(_PCM),
                "noise_reduction": None,
                "transcription": None,
                "turn_detection": dict(_SERVER_VAD),
            },
            "output": {"format": dict(_PCM), "voice": "marin", "speed": 1.0},
        },
    }


def merge(config: Json, patch: Json, *, audio_sent: bool) -> Json | Refusal:
    """The session after a `session.update`, or why the API refuses it; `config` is left as it is."""
    for param, why in _fixed(config, patch, audio_sent=audio_sent):
        return Refusal(code="invalid_value", message=why, param=f"session.{param}")
    merged = deepcopy(config)
    audio: Json = patch.get("audio") or {}
    merged |= {key: value for key, value in patch.items() if key != "audio"}
    for side in ("input", "output"):
        merged["audio"][side] |= audio.get(side) or {}
    merged["audio"]["input"]["turn_detection"] = _turn_detection(merged["audio"]["input"]["turn_detection"])
    for param, why in _violations(merged):
        return Refusal(code="invalid_value", message=why, param=f"session.{param}")
    return merged


def refuse_response(config: Json, params: Json, *, audio_sent: bool) -> Refusal | None:
    """What the API has against `response` of a response.create."""
    wrong: list[tuple[str, str]] = []
    if params.get("conversation") not in (None, "auto", "none"):
        wrong.append(("conversation", "Invalid value for conversation: auto or none."))
    voice = _at(params, "audio.output.voice")
    if audio_sent and voice not in (None, _at(config, "audio.output.voice")):
        wrong.append(("audio.output.voice", _VOICE_IS_FIXED))
    wrong += _broken_rules(params)
    return next((Refusal(code="invalid_value", message=why, param=f"response.{at}") for at, why in wrong), None)


def _turn_detection(sent: Json | None) -> Json | None:
    """With the defaults of its type filled in; null is manual turn taking."""
    if sent is None:
        return None
    return (_SERVER_VAD if sent["type"] == "server_vad" else _SEMANTIC_VAD) | sent


def _fixed(config: Json, patch: Json, *, audio_sent: bool) -> Iterator[tuple[str, str]]:
    """Fields that cannot change any more."""
    if patch["type"] != "realtime":
        yield "type", "Passing a transcription session update event to a realtime session is not allowed."
    if patch.get("model", config["model"]) != config["model"]:
        yield "model", "The model of a session cannot be changed."
    old_voice, new_voice = _at(config, "audio.output.voice"), _at(patch, "audio.output.voice")
    if audio_sent and new_voice not in (None, old_voice):
        yield "audio.output.voice", _VOICE_IS_FIXED
    if config["tracing"] is not None and patch.get("tracing", config["tracing"]) != config["tracing"]:
        yield "tracing", "Tracing cannot be changed once it is enabled."


def _violations(config: Json) -> Iterator[tuple[str, str]]:
    yield from _broken_rules(config)
    yield from _transcription_violations(config)


def _broken_rules(config: Json) -> Iterator[tuple[str, str]]:
    return (
        (path, f"Invalid value for {path}: {why}.")
        for path, allowed, why in _RULES
        if (value := _at(config, path)) is not None and not allowed(value)
    )


def _transcription_violations(config: Json) -> Iterator[tuple[str, str]]:
    path = "audio.input.transcription"
    transcription: Json = _at(config, path) or {}
    if transcription.get("language") and transcription.get("languages"):
        yield f"{path}.languages", "Send either language or languages."
    if transcription.get("model") in _STREAMING_TRANSCRIBERS and _at(config, "audio.input.turn_detection"):
        yield f"{path}.model", "This transcription model needs turn_detection null."


def _at(config: Json, path: str) -> Any:
    here: Any = config
    for name in path.split("."):
        here = cast("Json", here).get(name) if isinstance(here, dict) else None
    return here


def _is_voice(value: object) -> bool:
    return isinstance(value, dict) or value in VOICES


def _is_modality(value: object) -> bool:
    return value in (["audio"], ["text"])


def _is_token_limit(value: object) -> bool:
    return value == "inf" or (isinstance(value, int) and 1 <= value <= 4096)


def _between(low: float, high: float) -> Callable[[Any], bool]:
    def inside(value: Any) -> bool:
        return isinstance(value, int | float) and low <= value <= high

    return inside


_VAD = "audio.input.turn_detection"
_RULES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("output_modalities", _is_modality, 'either ["audio"] or ["text"]'),
    ("max_output_tokens", _is_token_limit, "1 to 4096 or inf"),
    ("audio.output.voice", _is_voice, "not a known voice"),
    ("audio.output.speed", _between(0.25, 1.5), "0.25 to 1.5"),
    (f"{_VAD}.threshold", _between(0.0, 1.0), "0 to 1"),
    (f"{_VAD}.prefix_padding_ms", _between(0, 5_000), "0 to 5000"),
    (f"{_VAD}.silence_duration_ms", _between(0, 10_000), "0 to 10000"),
    (f"{_VAD}.idle_timeout_ms", _between(5_000, 30_000), "5000 to 30000"),
)
"""Bounds of prefix, silence and idle time are reported by users, not published."""
