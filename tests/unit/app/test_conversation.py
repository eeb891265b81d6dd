"""The rules of the talk: tools, silence, keys, farewell. Pure, so time is just a number."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.closing import Inherited
from app.calls.conversation import FAREWELL_LIMIT_S, Conversation
from app.calls.talk_model import (
    APOLOGY_S,
    ASK_IF_PRESENT,
    HEARD_OUT_S,
    SAY_GOODBYE,
    SAY_GOODBYE_SILENT,
    SAY_GOODBYE_TIME,
    Errand,
    Note,
    PressKeys,
    TalkEffect,
    TalkLimits,
    TalkState,
    ToMedia,
    WantHangUp,
)
from media import protocol as media
from stasis.outcome import EndedBy
from tests.unit.app.heard_out import heard_out

WHO = {"seq": 1, "call_id": "c1", "at_unix_ms": 0}


def talking(**limits: float) -> Conversation:
    talk = Conversation("c1", TalkLimits(**limits))  # type: ignore[arg-type]
    assert talk.answered(100.0) == [ToMedia(media.Answered(call_id="c1"))]
    return talk


def said(effects: list[TalkEffect]) -> list[str]:
    return [e.command.instructions for e in effects if isinstance(e, ToMedia) and isinstance(e.command, media.Say)]


def outputs(effects: list[TalkEffect]) -> list[media.ToolOutput]:
    return [e.command for e in effects if isinstance(e, ToMedia) and isinstance(e.command, media.ToolOutput)]


def speaks(item: str = "i1") -> media.AgentSpeaking:
    return media.AgentSpeaking(
        **WHO, item_id=item, response_to_first_delta_ms=1, first_delta_to_rtp_ms=1, speech_stop_to_rtp_ms=None
    )


def drained(item: str = "i1") -> media.PlayoutDrained:
    return media.PlayoutDrained(**WHO, item_id=item)


def calls(name: str, arguments: str = "{}") -> media.ToolCalled:
    return media.ToolCalled(**WHO, tool_call_id="t1", name=name, arguments=arguments)


def test_answered_counts_once() -> None:
    talk = talking()
    assert talk.answered(101.0) == []


def test_end_call_after_a_spoken_farewell_waits_until_it_is_out() -> None:
    talk = talking()
    talk.handle(speaks(), 101.0)
    effects = talk.handle(calls("end_call", '{"reason":"done"}'), 102.0)
    assert not [e for e in effects if isinstance(e, WantHangUp)]
    assert said(effects) == []
    assert outputs(effects)[0].respond is False
    assert talk.state is TalkState.CLOSING
    assert heard_out(talk, drained(), 104.0) == [WantHangUp(EndedBy.AGENT, "done")]
    assert talk.state is TalkState.DONE


def test_end_call_before_the_first_packet_of_the_farewell_left_waits_for_it() -> None:
    talk = talking()
    talk.handle(media.SpeechStarted(**WHO, audio_ms=0), 101.0)
    talk.handle(media.SpeechStopped(**WHO, audio_ms=0), 101.5)
    talk.handle(media.TurnPartial(**WHO, speaker="agent", item_id="i1", text="Good"), 102.0)
    assert not [e for e in talk.handle(calls("end_call"), 102.01) if isinstance(e, WantHangUp)]
    talk.handle(speaks(), 102.02)
    assert heard_out(talk, drained(), 103.0) == [WantHangUp(EndedBy.AGENT, "")]


def test_end_call_in_the_turn_whose_words_are_out_already_waits_for_the_telephones_buffer() -> None:
    talk = talking()
    talk.handle(speaks(), 101.0)
    talk.handle(drained(), 102.4)
    effects = talk.handle(calls("end_call", '{"reason":"x"}'), 102.5)
    assert not [e for e in effects if isinstance(e, WantHangUp)]
    assert said(effects) == []
    assert talk.next_deadline == 102.5 + HEARD_OUT_S
    assert talk.tick(102.5 + HEARD_OUT_S) == [WantHangUp(EndedBy.AGENT, "x")]


def test_end_call_without_a_word_makes_the_agent_say_goodbye_first() -> None:
    talk = talking()
    talk.handle(media.SpeechStarted(**WHO, audio_ms=10), 101.0)
    talk.handle(media.SpeechStopped(**WHO, audio_ms=900), 102.0)
    assert said(talk.handle(calls("end_call", '{"reason":"x"}'), 102.5)) == [SAY_GOODBYE]
    talk.handle(speaks("i2"), 103.0)
    assert heard_out(talk, drained("i2"), 105.0) == [WantHangUp(EndedBy.AGENT, "x")]


def test_a_farewell_that_never_sounds_is_given_up() -> None:
    talk = talking()
    talk.handle(media.SpeechStarted(**WHO, audio_ms=10), 101.0)
    talk.handle(calls("end_call", '{"reason":"x"}'), 102.0)
    assert talk.next_deadline == 102.0 + FAREWELL_LIMIT_S
    assert talk.tick(102.0 + FAREWELL_LIMIT_S) == [WantHangUp(EndedBy.AGENT, "x")]
    assert talk.tick(200.0) == []


def test_silence_is_asked_about_then_ended() -> None:
    talk = talking(no_input_s=6, no_input_prompts=2)
    assert said(talk.tick(105.9)) == []
    assert said(talk.tick(106.0)) == [ASK_IF_PRESENT]
    talk.handle(speaks(), 106.5)
    assert talk.tick(113.0) == []  # the agent is speaking: that is not silence
    talk.handle(drained(), 108.0)
    assert said(talk.tick(114.0)) == [ASK_IF_PRESENT]
    assert said(talk.tick(120.0)) == [SAY_GOODBYE_SILENT]
    talk.handle(speaks("bye"), 121.0)
    assert heard_out(talk, drained("bye"), 122.0) == [
        WantHangUp(EndedBy.SYSTEM_TIMEOUT, "the callee stayed silent")
    ]


def test_speech_forgives_the_silence_before_it() -> None:
    talk = talking(no_input_s=6, no_input_prompts=1)
    talk.tick(106.0)
    talk.handle(media.SpeechStarted(**WHO, audio_ms=10), 107.0)
    assert talk.tick(120.0) == []  # still speaking
    talk.handle(media.SpeechStopped(**WHO, audio_ms=10), 121.0)
    talk.handle(speaks(), 122.0)
    talk.handle(drained(), 123.0)
    assert said(talk.tick(129.0)) == [ASK_IF_PRESENT]


def test_maximum_length_says_goodbye() -> None:
    talk = talking(max_talk_s=30, no_input_s=60)
    assert talk.next_deadline == 130.0
    assert said(talk.tick(130.0)) == [SAY_GOODBYE_TIME]
    assert talk.state is TalkState.CLOSING


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("launch_rocket", "{}", "no function"),
        ("send_dtmf", '{"digits":"1;rm"}', "do not fit"),
        ("send_dtmf", '{"digits":"12","to":"+1"}', "do not fit"),
        ("send_dtmf", "not json", "do not fit"),
        ("send_dtmf", '{"digits":' + '"1"' * 1, "do not fit"),
        ("send_dtmf", '{"digits":"' + "1" * 33 + '"}', "do not fit"),
        ("end_call", '{"reason":5}', "do not fit"),
        ("end_call", "[]", "do not fit"),
        ("end_call", '{"type":"send_dtmf","digits":"1"}', "do not fit"),
    ],
)
def test_unfit_tool_calls_are_refused_and_nothing_happens(name: str, arguments: str, complaint: str) -> None:
    talk = talking()
    effects = talk.handle(calls(name, arguments), 101.0)
    assert complaint in msgspec.json.decode(outputs(effects)[0].output)["error"]
    assert not [e for e in effects if isinstance(e, PressKeys | WantHangUp)]
    assert talk.state is TalkState.TALKING


def test_keys_hold_the_speech_while_they_sound() -> None:
    talk = talking()
    effects = talk.handle(calls("send_dtmf", '{"digits":"12"}'), 101.0)
    holds = [e.command for e in effects if isinstance(e, ToMedia) and isinstance(e.command, media.HoldPlayout)]
    assert holds[0].duration_ms >= 2 * 240
    assert PressKeys("12") in effects
    assert outputs(effects)[0].respond is True


def presses(effects: list[TalkEffect]) -> list[str]:
    return [e.digits for e in effects if isinstance(e, PressKeys)]


def holds_ms(effects: list[TalkEffect]) -> list[int]:
    commands = [e.command for e in effects if isinstance(e, ToMedia)]
    return [one.duration_ms for one in commands if isinstance(one, media.HoldPlayout)]


def test_pauses_between_keys_are_counted() -> None:
    """Asterisk: 100 ms before the first key, 160 ms a key, 80 ms after it, 500 ms for a `w`."""
    [hold_ms] = holds_ms(talking().handle(calls("send_dtmf", '{"digits":"1ww9"}'), 101.0))
    assert 100 + 240 + 2 * 500 + 160 < hold_ms < 1_800


def test_keys_wait_for_the_words_before_them() -> None:
    talk = talking()
    talk.handle(speaks(), 101.0)
    first = talk.handle(calls("send_dtmf", '{"digits":"12"}'), 101.2)
    assert (presses(first), outputs(first)) == ([], [])
    second = talk.handle(drained(), 102.0)
    assert (presses(second), len(outputs(second))) == (["12"], 1)
    assert talk.handle(drained("i2"), 103.0) == [], "once"


@pytest.mark.parametrize("interrupted", [True, False])
def test_keys_are_pressed_when_the_words_before_them_are_cut_or_never_end(interrupted: bool) -> None:
    talk = talking()
    talk.handle(speaks(), 101.0)
    talk.handle(calls("send_dtmf", '{"digits":"7"}'), 102.0)
    if interrupted:
        assert presses(talk.handle(media.BargeIn(**WHO, item_id="i1", heard_ms=1, generated_ms=2), 102.5)) == ["7"]
    else:
        assert talk.next_deadline == 114.0
        assert presses(talk.tick(114.0)) == ["7"]


def test_two_calls_for_keys_are_one_after_the_other() -> None:
    talk = talking()
    first = talk.handle(calls("send_dtmf", '{"digits":"1"}'), 101.0)
    second = talk.handle(calls("send_dtmf", '{"digits":"2"}'), 101.0)
    assert holds_ms(second)[0] == 2 * holds_ms(first)[0]


def test_pressed_keys_are_told_once_after_a_pause() -> None:
    talk = talking()
    assert talk.key_pressed("4", 101.0) == [Note("dtmf_in", "4")]
    talk.key_pressed("2", 101.5)
    assert said(talk.tick(102.9)) == []
    assert "42" in said(talk.tick(103.0))[0]
    assert said(talk.tick(103.1)) == []


@pytest.mark.parametrize("agent_speaking", [True, False])
def test_an_adopted_callee_is_not_called_silent_while_the_agent_speaks(agent_speaking: bool) -> None:
    talk = Conversation("c1", TalkLimits(no_input_s=6))
    talk.resumed(100.0, Inherited(agent_speaking=agent_speaking))
    assert said(talk.tick(106.5)) == ([] if agent_speaking else [ASK_IF_PRESENT])
    talk.handle(drained(), 110.0)
    assert said(talk.tick(116.1)) == [ASK_IF_PRESENT]


def test_model_lost_ends_the_call() -> None:
    talk = talking()
    failed = media.LegFailed(**WHO, code="gone", message="socket refused", fatal=False)
    assert [type(one) for one in talk.handle(failed, 101.0)] == [Note]  # the worker plays an apology of its own
    assert talk.tick(talk.next_deadline) == [WantHangUp(EndedBy.SYSTEM_FAILURE, "gone: socket refused")]
    assert talk.next_deadline is None


@pytest.mark.parametrize(("queued_ms", "until"), [(0, 101 + APOLOGY_S), (6_000, 107.3), (60_000, 113.0)])
def test_what_a_lost_model_leaves_is_heard_out(queued_ms: int, until: float) -> None:
    talk = talking()
    talk.handle(media.LegFailed(**WHO, code="gone", message="x", fatal=False, queued_ms=queued_ms), 101.0)
    assert talk.next_deadline == pytest.approx(until)


def test_a_model_lost_before_the_answer_ends_at_once() -> None:
    failed = media.LegFailed(**WHO, code="gone", message="x", fatal=True)
    assert Conversation("c1", TalkLimits()).handle(failed, 1.0) == [WantHangUp(EndedBy.SYSTEM_FAILURE, "gone: x")]


def test_a_talk_that_has_cost_enough_says_goodbye() -> None:
    talk = Conversation("c1", TalkLimits(max_cost_micro_usd=50_000))
    talk.answered(100.0)
    assert talk.handle(used(49_999), 101.0) == []
    assert talk.handle(used(None), 101.0) == [], "an unknown price is no reason"
    assert said(talk.handle(used(1), 102.0)) == [SAY_GOODBYE_TIME]
    assert talk.handle(used(99_999), 103.0) == []
    talk.handle(speaks(), 103.5)
    (end,) = heard_out(talk, media.PlayoutDrained(**WHO, item_id="i"), 104.0)
    assert end == WantHangUp(EndedBy.SYSTEM_TIMEOUT, "cost limit reached")


def used(cost_micro_usd: int | None) -> media.TranscriptionUsed:
    return media.TranscriptionUsed(
        **WHO, item_id="i", model="m", seconds=1.0, cost_micro_usd=cost_micro_usd, price_table="t"
    )


def test_operator_end_is_polite_when_talking_and_plain_before() -> None:
    assert Conversation("c1", TalkLimits()).close(EndedBy.OPERATOR, "stop", 1.0) == [
        WantHangUp(EndedBy.OPERATOR, "stop")
    ]
    talk = talking()
    assert said(talk.close(EndedBy.OPERATOR, "stop", 101.0)) == [SAY_GOODBYE]


REPORTS = st.sampled_from(
    [
        media.SpeechStarted(**WHO, audio_ms=1),
        media.SpeechStopped(**WHO, audio_ms=2),
        speaks(),
        drained(),
        calls("end_call", '{"reason":"r"}'),
        calls("send_dtmf", '{"digits":"1"}'),
        calls("nonsense", "}{"),
        media.BargeIn(**WHO, item_id="i1", heard_ms=1, generated_ms=2),
        media.LegFailed(**WHO, code="c", message="m", fatal=True),
    ]
)


@given(st.lists(st.tuples(REPORTS, st.floats(0, 8)), max_size=40))
def test_any_order_ends_once_and_never_waits_for_ever(steps: list[tuple[media.NumberedReport, float]]) -> None:
    talk = talking(max_talk_s=60)
    now, ends = 100.0, 0
    for report, wait in steps:
        now += wait
        effects = [*talk.handle(report, now), *talk.tick(now)]
        ends += sum(isinstance(e, WantHangUp) for e in effects)
    for _ in range(40):
        if (due := talk.next_deadline) is None:
            break
        now = max(now, due)
        ends += sum(isinstance(e, WantHangUp) for e in talk.tick(now))
    assert talk.state is TalkState.DONE
    assert ends == 1


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("end_call", "{}"), ("send_dtmf", '{"digits":"1"}'), ("record_opt_out", '{"words":"no more"}')],
)
def test_a_function_called_before_the_answer_does_nothing(name: str, arguments: str) -> None:
    """An agent that greets first is asked for its greeting while the phone still rings."""
    talk = Conversation("c1", TalkLimits())
    effects = talk.handle(calls(name, arguments), 100.0)
    assert "has not answered yet" in outputs(effects)[0].output
    assert not [effect for effect in effects if isinstance(effect, WantHangUp | PressKeys | Errand)]
    assert not talk.tools.opted_out
    assert talk.state is TalkState.WAITING


@pytest.mark.parametrize(
    ("before", "during", "asks"),
    [
        ("wait", "wake", True),
        ("listen_only", "respond", True),
        ("wake", "wait", False),
        ("respond", "listen_only", False),
    ],
)
def test_who_is_there_while_a_person_has_the_call_counts_after_it(before: str, during: str, asks: bool) -> None:
    talk = talking(no_input_s=5.0)
    treated = {**WHO, "reason": "", "mark_number": None, "audio_ms": 1}
    talk.handle(media.AnswerTreatment(**treated, action=before), 100.5)  # type: ignore[arg-type]
    talk.operator.take("mic", 101.0)
    assert talk.handle(media.AnswerTreatment(**treated, action=during), 102.0) == []  # type: ignore[arg-type]
    talk.handle(media.OperatorLeft(**WHO, why="handed_back", spoke_ms=100), 103.0)
    assert (said(talk.tick(109.0)) == [ASK_IF_PRESENT]) is asks
