"""What follows from each function the model calls: fields, questions, another time, an opt-out, a machine."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.conversation import Conversation
from app.calls.field_desk import TRANSCRIPT_WAIT_S
from app.calls.question import GIVING_UP_S
from app.calls.talk_model import (
    GO_ON_WITHOUT,
    KEEP_COMPANY,
    SAY_AGAIN_LATER,
    SAY_CALL_BACK_LATER,
    SAY_IDENTITY,
    SAY_NOT_NOW,
    SAY_VOICEMAIL_WORDS,
    AskPeople,
    Errand,
    ErrandDone,
    GiveUpAsking,
    NobodyAnswered,
    Note,
    PeopleAnswered,
    StoreField,
    TalkEffect,
    TalkLimits,
    TalkState,
    ToMedia,
    WantHangUp,
)
from app.calls.tools import NAMES, Offer, OutsideCall, OutsideTool, RecordOptOut
from app.domain.fields import FieldSpec
from media import protocol as media
from stasis.outcome import EndedBy
from tests.unit.app.heard_out import heard_out

WHO = {"seq": 1, "call_id": "c1", "at_unix_ms": 0}
SPEAKS = media.AgentSpeaking(
    **WHO, item_id="i1", response_to_first_delta_ms=1, first_delta_to_rtp_ms=1, speech_stop_to_rtp_ms=None
)
OFFER = Offer(
    tools=NAMES,
    fields=(FieldSpec(name="seats", type="number", required=True), FieldSpec(name="note")),
    outside=(OutsideTool(name="look_up", description="x", parameters='{"type":"object"}', most_calls=2),),
)


def talking(**limits: object) -> Conversation:
    talk = Conversation("c1", TalkLimits(**limits), OFFER)  # type: ignore[arg-type]
    talk.answered(100.0)
    return talk


def calls(name: str, tool_call_id: str = "t1", /, **arguments: object) -> media.ToolCalled:
    return media.ToolCalled(**WHO, tool_call_id=tool_call_id, name=name, arguments=json.dumps(arguments))


def turn(text: str, item: str = "u1", start_ms: int = 1000) -> media.TurnSpoken:
    return media.TurnSpoken(
        **WHO, speaker="callee", item_id=item, text=text, start_audio_ms=start_ms, end_audio_ms=start_ms + 500
    )


def speech(talk: Conversation, now: float) -> None:
    talk.handle(media.SpeechStarted(**WHO, audio_ms=0), now)
    talk.handle(media.SpeechStopped(**WHO, audio_ms=0), now + 0.1)


def outputs(effects: list[TalkEffect]) -> dict[str, dict[str, object]]:
    found = [e.command for e in effects if isinstance(e, ToMedia) and isinstance(e.command, media.ToolOutput)]
    return {one.tool_call_id: json.loads(one.output) for one in found}


def said(effects: list[TalkEffect]) -> list[str]:
    return [e.command.instructions for e in effects if isinstance(e, ToMedia) and isinstance(e.command, media.Say)]


def told(effects: list[TalkEffect]) -> list[str]:
    return [e.command.text for e in effects if isinstance(e, ToMedia) and isinstance(e.command, media.InjectText)]


def stored(effects: list[TalkEffect]) -> dict[str, str]:
    return {e.collected.name: e.collected.value for e in effects if isinstance(e, StoreField)}


# --- fields ------------------------------------------------------------------------------------------------------
def test_a_value_is_stored_with_the_turn_that_proves_it() -> None:
    talk = talking()
    talk.handle(turn("we are four people", "u7", 2_000), 101.0)
    effects = talk.handle(calls("save_field", name="seats", value=4, quote="four people"), 101.5)
    (store,) = [e for e in effects if isinstance(e, StoreField)]
    assert (store.collected.value, store.collected.evidence.item_id) == ("4.0", "u7")
    assert (store.collected.evidence.start_audio_ms, store.collected.evidence.end_audio_ms) == (2_000, 2_500)
    assert outputs(effects) == {"t1": {"saved": True, "missing": []}}


def test_a_value_waits_for_the_words_that_are_still_being_written() -> None:
    talk = talking()
    speech(talk, 101.0)
    assert outputs(talk.handle(calls("save_field", name="seats", value=4, quote="four"), 101.5)) == {}
    effects = talk.handle(turn("four of us"), 102.0)
    assert (stored(effects), outputs(effects)["t1"]["saved"]) == ({"seats": "4.0"}, True)


def test_words_that_never_come_prove_nothing() -> None:
    talk = talking()
    speech(talk, 101.0)
    talk.handle(calls("save_field", name="seats", value=4, quote="four"), 101.5)
    assert talk.next_deadline == 101.5 + TRANSCRIPT_WAIT_S
    effects = talk.tick(101.5 + TRANSCRIPT_WAIT_S)
    assert stored(effects) == {}
    assert "has not said 'four'" in str(outputs(effects)["t1"]["error"])


def test_words_nobody_said_are_refused_at_once_when_nothing_is_being_written() -> None:
    talk = talking()
    talk.handle(turn("hello"), 101.0)
    effects = talk.handle(calls("save_field", name="seats", value=4, quote="four"), 101.5)
    assert "has not said 'four'" in str(outputs(effects)["t1"]["error"])
    assert any(isinstance(e, Note) and e.kind == "tool_refused" for e in effects)


def test_the_agents_own_words_prove_nothing() -> None:
    talk = talking()
    spoken = msgspec.structs.replace(turn("so four people then"), speaker="agent")
    talk.handle(spoken, 101.0)
    assert stored(talk.handle(calls("save_field", name="seats", value=4, quote="four people"), 101.5)) == {}


def test_done_is_refused_until_required_fields_are_proven() -> None:
    talk = talking()
    effects = talk.handle(calls("end_call", reason="booked", done=True), 101.0)
    assert "seats" in str(outputs(effects)["t1"]["error"])
    assert talk.state is TalkState.TALKING
    talk.handle(turn("four"), 102.0)
    talk.handle(calls("save_field", name="seats", value=4, quote="four"), 102.1)
    talk.handle(calls("end_call", "t2", reason="booked", done=True), 103.0)
    assert talk.state is TalkState.CLOSING


def test_functions_called_with_the_farewell_do_not_make_the_agent_speak_again() -> None:
    talk = talking()
    talk.handle(calls("end_call", reason="no time"), 101.0)
    (again,) = [
        e.command
        for e in talk.handle(calls("end_call", "t2", reason="no time"), 101.5)
        if isinstance(e, ToMedia) and isinstance(e.command, media.ToolOutput)
    ]
    assert not again.respond


def test_a_call_that_is_not_done_may_end_all_the_same() -> None:
    talk = talking()
    talk.handle(calls("end_call", reason="no time", done=False), 101.0)
    assert talk.state is TalkState.CLOSING


# --- questions to people -----------------------------------------------------------------------------------------
ASK = calls("request_user_feedback", question="Tuesday?", suggestions=["Yes", "No"])


def asked(**limits: object) -> Conversation:
    talk = talking(no_input_s=6.0, feedback_wait_s=30.0, **limits)
    effects = talk.handle(ASK, 101.0)
    assert AskPeople("Tuesday?", ("Yes", "No"), 30.0) in effects
    assert outputs(effects)["t1"]["status"] == "asked"
    return talk


def test_an_answer_reaches_the_agent_as_a_note() -> None:
    talk = asked()
    (note,) = told(talk.handle(PeopleAnswered("Tuesday is fine"), 110.0))
    assert note.endswith("Tuesday is fine")
    assert talk.tick(140.0) != [GiveUpAsking()]
    effects = talk.handle(msgspec.structs.replace(ASK, tool_call_id="t2"), 141.0)
    assert any(isinstance(e, AskPeople) for e in effects)


def test_one_question_at_a_time() -> None:
    talk = asked()
    effects = talk.handle(msgspec.structs.replace(ASK, tool_call_id="t2"), 102.0)
    assert "still open" in str(outputs(effects)["t2"]["error"])


def test_a_callee_who_waits_for_us_is_kept_company_and_not_asked_whether_they_are_there() -> None:
    talk = asked()
    talk.handle(SPEAKS, 101.2)
    talk.handle(media.PlayoutDrained(**WHO, item_id="i1"), 101.5)
    for now in (107.5, 113.5, 119.5, 125.5):
        assert said(talk.tick(now)) == [KEEP_COMPANY]
    assert talk.state is TalkState.TALKING


@pytest.mark.parametrize(
    ("rule", "farewell"), [("close", SAY_NOT_NOW), ("close_and_call_back", SAY_CALL_BACK_LATER)]
)
def test_without_an_answer_the_agents_rule_ends_the_talk(rule: str, farewell: str) -> None:
    talk = asked(unanswered=rule)
    assert talk.tick(131.0) == [GiveUpAsking()]
    assert said(talk.handle(NobodyAnswered(), 131.2)) == [farewell]
    assert talk.state is TalkState.CLOSING


def test_without_an_answer_the_talk_may_go_on() -> None:
    talk = asked(unanswered="go_on")
    talk.tick(131.0)
    assert told(talk.handle(NobodyAnswered(), 131.2)) == [GO_ON_WITHOUT]
    assert talk.state is TalkState.TALKING
    assert talk.handle(NobodyAnswered(), 131.3) == []


def test_a_store_that_does_not_say_counts_as_nobody() -> None:
    talk = asked(unanswered="close")
    assert talk.tick(131.0) == [GiveUpAsking()]
    assert said(talk.tick(131.0 + GIVING_UP_S)) == [SAY_NOT_NOW]


def test_an_answer_of_the_last_moment_counts() -> None:
    talk = asked()
    assert talk.tick(131.0) == [GiveUpAsking()]
    assert told(talk.handle(PeopleAnswered("Yes"), 131.1))
    assert not talk.tools.question.is_open


def test_an_answer_that_comes_while_a_person_has_the_call_is_told_and_not_spoken() -> None:
    talk = asked()
    talk.operator.take("mic", 101.0)
    effects = talk.handle(PeopleAnswered("Yes"), 102.0)
    (command,) = [one.command for one in effects if isinstance(one, ToMedia)]
    assert isinstance(command, media.InjectText)
    assert ("Yes" in command.text, command.respond) == (True, False)
    assert talk.state is TalkState.TAKEN


# --- another time, no more calls, errands ------------------------------------------------------------------------
def test_another_time_is_noted_and_the_talk_closed() -> None:
    talk = talking()
    effects = talk.handle(calls("reschedule_call_trigger_analysis", wished_words="tomorrow at four"), 101.0)
    (wish,) = [e.detail for e in effects if isinstance(e, Note) and e.kind == "callback_wished"]
    assert json.loads(wish)["wished_words"] == "tomorrow at four"
    assert said(effects) == [SAY_AGAIN_LATER]
    assert talk.state is TalkState.CLOSING


def test_an_opt_out_of_the_model_is_an_errand_whose_answer_it_speaks_on() -> None:
    talk = talking()
    effects = talk.handle(calls("record_opt_out", words="leave me alone"), 101.0)
    assert Errand("t1", RecordOptOut("leave me alone")) in effects
    assert outputs(talk.handle(ErrandDone("t1", '{"listed":true}'), 101.5)) == {"t1": {"listed": True}}
    assert talk.handle(ErrandDone("t1", '{"listed":true}'), 101.6) == []


@pytest.mark.parametrize("state", [TalkState.CLOSING, TalkState.TAKEN])
def test_an_opt_out_is_listed_whoever_has_the_call_and_while_it_ends(state: TalkState) -> None:
    talk = talking()
    if state is TalkState.TAKEN:
        talk.operator.take("mic", 101.0)
    else:
        talk.handle(calls("end_call", "end", reason="not interested"), 101.0)
    effects = talk.handle(calls("record_opt_out", words="leave me alone"), 101.1)
    assert [one for one in effects if isinstance(one, Errand)] == [Errand("t1", RecordOptOut("leave me alone"))]
    assert talk.tools.opted_out
    (answer,) = [one.command for one in talk.handle(ErrandDone("t1", "{}"), 101.5) if isinstance(one, ToMedia)]
    assert isinstance(answer, media.ToolOutput)
    assert not answer.respond
    assert talk.state is state


def test_a_plain_opt_out_is_listed_without_the_model_once() -> None:
    talk = talking()
    errands = [e for e in talk.handle(turn("please stop calling me"), 101.0) if isinstance(e, Errand)]
    assert len(errands) == 1
    assert [e for e in talk.handle(turn("stop calling me", "u2"), 102.0) if isinstance(e, Errand)] == []


def test_outside_functions_are_counted_and_must_be_objects() -> None:
    talk = talking()
    assert Errand("t1", OutsideCall("look_up", '{"a": 1}')) in talk.handle(calls("look_up", a=1), 101.0)
    unfit = media.ToolCalled(**WHO, tool_call_id="t2", name="look_up", arguments="[1]")
    assert "no JSON object" in str(outputs(talk.handle(unfit, 101.1))["t2"]["error"])
    assert "too often" in str(outputs(talk.handle(calls("look_up", "t3"), 101.2))["t3"]["error"])


# --- who answered ------------------------------------------------------------------------------------------------
def treated(action: str, reason: str = "") -> media.AnswerTreatment:
    return media.AnswerTreatment(**WHO, action=action, reason=reason, mark_number=None, audio_ms=1)  # type: ignore[arg-type]


def test_a_machine_that_speaks_is_not_asked_whether_it_is_there() -> None:
    talk = talking(no_input_s=6.0)
    talk.handle(treated("listen_only"), 101.0)
    assert said(talk.tick(130.0)) == []
    talk.handle(treated("respond"), 131.0)
    assert said(talk.tick(137.0)) != []


def test_after_the_beep_the_message_is_spoken_and_then_hung_up() -> None:
    talk = talking(voicemail_message="Ann's office called.")
    effects = talk.handle(treated("leave_message", "beep"), 104.0)
    assert said(effects) == [f"{SAY_VOICEMAIL_WORDS} Ann's office called."]
    talk.handle(SPEAKS, 104.5)
    end = heard_out(talk, media.PlayoutDrained(**WHO, item_id="i1"), 112.0)
    assert end == [WantHangUp(EndedBy.SYSTEM_COMPLETE, "a message was left on an answering machine")]


def test_a_screening_service_is_told_who_calls() -> None:
    """Instead of what the model says by itself to the robot's question: it must not hear two answers."""
    effects = talking().handle(treated("say_identity"), 101.0)
    assert effects == [ToMedia(media.Say(call_id="c1", instructions=SAY_IDENTITY, instead=True))]


