"""What a transfer means in a talk: heard out, put aside, back with the reason, or gone for good."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.conversation import Conversation
from app.calls.hand_over import ENDING, ORDERED, TAKEN, WHY, WORDS_LIMIT_S
from app.calls.orders import BEING_TRANSFERRED, HANDED_OVER, carry_out
from app.calls.talk_model import (
    SAY_AGAIN_LATER,
    Errand,
    ErrandDone,
    Note,
    PeopleAnswered,
    TakeTransferBack,
    TalkEffect,
    TalkLimits,
    TalkState,
    ToMedia,
    TransferDropped,
    TransferMoved,
    WantHangUp,
)
from app.calls.tools import Offer, TransferCall
from app.domain import command as cmd
from media import protocol as media
from stasis.outcome import EndedBy
from stasis.transfer_model import TransferOutcome, TransferState
from tests.unit.app.heard_out import heard_out
from tests.unit.app.test_conversation import WHO, drained, outputs, said, speaks

OFFER = Offer(tools=("transfer_call", "end_call"), targets=("billing",))
WANTED = '{"target":"billing","reason":"a refund"}'
CLOSED = media.Mute(call_id="c1", agent=True, callee=True)
OPEN = media.Mute(call_id="c1", agent=False)
TREATED = media.AnswerTreatment(**WHO, action="hang_up", reason="fax", mark_number=None, audio_ms=1)


def talking() -> Conversation:
    talk = Conversation("c1", TalkLimits(), OFFER)
    talk.answered(100.0)
    return talk


def wanted(tool_call_id: str = "t1", arguments: str = WANTED) -> media.ToolCalled:
    return media.ToolCalled(**WHO, tool_call_id=tool_call_id, name="transfer_call", arguments=arguments)


def commands(effects: list[TalkEffect]) -> list[media.Command]:
    return [effect.command for effect in effects if isinstance(effect, ToMedia)]


def errands(effects: list[TalkEffect]) -> list[Errand]:
    return [effect for effect in effects if isinstance(effect, Errand)]


def moved(talk: Conversation, *states: TransferState, now: float = 110.0) -> list[TalkEffect]:
    return [effect for state in states for effect in talk.handle(TransferMoved(state), now)]


def aside() -> Conversation:
    talk = talking()
    assert errands(talk.handle(wanted(), 101.0))
    moved(talk, TransferState.DIALING)
    assert talk.state is TalkState.ASIDE
    return talk


def over(talk: Conversation, outcome: TransferOutcome, now: float = 120.0) -> list[TalkEffect]:
    return talk.handle(TransferMoved(TransferState.OVER, outcome), now)


def test_words_before_it_are_heard_out() -> None:
    talk = talking()
    talk.handle(speaks(), 101.0)
    assert errands(talk.handle(wanted(), 102.0)) == []
    assert errands(talk.handle(drained(), 103.0)) == [Errand("t1", TransferCall("billing", "a refund"))]
    assert talk.state is TalkState.TALKING


def test_words_that_never_end_are_cut() -> None:
    talk = talking()
    talk.handle(speaks(), 101.0)
    talk.handle(wanted(), 102.0)
    assert talk.next_deadline == 102.0 + WORDS_LIMIT_S
    assert errands(talk.tick(102.0 + WORDS_LIMIT_S))


def test_the_agent_neither_hears_nor_is_heard_meanwhile_and_nobody_is_asked_anything() -> None:
    talk = talking()
    talk.handle(wanted(), 101.0)
    assert commands(moved(talk, TransferState.DIALING)) == [CLOSED]
    assert talk.next_deadline is None
    assert talk.tick(500.0) == []
    talk.key_pressed("5", 111.0)
    assert talk.tick(115.0) == []
    (output,) = outputs(talk.handle(wanted("t2"), 112.0))
    assert ("Nothing was done." in output.output, output.respond) == (True, False)


@pytest.mark.parametrize("outcome", list(TransferOutcome))
def test_back_with_the_reason(outcome: TransferOutcome) -> None:
    talk = aside()
    closed, opened, output = commands(over(talk, outcome))
    assert (closed, opened) == (CLOSED, OPEN)
    assert isinstance(output, media.ToolOutput)
    assert (output.tool_call_id, output.respond) == ("t1", True)
    assert f"billing {WHY[outcome]}" in output.output
    assert talk.state is TalkState.TALKING
    assert not talk.muted
    assert talk.next_deadline is not None


def test_a_refusal_of_the_wall_leaves_the_talk_as_it_is() -> None:
    talk = talking()
    talk.handle(wanted(), 101.0)
    (output,) = commands(talk.handle(ErrandDone("t1", '{"error":"no"}'), 102.0))
    assert isinstance(output, media.ToolOutput)
    assert (output.output, talk.state) == ('{"error":"no"}', TalkState.TALKING)
    assert errands(talk.handle(wanted("t2"), 103.0)), "another one may be tried"


def test_the_target_is_told_who_calls_and_is_not_heard_as_the_callee() -> None:
    talk = aside()
    moved(talk, TransferState.RINGING, TransferState.ANSWERED)
    line, say = commands(moved(talk, TransferState.CONSULTING))
    assert line == media.Mute(call_id="c1", agent=False, callee=True)
    assert isinstance(say, media.Say)
    assert "billing" in say.instructions
    assert "(reason: a refund)" in say.instructions
    assert "press 1" in say.instructions


def test_handed_over_for_good() -> None:
    talk = aside()
    moved(talk, TransferState.JOINING)
    assert (talk.state, talk.tools.transfer.handed_over) == (TalkState.DONE, True)
    assert moved(talk, TransferState.JOINED) == []
    assert over(talk, TransferOutcome.CONNECTED) == []
    assert not outputs(talk.handle(wanted("t2"), 130.0))[0].respond
    assert talk.next_deadline is None


def test_one_at_a_time() -> None:
    talk = talking()
    talk.handle(speaks(), 101.0)
    talk.handle(wanted(), 102.0)
    (output,) = outputs(talk.handle(wanted("t2"), 103.0))
    assert "already" in output.output


def test_an_answer_of_people_waits_in_the_ear() -> None:
    talk = aside()
    (told,) = commands(talk.handle(PeopleAnswered("yes"), 111.0))
    assert isinstance(told, media.InjectText)
    assert not told.respond


def test_a_model_that_is_gone_while_the_phone_rings_ends_the_call() -> None:
    talk = aside()
    failed = media.LegFailed(**WHO, code="x", message="gone", fatal=True)
    (end,) = talk.handle(failed, 111.0)
    assert isinstance(end, WantHangUp)


@pytest.mark.parametrize("by", ["agent", "operator"])
def test_a_callee_who_waits_for_somebody_is_brought_back_for_the_goodbye(by: str) -> None:
    talk = aside() if by == "agent" else talking()
    if by == "operator":
        carry_out(talk, cmd.Transfer(target="billing"), 101.0)
        moved(talk, TransferState.DIALING)
    done = carry_out(talk, cmd.Reschedule(wished_ms=7), 111.0)
    assert [one.kind for one in done.effects if isinstance(one, Note)] == ["reschedule_wished", "goodbye_waits"]
    assert [one for one in done.effects if isinstance(one, TakeTransferBack | WantHangUp)] == [
        TakeTransferBack("an operator asked for another time")
    ]
    assert (done.refused, "comes back" in done.sentence, talk.state) == (False, True, TalkState.ASIDE)
    effects = over(talk, TransferOutcome.CANCELED)
    closed, opened, told, say = commands(effects)
    assert (closed, opened, say) == (CLOSED, OPEN, media.Say(call_id="c1", instructions=SAY_AGAIN_LATER))
    assert isinstance(told, media.ToolOutput | media.InjectText)
    assert not told.respond, "only the farewell is said"
    assert talk.state is TalkState.CLOSING
    talk.handle(speaks(), 121.0)
    end = WantHangUp(EndedBy.OPERATOR, "an operator asked for another time")
    assert heard_out(talk, drained(), 123.0) == [end]


def test_whoever_takes_the_call_in_that_moment_has_it() -> None:
    talk = aside()
    talk.close(EndedBy.SYSTEM_COMPLETE, "stopping", 111.0)
    moved(talk, TransferState.JOINING)
    assert talk.tools.transfer.handed_over
    assert over(talk, TransferOutcome.CONNECTED) == []


# --- an operator ------------------------------------------------------------------------------------------------
def test_an_operator_takes_the_same_road() -> None:
    talk = talking()
    done = carry_out(talk, cmd.Transfer(target="billing", reason="wants a person"), 101.0)
    assert (done.later, done.refused) == (True, False)
    assert done.effects == (Errand(ORDERED, TransferCall("billing", "wants a person")),)
    assert carry_out(talk, cmd.Transfer(target="billing"), 102.0).refused
    moved(talk, TransferState.DIALING)
    *_, told = commands(over(talk, TransferOutcome.BUSY))
    assert isinstance(told, media.InjectText)
    assert (told.respond, "billing is busy" in told.text) == (True, True)


def test_a_number_that_an_operator_typed_stays_with_us() -> None:
    talk = talking()
    carry_out(talk, cmd.Transfer(target="+12025550177"), 101.0)
    moved(talk, TransferState.DIALING)
    *_, told = commands(over(talk, TransferOutcome.NO_ANSWER))
    assert isinstance(told, media.InjectText)
    assert told.text.startswith("The other side did not answer")


def test_what_may_be_ordered_of_a_call_that_is_being_transferred() -> None:
    for payload in (cmd.Say(text="x"), cmd.Mute(), cmd.SendDtmf(digits="1"), cmd.Transfer(target="x")):
        talk = aside()
        done = carry_out(talk, payload, 111.0)
        assert (done.refused, done.sentence) == (True, BEING_TRANSFERRED)
        moved(talk, TransferState.JOINING)
        done = carry_out(talk, payload, 112.0)
        assert (done.refused, done.sentence) == (True, HANDED_OVER)
    for make in (aside, handed_over):
        done = carry_out(make(), cmd.EndCall(reason="enough"), 113.0)
        assert done.effects == (WantHangUp(EndedBy.OPERATOR, "enough"),)
    assert carry_out(handed_over(), cmd.Reschedule(), 114.0).refused


def handed_over() -> Conversation:
    talk = aside()
    moved(talk, TransferState.JOINING)
    return talk


def waiting(by: str) -> Conversation:
    """A transfer that waits for the agent's words."""
    talk = talking()
    talk.handle(speaks(), 101.0)
    if by == "operator":
        assert carry_out(talk, cmd.Transfer(target="billing"), 102.0).later
    else:
        assert errands(talk.handle(wanted(), 102.0)) == []
    return talk


