"""Recording begins after a clear yes where one is needed, ends with an objection, and never begins by mistake."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.conversation import Conversation
from app.calls.opening import Opening
from app.calls.recording import DECLINED, NOT_ASKED, NOT_CLEAR, STARTED, STOPPED, Mode, Recording
from app.calls.talk_model import TalkEffect, TalkLimits, ToMedia, TransferMoved
from app.calls.tools import Offer
from app.domain.contacts.contact import Made
from app.domain.policy.disclosure import Disclosure
from app.domain.recording_consent import QUESTIONS, agreed, objects
from media import protocol as media
from stasis.transfer_model import TransferState
from tests.unit.app.test_opening import WHO, agent, callee, kinds
from tests.unit.app.test_talk_tools import calls, outputs

QUESTION = QUESTIONS["en"]
OFFER = Offer(tools=("transfer_call", "end_call"), targets=("billing",), recording=True)
YES = [
    "Yes.", "yes, that's fine", "Sure, go ahead", "ok", "I don't mind.", "no problem", "Why not!",
    "of course you may",
    "Ja, gerne", "Kein Problem.", "Ja, einverstanden", "habe nichts dagegen", "oui, d'accord", "Pas de problème",
    "Sí, claro", "no hay problema", "sì, va bene", "nessun problema", "ja hoor, prima", "geen bezwaar", "tak",
    "да", "you may", "Das dürfen Sie.", "You can record it", "von mir aus",
]  # fmt: skip
NO = [
    "No.", "no, please don't record", "rather not", "I'd rather not", "please don't", "absolutely not",
    "I do mind",
    "yes I mind", "not today, ok?", "stop recording", "nein", "Nein, lieber nicht", "das möchte ich nicht",
    "non merci",
    "je ne veux pas", "no, gracias", "prefiero que no", "preferisco di no", "nee liever niet", "nie", "нет",
    "no, that's ok",
    "Sure, turn it off", "Yes, please leave it off", "Ja, schalten Sie das ab", "Oui, coupez", "ok hang up",
    "Yes please delete that", "You can forget it", "Das können Sie vergessen", "sí, apáguelo", "sì, spegnete",
    "ja, zet maar uit", "sure, end it", "ok, bye", "ja tschüss", "Yes, switch that thing over",
]  # fmt: skip
UNCLEAR = [
    "", "hm", "what?", "Yes? Who is this?", "maybe later", "yes but why", "if it is only for you, yes", "hello",
    "I am Ann", "vielleicht", "ja aber wer sind Sie", "peut-être", "hai", "はい", "mhm",
    "what do you want to record",
    "you can call my husband", "Da können Sie morgen anrufen",
]  # fmt: skip
OBJECTIONS = [
    "please stop recording", "don't record this", "I do not want to be recorded", "no recording please.",
    "Yes. But I don't want the tape running", "bitte nicht aufzeichnen", "keine Aufnahme", "n'enregistrez pas",
    "no quiero que graben", "non registrate", "niet opnemen",
    "Please turn off the recording", "Turn the recording off", "Delete the recording", "coupez l'enregistrement",
    "Bitte schalten Sie die Aufzeichnung aus", "Beenden Sie die Aufzeichnung", "Hören Sie auf aufzunehmen",
    "Nehmen Sie das bitte nicht auf", "neem dit niet op", "Stoppen Sie die Aufnahme", "nie nagrywajcie",
    "I'd like to opt out of the recording, but go on", "Can we opt out of being recorded?",
]  # fmt: skip
NO_OBJECTIONS = [
    "yes, record it", "no problem, you can record", "for the record, Friday is fine. No, not Saturday",
    "no", "nein",
    "I have a record player", "kein Problem mit der Aufnahme",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "worth"), [*((t, "yes") for t in YES), *((t, "no") for t in NO), *((t, "unclear") for t in UNCLEAR)]
)
def test_what_an_answer_is_worth(text: str, worth: str) -> None:
    assert agreed(text) == worth


@pytest.mark.parametrize(
    ("text", "meant"), [*((t, True) for t in OBJECTIONS), *((t, False) for t in NO_OBJECTIONS)]
)
def test_objections(text: str, *, meant: bool) -> None:
    assert objects(text) is meant


@given(st.sampled_from(YES), st.sampled_from([one for one in NO if "?" not in one]))
def test_a_yes_and_a_no_is_no_yes(yes: str, no: str) -> None:
    assert agreed(f"{yes} {no}") != "yes"
    assert agreed(f"{no} {yes}") != "yes"


# --- in a talk --------------------------------------------------------------------------------------------------
def talking(
    mode: Mode = "ask",
    *,
    heard: bool = True,
    running: bool | None = None,
    opening: Opening | None = None,
    adopted: bool | None = None,
) -> Conversation:
    """With an `opening` of its own nothing has been said; `adopted`, with what was recorded, it has not begun."""
    heard = heard and opening is None
    running = running if adopted is None else adopted
    opening = opening or Opening("c1", Disclosure(words=QUESTION))
    recording = Recording("c1", mode, opening, running=running)
    talk = Conversation("c1", TalkLimits(), OFFER, opening=opening, recording=recording)
    if adopted is not None:
        return talk
    talk.answered(100.0)
    if heard:
        talk.handle(agent(QUESTION), 105.0)
    return talk


def says(*, given: bool, words: str, item: str = "t1") -> media.ToolCalled:
    arguments = json.dumps({"given": given, "words": words})
    return media.ToolCalled(**WHO, tool_call_id=item, name="recording_consent", arguments=arguments)


def switched(effects: list[TalkEffect]) -> list[bool]:
    return [e.command.on for e in effects if isinstance(e, ToMedia) and isinstance(e.command, media.Record)]


@pytest.mark.parametrize("words_first", [True, False])
def test_after_a_yes_it_is_recorded(words_first: bool) -> None:
    """The model hears the voice before its words are written down."""
    talk, report, turn = talking(), says(given=True, words="yes, that's fine"), callee("Yes, that's fine.")
    effects = [*talk.handle(turn, 106.0), *talk.handle(report, 106.2)] if words_first else []
    if not words_first:
        assert switched(talk.handle(report, 106.0)) == []
        effects = talk.handle(turn, 106.4)
    assert switched(effects) == [True]
    assert STARTED in kinds(effects)
    assert outputs(effects) == {"t1": {"recorded": True}}
    assert switched(talk.handle(says(given=True, words="yes", item="t2"), 107.0)) == []


@pytest.mark.parametrize("text", [*NO, *(one for one in UNCLEAR if one)])
def test_a_model_that_calls_it_a_yes_is_not_believed(text: str) -> None:
    talk = talking()
    effects = [*talk.handle(callee(text), 106.0), *talk.handle(says(given=True, words=text), 106.2)]
    effects += talk.tick(110.0)
    assert True not in switched(effects)
    assert not talk.tools.recording.running


def test_words_that_nobody_said_are_no_consent() -> None:
    talk = talking()
    talk.handle(callee("I am Ann."), 106.0)
    assert outputs(talk.handle(says(given=True, words="yes please record me"), 106.2)) == {}
    effects = talk.tick(109.3)
    assert switched(effects) == []
    assert "Nothing is recorded" in str(outputs(effects)["t1"]["error"])


def test_a_yes_to_another_question_is_none() -> None:
    """The question had not been heard in full: an interrupter said yes to something else."""
    talk = talking(heard=False)
    talk.handle(agent(QUESTION, heard=0.3), 103.0)
    talk.handle(callee("yes"), 104.0)
    effects = talk.handle(says(given=True, words="yes"), 104.1)
    assert outputs(effects) == {"t1": {"error": NOT_ASKED}}
    talk.handle(agent(QUESTION, item="a2", at_ms=12_000), 115.0)
    assert outputs(talk.handle(says(given=True, words="yes", item="t2"), 115.1)) == {"t2": {"error": NOT_ASKED}}
    talk.handle(callee("yes", at_ms=16_000), 117.0)
    assert switched(talk.handle(says(given=True, words="yes", item="t3"), 117.1)) == [True]


def test_a_no_is_written_down_without_the_model() -> None:
    talk = talking()
    effects = talk.handle(callee("Rather not."), 106.0)
    assert kinds(effects) == [DECLINED]
    assert switched(effects) == [False], "the leg may record what a former process had begun"
    assert outputs(talk.handle(says(given=True, words="rather not"), 106.2)) == {"t1": {"error": NOT_CLEAR}}


@pytest.mark.parametrize("mode", ["on", "ask"])
def test_an_objection_ends_it_whatever_the_model_does(mode: Mode) -> None:
    talk = talking(mode)
    if mode == "ask":
        talk.handle(callee("yes"), 106.0)
        assert switched(talk.handle(says(given=True, words="yes"), 106.2)) == [True]
    assert talk.tools.recording.running
    assert switched(talk.handle(callee("No, not on Saturday", at_ms=20_000), 119.0)) == (
        [False] if mode == "on" else []
    )
    effects = talk.handle(callee("please stop recording me", at_ms=21_000), 120.0)
    assert STOPPED in kinds(effects) or mode == "on"
    assert not talk.tools.recording.running
    assert switched(talk.media_back(121.0)) == []


def test_the_model_may_stop_it() -> None:
    talk = talking("on")
    effects = talk.handle(says(given=False, words="pas d'enregistrement"), 120.0)
    assert switched(effects) == [False]
    assert outputs(effects) == {"t1": {"recorded": False}}


@pytest.mark.parametrize(
    ("mode", "running", "on"),
    [("on", None, [True]), ("ask", None, []), ("ask", True, [True]), ("on", False, [])],
)
def test_another_worker_goes_on_as_it_was(mode: Mode, running: bool | None, on: list[bool]) -> None:
    talk = talking(mode, running=running)
    talk.media_gone()
    assert switched(talk.media_back(110.0)) == on


def transferred(talk: Conversation, *states: TransferState) -> list[bool]:
    return [on for state in states for on in switched(talk.handle(TransferMoved(state), 110.0))]


@pytest.mark.parametrize("mode", ["on", "ask"])
def test_whoever_a_transfer_calls_is_not_recorded(mode: Mode) -> None:
    """They were told nothing and asked nothing; the callee's yes stays good for the callee."""
    talk = talking(mode, running=True)
    talk.handle(calls("transfer_call", target="billing"), 106.0)
    assert transferred(talk, TransferState.DIALING) == [False]
    assert transferred(talk, TransferState.ANSWERED, TransferState.CONSULTING, TransferState.RETURNING) == []
    talk.media_gone()
    assert switched(talk.media_back(111.0)) == [], "the leg of another worker begins without one"
    assert transferred(talk, TransferState.OVER) == [True]
    assert talk.tools.recording.running


