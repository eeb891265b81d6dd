"""Turns, barge-in, truncation, transcripts, farewell: the orders of events as the API really sends them."""

import pytest

from media.realtime import notifications as nt
from media.realtime import session_model as sm
from tests.unit.media.realtime.talk import Talk

State = sm.SessionState


def truncates(talk: Talk) -> list[tuple[str, int]]:
    sent = [event for event in talk.sent if event["type"] == "conversation.item.truncate"]
    return [(event["item_id"], event["audio_end_ms"]) for event in sent]


def test_one_plain_turn() -> None:
    talk = Talk().in_call().hear(3000)
    talk.speech_started("item_u1", 400)
    assert talk.effects == [sm.FlushPlayback(fade=True), sm.Notify(report=nt.SpeechStarted(audio_ms=400))]
    assert talk.session.state is State.USER_SPEAKING
    talk.speech_stopped("item_u1", 2000)
    assert talk.of(nt.SpeechStopped) == [nt.SpeechStopped(audio_ms=2000)]
    talk.serve("input_audio_buffer.committed", item_id="item_u1", previous_item_id=None)
    talk.serve("conversation.item.added", item={"id": "item_u1", "type": "message", "role": "user"})
    talk.created()
    assert talk.session.state is State.RESPONDING
    talk.spoken(1200, "A table for two?")
    assert talk.played == b"\x55" * 9600
    assert talk.of(sm.FinishItem) == [sm.FinishItem(item_id="item_a1")]
    talk.serve(
        "conversation.item.input_audio_transcription.completed",
        item_id="item_u1",
        content_index=0,
        transcript="Hello, who is this?",
        usage={"type": "duration", "seconds": 2.0},
    )
    (turn,) = talk.of(nt.Turn)
    assert (turn.speaker, turn.text, turn.start_audio_ms, turn.end_audio_ms) == (
        "callee",
        "Hello, who is this?",
        400,
        2000,
    )
    assert talk.of(nt.TranscriptionUsed)[0].cost_micro_usd == 150
    talk.done()
    assert talk.sent == []
    talk.put(sm.PlaybackStarted(item_id="item_a1", audio_ms=3100), 0.1)
    talk.put(sm.PlaybackFinished(item_id="item_a1", audio_ms=4300), 1.2)
    (turn,) = talk.of(nt.Turn)
    assert turn == nt.Turn(
        speaker="agent",
        item_id="item_a1",
        text="A table for two?",
        start_audio_ms=3100,
        end_audio_ms=4300,
        heard_ms=1200,
        generated_ms=1200,
        latency=nt.TurnLatency(
            response_id="resp_1", stop_to_response_ms=0, response_to_delta_ms=0, delta_to_rtp_ms=100
        ),
    )
    assert talk.of(nt.Drained) == [nt.Drained(item_id="item_a1")]
    assert talk.session.state is State.LISTENING


def test_latencies_of_the_first_packet() -> None:
    talk = Talk().in_call().hear(1000).speech_started().speech_stopped(at_ms=500)
    talk.now += 0.3
    talk.created()
    talk.now += 0.2
    talk.delta(400)
    talk.put(sm.PlaybackStarted(item_id="item_a1", audio_ms=1500), 0.015)
    (report,) = talk.of(nt.AgentSpeaking)
    assert report == nt.AgentSpeaking(
        item_id="item_a1", response_to_first_delta_ms=200, first_delta_to_rtp_ms=15, speech_stop_to_rtp_ms=515
    )
    assert not talk.put(sm.PlaybackStarted(item_id="item_a1", audio_ms=1500)).effects