ENDS: list[tuple[str, Callable[[Conversation], list[TalkEffect]]]] = [
    ("closed", lambda talk: talk.close(EndedBy.OPERATOR, "enough", 103.0)),
    ("time is up", lambda talk: talk.tick(100.0 + talk.limits.max_talk_s)),
    ("said goodbye", lambda talk: talk.close_after_words(WantHangUp(EndedBy.AGENT, ""), 103.0)),
    ("hung up", lambda talk: talk.handle(TREATED, 103.0)),
    ("no model", lambda talk: talk.handle(media.LegFailed(**WHO, code="x", message="gone", fatal=True), 103.0)),
]


@pytest.mark.parametrize(("name", "end"), ENDS)
def test_what_waits_for_words_when_the_talk_closes_is_answered_at_once(
    name: str, end: Callable[[Conversation], list[TalkEffect]]
) -> None:
    """Whoever ordered it may order something else meanwhile; nobody is called from a talk that is closing."""
    effects = end(waiting("operator"))
    assert [one for one in effects if isinstance(one, TransferDropped)] == [TransferDropped(ENDING)], name
    talk = waiting("agent")
    (output,) = outputs(end(talk))
    assert (output.tool_call_id, output.respond, ENDING in output.output) == ("t1", False, True)
    assert errands(talk.handle(drained(), 104.0)) == []
    assert not talk.tools.transfer.is_wanted


