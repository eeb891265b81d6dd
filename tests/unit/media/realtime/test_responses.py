"""Tools, usage, failures and races of the one response slot."""

import pytest

from media.realtime import notifications as nt
from media.realtime import session_model as sm
from media.realtime.sequencer import REQUEST_TIMEOUT_S, STALL_TIMEOUT_S
from tests.unit.media.realtime.talk import Talk

State = sm.SessionState


def creates(talk: Talk) -> int:
    return talk.sent_types.count("response.create")


def test_tool_result_goes_out_at_once_and_the_response_after_done() -> None:
    talk = Talk().in_call().hear(100).created().called("call_1", "find_table", '{"n":2}')
    assert talk.of(nt.ToolCalled) == [nt.ToolCalled(tool_call_id="call_1", name="find_table", arguments='{"n":2}')]
    talk.put(sm.ToolResult(tool_call_id="call_1", output='{"ok":true}'))
    assert talk.sent[0]["item"] == {"type": "function_call_output", "call_id": "call_1", "output": '{"ok":true}'}
    assert creates(talk) == 0
    assert creates(talk.done()) == 1


def test_tool_pending_is_a_state() -> None:
    talk = Talk().in_call().hear(100).created().called("call_1").done()
    assert talk.session.state is State.TOOL_PENDING
    assert creates(talk.put(sm.ToolResult(tool_call_id="call_1", output="{}"))) == 1
    assert talk.session.state is State.RESPONDING


def test_all_calls_of_a_response_are_answered_before_it_goes_on() -> None:
    talk = Talk().in_call().hear(100).created().called("call_1").called("call_2").done()
    assert creates(talk.put(sm.ToolResult(tool_call_id="call_2", output="{}", respond=False))) == 0
    assert creates(talk.put(sm.ToolResult(tool_call_id="call_1", output="{}", respond=True))) == 1


def test_a_call_answered_before_the_next_is_made_does_not_go_ahead() -> None:
    talk = Talk().in_call().hear(100).created().called("call_1")
    talk.put(sm.ToolResult(tool_call_id="call_1", output="{}")).called("call_2")
    assert creates(talk.done()) == 0
    assert creates(talk.put(sm.ToolResult(tool_call_id="call_2", output="{}"))) == 1


def test_respond_false_asks_for_nothing() -> None:
    talk = Talk().in_call().hear(100).created().called("call_1").done()
    talk.put(sm.ToolResult(tool_call_id="call_1", output="{}", respond=False))
    assert talk.sent_types == ["conversation.item.create"]
    assert talk.put(sm.Tick(), 5.0).sent == []


def test_preamble_and_call_in_one_response() -> None:
    talk = Talk().in_call().hear(100).created().spoken(900, "One moment.")
    talk.called("call_1")
    assert len(talk.of(nt.ToolCalled)) == 1
    talk.done(
        output=[
            {"id": "item_a1", "type": "message", "status": "completed"},
            {"id": "i", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "end_call"},
        ]
    )
    assert talk.of(nt.ToolCalled) == []
    talk.put(sm.PlaybackStarted(item_id="item_a1", audio_ms=0))
    assert creates(talk.put(sm.ToolResult(tool_call_id="call_1", output="{}"))) == 1
    talk.put(sm.PlaybackFinished(item_id="item_a1", audio_ms=900))
    assert talk.of(nt.Turn)[0].text == "One moment."


def test_a_call_seen_only_in_the_finished_response_counts() -> None:
    talk = Talk().in_call().hear(100)
    call = {"id": "i", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "end_call"}
    talk.done(output=[call | {"arguments": "{}"}])
    assert talk.of(nt.ToolCalled)[0].tool_call_id == "call_1"


