"""A callee who waits: the filler, rate limits, stalls, dead connections; and the ends that nobody can prevent."""

import pytest

from media.realtime import notifications as nt
from media.realtime import session_model as sm
from media.realtime.api_errors import FATAL_CODES
from media.realtime.filler import FILLER_AFTER_S, FILLER_EVERY_S
from media.realtime.presets import PRESETS
from media.realtime.sequencer import SILENT_S, STALL_SPEAKING_S
from tests.unit.media.realtime.talk import Talk

TONE = b"\x7f" * 800


def fillers(talk: Talk) -> list[str]:
    return [one.item_id for one in talk.of(sm.Play) if one.item_id.startswith("filler")]


def asking(**changes: object) -> Talk:
    talk = Talk(filler=TONE, **changes).in_call().hear(1000)
    return talk.speech_started("item_u1", 100).speech_stopped("item_u1", 900)


def test_a_slow_answer_is_bridged_and_again_if_it_takes_long() -> None:
    talk = asking().created()
    assert talk.session.next_deadline == pytest.approx(talk.now + FILLER_AFTER_S)
    assert fillers(talk.put(sm.Tick(), FILLER_AFTER_S - 0.1)) == []
    assert fillers(talk.put(sm.Tick(), 0.2)) == ["filler-1"]
    assert talk.of(sm.FinishItem) == [sm.FinishItem(item_id="filler-1")]
    assert fillers(talk.put(sm.Tick(), 1.0)) == []
    assert fillers(talk.put(sm.Tick(), FILLER_EVERY_S)) == ["filler-2"]
    assert fillers(talk.delta(400).put(sm.Tick(), 9.0)) == []


def test_a_quick_answer_needs_none() -> None:
    talk = asking().created().spoken(400).done()
    assert fillers(talk.put(sm.Tick(), 5.0)) == []


def test_nobody_is_filled_who_does_not_wait() -> None:
    talk = (
        Talk(filler=TONE).in_call().hear(100).said(400).put(sm.PlaybackFinished(item_id="item_a1", audio_ms=500))
    )
    assert fillers(talk.put(sm.Tick(), 30.0)) == []
    speaking = Talk(filler=TONE).in_call().hear(100).speech_started()
    assert fillers(speaking.put(sm.Tick(), 30.0)) == []


def test_an_outage_is_filled_too_and_a_filler_is_no_turn() -> None:
    talk = asking().put(sm.Disconnected(code=1006, reason=""))
    assert fillers(talk.put(sm.Tick(), FILLER_AFTER_S - 0.1)) == []
    assert fillers(talk.tick_to_deadline()) == ["filler-1"]
    talk.put(sm.PlaybackStarted(item_id="filler-1", audio_ms=1000))
    talk.put(sm.PlaybackFinished(item_id="filler-1", audio_ms=1100))
    assert talk.every(nt.Turn) == talk.every(nt.Drained) == talk.every(nt.AgentSpeaking) == []


def test_a_rate_limit_is_waited_out_with_longer_and_longer_pauses() -> None:
    limited = {"error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "slow down"}}
    talk, pauses = asking(), list[float]()
    for number in range(4):
        talk.created(f"resp_{number}", ours=number > 0)
        since = talk.done(f"resp_{number}", "failed", status_details=limited).now
        while "response.create" not in talk.sent_types:
            talk.tick_to_deadline()
        pauses.append(round(talk.now - since, 1))
    assert pauses == [2.0, 4.0, 6.0, 8.0]
    assert talk.session.counters.fillers >= 4


def test_speech_that_stalls_is_gone_on_with() -> None:
    talk = asking().created().delta(400)
    assert talk.put(sm.Tick(), STALL_SPEAKING_S).sent_types == ["response.cancel"]
    assert talk.done(status="cancelled").sent_types == ["response.create"]


def test_a_server_that_answers_nothing_at_all_is_left() -> None:
    talk = Talk().in_call().put(sm.Tick(), 2.0)
    assert talk.sent_types == ["response.create"]
    talk.put(sm.Tick(), SILENT_S)
    assert [type(effect) for effect in talk.effects if not isinstance(effect, sm.Notify)] == [
        sm.CloseSocket,
        sm.Connect,
    ]
    assert talk.configured().sent_types.count("response.create") == 1


@pytest.mark.parametrize("code", sorted(FATAL_CODES))
def test_a_refused_account_ends_with_an_apology_and_says_why(code: str) -> None:
    talk = asking(apology=b"\x01" * 160).created()
    talk.done(status="failed", status_details={"error": {"code": code, "message": "no"}})
    assert [one.item_id for one in talk.of(sm.Play)] == ["apology"]
    assert talk.of(nt.Failed) == [nt.Failed(code=code, message="no", fatal=True)]
    before = Talk(apology=b"\x01" * 160).put(sm.ConnectFailed(status=401, message="no", code=code))
    assert before.of(sm.Play) == []


def test_a_session_that_has_ended_wants_no_tick() -> None:
    """A deadline that stays behind would keep the worker's loop busy, and every other call with it."""
    talk = asking().created()
    assert talk.session.next_deadline is not None
    talk.done(status="failed", status_details={"error": {"code": min(FATAL_CODES), "message": "no"}})
    assert talk.session.state is sm.SessionState.CLOSED
    assert talk.session.next_deadline is None


def test_no_billable_response_before_a_human_answered() -> None:
    talk = Talk(opening="wait_for_hello").configured()
    for _ in range(60):
        talk.put(sm.Tick(), 1.0)
    assert not [event for event in talk.all_sent if event["type"] == "response.create"]
    assert talk.put(sm.Answered()).sent_types == []
    assert talk.put(sm.Tick(), 1.9).sent_types == []
    assert talk.put(sm.Tick(), 0.2).sent_types == ["response.create"]


def test_greet_first_renders_while_it_rings() -> None:
    talk = Talk(opening="greet_first").configured()
    assert talk.last_create["response"]["tool_choice"] == "none"
    talk.created(ours=True).spoken(900, "Hello, this is Ada.").done()
    assert talk.put(sm.Answered()).effects[0] == sm.ReleasePlayback()
    assert not [event for event in talk.sent if event["type"] == "response.create"]


PRESET_VALUES = {
    "natural": {"type": "semantic_vad", "eagerness": "auto"},
    "phone": {"type": "server_vad", "threshold": 0.6, "prefix_padding_ms": 300, "silence_duration_ms": 600},
    "noisy": {"type": "server_vad", "threshold": 0.7, "prefix_padding_ms": 300, "silence_duration_ms": 700},
    "digits": {"type": "semantic_vad", "eagerness": "low"},
}


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("barge_in", ["server", "guarded"])
def test_presets_as_the_server_is_told(name: str, barge_in: str) -> None:
    preset = PRESETS[name]  # type: ignore[index]
    changes = {"turn_detection": preset.turn_detection, "noise_reduction": preset.noise_reduction}
    talk = Talk(**changes, barge_in=barge_in).configured()
    (update,) = [event for event in talk.all_sent if event["type"] == "session.update"]
    told = update["session"]["audio"]["input"]
    server = barge_in == "server"
    flags = {"create_response": server, "interrupt_response": server}
    assert told["turn_detection"] == PRESET_VALUES[name] | flags
    assert told["noise_reduction"] == ({"type": "far_field"} if name == "noisy" else None)
    assert set(PRESETS) == set(PRESET_VALUES)
