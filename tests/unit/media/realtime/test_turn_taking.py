"""Who has the floor: what is doubted, what goes on where it stopped, what interrupts; both modes."""

import pytest

from media.realtime import notifications as nt
from media.realtime import session_model as sm
from media.realtime.floor import DOUBT_LIMIT_S, REPLY_TIMEOUT_S, UNHEARD_S, VERDICT_S
from media.speech_gate import Confirmed, Ended, GateEvent, Long, Onset
from tests.unit.media.realtime.talk import Talk

COMPLETED = "conversation.item.input_audio_transcription.completed"
FLUSH, PAUSE, RESUME = sm.FlushPlayback(fade=True), sm.PausePlayback(), sm.ResumePlayback()


def gate(talk: Talk, event: GateEvent, after_s: float = 0.0, queued_ms: int = 3000) -> Talk:
    return talk.put(sm.LocalGate(event=event, queued_ms=queued_ms), after_s)


def speaking(**changes: object) -> Talk:
    """The agent has said one second of five; its leg has a gate."""
    talk = gate(gate(Talk(**changes).in_call(), Onset()), Ended(100))
    talk.hear(1000).said(5000, "I am calling about your table on Friday.")
    talk.now += 1.0
    return talk


def words(talk: Talk, text: str, item: str = "item_u1") -> Talk:
    return talk.serve(COMPLETED, item_id=item, content_index=0, transcript=text)


def playing(talk: Talk) -> list[sm.Effect]:
    kinds = (sm.FlushPlayback, sm.PausePlayback, sm.ResumePlayback, sm.DuckPlayback)
    return [effect for effect in talk.effects if isinstance(effect, kinds)]


def brief(talk: Talk, length_s: float = 0.3, queued_ms: int = 3000) -> Talk:
    """A short burst, as gate and server tell it."""
    gate(talk, Onset())
    talk.speech_started("item_u1", 3900)
    return gate(talk, Ended(round(length_s * 1000)), length_s + 0.16, queued_ms)


# --- the server decides -----------------------------------------------------------------------------------------
def test_a_sound_is_silenced_at_once_and_a_long_one_is_an_interruption() -> None:
    talk = gate(speaking(), Onset())
    assert playing(talk) == []
    assert playing(talk.speech_started("item_u1", 3900)) == [PAUSE]
    assert playing(gate(talk, Long(), 0.5)) == [FLUSH]
    talk.flushed(("item_a1", 1040, 5000, False))
    assert [(e["type"], e["audio_end_ms"]) for e in talk.sent] == [("conversation.item.truncate", 1040)]
    assert talk.of(nt.BargeIn) == [nt.BargeIn(item_id="item_a1", heard_ms=1040, generated_ms=5000)]


@pytest.mark.parametrize("text", ["Mm-hm.", "ja", "Okay.", ""])
def test_a_backchannel_lets_the_agent_go_on_where_it_stopped(text: str) -> None:
    talk = brief(speaking())
    assert playing(talk) == [RESUME]
    talk.speech_stopped("item_u1", 4400).created("resp_2")
    assert talk.sent_types == ["response.cancel"]
    assert talk.delta(400, "resp_2", "item_a2").of(sm.Play) == []
    talk.done("resp_2", "cancelled")
    assert playing(words(talk, text)) == []
    talk.put(sm.PlaybackFinished(item_id="item_a1", audio_ms=9000), 4.0)
    assert not talk.every(nt.BargeIn)
    assert [turn.interrupted for turn in talk.every(nt.Turn) if turn.speaker == "agent"] == [False]
    assert [e["type"] for e in talk.all_sent if e["type"].startswith("response.c")] == ["response.cancel"]
    assert talk.session.counters.backchannels == 1


def test_the_servers_own_answer_to_a_backchannel_may_come_after_its_words() -> None:
    talk = brief(speaking()).speech_stopped("item_u1", 4400)
    words(talk, "mhm").created("resp_2")
    assert talk.sent_types == ["response.cancel"]


def test_who_goes_on_after_a_pause_in_the_same_turn_interrupts() -> None:
    talk = brief(speaking())
    assert playing(gate(talk, Onset(), 0.1)) == [PAUSE]
    assert playing(gate(talk, Confirmed(), 0.2)) == [FLUSH]


def test_a_second_short_sound_in_the_same_turn_only_pauses() -> None:
    talk = gate(brief(speaking()), Onset(), 0.1)
    assert playing(gate(talk, Ended(120), 0.3)) == [RESUME]
    assert playing(words(talk.speech_stopped("item_u1", 5000), "mhm mhm")) == []