def test_barge_in_while_generating() -> None:
    talk = Talk().in_call().hear(4000).created().words("I would like to ask").delta(2000)
    talk.put(sm.PlaybackStarted(item_id="item_a1", audio_ms=2500))
    talk.speech_started("item_u1", 3500)
    assert talk.of(sm.FlushPlayback) == [sm.FlushPlayback(fade=True)]
    assert "response.cancel" not in talk.sent_types
    talk.flushed(("item_a1", 1040, 2000, False))
    assert truncates(talk) == [("item_a1", 1040)]
    assert talk.of(nt.BargeIn) == [nt.BargeIn(item_id="item_a1", heard_ms=1040, generated_ms=2000)]
    (turn,) = talk.of(nt.Turn)
    assert turn.interrupted
    assert (turn.heard_ms, turn.generated_ms) == (1040, 2000)
    assert turn.text == "I would like to ask"
    assert talk.delta(200).effects == []
    assert talk.session.counters.late_audio_deltas == 1
    talk.done(status="cancelled", status_details={"type": "cancelled", "reason": "turn_detected"})
    assert talk.sent == []
    talk.speech_stopped("item_u1", 3900).created("resp_2").spoken(500, "Yes?", "resp_2", "item_a2")
    assert talk.played


def test_barge_in_after_generation_cuts_each_item_by_what_was_heard() -> None:
    talk = Talk().in_call().hear(6000).created()
    talk.spoken(1000, "One.", item="item_a1").spoken(2000, "Two.", item="item_a2").spoken(
        800, "3.", item="item_a3"
    )
    talk.done()
    talk.put(sm.PlaybackStarted(item_id="item_a1", audio_ms=3000))
    talk.put(sm.PlaybackStarted(item_id="item_a2", audio_ms=4000))
    talk.speech_started("item_u1", 5000)
    talk.flushed(("item_a1", 1000, 1000, True), ("item_a2", 500, 2000, False), ("item_a3", 0, 800, False))
    assert truncates(talk) == [("item_a2", 500), ("item_a3", 0)]
    turns = [(turn.item_id, turn.interrupted, turn.heard_ms) for turn in talk.of(nt.Turn)]
    assert turns == [("item_a1", False, 1000), ("item_a2", True, 500), ("item_a3", True, 0)]
    assert talk.of(nt.BargeIn) == [nt.BargeIn(item_id="item_a2", heard_ms=500, generated_ms=2000)]
    assert talk.session.state is State.USER_SPEAKING


@pytest.mark.parametrize(
    ("heard_ms", "path_ms", "truncated_ms"), [(1000, 60, 940), (40, 60, 0), (5000, 60, 1940), (5000, 0, 2000)]
)
def test_truncation_is_heard_less_path_and_never_beyond_received(
    heard_ms: int, path_ms: int, truncated_ms: int
) -> None:
    talk = Talk(path_ms=path_ms).in_call().hear(100).said(2000).speech_started()
    talk.flushed(("item_a1", heard_ms, 9000, False))
    assert truncates(talk) == [("item_a1", truncated_ms)]


def test_deltas_that_came_only_after_the_cut_are_taken_out_of_the_servers_memory() -> None:
    talk = Talk().in_call().hear(100).created().speech_started().flushed()
    assert talk.delta(400).effects == []
    talk.done(status="completed")
    assert truncates(talk) == [("item_a1", 0)]


def test_a_greeting_overtaken_by_the_callees_hello_is_cancelled() -> None:
    talk = Talk().in_call().hear(2000).put(sm.Tick(), 2.0)
    assert talk.sent_types == ["response.create"]
    talk.speech_started("item_u1", 1900).created(ours=True)
    (cancel,) = talk.sent
    assert (cancel["type"], cancel["response_id"]) == ("response.cancel", "resp_1")
    assert talk.delta(200).of(sm.Play) == []
    talk.done(status="cancelled")
    talk.speech_stopped("item_u1", 1950).created("resp_2").done("resp_2")
    assert talk.sent == []
    assert [event["type"] for event in talk.all_sent].count("response.create") == 1


def test_transcripts_come_late_and_out_of_order() -> None:
    talk = Talk().in_call().hear(5000)
    talk.speech_started("item_u1", 100).speech_stopped("item_u1", 1000)
    talk.speech_started("item_u2", 2000).speech_stopped("item_u2", 3000)
    completed = "conversation.item.input_audio_transcription.completed"
    talk.serve(completed, item_id="item_u2", transcript="second")
    assert talk.of(nt.Turn)[0].start_audio_ms == 2000
    talk.serve(completed, item_id="item_u1", transcript="first")
    assert talk.of(nt.Turn)[0].start_audio_ms == 100
    assert talk.serve(completed, item_id="item_u1", transcript="again").effects == []


