"""Life of a session: start, configuring, failures, answers of the server that must not be believed."""

import pytest

from media.commands import OpenLeg
from media.errors import MediaUsageError
from media.realtime import notifications as nt
from media.realtime import session_model as sm
from media.realtime.outbox import CODE_LENGTH, FAULT_PERIOD_S, FAULTS_PER_PERIOD, MESSAGE_LENGTH
from media.realtime.session import RealtimeSession
from media.realtime.settings import ToolSpec
from tests.unit.media.realtime.talk import Talk, settings

State = sm.SessionState


def test_start_connects_and_holds_the_playback() -> None:
    talk = Talk()
    assert talk.effects == [sm.HoldPlayback(), sm.Connect(delay_ms=0)]
    assert talk.session.state is State.CONNECTING


def test_update_goes_out_on_created_and_ready_comes_on_updated() -> None:
    talk = Talk()
    assert talk.put(sm.Connected()).effects == []
    talk.serve("session.created", 0.2, session={"id": "sess_1"})
    assert talk.sent_types == ["session.update"]
    side = {"format": {"type": "audio/pcmu"}}
    talk.serve("session.updated", 0.3, session={"audio": {"input": side, "output": side}})
    assert talk.effects == [sm.Notify(report=nt.Ready(connect_ms=500))]
    assert talk.session.state is State.LISTENING


def test_greet_first_is_generated_while_ringing_and_held_until_the_answer() -> None:
    talk = Talk(opening="greet_first").configured()
    (create,) = [event for event in talk.sent if event["type"] == "response.create"]
    assert create["response"]["tool_choice"] == "none"
    assert create["response"]["instructions"].startswith("You call about a table.\n\n")
    assert "Hello, this is Ada." in create["response"]["instructions"]
    talk.created(ours=True).spoken(1000).done()
    assert not talk.of(sm.ReleasePlayback)
    assert talk.put(sm.Answered()).effects == [sm.ReleasePlayback()]
    assert talk.put(sm.Answered()).effects == []


def test_wait_for_hello_greets_after_silence_only() -> None:
    silent = Talk().in_call()
    assert silent.sent == []
    silent.put(sm.Tick(), 1.9)
    assert silent.sent == []
    silent.put(sm.Tick(), 0.1)
    assert silent.sent_types == ["response.create"]

    spoken = Talk().in_call().hear(1000).speech_started(at_ms=500)
    spoken.put(sm.Tick(), 2.0)
    assert spoken.sent == []


def test_nothing_is_appended_before_the_answer() -> None:
    talk = Talk().configured()
    assert talk.session.append(b"\xff" * 160) is None
    assert talk.session.position_ms == 0
    talk.put(sm.Answered())
    assert talk.session.append(b"\xff" * 160) is not None
    assert talk.session.position_ms == 20