def test_a_transfer_begins_no_recording() -> None:
    talk = talking("on")
    talk.handle(callee("please stop recording me"), 106.0)
    assert transferred(talk, TransferState.DIALING, TransferState.CONSULTING, TransferState.OVER) == []


def test_another_process_does_not_record_in_a_transfer_either() -> None:
    recording = Recording("c1", "on", Opening("c1"), aside=True)
    assert switched(recording.follow()) == [False]
    assert switched(recording.moved(TransferMoved(TransferState.RETURNING))) == []
    assert switched(recording.moved(TransferMoved(TransferState.OVER))) == [True]


def test_it_is_offered_only_where_a_call_is_or_may_be_recorded() -> None:
    assert "recording_consent" in Offer(recording=True).names
    assert "recording_consent" not in Offer(tools=("recording_consent",)).names


# --- a list of contacts -----------------------------------------------------------------------------------------
CELLS = {
    "no, never agreed": True, "No": True, "N/A": True, "-": True, "refused by phone": True,
    "consent withdrawn": True,
    "keine Einwilligung": True, "did not consent": True, "widerrufen": True, "refusé": True, "not given": True,
    "": False, "yes": False, "web form 3 May": False, "No. 4711, signed form": False,
    "kein Problem, Formular 12": False,
    "Einwilligung erteilt am 3.5.": False, "signed, may opt-out any time": False, "yes (no objections)": False,
}  # fmt: skip


@pytest.mark.parametrize(("cell", "refuses"), CELLS.items())
def test_a_cell_that_says_no_in_whatever_words_is_no_evidence(cell: str, *, refuses: bool) -> None:
    assert Made(consent=cell).refuses is refuses