def test_partial_words_are_whole_and_not_too_many() -> None:
    talk = Talk().in_call().hear(100).speech_started()
    delta = "conversation.item.input_audio_transcription.delta"
    for word in ("Good ", "morning ", "to ", "you"):
        talk.serve(delta, 0.1, item_id="item_u1", delta=word)
    assert [partial.text for partial in talk.every(nt.Partial)] == ["Good ", "Good morning to you"]


def test_a_failed_transcription_is_a_fault_and_no_turn() -> None:
    talk = Talk().in_call().hear(1000).speech_started("item_u1", 100).speech_stopped("item_u1", 600)
    talk.serve(
        "conversation.item.input_audio_transcription.failed", item_id="item_u1", error={"message": "unclear"}
    )
    assert talk.of(nt.Turn) == []
    assert talk.of(nt.Fault) == [nt.Fault(code="transcription_failed", message="unclear")]


def test_noise_that_was_transcribed_to_nothing_costs_but_is_no_turn() -> None:
    talk = Talk().in_call().hear(1000).speech_started("item_u1", 100).speech_stopped("item_u1", 600)
    completed = "conversation.item.input_audio_transcription.completed"
    talk.serve(completed, item_id="item_u1", transcript=" \n", usage={"type": "duration", "seconds": 0.5})
    assert [type(report) for report in talk.reports] == [nt.TranscriptionUsed]
    assert talk.serve(completed, item_id="item_u1", transcript="again").reports == []


def test_an_unannounced_item_gets_the_present_position() -> None:
    talk = Talk().in_call().hear(1200)
    talk.serve("input_audio_buffer.committed", item_id="item_idle")
    talk.serve("conversation.item.input_audio_transcription.completed", item_id="item_idle", transcript="hm")
    assert talk.of(nt.Turn)[0].start_audio_ms == 1200


def test_an_answer_that_was_never_announced_is_an_answer() -> None:
    talk = Talk().in_call().hear(1000).speech_started("item_u1", 100).speech_stopped("item_u1", 600)
    talk.delta(400, "resp_1").done("resp_1")
    talk.put(sm.PlaybackStarted(item_id="item_a1", audio_ms=1000))
    talk.put(sm.PlaybackFinished(item_id="item_a1", audio_ms=1400), 0.4)
    assert talk.of(nt.Drained) == [nt.Drained(item_id="item_a1")]
    assert talk.put(sm.Tick(), 4.0).effects == []


def test_an_answer_of_which_only_the_end_was_told_is_an_answer() -> None:
    call = {"id": "f1", "type": "function_call", "status": "completed", "call_id": "c1", "name": "look_up"}
    talk = Talk().in_call().hear(1000).speech_started("item_u1", 100).speech_stopped("item_u1", 600)
    talk.done("resp_1", output=[call | {"arguments": "{}"}])
    assert talk.put(sm.Tick(), 4.5).effects == []


def test_the_end_of_what_was_cut_is_no_answer() -> None:
    talk = Talk().in_call().hear(1000).created("resp_1").delta(400).speech_started().flushed()
    talk.speech_stopped().done("resp_1", status="cancelled")
    assert talk.put(sm.Tick(), 4.5).sent_types == ["response.create"]


def test_a_turn_the_server_leaves_unanswered_is_asked_for() -> None:
    talk = Talk().in_call().hear(100).speech_started().speech_stopped()
    talk.put(sm.Tick(), 3.9)
    assert talk.sent == []
    talk.put(sm.Tick(), 0.2)
    assert talk.sent_types == ["response.create"]
    assert talk.of(nt.Fault)[0].code == "no_reply"