def cut_short() -> Talk:
    """The server has broken off a sentence that was still being made, for a sound that was short."""
    talk = gate(gate(Talk().in_call(), Onset()), Ended(100)).hear(1000)
    talk.created().delta(4000).put(sm.PlaybackStarted(item_id="item_a1", audio_ms=1000))
    talk.now += 1.0
    gate(talk, Onset())
    talk.speech_started("item_u1", 2000).done("resp_1", "cancelled")
    return gate(talk, Ended(300), 0.46, 2500).speech_stopped("item_u1", 2400)


@pytest.mark.parametrize("words_first", [True, False])
def test_a_sentence_the_server_broke_off_gets_its_sequel_in_any_order(words_first: bool) -> None:
    talk = words(cut_short(), "mhm") if words_first else cut_short()
    talk.created("resp_2")
    assert talk.sent == []
    if not words_first:
        words(talk, "mhm")
    assert talk.delta(400, "resp_2", "item_a2").of(sm.Play)


def test_a_sequel_that_the_server_does_not_make_is_asked_for() -> None:
    talk = words(cut_short(), "mhm")
    talk.put(sm.Tick(), REPLY_TIMEOUT_S + 0.1)
    assert [e["type"] for e in talk.all_sent].count("response.create") == 1


def test_a_short_word_that_counts_stops_the_agent_after_all_and_is_answered() -> None:
    talk = brief(speaking()).speech_stopped("item_u1", 4400).created("resp_2").done("resp_2", "cancelled")
    assert playing(words(talk, "Stop.")) == [FLUSH]
    talk.flushed(("item_a1", 1500, 5000, False))
    talk.put(sm.Tick(), 1.1)
    assert [e["type"] for e in talk.all_sent if e["type"] == "response.create"] == ["response.create"]


def test_who_says_yes_over_the_end_of_a_question_answers_it() -> None:
    talk = brief(speaking(), queued_ms=400)
    assert playing(talk) == [RESUME]
    talk.speech_stopped("item_u1", 4400).created("resp_2")
    assert talk.sent == []
    assert talk.spoken(400, "Fine.", "resp_2", "item_a2").played


def test_what_the_server_cut_off_is_followed_by_its_sequel() -> None:
    talk = gate(gate(Talk().in_call(), Onset()), Ended(100))
    talk.hear(1000).created().words("I am calling about").delta(3000)
    talk.put(sm.PlaybackStarted(item_id="item_a1", audio_ms=3000)).put(sm.Tick(), 1.0)
    gate(talk, Onset()).speech_started("item_u1", 3900)
    talk.done(status="cancelled", status_details={"type": "cancelled", "reason": "turn_detected"})
    assert playing(gate(talk, Ended(300), 0.4)) == [RESUME]
    talk.speech_stopped("item_u1", 4400).created("resp_2")
    assert talk.sent == []
    assert talk.delta(400, "resp_2", "item_a2").of(sm.Play)


def test_a_burst_that_was_over_before_the_server_noticed_does_not_even_pause() -> None:
    talk = gate(gate(speaking(), Onset()), Ended(160), 0.3)
    assert playing(talk.speech_started("item_u1", 3900)) == []


def test_the_server_is_right_when_the_gate_hears_nothing() -> None:
    talk = speaking().speech_started("item_u1", 3900)
    assert playing(talk) == [PAUSE]
    assert playing(talk.put(sm.Tick(), UNHEARD_S)) == [FLUSH]


def test_a_doubt_never_lasts() -> None:
    talk = gate(speaking(), Onset()).speech_started("item_u1", 3900)
    assert playing(talk.put(sm.Tick(), DOUBT_LIMIT_S)) == [FLUSH]


def test_the_first_words_of_the_agent_are_protected() -> None:
    talk = speaking()
    talk.now -= 0.8
    gate(talk, Onset()).speech_started("item_u1", 3200)
    assert playing(talk) == []
    assert talk.session.next_deadline == pytest.approx(talk.now + 0.4)
    assert playing(talk.tick_to_deadline()) == [PAUSE]
    short = speaking()
    short.now -= 0.8
    assert playing(brief(short, 0.2)) == []


def test_without_a_verdict_the_agent_who_has_finished_answers() -> None:
    talk = brief(speaking()).speech_stopped("item_u1", 4400).created("resp_2").done("resp_2", "cancelled")
    talk.put(sm.PlaybackFinished(item_id="item_a1", audio_ms=9000), 1.0)
    talk.put(sm.Tick(), VERDICT_S)
    talk.put(sm.Tick(), 1.0)
    assert [e["type"] for e in talk.all_sent if e["type"] == "response.create"] == ["response.create"]