def test_an_interrupted_call_does_not_count_but_a_completed_one_does() -> None:
    talk = Talk().in_call().hear(100).created().delta(100).speech_started().flushed(("item_a1", 100, 100, False))
    done = {"response_id": "resp_1", "item_id": "i1", "call_id": "call_1", "name": "end_call", "arguments": '{"x'}
    assert talk.serve("response.function_call_arguments.done", **done).of(nt.ToolCalled) == []
    item = {"id": "i1", "type": "function_call", "call_id": "call_1", "name": "end_call", "arguments": '{"x'}
    talk.serve("response.output_item.done", response_id="resp_1", item=item | {"status": "incomplete"})
    assert talk.of(nt.ToolCalled) == []
    item |= {"call_id": "call_2", "status": "completed", "arguments": "{}"}
    talk.serve("response.output_item.done", response_id="resp_1", item=item)
    assert [call.tool_call_id for call in talk.of(nt.ToolCalled)] == ["call_2"]


def test_a_result_nobody_waits_for_is_a_fault() -> None:
    talk = Talk().in_call().put(sm.ToolResult(tool_call_id="call_9", output="{}"))
    assert talk.sent == []
    assert talk.of(nt.Fault)[0].code == "unexpected_tool_result"


def test_the_servers_own_response_answers_a_tool_result_it_already_has() -> None:
    talk = Talk().in_call().hear(100).created().called("call_1").done()
    talk.speech_started("item_u1").flushed()
    talk.put(sm.ToolResult(tool_call_id="call_1", output="{}"))
    assert creates(talk) == 0
    output = {"id": "i", "type": "function_call_output", "call_id": "call_1", "output": "{}"}
    talk.serve("conversation.item.added", item=output)
    talk.speech_stopped("item_u1").created("resp_2").done("resp_2").put(sm.Tick(), 5.0)
    assert "response.create" not in [event["type"] for event in talk.all_sent]


def test_a_tool_result_the_server_did_not_have_yet_is_answered_after() -> None:
    talk = Talk().in_call().hear(100).created().called("call_1").done().speech_started("item_u1").flushed()
    talk.put(sm.ToolResult(tool_call_id="call_1", output="{}")).speech_stopped("item_u1").created("resp_2")
    assert creates(talk.done("resp_2")) == 1


def test_slot_taken_waits_for_done_and_asks_again() -> None:
    talk = Talk().in_call().put(sm.Tick(), 2.0)
    event_id = talk.last_create["event_id"]
    talk.created("resp_vad")
    talk.serve("error", error={"code": "conversation_already_has_active_response", "event_id": event_id})
    assert creates(talk) == 0
    talk.done("resp_vad")
    assert creates(talk.put(sm.Tick(), 0.3)) == 1


def test_slot_taken_for_the_servers_own_response_is_owed() -> None:
    talk = Talk().in_call().put(sm.Tick(), 2.0).created(ours=True)
    talk.serve("error", error={"code": "conversation_already_has_active_response"})
    assert creates(talk) == 0
    assert creates(talk.done()) == 1


def test_a_server_that_always_says_slot_taken_is_not_asked_for_ever() -> None:
    talk = Talk().in_call().put(sm.Tick(), 2.0)
    for _ in range(20):
        event_id = talk.last_create["event_id"]
        talk.serve("error", error={"code": "conversation_already_has_active_response", "event_id": event_id})
        talk.put(sm.Tick(), 1.0)
    assert [event["type"] for event in talk.all_sent].count("response.create") == 4


def test_done_without_created_frees_the_slot() -> None:
    talk = Talk().in_call().put(sm.Tick(), 2.0)
    talk.done("resp_x", "completed")
    talk.put(sm.SayNow(instructions="Bye."))
    assert creates(talk) == 1


