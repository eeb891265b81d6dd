"""Lost connections: backoff, giving up, what the next session is told, what happens to audio and owed answers."""

import base64

import pytest

from media.realtime import notifications as nt
from media.realtime import session_model as sm
from media.realtime.input_audio import InputAudio
from media.realtime.reconnect import ReconnectPlan
from media.realtime.unheard import Unheard
from media.speech_gate import Confirmed, Ended, Long, Onset
from tests.unit.media.realtime.talk import Talk

State = sm.SessionState


def drop(talk: Talk) -> Talk:
    return talk.put(sm.Disconnected(code=1006, reason=""))


def creates(talk: Talk) -> int:
    return talk.sent_types.count("response.create")


def long_talk(**changes: object) -> Talk:
    """A call that has lived long enough not to count as a quick failure."""
    return Talk(**changes).in_call().hear(6000)


def test_backoff_and_giving_up() -> None:
    plan = ReconnectPlan()
    plan.begin(0.0)
    plan.configured(1.0)
    now, delays = 100.0, []
    while (delay_ms := plan.lost(now)) is not None:
        delays.append(delay_ms)
        now += delay_ms / 1000
    assert delays == [200, 500, 1000, 2000, 4000, 4000]
    assert now - 100.0 <= 12.0


def test_three_quick_lives_are_enough() -> None:
    plan = ReconnectPlan()
    plan.begin(0.0)
    delays = []
    for now in (1.0, 3.0, 5.0):
        plan.configured(now)
        delays.append(plan.lost(now + 1))
    assert delays == [200, 500, None]


def test_a_long_life_forgives_the_quick_ones() -> None:
    plan = ReconnectPlan()
    plan.begin(0.0)
    for start, end in ((1.0, 2.0), (3.0, 4.0), (5.0, 60.0), (61.0, 62.0), (63.0, 64.0)):
        plan.configured(start)
        assert plan.lost(end) is not None


def test_the_call_goes_on_in_a_new_primed_session() -> None:
    talk = long_talk(priming="The task: book a table.")
    talk.speech_started("item_u1", 1000).speech_stopped("item_u1", 2000)
    talk.serve(
        "conversation.item.input_audio_transcription.completed", item_id="item_u1", transcript="Who is this?"
    )
    talk.said(1000, "This is Ada.").put(sm.PlaybackFinished(item_id="item_a1", audio_ms=7000))
    drop(talk)
    assert talk.of(sm.Connect) == [sm.Connect(delay_ms=200)]
    assert talk.session.state is State.RECONNECTING
    assert talk.session.counters.reconnects == 1
    talk.configured()
    roles = [(event["item"]["role"], event["item"]["content"][0]["text"]) for event in talk.sent]
    assert roles[1:] == [("user", "Who is this?"), ("assistant", "This is Ada.")]
    assert roles[0][0] == "system"
    assert roles[0][1].startswith("The task: book a table.\n")
    assert 'You last said: "This is Ada."' in roles[0][1]
    assert not talk.of(nt.Ready)
    assert talk.session.state is State.LISTENING


def test_an_answer_in_the_making_is_owed_in_the_new_session() -> None:
    talk = long_talk().speech_started().speech_stopped().created().delta(400)
    talk.serve("conversation.item.input_audio_transcription.delta", item_id="item_u1", delta="Are you")
    drop(talk)
    assert talk.of(sm.FinishItem) == [sm.FinishItem(item_id="item_a1")]
    assert talk.of(nt.Turn) == []
    assert creates(talk.configured()) == 1
    talk.speech_started("item_u2").flushed(("item_a1", 100, 400, False))
    assert "conversation.item.truncate" not in talk.sent_types