@pytest.mark.parametrize("by", ["operator", "agent"])
def test_a_person_who_takes_the_call_is_why_nobody_is_called(by: str) -> None:
    talk = waiting(by)
    talk.operator.take("m1", 103.0)
    effects = talk.handle(drained(), 104.0)
    if by == "operator":
        assert effects == [TransferDropped(TAKEN)]
    else:
        assert [TAKEN in one.output for one in outputs(effects)] == [True]


def test_a_transfer_that_outlives_the_session_that_asked_is_told_to_the_next_one() -> None:
    talk = aside()
    talk.media_gone()
    talk.media_back(115.0)
    *_, told = commands(over(talk, TransferOutcome.BUSY))
    assert isinstance(told, media.InjectText)
    assert "billing is busy" in told.text


STEPS = [*(TransferMoved(state) for state in TransferState), *(TransferMoved(TransferState.OVER, o) for o in WHY)]
EVENTS = [wanted(), speaks(), drained(), ErrandDone("t1", "{}"), PeopleAnswered("x")]


@given(st.lists(st.one_of(st.sampled_from(STEPS), st.sampled_from(EVENTS), st.floats(0, 30)), max_size=30))
def test_no_order_of_events_breaks_a_talk(story: list[object]) -> None:
    """Never raises; whoever was handed over is not spoken to again; the line is open whenever the agent talks."""
    talk, now, closed = talking(), 100.0, False
    for step in story:
        if isinstance(step, float):
            now += step
            effects = talk.tick(now)
        else:
            effects = talk.handle(step, now)  # type: ignore[arg-type]
        for command in commands(effects):
            if isinstance(command, media.Mute):
                closed = command.agent or command.callee
        if talk.tools.transfer.handed_over:
            assert said(effects) == []
        if talk.state is TalkState.TALKING:
            assert not closed
