"""Every documented server event is known, every frame becomes an event."""

import base64
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeServerEvent

from media.realtime import events as ev
from media.realtime.decoding import IGNORED_TYPES, decode

TYPED = {str(kind.__struct_config__.tag) for kind in get_args(ev.TypedServerEvent)}


def sdk_types() -> set[str]:
    """`type` of all server events the SDK declares."""
    union = get_args(RealtimeServerEvent)[0]
    names: set[str] = set()
    for kind in get_args(union):
        names |= set(get_args(kind.model_fields["type"].annotation))
    return names


def test_every_event_of_the_sdk_is_typed_or_ignored_on_purpose() -> None:
    assert len(TYPED) == 20
    assert sdk_types() - TYPED - IGNORED_TYPES == set()
    assert not TYPED & IGNORED_TYPES


def test_audio_comes_out_as_bytes_from_text_and_binary_frames() -> None:
    frame = msgspec.json.encode(
        {
            "type": "response.output_audio.delta",
            "response_id": "r",
            "item_id": "i",
            "output_index": 0,
            "content_index": 1,
            "delta": base64.b64encode(b"\x00\xff" * 400).decode(),
            "new_field": {"of": "tomorrow"},
        }
    )
    expected = ev.OutputAudioDelta(response_id="r", item_id="i", content_index=1, delta=b"\x00\xff" * 400)
    assert decode(frame) == expected
    assert decode(frame.decode()) == expected


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"hello",
        b"[]",
        b"{}",
        b'{"type": 7}',
        b'{"type": "session.created"}',
        b'{"type": "response.output_audio.delta", "response_id": "r", "item_id": "i", "delta": "%%%"}',
        b'{"type": "response.output_audio.delta", "response_id": "r", "item_id": "i", "delta": "AAA"}',
        b'{"type": "response.output_audio.delta", "delta": "AAAA"}',
        b'{"type": "response.done", "response": {"id": null}}',
        b'{"type": "error", "error": "text"}',
        b'{"type": "err\xff"}',
        b"[" * 100_000,
        b'{"type":"x","y":' + b"[" * 100_000,
    ],
)
def test_malformed(frame: bytes) -> None:
    event = decode(frame)
    assert isinstance(event, ev.MalformedServerEvent)
    assert event.message


def test_unknown_and_ignored() -> None:
    assert decode(b'{"type":"response.dance.delta"}') == ev.UnknownServerEvent(type="response.dance.delta")
    assert decode(b'{"type":"rate_limits.updated","rate_limits":5}') == ev.IgnoredServerEvent(
        type="rate_limits.updated"
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
field_names = st.sampled_from(["session", "response", "item", "error", "item_id", "response_id", "delta", "usage"])


@given(st.sampled_from(sorted(TYPED)), st.dictionaries(field_names, json_values, max_size=5))
def test_no_body_raises(event_type: str, body: dict[str, Any]) -> None:
    decode(msgspec.json.encode(body | {"type": event_type}))


@given(st.binary(max_size=64) | st.text(max_size=64))
def test_no_frame_raises(frame: bytes | str) -> None:
    decode(frame)
