"""A callee who breaks into the farewell: a wish takes the end back, a goodbye does not. Pure."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls import wished_time
from app.calls.closing import CLOSING, Closed, Inherited, left_of
from app.calls.conversation import Conversation
from app.calls.second_thought import MOST, SPEECH_S, TAKEN_BACK, WORDS_S
from app.calls.talk_model import (
    FAREWELL_LIMIT_S,
    HEARD_OUT_S,
    SAY_GOODBYE,
    SAY_GOODBYE_SILENT,
    SAY_GOODBYE_TIME,
    Errand,
    Note,
    TalkEffect,
    TalkLimits,
    TalkState,
    ToMedia,
    WantHangUp,
)
from app.calls.tools import RecordOptOut
from app.llm.facts import WISH_KIND, WISH_UNDONE
from media import protocol as media
from stasis.outcome import EndedBy
from tests.unit.app.test_talk_tools import OFFER, SPEAKS, WHO, calls, outputs, said, stored, talking, told, turn

DRAINED = media.PlayoutDrained(**WHO, item_id="i1")
CUT = media.BargeIn(**WHO, item_id="i1", heard_ms=400, generated_ms=2_000)
WAIT = "Wait, can we make it Thursday instead?"
DONE = WantHangUp(EndedBy.AGENT, "booked")


def ending(now: float = 110.0, talk: Conversation | None = None) -> Conversation:
    """The agent says goodbye and calls end_call in one response."""
    talk = talk or talking()
    talk.handle(media.TurnPartial(**WHO, speaker="agent", item_id="i1", text="Have a nice day, goodbye!"), now)
    talk.handle(SPEAKS, now)
    talk.handle(calls("end_call", "end", reason="booked"), now + 0.5)
    assert talk.state is TalkState.CLOSING
    return talk


def breaks_in(talk: Conversation, now: float, at_ms: int = 9_000, *, cut: bool = True) -> None:
    talk.handle(media.SpeechStarted(**WHO, audio_ms=at_ms), now)
    if cut:
        talk.handle(CUT, now + 0.1)
    talk.handle(media.SpeechStopped(**WHO, audio_ms=at_ms + 900), now + 1.0)


def kinds(effects: list[TalkEffect]) -> list[str]:
    return [one.kind for one in effects if isinstance(one, Note)]


def ends(effects: list[TalkEffect]) -> list[WantHangUp]:
    return [one for one in effects if isinstance(one, WantHangUp)]


# --- a wish ------------------------------------------------------------------------------------------------------
def test_a_callee_who_asks_for_more_is_answered_and_the_talk_goes_on() -> None:
    talk = ending()
    breaks_in(talk, 111.0)
    talk.handle(SPEAKS, 112.4)  # the live session answers by itself: "Sure, Thursday at ten, shall I confirm?"
    effects = talk.handle(turn(WAIT, "u9", 9_000), 112.6)
    assert (talk.state, kinds(effects)) == (TalkState.TALKING, [TAKEN_BACK])
    (note,) = told(effects)
    assert "Thursday" in note
    assert said(effects) == []
    effects = talk.handle(calls("save_field", "t2", name="note", value="Thursday", quote="Thursday"), 113.0)
    assert stored(effects) == {"note": '"Thursday"'}
    assert Errand in map(type, talk.handle(calls("look_up", "t3"), 113.1))
    assert ends(talk.handle(DRAINED, 115.0)) == []
    assert ends(talk.tick(115.0 + HEARD_OUT_S)) == []
    assert ends(talk.tick(120.0)) == []


def test_a_function_called_before_the_words_are_written_down_waits_for_them() -> None:
    talk = ending()
    breaks_in(talk, 111.0)
    save = calls("save_field", "t2", name="note", value="Thursday", quote="Thursday")
    assert talk.handle(save, 112.2) == []
    effects = talk.handle(turn(WAIT, "u9", 9_000), 112.6)
    assert (stored(effects), outputs(effects)["t2"]["saved"]) == ({"note": '"Thursday"'}, True)


def test_an_opt_out_waits_for_no_words() -> None:
    talk = ending()
    breaks_in(talk, 111.0)
    effects = talk.handle(calls("record_opt_out", "t2", words="leave me alone"), 112.2)
    assert Errand("t2", RecordOptOut("leave me alone")) in effects
    talk.handle(turn(WAIT, "u9", 9_000), 112.6)
    assert talk.state is TalkState.CLOSING


def test_a_function_called_on_a_goodbye_is_refused_as_before() -> None:
    talk = ending()
    breaks_in(talk, 111.0)
    assert talk.handle(calls("look_up", "t2"), 112.2) == []
    effects = talk.handle(turn("Bye bye!", "u9", 9_000), 112.6)
    assert "ending already" in str(outputs(effects)["t2"]["error"])
    assert talk.state is TalkState.CLOSING


def test_somebody_who_begins_to_speak_after_the_last_word_is_heard_out_too() -> None:
    talk = ending()
    talk.handle(DRAINED, 112.0)
    breaks_in(talk, 112.2, cut=False)
    assert talk.tick(112.0 + HEARD_OUT_S) == []
    talk.handle(turn(WAIT, "u9", 9_000), 114.0)
    assert talk.state is TalkState.TALKING


def test_the_next_end_says_how_often_one_was_taken_back_and_ends_the_call() -> None:
    talk = ending()
    breaks_in(talk, 111.0)
    talk.handle(turn(WAIT, "u9", 9_000), 112.6)
    talk.handle(SPEAKS, 113.0)
    effects = talk.handle(calls("end_call", "t4", reason="moved"), 114.0)
    (noted,) = [one.detail for one in effects if isinstance(one, Note) and one.kind == CLOSING]
    assert msgspec.json.decode(noted, type=Closed).taken_back == 1
    talk.handle(DRAINED, 115.0)
    assert talk.tick(115.0 + HEARD_OUT_S) == [WantHangUp(EndedBy.AGENT, "moved")], "and nothing of the first end"


def test_the_third_end_stands() -> None:
    talk = talking()
    for n in range(MOST):
        now, at_ms = 110.0 + 10 * n, 9_000 * (n + 1)
        ending(now, talk)
        breaks_in(talk, now + 1.0, at_ms)
        talk.handle(turn(WAIT, f"u{n}", at_ms), now + 2.6)
        assert talk.state is TalkState.TALKING
    ending(150.0, talk)
    breaks_in(talk, 151.0, 50_000)
    talk.handle(turn(WAIT, "u9", 50_000), 152.0)
    assert talk.state is TalkState.CLOSING
    talk.handle(SPEAKS, 152.5)
    talk.handle(DRAINED, 154.0)
    assert talk.tick(154.0 + HEARD_OUT_S) == [DONE]


def test_a_farewell_that_was_asked_for_and_not_begun_is_not_said_any_more() -> None:
    """end_call without a word while the callee speaks: their wish is answered, and not with a goodbye."""
    talk = talking()
    talk.handle(media.SpeechStarted(**WHO, audio_ms=9_000), 110.0)
    assert said(talk.handle(calls("end_call", reason="booked"), 110.5)) == [SAY_GOODBYE]
    talk.handle(media.SpeechStopped(**WHO, audio_ms=9_900), 111.0)
    effects = talk.handle(turn(WAIT, "u9", 9_000), 111.5)
    (say,) = [e.command for e in effects if isinstance(e, ToMedia) and isinstance(e.command, media.Say)]
    assert say.instead
    assert "Thursday" in say.instructions


def test_a_wish_for_another_time_can_be_taken_back() -> None:
    talk = talking()
    talk.handle(SPEAKS, 110.0)
    effects = talk.handle(calls("reschedule_call_trigger_analysis", wished_words="tomorrow at four"), 110.5)
    assert "callback_wished" in kinds(effects)
    breaks_in(talk, 111.0)
    effects = talk.handle(turn("Actually, I have a minute now.", "u9", 9_000), 112.6)
    assert talk.state is TalkState.TALKING
    assert "another time" in told(effects)[0]


# --- a silence -------------------------------------------------------------------------------------------------
def given_up() -> Conversation:
    """Nobody answers "are you still there?", so the agent says goodbye."""
    talk = talking(no_input_s=5.0, no_input_prompts=0)
    talk.handle(SPEAKS, 101.0)
    talk.handle(DRAINED, 105.0)
    assert said(talk.tick(110.0)) == [SAY_GOODBYE_SILENT]
    return talk


@pytest.mark.parametrize("words", ["Yes.", "Yes, hello?", "Hello?", "Sorry, I was on mute", "ok, ja"])
@pytest.mark.parametrize("begun", [True, False])
def test_a_callee_who_comes_back_while_they_are_given_up_is_there(words: str, begun: bool) -> None:
    talk = given_up()
    if begun:
        talk.handle(SPEAKS, 111.0)
    breaks_in(talk, 111.2, cut=begun)
    assert ends(talk.tick(111.2 + HEARD_OUT_S)) == []
    effects = talk.handle(turn(words, "u9", 9_000), 113.0)
    assert (talk.state, kinds(effects)) == (TalkState.TALKING, [TAKEN_BACK])
    assert "is there" in told(effects)[0]
    assert len(said(effects)) == (0 if begun else 1)
    assert ends(talk.tick(113.1)) == []


@pytest.mark.parametrize("words", ["Bye.", "Yes, goodbye", "hm", "ok thanks, bye bye"])
def test_a_goodbye_to_a_silence_ends_it(words: str) -> None:
    talk = given_up()
    talk.handle(SPEAKS, 111.0)
    talk.handle(DRAINED, 112.0)
    breaks_in(talk, 112.1, cut=False)
    talk.handle(turn(words, "u9", 9_000), 113.5)
    assert talk.tick(113.5) == [WantHangUp(EndedBy.SYSTEM_TIMEOUT, "the callee stayed silent")]


# --- no wish -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("words", ["Bye bye!", "Thanks, you too.", "ok", "Danke, auf Wiederhören."])
@pytest.mark.parametrize("answered", [True, False])
def test_a_goodbye_in_the_same_place_ends_the_call(words: str, answered: bool) -> None:
    talk = ending()
    talk.handle(DRAINED, 111.5)
    breaks_in(talk, 111.7, cut=False)
    if answered:  # the live session says "bye" once more: it is heard to its end
        talk.handle(SPEAKS, 113.0)
    assert kinds(talk.handle(turn(words, "u9", 9_000), 113.5)) == []
    if answered:
        assert talk.tick(113.6) == []
        talk.handle(DRAINED, 114.5)
        assert talk.tick(114.5 + HEARD_OUT_S) == [DONE]
    else:
        assert talk.tick(113.5) == [DONE]


def test_goodbyes_are_not_exchanged_for_ever() -> None:
    talk, now = ending(), 111.0
    while not (over := ends(talk.tick(now))):
        assert now < 170.0
        breaks_in(talk, now, round(now * 100), cut=False)
        talk.handle(SPEAKS, now + 1.2)
        talk.handle(turn("bye", "u", round(now * 100)), now + 1.5)
        now += 2.5
    assert over == [DONE]


def test_words_the_agent_has_answered_with_its_farewell_are_no_second_thought() -> None:
    """They are written down late, and began before."""
    talk = talking()
    talk.handle(media.SpeechStarted(**WHO, audio_ms=7_000), 108.0)
    talk.handle(media.SpeechStopped(**WHO, audio_ms=7_900), 109.0)
    ending(110.0, talk)
    talk.handle(turn("Yes, Wednesday at ten is fine", "u8", 7_000), 111.0)
    assert talk.state is TalkState.CLOSING
    talk.handle(DRAINED, 112.0)
    assert talk.tick(112.0 + HEARD_OUT_S) == [DONE]


def test_words_that_are_never_written_down_do_not_hold_the_line() -> None:
    talk = ending()
    talk.handle(DRAINED, 111.0)
    breaks_in(talk, 111.2, cut=False)
    assert talk.next_deadline == 112.2 + WORDS_S
    assert talk.tick(112.2 + WORDS_S) == [DONE]


def test_a_noise_without_an_end_does_not_hold_the_line() -> None:
    talk = ending()
    talk.handle(DRAINED, 111.0)
    talk.handle(media.SpeechStarted(**WHO, audio_ms=9_000), 111.2)
    assert talk.tick(111.2 + SPEECH_S - 0.1) == []
    assert talk.tick(111.2 + SPEECH_S) == [DONE]


def closed_by(why: str) -> Conversation:
    """A talk that ends for a reason that no callee can talk away."""
    talk = Conversation("c1", TalkLimits(max_talk_s=15.0, max_cost_micro_usd=10), OFFER)
    talk.answered(100.0)
    match why:
        case "maximum length":
            assert said(talk.tick(115.0)) == [SAY_GOODBYE_TIME]
        case "cost":
            used = media.TranscriptionUsed(
                **WHO, item_id="i", model="m", seconds=1.0, cost_micro_usd=10, price_table="t"
            )
            talk.handle(used, 110.0)
        case "operator":
            talk.close(EndedBy.OPERATOR, "enough", 110.0)
        case "drain":
            talk.close(EndedBy.SYSTEM_COMPLETE, "stopping", 110.0)
        case "operator on top of the agent":
            ending(110.0, talk)
            assert talk.close(EndedBy.OPERATOR, "enough", 110.6) == []
        case "voicemail":
            talk.handle(
                media.AnswerTreatment(**WHO, action="leave_message", reason="", mark_number=None, audio_ms=1),
                110.0,
            )
        case "opt-out by its words":
            talk.handle(turn("please stop calling me", "u1", 1_000), 109.0)
            ending(110.0, talk)
        case _:
            talk.handle(calls("record_opt_out", words="leave me alone"), 109.0)
            ending(110.0, talk)
    talk.handle(SPEAKS, 115.5)
    return talk


@pytest.mark.parametrize(
    "why",
    [
        "maximum length",
        "cost",
        "operator",
        "drain",
        "operator on top of the agent",
        "voicemail",
        "opt-out by its words",
        "opt-out by the agent",
    ],
)
def test_no_other_end_is_taken_back(why: str) -> None:
    talk = closed_by(why)
    breaks_in(talk, 116.0)
    effects = talk.handle(turn(WAIT, "u9", 9_000), 117.0)
    assert (talk.state, kinds(effects)) == (TalkState.CLOSING, [])
    assert "ending already" in str(outputs(talk.handle(calls("look_up", "t9"), 117.1))["t9"]["error"])


def test_an_opt_out_in_the_farewell_is_listed_and_ends_the_call() -> None:
    talk = ending()
    breaks_in(talk, 111.0)
    effects = talk.handle(turn("And don't call me again!", "u9", 9_000), 112.6)
    assert [one for one in effects if isinstance(one, Errand) and isinstance(one.request, RecordOptOut)]
    assert talk.state is TalkState.CLOSING


def test_the_notes_have_the_same_name_where_they_are_read() -> None:
    assert (WISH_UNDONE, WISH_KIND) == (TAKEN_BACK, wished_time.KIND)


# --- another process ---------------------------------------------------------------------------------------------
def test_another_process_can_take_the_end_back_as_often_as_is_left() -> None:
    for taken_back in range(MOST + 1):
        noted = Closed(ended_by=EndedBy.AGENT, reason="booked", revocable=True, taken_back=taken_back)
        closed, often = left_of(noted, undone=False)
        talk = Conversation("c1", TalkLimits(), OFFER)
        talk.resumed(200.0, Inherited(agent_speaking=True, closed=closed, taken_back=often))
        breaks_in(talk, 201.0)
        talk.handle(turn(WAIT, "u9", 9_000), 202.0)
        assert talk.state is (TalkState.TALKING if taken_back < MOST else TalkState.CLOSING)


def test_another_process_does_not_inherit_an_end_that_was_taken_back() -> None:
    noted = Closed(ended_by=EndedBy.AGENT, reason="booked", revocable=True, taken_back=1)
    assert left_of(noted, undone=True) == (None, MOST)
    assert left_of(None, undone=False) == (None, 0)
    talk = Conversation("c1", TalkLimits(), OFFER)
    talk.resumed(200.0, Inherited(taken_back=MOST))
    assert talk.state is TalkState.TALKING
    ending(210.0, talk)
    breaks_in(talk, 211.0)
    talk.handle(turn(WAIT, "u9", 9_000), 212.0)
    assert talk.state is TalkState.CLOSING


def test_the_farewell_that_never_sounds_is_given_up_all_the_same() -> None:
    talk = talking()
    talk.handle(calls("end_call", reason="booked"), 110.0)
    assert talk.next_deadline == 110.0 + FAREWELL_LIMIT_S
    assert talk.tick(110.0 + FAREWELL_LIMIT_S) == [DONE]
    assert talk.state is TalkState.DONE


# --- anything ----------------------------------------------------------------------------------------------------
SPOKEN = ["bye", "wait, Thursday", "stop calling me", "ok"]
ANYTHING = st.one_of(
    st.builds(lambda ms: media.SpeechStarted(**WHO, audio_ms=ms), st.integers(0, 9_000)),
    st.builds(lambda ms: media.SpeechStopped(**WHO, audio_ms=ms), st.integers(0, 9_000)),
    st.builds(turn, st.sampled_from(SPOKEN), st.just("u"), st.integers(0, 9_000)),
    st.sampled_from([SPEAKS, DRAINED, CUT]),
    st.builds(lambda n: calls("end_call", n, reason="r"), st.text("ab", min_size=1, max_size=3)),
    st.builds(lambda n: calls("look_up", n), st.text("cd", min_size=1, max_size=3)),
    st.just(media.TurnPartial(**WHO, speaker="agent", item_id="i1", text="goodbye")),
)  # fmt: skip


@given(st.lists(st.tuples(ANYTHING, st.floats(0, 6)), max_size=40))
def test_in_any_order_it_ends_once_and_is_taken_back_twice_at_most(
    steps: list[tuple[media.NumberedReport, float]],
) -> None:
    talk, now = talking(max_talk_s=60.0), 100.0
    effects: list[TalkEffect] = []
    for report, wait_s in steps:
        now += wait_s
        effects += [*talk.handle(report, now), *talk.tick(now)]
    for _ in range(60):
        if (due := talk.next_deadline) is None:
            break
        now = max(now, due)
        effects += talk.tick(now)
    assert (talk.state, len(ends(effects))) == (TalkState.DONE, 1)
    assert kinds(effects).count(TAKEN_BACK) <= MOST
    assert kinds(effects).count(CLOSING) <= 1 + kinds(effects).count(TAKEN_BACK)