def test_a_policy_that_hangs_up_does_so_at_once() -> None:
    assert talking().handle(treated("hang_up", "voicemail"), 101.0) == [
        WantHangUp(EndedBy.SYSTEM_COMPLETE, "voicemail")
    ]


# --- anything ----------------------------------------------------------------------------------------------------
ANYTHING = st.one_of(
    st.builds(lambda name, text: media.ToolCalled(**WHO, tool_call_id="t", name=name, arguments=text),
              st.sampled_from([*NAMES, "look_up"]), st.sampled_from(["{}", '{"question":"x"}', '{"words":"x"}',
                '{"name":"seats","value":4,"quote":"four"}', '{"reason":"x","done":true}', '{"digits":"1"}'])),
    st.builds(turn, st.sampled_from(["four", "stop calling me", "hello"])),
    st.just(media.SpeechStarted(**WHO, audio_ms=0)),
    st.just(media.SpeechStopped(**WHO, audio_ms=0)),
    st.just(media.PlayoutDrained(**WHO, item_id="i")),
    st.builds(treated, st.sampled_from(["leave_message", "say_identity", "hang_up", "listen_only", "respond"])),
    st.builds(PeopleAnswered, st.text(max_size=3)),
    st.just(NobodyAnswered()),
    st.builds(ErrandDone, st.just("t"), st.just("{}")),
)  # fmt: skip


@given(st.lists(ANYTHING, max_size=25))
def test_in_any_order_nothing_raises_and_the_line_is_given_up_once(given_: list[object]) -> None:
    talk, now = talking(feedback_wait_s=5.0, no_input_s=2.0), 100.0
    ends = 0
    for one in given_:
        now += 0.7
        effects = [*talk.handle(one, now), *talk.tick(now)]  # type: ignore[arg-type]
        ends += sum(isinstance(effect, WantHangUp) for effect in effects)
    for _ in range(40):  # left alone, every talk ends by itself
        now += 20.0
        ends += sum(isinstance(effect, WantHangUp) for effect in talk.tick(now))
    assert (ends, talk.state) == (1, TalkState.DONE)
