"""After a no, for the next person, after a restart: no recording begins or goes on by an old or another yes."""

import json

import pytest

from app.calls.closing import Inherited
from app.calls.conversation import Conversation
from app.calls.opening import MISSING, Opening
from app.calls.recording import DECLINED, NOT_ASKED, NOT_NOW, STARTED, STOPPED, recorded_before
from app.calls.talk_model import TalkLimits
from app.calls.tools import BUDGETS, Offer
from app.domain.fields import Said
from app.domain.policy.disclosure import Disclosure
from media import protocol as media
from stasis.outcome import EndedBy
from tests.unit.app.test_opening import WHO, agent, callee, kinds
from tests.unit.app.test_recording_consent import QUESTION, says, switched, talking
from tests.unit.app.test_talk_tools import outputs

YES = "Yes, that's fine."


def agreed() -> Conversation:
    talk = talking()
    talk.handle(callee(YES), 106.0)
    assert switched(talk.handle(says(given=True, words="yes"), 106.1)) == [True]
    return talk


# --- a yes that waits for its words -----------------------------------------------------------------------------
@pytest.mark.parametrize("way", ["model", "words"])
def test_a_yes_that_comes_late_counts_no_more_after_a_no(way: str) -> None:
    talk = talking()
    assert outputs(talk.handle(says(given=True, words="yes"), 105.5)) == {}
    if way == "model":
        effects = talk.handle(says(given=False, words="no wait", item="t2"), 106.0)
    else:
        effects = talk.handle(callee("please do not record me", at_ms=9_500), 106.0)
    assert DECLINED in kinds(effects)
    assert "error" in outputs(effects)["t1"], "the first call is answered"
    late = talk.handle(callee("Yes.", at_ms=9_000), 106.3)
    assert True not in switched(late)
    assert True not in switched(talk.handle(says(given=True, words="yes", item="t3"), 106.4))
    assert not talk.tools.recording.running


def test_words_written_down_after_the_no_that_the_model_heard() -> None:
    talk = talking()
    talk.handle(says(given=False, words="no wait"), 106.0)
    talk.handle(callee("Yes you may record.", at_ms=9_000), 106.2)
    talk.handle(callee("Oh no wait.", at_ms=9_800), 106.4)
    effects = talk.handle(says(given=True, words="yes you may record", item="t2"), 106.5)
    assert outputs(effects) == {"t2": {"error": NOT_NOW}}


def test_a_second_call_answers_the_first() -> None:
    talk = talking()
    talk.handle(says(given=True, words="yes"), 105.5)
    effects = talk.handle(says(given=True, words="that's fine", item="t2"), 105.6)
    assert list(outputs(effects)) == ["t1"]
    assert outputs(talk.handle(callee(YES), 106.0)) == {"t2": {"recorded": True}}


# --- a yes to something else ------------------------------------------------------------------------------------
def test_a_yes_to_a_later_question_is_none_after_a_no() -> None:
    talk = talking()
    talk.handle(callee("No, please don't record this."), 106.0)
    talk.handle(callee("Yes, this is John.", at_ms=15_000), 112.0)
    assert outputs(talk.handle(says(given=True, words="yes"), 112.1)) == {"t1": {"error": NOT_NOW}}
    talk.handle(callee("Well, yes, you may record it.", at_ms=20_000), 117.0)
    assert switched(talk.handle(says(given=True, words="you may record", item="t2"), 117.1)) == [True]


def test_only_the_first_turns_answer_the_question() -> None:
    talk = talking()
    for at_ms, text in ((9_000, "Hello?"), (11_000, "I am Ann."), (13_000, "Yes, on Friday.")):
        talk.handle(callee(text, at_ms=at_ms), at_ms / 1000 + 100)
    assert outputs(talk.handle(says(given=True, words="yes"), 114.0)) == {"t1": {"error": NOT_NOW}}
    talk.handle(agent(QUESTION, item="a2", at_ms=15_000), 119.0)
    talk.handle(callee("Yes.", at_ms=20_000), 121.0)
    assert switched(talk.handle(says(given=True, words="yes", item="t2"), 121.1)) == [True]


def test_another_question_in_nearly_the_same_words_was_not_the_question() -> None:
    talk = talking(heard=False)
    talk.handle(agent("May we keep this call short? Please say yes or no."), 105.0)
    talk.handle(callee("Yes."), 106.0)
    assert outputs(talk.handle(says(given=True, words="yes"), 106.1)) == {"t1": {"error": NOT_ASKED}}


@pytest.mark.parametrize(
    ("words", "on"), [("この通話を録音してもよろしいですか。", [True]), ("短くお話ししてもよろしいですか。", [])]
)
def test_a_translated_question_counts_when_it_names_a_recording(words: str, on: list[bool]) -> None:
    opening = Opening("c1", Disclosure(words=QUESTION, translate=True))
    talk = talking(opening=opening)
    talk.handle(agent(words), 105.0)
    talk.handle(callee("yes"), 106.0)
    assert switched(talk.handle(says(given=True, words="yes"), 106.1)) == on


