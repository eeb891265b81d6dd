"""Decoding of the event websocket: known, unknown, malformed, and whom an event concerns."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis import events
from stasis.events import decode

C = {"id": "od-n1-a-c", "name": "PJSIP/x-1", "state": "Up", "protocol_id": "sip-1"}
M = {"id": "od-n1-a-m", "name": "UnicastRTP/x"}
B = {"id": "od-n1-a-b", "technology": "simple_bridge", "channels": ["od-n1-a-c"]}
SAMPLES = {
    "StasisStart": {"channel": C, "args": ["callee", "a"], "replace_channel": M},
    "StasisEnd": {"channel": C},
    "ChannelStateChange": {"channel": C},
    "ChannelHangupRequest": {"channel": C, "cause": 32, "soft": True},
    "ChannelDestroyed": {"channel": C, "cause": 17, "cause_txt": "User busy", "tech_cause": 486},
    "ChannelDtmfReceived": {"channel": C, "digit": "5", "duration_ms": 120},
    "ChannelEnteredBridge": {"channel": C, "bridge": B},
    "ChannelLeftBridge": {"channel": C, "bridge": B},
    "ChannelHold": {"channel": C, "musicclass": "default"},
    "ChannelUnhold": {"channel": C},
    "ChannelTalkingStarted": {"channel": C},
    "ChannelTalkingFinished": {"channel": C, "duration": 900},
    "ChannelToneDetected": {"channel": C},
    "Dial": {"peer": C, "caller": M, "dialstring": "x", "dialstatus": "RINGING"},
    "BridgeDestroyed": {"bridge": B},
    "ChannelUserevent": {"eventname": "heard", "userevent": {}},
    "ApplicationReplaced": {},
    "ApplicationRegistered": {},
}
HEADER = {
    "application": "opendeep-n1",
    "timestamp": "2026-08-06T15:45:49.123+0000",
    "asterisk_id": "aa:bb",
    "new": {},
}


def test_there_is_a_sample_of_every_event() -> None:
    assert set(SAMPLES) == {kind.__name__ for kind in events.EVENT_TYPES}
    assert len(SAMPLES) == 18


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_event_decodes_with_fields_of_a_later_release(kind: str) -> None:
    event = decode(json.dumps({"type": kind, **HEADER, **SAMPLES[kind]}).encode())
    assert type(event).__name__ == kind
    assert isinstance(event, events.AriEvent)
    assert event.timestamp == datetime(2026, 8, 6, 15, 45, 49, 123000, UTC)


@pytest.mark.parametrize("kind", [kind for kind in SAMPLES if SAMPLES[kind]])
def test_a_known_event_with_a_wrong_field_is_malformed_not_unknown(kind: str) -> None:
    first = next(iter(SAMPLES[kind]))
    event = decode(json.dumps({"type": kind, **SAMPLES[kind], first: 7.5}))
    assert isinstance(event, events.MalformedEvent)
    assert event.type == kind


def test_whom_an_event_concerns() -> None:
    def ids(kind: str) -> tuple[str, ...]:
        return decode(json.dumps({"type": kind, **SAMPLES[kind]})).channel_ids()

    assert ids("StasisStart") == ("od-n1-a-c", "od-n1-a-m")
    assert ids("Dial") == ("od-n1-a-c", "od-n1-a-m")
    assert ids("BridgeDestroyed") == ("od-n1-a-b",)
    assert ids("ChannelDestroyed") == ("od-n1-a-c",)
    assert ids("ApplicationReplaced") == ()


def test_a_bye_without_a_reason_has_no_cause() -> None:
    event = decode(json.dumps({"type": "ChannelHangupRequest", "channel": C}))
    assert isinstance(event, events.ChannelHangupRequest)
    assert (event.cause, event.soft) == (None, False)


def test_an_unknown_type_keeps_its_name() -> None:
    assert decode(b'{"type":"RESTResponse","status_code":200}') == events.UnknownEvent(type="RESTResponse")


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b"{}", b'{"type":5}', b'{"type":"Dial"', b"\xff\xfe", '"\ud800"']
)
def test_what_is_no_event_at_all_is_malformed(data: bytes | str) -> None:
    assert isinstance(decode(data), events.MalformedEvent)


@given(st.binary(max_size=200) | st.text(max_size=100))
def test_decode_never_raises(data: bytes | str) -> None:
    decode(data)
