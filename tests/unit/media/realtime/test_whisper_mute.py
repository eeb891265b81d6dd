"""What an operator does beside the talk: a word in the agent's ear, and an agent who is not heard for a while."""

from media.realtime import notifications as nt
from media.realtime import session_model as sm
from tests.unit.media.realtime.talk import Talk

WHISPER = "The customer is a regular. Offer the window table."


def system_texts(talk: Talk) -> list[str]:
    items = [event["item"] for event in talk.sent if event["type"] == "conversation.item.create"]
    return [item["content"][0]["text"] for item in items if item["role"] == "system"]


def test_a_whisper_is_a_system_item_and_asks_for_nothing() -> None:
    talk = Talk().in_call().said(500).put(sm.PlaybackFinished(item_id="item_a1", audio_ms=500))
    talk.put(sm.InjectText(text=WHISPER))
    assert talk.sent_types == ["conversation.item.create"]
    assert system_texts(talk) == [WHISPER]


def test_a_whisper_to_be_spoken_on_asks_for_one_response_once_the_slot_is_free() -> None:
    talk = Talk(opening="wait_for_hello").in_call().created("resp_1")
    talk.put(sm.InjectText(text=WHISPER, respond=True))
    assert talk.sent_types == ["conversation.item.create"]
    talk.done("resp_1")
    assert talk.sent_types == ["response.create"]
    talk.created("resp_2", ours=True).spoken(400, response="resp_2").done("resp_2")
    assert talk.sent_types == []


def test_a_session_that_takes_over_knows_the_last_whispers() -> None:
    talk = Talk(opening="wait_for_hello").in_call().said(500)
    for number in range(8):
        talk.put(sm.InjectText(text=f"note {number}"))
    talk.put(sm.Disconnected(code=1006, reason=""))
    talk.put(sm.InjectText(text="told while away"))
    talk.put(sm.Connected(at_unix_s=1_000_000.0))
    talk.serve("session.created", session={"id": "sess_2", "expires_at": 1_003_600})
    side = {"format": {"type": "audio/pcmu"}}
    talk.serve("session.updated", session={"id": "sess_2", "audio": {"input": side, "output": side}})
    assert system_texts(talk)[1:] == [*(f"note {number}" for number in range(3, 8)), "told while away"]


def test_muted_speech_waits_and_is_taken_back_when_the_line_opens() -> None:
    talk = Talk(opening="wait_for_hello").in_call().created("resp_1").delta(600)
    talk.put(sm.PlaybackStarted(item_id="item_a1", audio_ms=100))
    talk.put(sm.MuteAgent(on=True))
    assert talk.effects == [sm.HoldPlayback()]
    talk.put(sm.MuteAgent(on=True))
    assert talk.effects == []
    talk.spoken(400).done()
    talk.put(sm.MuteAgent(on=False))
    assert talk.effects == [sm.FlushPlayback(fade=False), sm.ReleasePlayback()]
    talk.flushed(("item_a1", 240, 1000, False))
    (truncate,) = talk.sent
    assert (truncate["type"], truncate["item_id"]) == ("conversation.item.truncate", "item_a1")
    assert truncate["audio_end_ms"] <= 240
    (turn,) = talk.of(nt.Turn)
    assert (turn.interrupted, turn.heard_ms) == (True, 240)


def test_a_response_still_being_made_when_the_line_opens_is_cancelled() -> None:
    talk = Talk(opening="wait_for_hello").in_call().put(sm.MuteAgent(on=True))
    talk.created("resp_1").delta(200)
    talk.put(sm.MuteAgent(on=False))
    assert talk.sent_types == ["response.cancel"]
    talk.flushed(("item_a1", 0, 200, False))
    assert talk.delta(200).played == b""


def test_opening_an_open_line_cuts_nothing() -> None:
    talk = Talk(opening="wait_for_hello").in_call().created("resp_1").delta(200)
    assert talk.put(sm.MuteAgent(on=False)).effects == []


def test_before_the_answer_there_is_nobody_to_be_muted_for() -> None:
    talk = Talk().configured()
    assert talk.put(sm.MuteAgent(on=True)).effects == []
    assert talk.put(sm.Answered()).of(sm.ReleasePlayback) == [sm.ReleasePlayback()]