# --- another person ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("way", ["words", "music"])
@pytest.mark.parametrize("answer", ["Yes.", "No."])
def test_one_persons_yes_does_not_record_the_next(way: str, answer: str) -> None:
    talk = agreed()
    wake = media.AnswerTreatment(**WHO, action="wake", reason="somebody speaks", mark_number=None, audio_ms=1)
    passing = callee("One moment, I'll put you through.", at_ms=12_000) if way == "words" else wake
    effects = talk.handle(passing, 113.0)
    assert switched(effects) == [False]
    assert STOPPED in kinds(effects)
    talk.handle(callee("Yes, hello, this is Bob.", at_ms=20_000), 121.0)
    assert switched(talk.handle(says(given=True, words="yes", item="t2"), 121.1)) == []
    talk.handle(agent(QUESTION, item="a2", at_ms=21_000), 125.0)
    noted = talk.handle(callee(answer, at_ms=26_000), 127.0)
    assert (DECLINED in kinds(noted)) is (answer == "No.")
    effects = talk.handle(says(given=True, words=answer, item="t3"), 127.1)
    assert switched(effects) == ([True] if answer == "Yes." else [])


def test_a_yes_that_waited_is_not_the_next_persons() -> None:
    talk = talking()
    talk.handle(says(given=True, words="yes"), 105.5)
    effects = talk.handle(callee("I'll transfer you now.", at_ms=9_000), 106.0)
    assert "error" in outputs(effects)["t1"]


def test_the_next_persons_first_words_answer_no_question_they_have_not_heard() -> None:
    talk = agreed()
    talk.handle(callee("I'll put you through.", at_ms=12_000), 113.0)
    talk.handle(says(given=True, words="yes", item="t2"), 120.9)
    effects = talk.handle(callee("Yes, you may record.", at_ms=20_000), 121.0)
    assert outputs(effects) == {"t2": {"error": NOT_ASKED}}


# --- who has the call -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", ["taken", "closing"])
def test_a_no_counts_whoever_has_the_call_and_a_yes_does_not(state: str) -> None:
    for given in (True, False):
        talk = agreed() if not given else talking()
        if state == "taken":
            talk.operator.take("m1", 107.0)
        else:
            talk.close(EndedBy.OPERATOR, "", 107.0)
        effects = talk.handle(says(given=given, words="yes", item="t9"), 108.0)
        assert switched(effects) == ([] if given else [False])
        assert "error" in outputs(effects)["t9"] if given else outputs(effects) == {"t9": {"recorded": False}}


def test_a_yes_said_to_the_operator_starts_nothing() -> None:
    talk = talking()
    talk.handle(says(given=True, words="yes"), 105.5)
    talk.operator.take("m1", 105.6)
    effects = talk.handle(callee("Yes."), 106.0)
    assert switched(effects) == []
    assert "error" in outputs(effects)["t1"]


def test_the_end_of_the_talk_is_not_the_question() -> None:
    talk = talking(heard=False)
    talk.handle(agent("Hi!"), 103.0)
    talk.handle(says(given=True, words="yes"), 103.5)
    talk.handle(callee("hm"), 104.0)
    talk.close(EndedBy.OPERATOR, "", 104.5)
    assert switched(talk.handle(callee("yes", at_ms=9_600), 105.0)) == []
    opening = Opening("c1", Disclosure(words=QUESTION))
    opening.agent(agent("Hi!"))
    opening.callee(callee("hm"))
    assert kinds(opening.over()) == [MISSING]
    assert opening.over() == []
    assert opening.told_ms is opening.asked_ms is None


def test_a_no_has_no_budget_and_needs_no_good_arguments() -> None:
    talk = agreed()
    for number in range(BUDGETS["recording_consent"] + 2):
        talk.handle(says(given=True, words="yes", item=f"y{number}"), 108.0)
    broken = json.dumps({"given": False, "words": "", "why": "x"})
    call = media.ToolCalled(**WHO, tool_call_id="n", name="recording_consent", arguments=broken)
    effects = talk.handle(call, 109.0)
    assert switched(effects) == [False]
    assert STOPPED in kinds(effects)


# --- after a restart --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("running", [True, False])
def test_the_leg_follows_the_process_that_goes_on(*, running: bool) -> None:
    talk = talking(adopted=running)
    assert switched(talk.resumed(100.0, Inherited())) == [running]


@pytest.mark.parametrize(
    ("noted", "text", "recorded"),
    [
        (None, "Hello?", None), (STARTED, "Hello?", True), (STOPPED, "Hello?", False), (DECLINED, "Hello?", False),
        (STARTED, "Turn the recording off", False), (None, "please don't record me", False),
    ],
)  # fmt: skip
def test_what_a_former_process_had_come_to(noted: str | None, text: str, recorded: bool | None) -> None:
    said = [
        Said(item_id="u1", text=text, start_audio_ms=0, end_audio_ms=1),
        Said(item_id="u2", text="ok", start_audio_ms=2, end_audio_ms=3),
    ]
    assert recorded_before(noted, said) is recorded


def test_an_objection_reaches_a_leg_of_which_nothing_is_known() -> None:
    talk = Conversation("c1", TalkLimits(), Offer())
    talk.answered(100.0)
    assert switched(talk.handle(callee("Please turn off the recording"), 101.0)) == [False]


def test_after_a_restart_a_plain_yes_answers_no_question_that_is_remembered() -> None:
    talk = talking(opening=Opening("c1", Disclosure(words=QUESTION), said=True))
    talk.handle(callee("Yes, on Friday."), 106.0)
    effects = talk.handle(says(given=True, words="yes"), 106.1)
    assert STARTED not in kinds(effects)