@pytest.mark.parametrize(
    ("words", "audio_ms", "surely"),
    [
        ("I have Monday at ten and Friday at n", 2_300, "I have Monday at ten and Friday at"),
        (
            "I have Monday at ten and Friday at noon, or the week after that, if you would rather wait.",
            1_000,
            "I have Monday",
        ),
        ("Certainly", 400, None),
        ("I have Monday at ten.", 0, None),
        ("月曜日の十時に予約が取れますがいかがでしょうか", 1_800, "月曜日の十時に予約が"),
    ],
)
def test_words_that_were_written_ahead_of_a_lost_voice_were_not_said(
    words: str, audio_ms: int, surely: str | None
) -> None:
    talk = long_talk().speech_started().speech_stopped().created().words(words).delta(audio_ms)
    drop(talk)
    talk.put(sm.PlaybackFinished(item_id="item_a1", audio_ms=7000))
    talk.configured()
    told = [
        event["item"]["content"][0]["text"]
        for event in talk.sent
        if event.get("item", {}).get("role") == "assistant"
    ]
    assert told == ([] if surely is None else [surely])
    assert creates(talk) == 1
    assert [turn.text for turn in talk.every(nt.Turn) if turn.speaker == "agent"] == told


def test_a_completed_response_is_whole_whatever_events_were_left_out() -> None:
    talk = long_talk().created().words("Goodbye and thank you.").delta(1_500).done()
    talk.put(sm.PlaybackStarted(item_id="item_a1", audio_ms=6_000))
    talk.put(sm.PlaybackFinished(item_id="item_a1", audio_ms=7_500))
    assert [turn.text for turn in talk.every(nt.Turn)] == ["Goodbye and thank you."]


def test_the_pace_of_this_call_tells_how_far_the_words_were_ahead() -> None:
    talk = (
        long_talk()
        .said(9_000, "I speak so very slowly that you can write it down.")
        .put(sm.PlaybackFinished(item_id="item_a1", audio_ms=9_500))
    )
    talk.created("resp_2").words("Monday at ten, or Friday at noon.", "resp_2", "item_a2")
    drop(talk.delta(2_600, "resp_2", "item_a2"))
    talk.put(sm.PlaybackFinished(item_id="item_a2", audio_ms=12_500)).configured()
    told = [
        event["item"]["content"][0]["text"]
        for event in talk.sent
        if event.get("item", {}).get("role") == "assistant"
    ]
    assert told[-1] == "Monday at"


def test_nothing_is_owed_after_a_finished_turn() -> None:
    talk = long_talk().said(400, "Hi.")
    assert creates(drop(talk).configured()) == 0


def test_a_callee_cut_off_in_the_middle_is_listened_to_first() -> None:
    talk = drop(long_talk().said(200, "Hi.").speech_started("item_u1", 3000)).configured()
    assert creates(talk) == 0
    again = talk.speech_started("item_u2", 100)
    assert creates(again.put(sm.Tick(), 2.0)) == 0

    silent = drop(long_talk().said(200, "Hi.").speech_started("item_u1", 3000)).configured()
    assert creates(silent.put(sm.Tick(), 2.0)) == 1


def test_tools_survive() -> None:
    talk = long_talk().said(300, "Hm.").created("resp_2").called("call_1", response="resp_2").done("resp_2")
    drop(talk).configured()
    assert creates(talk) == 0
    talk.put(sm.ToolResult(tool_call_id="call_1", output='{"ok":1}'))
    assert [event["item"]["type"] for event in talk.sent[:2]] == ["function_call", "function_call_output"]
    assert creates(talk) == 1

    while_down = long_talk().said(300, "Hm.").created("resp_2").called("call_1", response="resp_2").done("resp_2")
    drop(while_down).put(sm.ToolResult(tool_call_id="call_1", output='{"ok":1}'))
    assert while_down.sent == []
    while_down.configured()
    types = [event["item"]["type"] for event in while_down.sent if event["type"] == "conversation.item.create"]
    assert types == ["message", "function_call", "function_call_output", "message"]
    assert creates(while_down) == 1


def test_a_farewell_is_said_in_the_next_session() -> None:
    talk = drop(long_talk().said(300, "Hm.")).put(sm.SayNow(instructions="Bye."))
    assert talk.sent == []
    talk.configured()
    assert talk.last_create["response"]["instructions"].endswith("Bye.")
    talk.created("resp_2", ours=True).delta(100, "resp_2", "item_a2")
    drop(talk).configured()
    assert creates(talk) == 1
    assert talk.last_create["response"]["instructions"].endswith("Bye.")