def test_a_failed_response_is_asked_again_twice_with_longer_pauses() -> None:
    talk = Talk().in_call().put(sm.Tick(), 2.0)
    failed = {"type": "failed", "error": {"code": "server_error", "message": "oops"}}
    waits: list[float] = []
    for number in range(3):
        response = f"resp_{number}"
        talk.created(response, ours=True).done(response, "failed", status_details=failed)
        deadline = talk.session.next_deadline
        if talk.session.state is State.LISTENING and number < 2:
            assert deadline is not None
            waits.append(round(deadline - talk.now, 3))
            assert creates(talk.tick_to_deadline()) == 1
    assert waits == [0.5, 1.0]
    assert "response_given_up" in [fault.code for fault in talk.every(nt.Fault)]
    assert talk.session.counters.responses_retried == 2


def test_rate_limits_make_it_wait_longer_and_quota_ends_it() -> None:
    talk = Talk().in_call().hear(100).speech_started().speech_stopped().created()
    limited = {"type": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow down"}}
    talk.done(status="failed", status_details=limited)
    assert talk.session.next_deadline == pytest.approx(talk.now + 2.0)
    assert creates(talk.tick_to_deadline()) == 1
    talk.created("resp_2", ours=True)
    broke = {"type": "failed", "error": {"code": "insufficient_quota", "message": "pay"}}
    talk.done("resp_2", "failed", status_details=broke)
    assert talk.of(nt.Failed)[0].fatal


def test_a_refused_request_is_asked_again() -> None:
    talk = Talk().in_call().put(sm.Tick(), 2.0)
    talk.serve("error", error={"code": "rate_limit_exceeded", "event_id": talk.last_create["event_id"]})
    assert creates(talk.tick_to_deadline()) == 1


def test_an_answer_in_text_only_is_asked_again_in_speech() -> None:
    talk = Talk().in_call().hear(100).created()
    talk.serve("response.output_text.done", response_id="resp_1", item_id="i", content_index=0, text="Hi")
    talk.done()
    talk.tick_to_deadline()
    assert talk.sent[0]["response"]["output_modalities"] == ["audio"]


def test_a_stalled_response_is_cancelled_then_forgotten() -> None:
    talk = Talk().in_call().hear(100).created().delta(500)
    talk.put(sm.Tick(), STALL_TIMEOUT_S)
    assert talk.sent_types == ["response.cancel"]
    talk.tick_to_deadline()
    assert talk.of(sm.FinishItem) == [sm.FinishItem(item_id="item_a1")]
    assert creates(talk) == 1, "what was begun is gone on with"


def test_a_request_nobody_answers_is_repeated() -> None:
    talk = Talk().in_call().put(sm.Tick(), 2.0)
    talk.serve("rate_limits.updated", 0.1)
    talk.put(sm.Tick(), REQUEST_TIMEOUT_S)
    assert creates(talk.tick_to_deadline()) == 1


def test_usage_is_reported_once_also_for_cancelled_responses() -> None:
    talk = Talk().in_call().hear(100).created()
    usage = {
        "total_tokens": 300,
        "input_tokens": 200,
        "output_tokens": 100,
        "input_token_details": {
            "text_tokens": 150,
            "audio_tokens": 50,
            "cached_tokens": 100,
            "cached_tokens_details": {"text_tokens": 90, "audio_tokens": 10},
        },
        "output_token_details": {"text_tokens": 20, "audio_tokens": 80},
    }
    talk.done(status="cancelled", usage=usage)
    (used,) = talk.of(nt.ResponseUsed)
    assert used.status == "cancelled"
    assert (used.input_text_tokens, used.input_cached_audio_tokens) == (150, 10)
    # 60*4 + 90*0.4 + 40*32 + 10*0.4 + 20*24 + 80*64 micro-USD
    assert used.cost_micro_usd == 7160
    assert talk.done(status="cancelled", usage=usage).effects == []


def test_a_second_response_at_once_replaces_the_first() -> None:
    talk = Talk().in_call().hear(100).created("resp_1").delta(200)
    talk.created("resp_2")
    assert talk.of(sm.FinishItem) == [sm.FinishItem(item_id="item_a1")]
    assert talk.delta(200, "resp_1").effects == []
    assert talk.delta(200, "resp_2", "item_a2").of(sm.Play)
