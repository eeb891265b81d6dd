"""Listening only: what a session is told, and that nothing said meanwhile is answered; both barge-in modes."""

from typing import Any

import pytest

from media.realtime import session_model as sm
from media.realtime.floor import REPLY_TIMEOUT_S
from media.speech_gate import Ended, Onset
from tests.unit.media.realtime.talk import Talk

COMPLETED = "conversation.item.input_audio_transcription.completed"
ON, OFF = sm.ListenOnly(on=True), sm.ListenOnly(on=False)
MODES = pytest.mark.parametrize("barge_in", ["server", "guarded"])


def detections(talk: Talk) -> list[dict[str, Any] | None]:
    updates = [event for event in talk.all_sent if event["type"] == "session.update"]
    return [event["session"]["audio"]["input"]["turn_detection"] for event in updates]


def flags(talk: Talk) -> list[tuple[bool, bool] | None]:
    """(create_response, interrupt_response) of every configuration so far; None: no turn detection at all."""
    return [one and (one["create_response"], one["interrupt_response"]) for one in detections(talk)]


def turn(talk: Talk, text: str = "Please leave a message.", item: str = "item_u1") -> Talk:
    talk.speech_started(item, 400).speech_stopped(item, 2000)
    talk.serve("input_audio_buffer.committed", item_id=item)
    return talk.serve(COMPLETED, item_id=item, content_index=0, transcript=text)


def creates(talk: Talk) -> int:
    return [event["type"] for event in talk.all_sent].count("response.create")


def test_the_server_makes_no_responses_and_then_makes_them_again() -> None:
    talk = Talk(barge_in="server").in_call().put(ON).put(OFF)
    assert flags(talk) == [(True, True), (False, True), (True, True)]


def test_a_guarded_session_never_gets_a_flag() -> None:
    talk = Talk(barge_in="guarded").in_call().put(ON).put(OFF)
    assert set(flags(talk)) == {(False, False)}


@MODES
def test_a_turn_is_not_answered_while_listening_and_the_next_one_is(barge_in: str) -> None:
    talk = turn(Talk(barge_in=barge_in).in_call().hear(3000).put(ON))
    talk.put(sm.Tick(), REPLY_TIMEOUT_S + 1)
    talk.put(sm.Tick(), REPLY_TIMEOUT_S + 1)
    assert creates(talk) == 0
    turn(talk.put(OFF), "Hello?", "item_u2")
    talk.put(sm.Tick(), REPLY_TIMEOUT_S + 0.1)
    talk.put(sm.Tick(), 1.1)
    assert creates(talk) == 1


@MODES
@pytest.mark.parametrize("owed", [True, False])
def test_a_person_taken_for_a_machine_is_answered(barge_in: str, *, owed: bool) -> None:
    talk = turn(Talk(barge_in=barge_in).in_call().hear(3000).put(ON), "You can leave it with me. Who is calling?")
    talk.put(sm.ListenOnly(on=False, owed=owed))
    talk.put(sm.Tick(), REPLY_TIMEOUT_S + 1).put(sm.Tick(), REPLY_TIMEOUT_S + 1)
    assert creates(talk) == owed


@MODES
@pytest.mark.parametrize("owed", [True, False])
def test_an_answer_that_was_cut_for_a_machine_is_given_to_a_person(barge_in: str, *, owed: bool) -> None:
    talk = turn(Talk(barge_in=barge_in).in_call().hear(3000), "You can leave it with me. Who is calling?")
    before = creates(talk)
    talk.created("resp_1", ours=barge_in == "guarded").put(ON).done("resp_1", status="cancelled")
    talk.put(sm.ListenOnly(on=False, owed=owed))
    talk.put(sm.Tick(), REPLY_TIMEOUT_S + 1).put(sm.Tick(), REPLY_TIMEOUT_S + 1)
    assert creates(talk) - before == owed


@MODES
def test_words_over_the_agent_are_no_longer_doubted(barge_in: str) -> None:
    """It was paused for a sound when the sound turned out to be a machine's: silent, cut, nothing owed."""
    talk = Talk(barge_in=barge_in).in_call()
    talk.put(sm.LocalGate(event=Onset(), queued_ms=0)).put(sm.LocalGate(event=Ended(100), queued_ms=0))
    talk.hear(1000).said(5000, "I am calling about your table.")
    talk.now += 1.0
    talk.put(sm.LocalGate(event=Onset(), queued_ms=4000)).speech_started("item_u1", 3900)
    assert talk.put(ON).of(sm.FlushPlayback) == [sm.FlushPlayback(fade=True)]
    talk.flushed(("item_a1", 1000, 5000, False))
    talk.speech_stopped("item_u1", 6000).serve("input_audio_buffer.committed", item_id="item_u1")
    talk.serve(COMPLETED, item_id="item_u1", content_index=0, transcript="You have reached the office.")
    for _ in range(10):
        talk.put(sm.Tick(), 1.0)
    assert creates(talk) == 0


def test_a_message_is_said_while_listening() -> None:
    talk = Talk().in_call().hear(1000).put(ON).put(sm.SayNow(instructions="Leave the message."))
    assert creates(talk) == 1


@MODES
def test_a_session_that_takes_over_still_only_listens(barge_in: str) -> None:
    """Its first step has no turn detection while unwritten turns are heard again; its second no responses."""
    talk = Talk(barge_in=barge_in).in_call().hear(3000).put(ON)
    talk.speech_started("item_u1", 400).speech_stopped("item_u1", 2000)
    before = len(detections(talk))
    talk.put(sm.Disconnected(code=1006, reason="")).configured().put(sm.Tick(), REPLY_TIMEOUT_S + 1)
    first, second = flags(talk)[before:]
    assert first is None
    assert second is not None
    assert second[0] is False
    assert creates(talk) == 0


@MODES
def test_words_said_instead_cut_what_is_being_said(barge_in: str) -> None:
    """The robot that screens calls was answered by the model, and is then told by us who calls: once."""
    talk = Talk(barge_in=barge_in).in_call().hear(1000).said(5000, "I am calling about your table.")
    talk.now += 0.5
    step = talk.put(sm.SayNow(instructions="Say who calls.", instead=True))
    assert step.of(sm.FlushPlayback) == [sm.FlushPlayback(fade=True)]
    assert creates(talk) == 1
    later = Talk(barge_in=barge_in).in_call().hear(1000).said(5000, "I am calling about your table.")
    assert later.put(sm.SayNow(instructions="Say goodbye.")).of(sm.FlushPlayback) == []


@MODES
def test_words_said_instead_take_the_place_of_words_that_were_not_begun(barge_in: str) -> None:
    """A goodbye waits for a callee who speaks, and who turns out to want something more."""
    talk = Talk(barge_in=barge_in).in_call().hear(1000).speech_started("item_u2", 1_000)
    talk.put(sm.SayNow(instructions="Say goodbye."))
    talk.put(sm.SayNow(instructions="Answer them.", instead=True))
    talk.speech_stopped("item_u2", 2_000).put(sm.Tick(), 5.0)
    asked = [str(event["response"]) for event in talk.all_sent if event["type"] == "response.create"]
    assert "Answer them." in asked[-1]
    assert not [one for one in asked if "Say goodbye." in one]
