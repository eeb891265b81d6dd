"""A leg that goes on with a conversation: what the model is told first, how it counts, what is heard."""

import numpy as np
import pytest

from media.commands import Continuation, PastTurn
from media.continuing import on_call_time, past_turns
from media.hold_tone import BEEPS, PERIOD_SLOTS, hold_tone
from media.realtime import session_model as sm
from tests.unit.media.realtime.talk import Talk

SAID = PastTurn(speaker="agent", text="good morning to you", start_audio_ms=0)
ASKED = PastTurn(speaker="callee", text="who is this", start_audio_ms=2_000)
CUT = PastTurn(
    speaker="agent",
    text="this is the clinic and I call about",
    start_audio_ms=4_000,
    interrupted=True,
    heard_ms=1_000,
    generated_ms=2_000,
)
CONTINUED = Continuation(audio_ms=5_000, turns=(SAID, ASKED, CUT))


def test_the_model_is_told_what_was_said_and_goes_on_by_itself() -> None:
    talk = Talk(continued=past_turns(CONTINUED), opening="greet_first", priming="You were away.")
    assert sm.HoldPlayback() in talk.effects
    talk.put(sm.Answered())
    assert sm.ReleasePlayback() in talk.effects, "it is answered already"
    talk.configured()
    items = [event["item"] for event in talk.sent if event["type"] == "conversation.item.create"]
    told = [(item["role"], item["content"][0]["text"]) for item in items]
    assert told[0][0] == "system"
    assert told[0][1].startswith("You were away.")
    assert told[1:] == [
        ("assistant", "good morning to you"),
        ("user", "who is this"),
        ("assistant", "this is the"),  # as far as it was heard
    ]
    responses = [event for event in talk.all_sent if event["type"] == "response.create"]
    assert len(responses) == 1
    assert "instructions" not in responses[0]["response"], "no greeting"


def test_positions_are_those_of_the_call() -> None:
    fields = {"audio_ms": 100, "start_audio_ms": 1, "end_audio_ms": 2, "heard_ms": 7, "text": "x"}
    moved = on_call_time(fields, CONTINUED)
    assert moved == {"audio_ms": 5_100, "start_audio_ms": 5_001, "end_audio_ms": 5_002, "heard_ms": 7, "text": "x"}


def test_turns_so_far_lie_before_the_beginning() -> None:
    assert [turn.start_audio_ms for turn in past_turns(CONTINUED)] == [-5_000, -3_000, -1_000]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
def test_the_hold_tone_is_soft_short_and_never_ends_in_a_click(rate_hz: int) -> None:
    frames = hold_tone(rate_hz)
    assert len(frames) == PERIOD_SLOTS
    sounding = [n for n, frame in enumerate(frames) if frame is not None]
    assert sounding == [n for first, last in BEEPS for n in range(first, last)]
    for first, last in BEEPS:
        beep = np.concatenate([frame for frame in frames[first:last] if frame is not None]).astype(np.float64)
        assert len(beep) == (last - first) * rate_hz // 50
        assert abs(beep[0]) < 200
        assert abs(beep[-1]) < 200
        assert -29 < 20 * np.log10(np.sqrt(np.mean(beep**2)) / 32_768) < -26