@pytest.mark.parametrize(
    "audio",
    [
        None,
        {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcm", "rate": 24000}}},
        {"input": {"format": {"type": "audio/pcma"}}, "output": {"format": {"type": "audio/pcmu"}}},
    ],
)
def test_a_format_that_was_not_taken_fails_the_session(audio: object) -> None:
    talk = Talk()
    talk.put(sm.Connected()).serve("session.created", session={"id": "s"})
    talk.serve("session.updated", session={"audio": audio})
    (failed,) = talk.of(nt.Failed)
    assert failed.code == "audio_format_refused"
    assert not failed.fatal
    assert talk.session.state is State.CLOSED
    assert talk.session.next_deadline is None
    assert talk.put(sm.Answered()).effects == []


def test_pcm_needs_no_echo_but_the_right_rate() -> None:
    talk = Talk(audio_format="audio/pcm")
    talk.put(sm.Connected()).serve("session.created", session={}).serve("session.updated", session={})
    assert talk.session.state is State.LISTENING
    other = Talk(audio_format="audio/pcm")
    side = {"format": {"type": "audio/pcm", "rate": 16000}}
    other.put(sm.Connected()).serve("session.created", session={})
    other.serve("session.updated", session={"audio": {"input": side, "output": side}})
    assert other.of(nt.Failed)


@pytest.mark.parametrize(
    ("status", "code", "fatal"),
    [(401, "invalid_api_key", True), (403, "", True), (429, "insufficient_quota", True), (404, "", False)],
)
def test_a_refused_upgrade_that_no_retry_heals(status: int, code: str, fatal: bool) -> None:
    talk = Talk().put(sm.ConnectFailed(status=status, message="no", code=code))
    (failed,) = talk.of(nt.Failed)
    assert failed.fatal is fatal
    assert failed.code == (code or f"http_{status}")
    assert talk.session.state is State.CLOSED


def test_a_busy_server_is_asked_again_until_time_is_up() -> None:
    talk = Talk()
    delays: list[int] = []
    while talk.session.state is State.CONNECTING:
        talk.put(sm.ConnectFailed(status=503, message="busy"))
        delays += [effect.delay_ms for effect in talk.of(sm.Connect)]
        talk.now += delays[-1] / 1000
    assert delays == [200, 500, 1000, 2000, 4000, 4000]
    assert talk.of(nt.Failed)[0].code == "connection_lost"


def test_a_server_that_never_confirms_is_left() -> None:
    talk = Talk().put(sm.Connected())
    assert talk.session.next_deadline == talk.now + 10
    talk.tick_to_deadline()
    assert talk.of(sm.CloseSocket)
    assert talk.of(sm.Connect)
    assert talk.session.state is State.RECONNECTING


def test_an_error_about_our_update_fails_with_its_code() -> None:
    talk = Talk().put(sm.Connected()).serve("session.created", session={})
    update_id = talk.sent[0]["event_id"]
    talk.serve("error", error={"code": "unknown_parameter", "message": "session.x", "event_id": update_id})
    assert talk.of(nt.Failed)[0].code == "unknown_parameter"


@pytest.mark.parametrize("code", ["insufficient_quota", "account_deactivated", "billing_hard_limit_reached"])
def test_account_errors_are_fatal_at_any_time(code: str) -> None:
    for talk in (Talk().put(sm.Connected()), Talk().in_call()):
        talk.serve("error", error={"code": code, "message": "pay"})
        (failed,) = talk.of(nt.Failed)
        assert failed.fatal
        assert talk.of(sm.CloseSocket)
        assert talk.session.state is State.CLOSED


def test_other_errors_are_told_and_survived() -> None:
    talk = Talk().in_call().serve("error", error={"code": "unknown_parameter", "message": "x"})
    assert talk.of(nt.Fault)[0].code == "unknown_parameter"
    talk.serve("error", error={"code": "response_cancel_not_active"})
    assert talk.effects == []
    assert talk.session.counters.errors == 2
    assert talk.session.counters.errors_ignored == 1


def test_strange_frames_are_counted_and_reported_seldom() -> None:
    talk = Talk().in_call()
    for _ in range(50):
        talk.serve("response.telepathy.delta", 0.01)
        talk.serve("response.created")
    assert talk.session.counters.events_unknown == 50
    assert talk.session.counters.events_malformed == 50
    assert sorted(fault.code for fault in talk.every(nt.Fault)) == ["malformed_event", "unknown_event"]
    talk.serve("response.telepathy.delta", 5.0)
    assert len(talk.every(nt.Fault)) == 3


def test_frames_without_a_socket_are_ignored() -> None:
    talk = Talk().serve("error", error={"code": "session_expired"})
    assert talk.effects == []
    assert talk.session.state is State.CONNECTING


def test_close_reports_open_turns_and_ends_everything() -> None:
    talk = Talk().in_call().hear(2000).speech_started("item_u1", 100).speech_stopped("item_u1", 900)
    talk.said(3000, "A long story.").hear(1000)
    talk.put(sm.Close())
    turns = {turn.item_id: turn for turn in talk.of(nt.Turn)}
    assert [fault.code for fault in talk.of(nt.Fault)] == ["transcription_lost"]
    assert list(turns) == ["item_a1"]
    assert turns["item_a1"].interrupted
    assert turns["item_a1"].heard_ms == 1000
    assert talk.effects[-1] == sm.CloseSocket()
    assert talk.session.state is State.CLOSED
    assert talk.put(sm.Close()).effects == []
    assert talk.session.append(b"\xff" * 160) is None


def test_what_was_heard_at_the_end_is_what_the_playout_sent() -> None:
    """Half of the time the playout was held, for keys or by an operator."""
    talk = Talk().in_call().hear(1000).said(3000, "A long story.").hear(2000)
    held = sm.HeardItem(item_id="item_a1", content_index=0, heard_ms=980, received_ms=3000, finished=False)
    (turn,) = talk.put(sm.Close(unplayed=(held,))).of(nt.Turn)
    assert (turn.heard_ms, turn.generated_ms, turn.interrupted) == (980, 3000, True)


def test_what_was_heard_when_the_session_is_lost_does_not_depend_on_what_the_callee_sent() -> None:
    talk = Talk().in_call().said(3000, "A long story.")
    talk.serve("error", 2.0, error={"code": "insufficient_quota"})
    assert [turn.heard_ms for turn in talk.of(nt.Turn)] == [2000]


def test_faults_of_a_server_that_floods_are_few_and_short() -> None:
    talk = Talk().in_call()
    for number in range(1000):
        talk.serve("error", 0.001, error={"code": f"weird_{number}" * 100, "message": "x" * 5000})
    faults = talk.every(nt.Fault)
    assert len(faults) == FAULTS_PER_PERIOD
    assert max(len(fault.code) + len(fault.message) for fault in faults) <= CODE_LENGTH + MESSAGE_LENGTH
    assert talk.session.counters.faults_withheld == 1000 - FAULTS_PER_PERIOD
    talk.serve("error", FAULT_PERIOD_S, error={"code": "late"})
    assert [fault.code for fault in talk.of(nt.Fault)] == ["late"]


def test_audio_that_the_network_did_not_take_is_told_once_in_a_while() -> None:
    talk = Talk().in_call().hear(200)
    for _ in range(3):
        talk.session.audio_lost(160, talk.now)
    assert [fault.code for fault in talk.put(sm.Tick()).of(nt.Fault)] == ["audio_dropped"]
    assert talk.session.counters.input_dropped_ms == 60


def test_settings_are_shown_without_the_key() -> None:
    opening = OpenLeg(call_id="c", codec="ulaw", realtime=settings(api_key="sk-very-secret"))
    assert "very-secret" not in f"{opening!r} {opening.realtime} {opening.realtime.__rich_repr__()}"


def test_a_tool_schema_that_is_no_json_is_our_own_mistake() -> None:
    with pytest.raises(MediaUsageError, match="end_call"):
        RealtimeSession(settings(tools=(ToolSpec(name="end_call", description="", parameters="{"),)))