def test_only_the_last_second_of_audio_is_appended_late() -> None:
    talk = drop(long_talk().said(300, "Hm."))
    for number in range(100):
        assert talk.session.append(bytes([number]) * 160) is None
    talk.configured()
    appended = [event for event in talk.sent if event["type"] == "input_audio_buffer.append"]
    assert [base64.b64decode(event["audio"])[::160] for event in appended] == [bytes(range(50, 100))]
    assert talk.session.counters.input_dropped_ms == 1000
    assert talk.session.position_ms == 8000
    talk.hear(1000).speech_started("item_u5", 500)
    assert talk.of(nt.SpeechStarted) == [nt.SpeechStarted(audio_ms=7500)]


def test_before_the_answer_the_greeting_is_made_anew() -> None:
    talk = Talk(opening="greet_first").configured().created(ours=True).delta(500)
    talk.now += 10
    drop(talk)
    assert talk.of(sm.FlushPlayback) == [sm.FlushPlayback(fade=False)]
    talk.flushed(("item_a1", 0, 500, False))
    assert talk.reports == []
    assert creates(talk.configured()) == 1
    assert talk.sent_types == ["response.create"]


def test_an_unheard_greeting_is_made_anew_after_the_answer() -> None:
    talk = Talk().in_call().put(sm.Tick(), 2.0)
    talk.now += 10
    drop(talk).configured()
    assert creates(talk) == 1
    assert "Hello, this is Ada." in talk.last_create["response"]["instructions"]


def test_a_session_is_changed_in_a_quiet_moment_before_it_expires() -> None:
    talk = Talk().in_call().hear(100).said(1000, "Hi.")
    talk.put(sm.Tick(), 3400.0)
    assert not talk.of(sm.CloseSocket)
    talk.put(sm.PlaybackFinished(item_id="item_a1", audio_ms=1100))
    assert talk.effects[-2:] == [sm.CloseSocket(), sm.Connect(delay_ms=0)]
    assert talk.session.counters.rotations == 1
    assert talk.session.counters.reconnects == 0
    assert talk.configured().session.state is State.LISTENING


def test_rotation_has_a_deadline_of_its_own() -> None:
    talk = Talk().configured(expires_at=1_000_600).put(sm.Answered())
    talk.speech_started().speech_stopped().created().done()
    assert talk.session.next_deadline == pytest.approx(talk.now + 300)
    assert talk.tick_to_deadline().of(sm.Connect)


def test_an_expired_session_is_replaced_at_once_unless_it_never_lived() -> None:
    talk = long_talk().said(100, "Hi.").serve("error", error={"code": "session_expired"})
    assert talk.effects[-1] == sm.Connect(delay_ms=0)
    talk.configured().serve("error", error={"code": "session_expired"})
    assert talk.effects[-1] == sm.Connect(delay_ms=200)


def test_lost_for_good() -> None:
    talk = long_talk().said(2000, "Hi.")
    drop(talk)
    while talk.session.state is State.RECONNECTING:
        talk.put(sm.ConnectFailed(status=None, message="refused"), talk.of(sm.Connect)[0].delay_ms / 1000)
    assert talk.of(nt.Failed) == [nt.Failed(code="connection_lost", message="refused", fatal=False)]
    assert talk.of(nt.Turn)[0].item_id == "item_a1"


# --- words on their way when a session dies ---------------------------------------------------------------------
COMPLETED = "conversation.item.input_audio_transcription.completed"