# --- guarded: we decide -----------------------------------------------------------------------------------------
def guarded() -> Talk:
    talk = Talk(barge_in="guarded").in_call().hear(3000)
    talk.speech_started("item_u0").speech_stopped("item_u0").serve(
        "input_audio_buffer.committed", item_id="item_u0"
    )
    talk.created(ours=True).spoken(5000, "I am calling about your table on Friday.").done()
    words(talk, "Hello?", "item_u0")
    talk.put(sm.PlaybackStarted(item_id="item_a1", audio_ms=3000))
    talk.now += 1.0
    return talk


def committed(talk: Talk, item: str = "item_u1") -> Talk:
    return talk.serve("input_audio_buffer.committed", item_id=item)


def test_the_server_only_listens() -> None:
    talk = Talk(barge_in="guarded").configured()
    (update,) = [event for event in talk.all_sent if event["type"] == "session.update"]
    detection = update["session"]["audio"]["input"]["turn_detection"]
    assert (detection["create_response"], detection["interrupt_response"]) == (False, False)


def test_we_ask_for_the_answer_to_a_turn_as_soon_as_it_is_committed() -> None:
    talk = Talk(barge_in="guarded").in_call().hear(3000).speech_started("item_u1").speech_stopped("item_u1")
    assert talk.sent == []
    assert committed(talk).sent_types == ["response.create"]


def test_duck_then_silence_then_interruption() -> None:
    talk = guarded()
    assert playing(gate(talk, Onset())) == [sm.DuckPlayback(on=True)]
    talk.speech_started("item_u1", 3900)
    assert playing(talk) == []
    assert playing(gate(talk, Confirmed(), 0.2)) == [sm.DuckPlayback(on=False), PAUSE]
    assert playing(gate(talk, Long(), 0.35)) == [FLUSH]
    talk.flushed(("item_a1", 1200, 5000, False))
    assert talk.sent_types == ["conversation.item.truncate"]
    assert committed(talk.speech_stopped("item_u1", 5000)).sent_types == ["response.create"]


def test_a_response_in_the_making_is_cancelled_by_us() -> None:
    talk = Talk(barge_in="guarded").in_call().hear(3000)
    talk.speech_started("item_u0").speech_stopped("item_u0").serve(
        "input_audio_buffer.committed", item_id="item_u0"
    )
    talk.created(ours=True).delta(3000).put(sm.PlaybackStarted(item_id="item_a1", audio_ms=3000))
    talk.now += 1.0
    gate(gate(talk, Onset()), Confirmed(), 0.2)
    assert gate(talk, Long(), 0.3).sent_types == ["response.cancel"]


def test_a_cough_is_only_ducked() -> None:
    talk = gate(guarded(), Onset())
    assert playing(gate(talk, Ended(120), 0.3)) == [sm.DuckPlayback(on=False)]


def test_echo_neither_stops_nor_is_remembered() -> None:
    talk = guarded().speech_started("item_u1", 3900).speech_stopped("item_u1", 5000)
    assert playing(committed(talk)) == []
    assert talk.sent == []
    words(talk, "calling about your table")
    assert talk.sent_types == ["conversation.item.delete"]
    assert [turn.text for turn in talk.every(nt.Turn) if turn.speaker == "callee"] == ["Hello?"]
    assert talk.session.counters.echoes == 1


def test_a_backchannel_is_written_down_and_nothing_else() -> None:
    talk = gate(gate(guarded(), Onset()), Confirmed(), 0.2).speech_started("item_u1", 3900)
    assert playing(gate(talk, Ended(350), 0.3)) == [RESUME]
    committed(talk.speech_stopped("item_u1", 4500))
    assert playing(words(talk, "Mm-hm")) == []
    assert talk.sent == []
    assert [turn.text for turn in talk.every(nt.Turn) if turn.speaker == "callee"] == ["Hello?", "Mm-hm"]


def test_a_quiet_callee_whom_only_the_server_hears_is_answered_by_the_words() -> None:
    talk = committed(guarded().speech_started("item_u1", 3900).speech_stopped("item_u1", 5000))
    assert playing(words(talk, "I have no time now")) == [FLUSH]
    talk.flushed(("item_a1", 2500, 5000, False))
    assert [e["type"] for e in talk.all_sent].count("response.create") == 2
