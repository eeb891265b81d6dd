"""A callee who waits for us is not called silent: for a function, for an answer that is being made. Pure."""

from collections.abc import Callable

import msgspec
import pytest

from app.calls.closing import Inherited
from app.calls.conversation import Conversation
from app.calls.hand_over import BEGINS_S
from app.calls.outstanding import REPLAY_S, WAITED_S
from app.calls.silence import OWED_S
from app.calls.talk_model import (
    ASK_IF_PRESENT,
    KEEP_COMPANY,
    ErrandDone,
    Note,
    PeopleAnswered,
    TalkEffect,
    TalkLimits,
    TalkState,
    WantHangUp,
)
from media import protocol as media
from tests.unit.app.test_talk_tools import OFFER, SPEAKS, WHO, calls, said, speech, talking

DRAINED = media.PlayoutDrained(**WHO, item_id="i1")
STEP_S = 0.5


def used(status: str = "completed", audio: int = 0) -> media.ResponseUsed:
    nothing = dict.fromkeys(
        ("input_text_tokens", "input_audio_tokens", "input_cached_text_tokens", "input_cached_audio_tokens"), 0
    )
    return media.ResponseUsed(
        **WHO,
        **nothing,
        response_id="r1",
        model="m",
        status=status,
        output_text_tokens=0,
        output_audio_tokens=audio,
        cost_micro_usd=None,
        price_table="t",
    )


def wait(talk: Conversation, since: float, until: float) -> list[TalkEffect]:
    """Time passes, and every sentence the agent is told to say is spoken and heard out at once."""
    effects: list[TalkEffect] = []
    for step in range(1, round((until - since) / STEP_S) + 1):
        now = since + step * STEP_S
        new = talk.tick(now)
        if said(new):
            talk.handle(SPEAKS, now + 0.1)
            talk.handle(DRAINED, now + 0.2)
        effects += new
    return effects


def kinds(effects: list[TalkEffect]) -> list[str]:
    return [one.kind for one in effects if isinstance(one, Note)]


def looking_up(*, one_moment: bool) -> Conversation:
    """The callee has asked for something that a function of the agent's own has to answer, at 102."""
    talk = talking(no_input_s=6.0)
    speech(talk, 101.0)
    if one_moment:
        talk.handle(SPEAKS, 101.5)
    talk.handle(calls("look_up", order=7), 102.0)
    talk.handle(used(), 102.0)
    if one_moment:
        talk.handle(DRAINED, 102.5)
    return talk


# --- functions ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("one_moment", [True, False])
def test_a_callee_who_waits_for_a_function_is_kept_company_and_never_hung_up_on(one_moment: bool) -> None:
    talk = looking_up(one_moment=one_moment)
    effects = wait(talk, 102.5, 132.5)
    assert set(said(effects)) == {KEEP_COMPANY}
    assert 3 <= len(said(effects)) <= 5, "one sentence each period"
    assert kinds(effects) == []
    assert talk.state is TalkState.TALKING


def test_after_its_result_and_the_answer_the_normal_rule_applies_again() -> None:
    talk = looking_up(one_moment=True)
    wait(talk, 102.5, 122.5)
    talk.handle(ErrandDone("t1", '{"shipped":true}'), 123.0)
    talk.handle(SPEAKS, 124.0)
    talk.handle(DRAINED, 126.0)
    assert said(talk.tick(131.9)) == []
    assert said(talk.tick(132.0)) == [ASK_IF_PRESENT]
    effects = wait(talk, 132.0, 150.0)
    assert kinds(effects)[:2] == ["no_input", "no_input"]
    assert talk.state is not TalkState.TALKING, "given up, as always"


def test_a_result_that_never_comes_does_not_hold_a_silent_callee_for_ever() -> None:
    talk = looking_up(one_moment=True)
    assert ASK_IF_PRESENT not in said(wait(talk, 102.5, 102.0 + WAITED_S))
    later = wait(talk, 102.0 + WAITED_S, 102.0 + WAITED_S + 40.0)
    assert ASK_IF_PRESENT in said(later)
    assert [one for one in later if isinstance(one, WantHangUp)]


def test_one_result_of_two_is_not_enough() -> None:
    two = msgspec.structs.replace(OFFER.outside[0], name="book", most_calls=2)
    talk = Conversation("c1", TalkLimits(), msgspec.structs.replace(OFFER, outside=(*OFFER.outside, two)))
    talk.answered(100.0)
    talk.handle(calls("look_up"), 101.0)
    talk.handle(calls("book", "t2"), 101.0)
    talk.handle(ErrandDone("t2", "{}"), 102.0)
    talk.handle(SPEAKS, 103.0)
    talk.handle(DRAINED, 104.0)
    assert set(said(wait(talk, 104.0, 120.0))) == {KEEP_COMPANY}