def test_farewell_waits_for_a_sentence_in_progress() -> None:
    talk = Talk().in_call().hear(100).created().delta(500)
    assert talk.put(sm.SayNow(instructions="Say goodbye.")).effects == []
    talk.done()
    (create,) = talk.sent
    assert create["response"]["tool_choice"] == "none"
    assert create["response"]["instructions"] == "You call about a table.\n\nSay goodbye."
    talk.put(sm.PlaybackStarted(item_id="item_a1", audio_ms=100))
    assert not talk.put(sm.PlaybackFinished(item_id="item_a1", audio_ms=600)).of(nt.Drained)
    talk.created("resp_2", ours=True).spoken(700, "Goodbye.", "resp_2", "item_a2").done("resp_2")
    talk.put(sm.PlaybackStarted(item_id="item_a2", audio_ms=700))
    talk.put(sm.PlaybackFinished(item_id="item_a2", audio_ms=1400))
    assert talk.of(nt.Drained) == [nt.Drained(item_id="item_a2")]


def test_farewell_replaces_a_response_that_has_said_nothing() -> None:
    talk = Talk().in_call().hear(100).created()
    talk.put(sm.SayNow(instructions="Bye."))
    assert talk.sent_types == ["response.cancel"]
    assert talk.delta(200).effects == []
    talk.done(status="cancelled")
    assert talk.sent_types == ["conversation.item.truncate", "response.create"]


def test_farewell_waits_for_a_callee_who_speaks_but_not_for_ever() -> None:
    talk = Talk().in_call().hear(100).speech_started()
    assert talk.put(sm.SayNow(instructions="Bye.")).sent == []
    assert talk.put(sm.Tick(), 2.9).sent == []
    assert talk.put(sm.Tick(), 0.2).sent_types == ["response.create"]


def test_farewell_while_the_server_answers_a_turn_by_itself() -> None:
    talk = Talk().in_call().hear(100).speech_started().put(sm.SayNow(instructions="Bye.")).speech_stopped()
    assert talk.sent == []
    assert talk.created("resp_1").sent_types == ["response.cancel"]
    assert talk.done("resp_1", "cancelled").sent_types == ["response.create"]
    talk.created("resp_2", ours=True)
    assert talk.delta(200, "resp_2", "item_a2").of(sm.Play)


def test_settled_while_nothing_is_left_to_say() -> None:
    talk = Talk(opening="wait_for_hello").in_call()
    assert talk.session.settled
    talk.put(sm.SayNow(instructions="Goodbye."))
    assert not talk.session.settled
    talk.created("resp_1", ours=True).spoken(400).done()
    assert not talk.session.settled
    talk.put(sm.PlaybackStarted(item_id="item_a1", audio_ms=100))
    talk.put(sm.PlaybackFinished(item_id="item_a1", audio_ms=500))
    assert talk.session.settled


def test_settled_when_a_farewell_was_talked_over_or_given_up() -> None:
    talk = Talk(opening="wait_for_hello").in_call().put(sm.SayNow(instructions="Goodbye."))
    talk.created("resp_1", ours=True).spoken(4000).done().speech_started()
    talk.flushed(("item_a1", 600, 4000, True))
    assert talk.session.settled
    talk = Talk(opening="wait_for_hello").in_call().put(sm.SayNow(instructions="Goodbye."))
    for number in range(3):
        assert not talk.session.settled
        talk.created(f"resp_{number}", ours=True)
        talk.done(f"resp_{number}", status="failed", status_details={"error": {"code": "server_error"}})
        talk.put(sm.Tick(), 2.0)
    assert talk.session.settled


def test_a_farewell_in_an_outage_is_left_to_say() -> None:
    talk = Talk(opening="wait_for_hello").in_call().put(sm.Disconnected(code=1006, reason=""))
    assert talk.session.settled
    assert not talk.put(sm.SayNow(instructions="Goodbye.")).session.settled
    assert talk.put(sm.Close()).session.settled


def test_drained_is_said_once_and_not_while_an_answer_is_owed() -> None:
    talk = Talk().in_call().hear(100).said(500)
    talk.speech_started("item_u1").speech_stopped("item_u1")
    assert not talk.put(sm.PlaybackFinished(item_id="item_a1", audio_ms=600)).of(nt.Drained)
    talk.created("resp_2")
    assert talk.done("resp_2").of(nt.Drained) == [nt.Drained(item_id="item_a1")]
    assert not talk.put(sm.Tick(), 1.0).of(nt.Drained)
