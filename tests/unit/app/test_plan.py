"""From settings and an order to what Asterisk and the media worker are asked for."""

import msgspec
import pytest

from app.calls.plan import FAREWELL_MARGIN_S, call_plan, open_leg, realtime_settings
from tests.unit.app.call_world import order, settings
from tests.unit.app.store_world import AGENT


def test_only_the_number_of_the_endpoint_is_replaced() -> None:
    plan = call_plan(settings(trunk_endpoint="PJSIP/{number}@my-trunk"), order(number="+4930123456"))
    assert plan.endpoint == "PJSIP/+4930123456@my-trunk"
    assert plan.ids.callee == f"od-me-{'c' * 32}-c"
    assert plan.caller_id is None


def test_asterisk_lets_the_farewell_be_heard_and_the_leg_outlives_the_channel() -> None:
    made = settings(ring_timeout_s=20, max_call_duration_s=100)
    plan, leg = call_plan(made, order()), open_leg(made, order())
    assert plan.ring_timeout_s == 20
    assert plan.max_duration_s == 100 + FAREWELL_MARGIN_S
    assert leg.max_duration_ms / 1000 > plan.ring_timeout_s + plan.max_duration_s


@pytest.mark.parametrize(
    ("codec", "audio", "wire"),
    [
        ("ulaw", "auto", "audio/pcmu"),
        ("alaw", "auto", "audio/pcma"),
        ("g722", "auto", "audio/pcm"),
        ("ulaw", "pcm", "audio/pcm"),
        ("alaw", "g711", "audio/pcma"),
    ],
)
def test_audio_of_the_model(codec: str, audio: str, wire: str) -> None:
    made = settings(leg_codec=codec, realtime_audio=audio)
    assert realtime_settings(made, order()).audio_format == wire
    assert open_leg(made, order()).codec == codec


def test_a_recording_is_made_only_when_asked_for() -> None:
    assert open_leg(settings(), order()).recording_path is None
    path = open_leg(settings(recording=True), order()).recording_path
    assert path is not None
    assert path.startswith("/")
    assert path.endswith(f"{'c' * 32}.wav")


def test_the_agent_speaks_with_its_own_voice_and_tools() -> None:
    agent = msgspec.structs.replace(AGENT, voice="cedar", language="de", tools=("end_call", "no_such_tool"))
    made = realtime_settings(settings(), order(agent=agent))
    assert (made.voice, made.language) == ("cedar", "de")
    assert [tool.name for tool in made.tools] == ["end_call", "record_opt_out"]
    assert realtime_settings(settings(voice="ash"), order()).voice == "ash"
