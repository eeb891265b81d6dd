"""Client events against the SDK's own types, and the configuration of a session."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from media.realtime.client_events import (
    ConversationItemCreate,
    ConversationItemTruncate,
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudioBufferAppend,
    MessageItem,
    ResponseCancel,
    ResponseConfig,
    ResponseCreate,
    SessionUpdate,
    TextPart,
    append_frame,
    encode,
)
from media.realtime.configure import session_config
from media.realtime.settings import ToolSpec, TurnDetection
from tests.unit.media.realtime.talk import checked, settings

SCHEMA = '{"type":"object","properties":{"reason":{"type":"string"}}}'


def test_session_update_to_the_letter() -> None:
    tool = ToolSpec(name="end_call", description="Hang up.", parameters=SCHEMA)
    update = SessionUpdate(
        event_id="e1", session=session_config(settings(tools=(tool,), noise_reduction="far_field"))
    )
    assert checked(encode(update)) == {
        "type": "session.update",
        "event_id": "e1",
        "session": {
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": "You call about a table.",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "transcription": {"model": "gpt-transcribe", "languages": ["en"]},
                    "noise_reduction": {"type": "far_field"},
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.6,
                        "prefix_padding_ms": 300,
                        "silence_duration_ms": 600,
                        "create_response": True,
                        "interrupt_response": True,
                    },
                },
                "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
            },
            "tools": [
                {
                    "type": "function",
                    "name": "end_call",
                    "description": "Hang up.",
                    "parameters": {"type": "object", "properties": {"reason": {"type": "string"}}},
                }
            ],
            "tool_choice": "auto",
            "max_output_tokens": 1024,
        },
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"audio_format": "audio/pcm"},
        {"audio_format": "audio/pcma", "language": ""},
        {"turn_detection": TurnDetection(type="semantic_vad", eagerness="low")},
        {"transcription_model": "whisper-1", "language": "de"},
        {"transcription_model": ""},
    ],
)
def test_other_settings_are_valid_too(changes: dict[str, object]) -> None:
    session = checked(encode(SessionUpdate(event_id="e", session=session_config(settings(**changes)))))["session"]
    if changes.get("audio_format") == "audio/pcm":
        assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    if "turn_detection" in changes:
        assert session["audio"]["input"]["turn_detection"]["eagerness"] == "low"
    if changes.get("transcription_model") == "whisper-1":
        assert session["audio"]["input"]["transcription"] == {"model": "whisper-1", "language": "de"}
    if changes.get("transcription_model") == "":
        assert session["audio"]["input"]["transcription"] is None


def test_items_and_responses() -> None:
    text = MessageItem(role="system", content=(TextPart(type="input_text", text="x"),))
    said = MessageItem(role="assistant", content=(TextPart(type="output_text", text="x"),))
    call = FunctionCallItem(call_id="c", name="n", arguments="{}")
    for item in (text, said, call, FunctionCallOutputItem(call_id="c", output="{}")):
        assert checked(encode(ConversationItemCreate(event_id="e", item=item)))["item"]["type"]
    full = ResponseConfig(
        instructions="i", tool_choice="none", output_modalities=("audio",), metadata={"od": "od-1"}
    )
    assert set(checked(encode(ResponseCreate(event_id="e", response=full)))["response"]) == {
        field.name for field in structs.fields(ResponseConfig)
    }
    assert checked(encode(ResponseCreate(event_id="e", response=ResponseConfig())))["response"] == {}
    checked(encode(ResponseCancel(event_id="e", response_id="r")))
    checked(encode(ConversationItemTruncate(event_id="e", item_id="i", content_index=0, audio_end_ms=0)))


@given(st.binary(max_size=2000), st.integers(min_value=1, max_value=10**9))
def test_the_fast_append_is_the_slow_one(audio: bytes, number: int) -> None:
    fast = json.loads(append_frame(audio, number))
    slow = json.loads(encode(InputAudioBufferAppend(event_id=f"a{number}", audio=audio)))
    assert fast == slow
    assert base64.b64decode(fast["audio"]) == audio


def test_the_fast_append_is_valid() -> None:
    checked(append_frame(b"\xff" * 160, 1))