def voiced(talk: Talk, duration_ms: int, mark: int) -> Talk:
    for _ in range(duration_ms // 20):
        talk.now += 0.020
        talk.session.append(bytes([mark]) * 160)
    return talk


def appended(talk: Talk) -> list[bytes]:
    return [base64.b64decode(e["audio"]) for e in talk.sent if e["type"] == "input_audio_buffer.append"]


def test_a_turn_without_a_transcript_is_heard_again_and_told_once() -> None:
    talk = voiced(voiced(long_talk(), 1000, 7), 600, 9)
    talk.speech_started("item_u1", 6000).speech_stopped("item_u1", 7000).created().spoken(400, "Hi.").done()
    drop(talk).configured()
    types = talk.sent_types
    assert appended(talk)[0] == b"\x07" * 8000 + b"\x09" * 1600
    assert types.index("input_audio_buffer.commit") < types.index("session.update")
    assert [
        e["session"]["audio"]["input"]["turn_detection"] for e in talk.all_sent if e["type"] == "session.update"
    ][1] is None
    assert talk.serve(COMPLETED, item_id="item_again0", transcript="Who is this?").of(nt.Turn) == [
        nt.Turn(speaker="callee", item_id="item_u1", text="Who is this?", start_audio_ms=6000, end_audio_ms=7000)
    ]
    talk.speech_started("item_u2", 1200 + 100)
    assert talk.of(nt.SpeechStarted)[0].audio_ms == talk.session.position_ms, (
        "the clock counts what was said again"
    )


def test_what_was_said_before_and_after_it_keeps_its_place() -> None:
    talk = long_talk().speech_started("item_u0", 100).speech_stopped("item_u0", 900)
    talk.serve(COMPLETED, item_id="item_u0", transcript="Hello?")
    talk.speech_started("item_u1", 5000).speech_stopped("item_u1", 6000)
    talk.said(400, "This is Ada.", "resp_2", "item_a2")
    drop(talk).configured()
    order = [e["item"]["content"][0]["text"] if "item" in e else e["type"] for e in talk.sent][1:]
    assert order[:4] == ["Hello?", "input_audio_buffer.append", "input_audio_buffer.commit", "This is Ada."]


def test_a_turn_lost_twice_is_heard_again_twice_and_told_once() -> None:
    talk = long_talk().speech_started("item_u1", 5000).speech_stopped("item_u1", 6000)
    drop(talk).configured()
    drop(talk.put(sm.Tick(), 6.0)).configured()
    assert talk.sent_types.count("input_audio_buffer.commit") == 1
    talk.serve(COMPLETED, item_id="item_again0", transcript="Hello?")
    assert [turn.text for turn in talk.every(nt.Turn)] == ["Hello?"]


def test_a_turn_too_long_ago_to_be_heard_again_leaves_the_next_session_alone() -> None:
    talk = voiced(long_talk(), 300, 5)
    talk.speech_started("item_u1", 6000).speech_stopped("item_u1", 6300)
    talk.serve(
        "conversation.item.input_audio_transcription.delta", item_id="item_u1", delta="Who", content_index=0
    )
    drop(talk)
    voiced(talk, 12_600, 6)
    talk.configured()
    assert "input_audio_buffer.commit" not in talk.sent_types
    updates = [
        e["session"]["audio"]["input"]["turn_detection"] for e in talk.all_sent if e["type"] == "session.update"
    ]
    assert updates[-1] is not None
    assert len(updates) == 2
    assert [turn.text for turn in talk.every(nt.Turn)] == ["Who"]
    drop(talk).configured()
    assert "input_audio_buffer.commit" not in talk.sent_types


def test_a_sentence_cut_by_the_outage_is_heard_from_its_first_word() -> None:
    talk = voiced(long_talk(), 500, 5).speech_started("item_u1", 6000)
    drop(talk)
    for _ in range(100):
        assert talk.session.append(b"\x06" * 160) is None
    talk.configured()
    assert appended(talk) == [b"\x05" * 4000 + b"\x06" * 16000]
    talk.speech_started("item_u2", 0).speech_stopped("item_u2", 2400)
    talk.serve(COMPLETED, item_id="item_u2", transcript="All of it.")
    assert [turn.text for turn in talk.every(nt.Turn)] == ["All of it."]


def test_what_is_said_in_an_outage_is_heard_from_its_first_word() -> None:
    talk = drop(long_talk().said(300, "Hm."))
    voiced(talk, 1000, 1)
    voiced(talk.put(sm.LocalGate(event=Onset(), queued_ms=0)), 3000, 2)
    talk.configured()
    (audio,) = appended(talk)
    assert audio == b"\x01" * 8000 + b"\x02" * 24000


def gate(talk: Talk, event: Onset | Confirmed | Long | Ended) -> Talk:
    return talk.put(sm.LocalGate(event=event, queued_ms=0))


def into_a_dead_line(*, noticed: bool) -> Talk:
    """Two seconds of words and four of silence, then the ping fails."""
    talk = gate(long_talk(), Onset())
    talk.now += 0.3
    gate(talk, Confirmed())
    for _ in range(100):
        talk.session.append(b"\x07" * 160)
    talk.now += 2.0
    if noticed:
        talk.speech_started("item_u1", 6000).speech_stopped("item_u1", 8000)
        talk.serve("input_audio_buffer.committed", item_id="item_u1", previous_item_id=None)
        talk.serve(
            "conversation.item.input_audio_transcription.completed",
            item_id="item_u1",
            content_index=0,
            transcript="Is it Friday?",
        )
    gate(gate(talk, Long()), Ended(2000))
    talk.hear(4000).now += 4.0
    return drop(talk).configured()


def test_words_spoken_into_a_dead_connection_reach_the_next_session() -> None:
    assert b"".join(appended(into_a_dead_line(noticed=False))).count(b"\x07") == 100 * 160


def test_words_the_server_noticed_are_not_heard_twice() -> None:
    assert b"\x07" not in b"".join(appended(into_a_dead_line(noticed=True)))


def test_a_doubt_the_server_raised_does_not_outlive_its_session() -> None:
    talk = gate(gate(long_talk(), Onset()), Ended(100)).said(5000, "I am calling about your table on Friday.")
    talk.now += 2.0
    talk.speech_started("item_u1", 6000)
    assert sm.PausePlayback() in talk.effects
    drop(talk)
    assert sm.ResumePlayback() in talk.effects


@pytest.mark.parametrize("noticed", [True, False])
def test_an_ear_of_the_server_that_is_quicker_than_the_gate_has_noticed(*, noticed: bool) -> None:
    audio = InputAudio("audio/pcmu")
    audio.answered = True
    audio.open()
    for _ in range(200):
        audio.append(b"\x07" * 160)
    audio.shut()
    unheard = Unheard(audio)
    unheard.gate(Onset(), 10.0, live=True, heard_at=9.98)
    unheard.gate(Confirmed(), 10.2, live=True, heard_at=9.98)
    unheard.lost(9.98, noticed=noticed)
    assert bool(audio.open()) is not noticed


def half_configured() -> Talk:
    """A turn is said again to a new session, which has not confirmed the second step; a function is awaited."""
    talk = long_talk().said(300, "Hm.").created("resp_2").called("call_1", response="resp_2").done("resp_2")
    talk.speech_started("item_u1", 3_000).speech_stopped("item_u1", 4_000)
    drop(talk).put(sm.Connected(at_unix_s=1_000_000.0))
    talk.serve("session.created", session={"id": "sess_2", "expires_at": 1_003_600})
    confirm(talk)
    assert talk.sent_types.count("input_audio_buffer.commit") == 1
    return talk.serve("input_audio_buffer.committed", item_id="item_again")


def confirm(talk: Talk) -> Talk:
    side = {"format": {"type": talk.settings.audio_format}}
    return talk.serve("session.updated", session={"id": "sess_2", "audio": {"input": side, "output": side}})


def test_what_comes_between_the_two_steps_reaches_the_new_session() -> None:
    talk = half_configured()
    talk.put(sm.InjectText(text="They moved the table.", respond=False))
    talk.put(sm.ToolResult(tool_call_id="call_1", output='{"ok":1}'))
    assert talk.sent == []
    items = [event["item"] for event in confirm(talk).sent if event["type"] == "conversation.item.create"]
    assert [item["type"] for item in items] == ["function_call", "function_call_output", "message"]
    assert items[2]["content"][0]["text"] == "They moved the table."


def test_words_written_down_between_the_two_steps_are_not_lost() -> None:
    talk = half_configured()
    talk.serve(
        "conversation.item.input_audio_transcription.completed", item_id="item_again", transcript="Half past six."
    )
    assert [turn.text for turn in talk.of(nt.Turn)] == ["Half past six."]
    assert talk.of(nt.Turn)[0].start_audio_ms == 3_000


def test_only_the_newest_notes_are_kept_and_each_is_told_once() -> None:
    talk = half_configured()
    for n in range(8):
        talk.put(sm.InjectText(text=f"note {n}", respond=False))
    told = [event["item"]["content"][0]["text"] for event in confirm(talk).sent if "item" in event]
    assert told == [f"note {n}" for n in range(2, 8)]