def test_a_call_of_a_former_process_is_waited_for_until_it_is_given_up() -> None:
    talk = Conversation("c1", TalkLimits(no_input_s=1.0), OFFER)
    talk.resumed(100.0, Inherited(awaited=("t1",)))
    assert said(talk.tick(101.0)) == [KEEP_COMPANY]
    talk.tick(100.0 + REPLAY_S)  # the model is told that nobody knows
    talk.handle(SPEAKS, 103.0)
    talk.handle(DRAINED, 104.0)
    assert said(talk.tick(105.0)) == [ASK_IF_PRESENT]


def test_a_transfer_that_begins_late_is_waited_for_and_one_that_never_begins_is_not() -> None:
    offer = msgspec.structs.replace(OFFER, targets=("desk",))
    talk = Conversation("c1", TalkLimits(no_input_s=6.0), offer)
    talk.answered(100.0)
    talk.handle(calls("transfer_call", target="desk"), 101.0)
    assert set(said(wait(talk, 101.0, 101.0 + BEGINS_S - 1.0))) == {KEEP_COMPANY}
    assert set(said(wait(talk, 101.0 + BEGINS_S, 110.0 + BEGINS_S))) == {ASK_IF_PRESENT}


def test_the_longest_call_still_ends_a_talk_that_waits() -> None:
    talk = talking(no_input_s=6.0, max_talk_s=20.0)
    talk.handle(calls("look_up"), 101.0)
    wait(talk, 101.0, 119.0)
    talk.tick(120.0)
    assert talk.state is TalkState.CLOSING


# --- an answer that is being made --------------------------------------------------------------------------------
ASKS: dict[str, Callable[[Conversation], object]] = {
    "a turn of the callee": lambda talk: speech(talk, 100.9),
    "a result": lambda talk: (talk.handle(calls("look_up"), 100.5), talk.handle(ErrandDone("t1", "{}"), 101.0)),
    "a function of the house": lambda talk: (
        talk.handle(calls("save_field", name="nothing", value=1, quote="x"), 101.0),
        talk.handle(used(), 101.0),
    ),
    "an answer of a person": lambda talk: (
        talk.handle(calls("request_user_feedback", question="?", suggestions=[]), 100.5),
        talk.handle(PeopleAnswered("Yes"), 101.0),
    ),
    "keys": lambda talk: (talk.key_pressed("1", 99.0), talk.tick(101.0)),
    "another media worker": lambda talk: (talk.media_gone(), talk.media_back(101.0)),
}


@pytest.mark.parametrize("asked", ASKS)
def test_a_slow_model_is_no_silence_of_the_callee(asked: str) -> None:
    talk = talking(no_input_s=6.0)
    ASKS[asked](talk)
    assert said(wait(talk, 101.0, 101.0 + OWED_S - 1.0)) == [], "its answer would be dropped for the question"
    talk.handle(SPEAKS, 131.0)
    assert talk.tick(150.0) == []
    talk.handle(DRAINED, 150.0)
    assert said(talk.tick(156.0)) == [ASK_IF_PRESENT]


@pytest.mark.parametrize("asked", ASKS)
def test_a_model_that_never_answers_is_not_waited_for_for_ever(asked: str) -> None:
    talk = talking(no_input_s=6.0)
    ASKS[asked](talk)
    assert said(talk.tick(101.0 + OWED_S)) == [ASK_IF_PRESENT]
    assert said(talk.tick(107.0 + OWED_S)) == [ASK_IF_PRESENT]
    talk.tick(113.0 + OWED_S)
    assert talk.state is TalkState.CLOSING


@pytest.mark.parametrize(
    "report", [used(), media.Fault(**WHO, code="response_given_up", message="2 more tries failed")]
)
def test_who_will_not_be_answered_is_not_owed_anything(report: media.NumberedReport) -> None:
    talk = talking(no_input_s=6.0)
    speech(talk, 101.0)
    talk.handle(report, 103.0)
    assert said(talk.tick(107.1)) == [ASK_IF_PRESENT]


def test_a_response_that_failed_is_asked_for_again_and_stays_owed() -> None:
    talk = talking(no_input_s=6.0)
    speech(talk, 101.0)
    talk.handle(used("failed"), 103.0)
    assert talk.tick(120.0) == []


def test_an_answer_that_somebody_who_only_listens_does_not_give_is_not_owed() -> None:
    talk = talking(no_input_s=6.0)
    treated = {**WHO, "reason": "", "mark_number": None, "audio_ms": 1}
    talk.handle(media.AnswerTreatment(**treated, action="wait"), 101.0)
    speech(talk, 102.0)
    talk.handle(media.AnswerTreatment(**treated, action="wake"), 110.0)
    assert said(talk.tick(116.0)) == [ASK_IF_PRESENT]
