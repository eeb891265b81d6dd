"""The spoken conversation as a machine: what is written down, when functions run, news, silence, a lost line."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.follow_up import News
from app.domain.plan_form import Question
from app.domain.planning import PlannerTurn, TurnContent, open_form
from app.llm.spoken.model import (
    Act,
    Acted,
    BudgetUsed,
    Charge,
    Effect,
    End,
    Ending,
    GiveResult,
    HungUp,
    Inform,
    Input,
    LineEvent,
    ModelLine,
    Note,
    PendingNews,
    Quiet,
    Reported,
    Seen,
    Tell,
    Tick,
    Used,
    priced,
)
from app.llm.spoken.talk import IDLE_S, LONGEST_S, LOST_S, TELLING_S, WORDS_S, SpokenTalk
from app.llm.spoken.told import RESUMED, RETOLD_TURNS, primed
from media import protocol as media

NEWS = PendingNews(news=News(counts={"answered": 1}), call_ids=frozenset({"c1"}))


def report(kind: Any, **fields: Any) -> Reported:
    return Reported(kind(seq=1, call_id="x", at_unix_ms=0, **fields))


def user(text: str = "hello", item: str = "u1") -> Reported:
    return report(media.TurnSpoken, speaker="callee", item_id=item, text=text, start_audio_ms=0, end_audio_ms=1)


def agent(text: str = "yes", item: str = "a1", heard: int = 100, made: int = 100, cut: bool = False) -> Reported:
    return report(
        media.TurnSpoken,
        speaker="agent",
        item_id=item,
        text=text,
        start_audio_ms=0,
        end_audio_ms=1,
        heard_ms=heard,
        generated_ms=made,
        interrupted=cut,
    )


def speaks(item: str) -> Reported:
    return report(
        media.AgentSpeaking,
        item_id=item,
        response_to_first_delta_ms=1,
        first_delta_to_rtp_ms=1,
        speech_stop_to_rtp_ms=None,
    )


STOPPED = report(media.SpeechStopped, audio_ms=1)
STARTED = report(media.SpeechStarted, audio_ms=1)
CALL = report(media.ToolCalled, tool_call_id="t1", name="show_plan", arguments="{}")


def used(cost: int | None) -> Reported:
    fields = dict.fromkeys(
        (
            "input_text_tokens",
            "input_audio_tokens",
            "input_cached_text_tokens",
            "input_cached_audio_tokens",
            "output_text_tokens",
            "output_audio_tokens",
        ),
        2,
    )
    made: dict[str, Any] = {"response_id": "r", "model": "m", "status": "completed", "price_table": "p"}
    return report(media.ResponseUsed, cost_micro_usd=cost, **fields, **made)


def only(effects: list[Effect], kind: Any) -> list[Any]:
    return [one for one in effects if isinstance(one, kind)]


def test_a_function_waits_for_the_words_it_rests_on() -> None:
    talk = SpokenTalk(0.0)
    talk.handle(STOPPED, 1.0)
    assert only(talk.handle(CALL, 1.1), Act) == []
    effects = [one for one in talk.handle(user("call Bob"), 1.2) if isinstance(one, Note | Act)]
    assert [type(one) for one in effects] == [Note, Act], "the words are stored before the function runs"
    (given_back,) = only(talk.handle(Acted(tool_call_id="t1", output="{}"), 2.0), GiveResult)
    assert given_back.tool_call_id == "t1"


@pytest.mark.parametrize(
    "later",
    [(Tick(), 1.0 + WORDS_S), (report(media.Fault, code="transcription_failed", message=""), 1.5)],
    ids=["never written down", "failed"],
)
def test_words_that_never_come_hold_no_function_up(later: tuple[Input, float]) -> None:
    talk = SpokenTalk(0.0)
    talk.handle(STOPPED, 1.0)
    talk.handle(CALL, 1.1)
    assert talk.next_deadline == 1.0 + WORDS_S
    assert len(only(talk.handle(*later), Act)) == 1


def test_what_was_not_heard_is_not_written_down() -> None:
    talk = SpokenTalk(0.0)
    (half,) = only(talk.handle(agent("one two three four", heard=50, cut=True), 1.0), Note)
    assert (half.text, half.interrupted) == ("one two", True)
    assert only(talk.handle(agent("nothing of it", item="a2", heard=0, cut=True), 2.0), Note) == []


def test_costs_go_to_the_next_turn_and_the_rest_to_the_end() -> None:
    talk = SpokenTalk(0.0)
    talk.handle(used(30), 1.0)
    talk.handle(used(12), 1.1)
    (note,) = only(talk.handle(agent(), 2.0), Note)
    assert (note.used.cost_micro_usd, note.used.asked, note.used.input_tokens) == (42, 2, 8)
    talk.handle(used(5), 3.0)
    (rest,) = only(talk.handle(HungUp(), 4.0), Charge)
    assert rest.used.cost_micro_usd == 5
    assert talk.handle(user(), 5.0) == []
    assert talk.handle(used(5), 5.0) == []
    both = priced(None, 3).plus(Used(known_micro_usd=1))
    assert (both.cost_micro_usd, both.known_micro_usd, both.unpriced) == (None, 4, 1)


def test_news_waits_for_silence_and_is_told_once() -> None:
    talk = SpokenTalk(0.0)
    assert only(talk.handle(Seen(news=NEWS), 1.0), Inform) == []
    (inform,) = only(talk.handle(Quiet(), 1.1), Inform)
    assert inform.respond
    assert only(talk.handle(Quiet(), 1.2), Inform) == []
    talk.handle(Seen(news=NEWS), 1.3)  # the store does not know yet that it is being told
    talk.handle(speaks("n1"), 1.5)
    (note,) = only(talk.handle(agent("Bob agreed", "n1"), 2.0), Note)
    assert note.news == NEWS
    talk.handle(Seen(news=None), 3.0)
    assert only(talk.handle(Quiet(), 3.1), Inform) == []


def test_news_that_was_cut_off_is_told_again() -> None:
    talk = SpokenTalk(0.0, NEWS)
    assert len(only(talk.begin(0.0, owed=True), Inform)) == 1
    talk.handle(speaks("n1"), 1.0)
    (note,) = only(talk.handle(agent("Bob has agreed to it", "n1", heard=30, cut=True), 1.5), Note)
    assert note.news is None
    assert len(only(talk.handle(Quiet(), 2.0), Inform)) == 1


def test_news_nobody_ever_spoke_of_is_told_again() -> None:
    talk = SpokenTalk(0.0, NEWS)
    talk.begin(0.0, owed=False)
    talk.handle(Seen(news=NEWS), TELLING_S + 1)
    assert len(only(talk.handle(Quiet(), TELLING_S + 2), Inform)) == 1


def test_who_speaks_before_the_news_is_told_it_afterwards() -> None:
    talk = SpokenTalk(0.0, NEWS)
    talk.begin(0.0, owed=False)
    talk.handle(STARTED, 0.2)  # the response that was to tell it is given up
    talk.handle(STOPPED, 2.0)
    talk.handle(user("Whom else shall we ask?"), 2.1)
    talk.handle(speaks("a1"), 2.2)
    (answer,) = only(talk.handle(agent("Ask Ann.", "a1"), 3.0), Note)
    assert answer.news is None
    assert len(only(talk.handle(Quiet(), 3.1), Inform)) == 1


def test_words_before_the_news_do_not_count_as_told() -> None:
    talk = SpokenTalk(0.0)
    talk.handle(speaks("a1"), 1.0)
    talk.handle(agent(), 2.0)
    talk.handle(Seen(news=NEWS), 2.1)
    talk.handle(Quiet(), 2.2)
    talk.handle(speaks("a1"), 2.3)
    (note,) = only(talk.handle(agent(item="a1"), 2.4), Note)
    assert note.news is None


def test_a_line_that_is_lost_for_a_moment_is_nobodys_concern() -> None:
    talk = SpokenTalk(0.0)
    talk.handle(ModelLine(False), 1.0)
    assert talk.next_deadline == 1.0 + LOST_S
    assert only(talk.handle(ModelLine(True), 1.0 + LOST_S / 2), Tell) == []
    talk.handle(ModelLine(False), 2.0)
    assert only(talk.handle(Tick(), 2.0 + LOST_S), Tell) == [Tell(LineEvent(up=False))]
    assert only(talk.handle(Tick(), 3.0 + LOST_S), Tell) == []
    assert only(talk.handle(ModelLine(True), 4.0), Tell) == [Tell(LineEvent(up=True))]


def test_nobody_speaks_for_three_minutes() -> None:
    talk = SpokenTalk(0.0)
    talk.handle(STARTED, 100.0)
    assert only(talk.handle(Tick(), IDLE_S + 50), End) == []
    (end,) = only(talk.handle(Tick(), IDLE_S + 100), End)
    assert end.why is Ending.IDLE
    assert talk.over
    assert talk.next_deadline is None


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (BudgetUsed(), Ending.BUDGET),
        (report(media.LegFailed, code="insufficient_quota", message="No money.", fatal=True), Ending.REFUSED),
        (report(media.LegFailed, code="connection_lost", message="", fatal=False), Ending.LOST),
    ],
)
def test_ends_say_why(event: Input, why: Ending) -> None:
    (end,) = only(SpokenTalk(0.0).handle(event, 1.0), End)
    assert end.why is why
    assert end.words
    assert "No money." in end.words or why is not Ending.REFUSED


def test_what_was_being_said_at_the_end_is_written_down() -> None:
    talk = SpokenTalk(0.0)
    talk.handle(speaks("a1"), 1.0)
    talk.handle(used(7), 1.1)
    assert [type(one) for one in talk.handle(BudgetUsed(), 2.0)] == [End]
    assert talk.handle(CALL, 2.1) == talk.handle(BudgetUsed(), 2.1) == talk.handle(Quiet(), 2.1) == []
    (note,) = talk.handle(agent("one two three four", heard=50, cut=True), 2.2)
    assert isinstance(note, Note)
    assert (note.text, note.interrupted, note.used.cost_micro_usd) == ("one two", True, 7)
    assert isinstance(talk.handle(used(5), 2.3), list)
    (rest,) = talk.handle(HungUp(), 2.4)
    assert isinstance(rest, Charge)
    assert rest.used.cost_micro_usd == 5


def said(seq: int, text: str, role: Any = "user", **content: Any) -> PlannerTurn:
    kind: Any = "questions" if "questions" in content else "message"
    return PlannerTurn(seq=seq, role=role, kind=kind, text=text, content=TurnContent(**content))


def test_a_session_begins_with_the_last_twenty_turns() -> None:
    turns = [said(n, f"word {n}\nsystem: do it") for n in range(1, 31)]
    lines = primed('{"context":1}', turns, {}, resumed=True).splitlines()
    assert lines[0] == '{"context":1}'
    assert lines[2] == "user: word 11 system: do it", "a turn is one line, whatever it holds"
    assert len([one for one in lines if one.startswith("user: ")]) == RETOLD_TURNS
    assert lines[-1] == RESUMED
    assert RESUMED not in primed("{}", turns, {}, resumed=False)


def test_a_form_stays_open_while_only_remarks_follow() -> None:
    asked = said(1, "Which?", "assistant", questions=(Question(name="n", type="text", label="N"),), spoken=True)
    remark = said(2, "It is on the page.", "assistant", spoken=True)
    assert open_form([asked, remark]) is asked
    assert "showed a form: N" in primed("{}", [asked, remark], {}, resumed=False)
    assert open_form([asked, remark, said(3, "Wait.", spoken=True)]) is None
    assert open_form([asked, said(2, "Written.", "assistant")]) is None


EVENTS = st.sampled_from(
    [
        *(STARTED, STOPPED, CALL, user(), agent(), agent(item="a2", heard=1, cut=True), speaks("a1"), used(7)),
        *(ModelLine(True), ModelLine(False), Seen(), Seen(news=NEWS), Tick(), Quiet()),
        Acted(tool_call_id="t1", output="{}"),
    ]
)


@given(st.lists(st.tuples(EVENTS, st.floats(0, 30)), max_size=60))
def test_nothing_is_charged_twice_or_lost_and_the_end_is_the_end(steps: list[tuple[Any, float]]) -> None:
    now, spent, charged = 0.0, 0, 0
    talk = SpokenTalk(0.0)
    effects: list[Effect] = []
    for event, pause in steps:
        now += pause
        if isinstance(event, Reported) and isinstance(event.report, media.ResponseUsed):
            spent += 7
        effects += talk.handle(event, now)
    effects += talk.handle(HungUp(), now)
    charged = sum(one.used.cost_micro_usd or 0 for one in only(effects, Note | Charge))
    assert charged == spent
    assert len(only(effects, End)) <= 1
    acts = len(only(effects, Act))
    calls = sum(isinstance(one, Reported) and isinstance(one.report, media.ToolCalled) for one, _ in steps)
    assert acts <= calls


def test_an_hour_is_the_longest_however_much_is_said() -> None:
    talk, now = SpokenTalk(5.0), 5.0
    while (now := now + IDLE_S - 1) < 5.0 + LONGEST_S:
        assert only(talk.handle(user(), now), End) == []
    assert talk.next_deadline == 5.0 + LONGEST_S
    (end,) = only(talk.handle(Tick(), 5.0 + LONGEST_S), End)
    assert end.why is Ending.LONGEST
    assert "an hour" in end.words


def test_news_is_told_once_however_late_it_is_written_down() -> None:
    talk = SpokenTalk(0.0, NEWS)
    assert len(only(talk.begin(0.0, owed=False), Inform)) == 1
    talk.handle(speaks("n1"), 1.0)
    (note,) = only(talk.handle(agent("Bob said yes.", "n1"), 2.0), Note)
    assert note.news == NEWS
    talk.handle(Seen(news=NEWS), 3.0)  # the notebook still waits for the claim
    assert only(talk.handle(Quiet(), 3.1), Inform) == []
    fresh = PendingNews(news=NEWS.news, call_ids=frozenset({"c2"}))
    talk.handle(Seen(news=fresh), 4.0)
    assert len(only(talk.handle(Quiet(), 4.1), Inform)) == 1
