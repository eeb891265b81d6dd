"""An open question of the agent, and a person who takes the call, a hold, or a transfer meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from app.calls.board import CallOrder
from app.calls.conversation import Conversation
from app.calls.orders import carry_out
from app.calls.people import PeopleDesk, Wish
from app.calls.question import GIVING_UP_S
from app.calls.talk_model import (
    SAY_CALL_BACK_LATER,
    AskPeople,
    GiveUpAsking,
    NobodyAnswered,
    Note,
    PeopleAnswered,
    TalkEffect,
    TalkLimits,
    TalkState,
    ToMedia,
    TransferMoved,
    WaitLonger,
    WantHangUp,
    WithdrawQuestion,
)
from app.calls.tools import Offer
from app.domain import command as cmd
from app.domain.call import Call
from app.domain.feedback import TOLD, FeedbackRequest
from app.store import feedback, inbox
from app.store.sqlite import SqliteDatabase
from media import protocol as media
from stasis.outcome import EndedBy
from stasis.transfer_model import TransferOutcome, TransferState
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.call_world import order, switchboard
from tests.unit.app.store_world import NOW, TENANT, add_agent, begun_call, claimed_task
from tests.unit.app.test_conversation import WHO, said

LEFT = media.OperatorLeft(**WHO, why="handed_back", spoke_ms=1)
ASK = media.ToolCalled(
    **WHO, tool_call_id="t1", name="request_user_feedback", arguments='{"question":"Tuesday?","suggestions":[]}'
)
PATIENCE_S = 45.0


def asked() -> Conversation:
    """Asked at 101, so patience ends at 146."""
    limits = TalkLimits(no_input_s=1_000.0, feedback_wait_s=PATIENCE_S)
    talk = Conversation(
        "c1", limits, Offer(tools=("request_user_feedback", "transfer_call"), targets=("billing",))
    )
    talk.answered(100.0)
    assert any(isinstance(one, AskPeople) for one in talk.handle(ASK, 101.0))
    return talk


def told(effects: list[TalkEffect]) -> list[media.InjectText]:
    return [e.command for e in effects if isinstance(e, ToMedia) and isinstance(e.command, media.InjectText)]


def test_a_person_who_takes_the_call_has_the_question_in_hand() -> None:
    talk = asked()
    effects = list(carry_out(talk, cmd.TakeOver(mic="mic-of-a-page"), 110.0).effects)
    assert WithdrawQuestion() in effects
    assert [one.kind for one in effects if isinstance(one, Note)] == ["feedback_withdrawn"]
    (note,) = told(effects)
    assert ("is withdrawn" in note.text, "Tuesday?" in note.text, note.respond) == (True, True, False)
    assert talk.handle(LEFT, 200.0) == []
    assert talk.tick(201.0) == []
    assert talk.handle(NobodyAnswered(), 202.0) == [], "news that were under way"
    assert talk.state is TalkState.TALKING
    assert any(isinstance(one, AskPeople) for one in talk.handle(ASK, 203.0)), "it may be asked again"


def test_whoever_the_callee_was_handed_to_has_it_in_hand_too() -> None:
    talk = asked()
    talk.handle(TransferMoved(TransferState.DIALING), 110.0)
    effects = talk.handle(TransferMoved(TransferState.JOINING), 120.0)
    assert effects.count(WithdrawQuestion()) == 1
    assert told(effects) == [], "the agent has left"
    assert WithdrawQuestion() not in talk.handle(TransferMoved(TransferState.JOINED), 121.0)


def hold(talk: Conversation, now: float) -> list[TalkEffect]:
    return list(carry_out(talk, cmd.Hold(), now).effects)


def unhold(talk: Conversation, now: float) -> list[TalkEffect]:
    return list(carry_out(talk, cmd.Unhold(), now).effects)


def mute(talk: Conversation, now: float) -> list[TalkEffect]:
    return list(carry_out(talk, cmd.Mute(), now).effects)


def aside(talk: Conversation, now: float) -> list[TalkEffect]:
    return talk.handle(TransferMoved(TransferState.DIALING), now)


def back(talk: Conversation, now: float) -> list[TalkEffect]:
    return talk.handle(TransferMoved(TransferState.OVER, TransferOutcome.BUSY), now)


Step = Callable[[Conversation, float], list[TalkEffect]]
AWAY: list[tuple[Step, Step]] = [(hold, unhold), (mute, unhold), (aside, back)]


@pytest.mark.parametrize(("away", "again"), AWAY)
def test_patience_does_not_run_while_the_agent_is_not_heard(away: Step, again: Step) -> None:
    talk = asked()
    away(talk, 121.0)
    away(talk, 125.0)
    assert [talk.tick(now) for now in (146.0, 200.0, 300.0)] == [[], [], []]
    assert talk.tools.question.is_open
    assert WaitLonger(25.0) in again(talk, 300.0)
    assert GiveUpAsking() not in talk.tick(324.9)
    assert talk.tick(325.0) == [GiveUpAsking()]
    assert said(talk.handle(NobodyAnswered(), 325.1)) == [SAY_CALL_BACK_LATER]


@pytest.mark.parametrize(("away", "again"), AWAY)
def test_an_answer_of_that_time_counts(away: Step, again: Step) -> None:
    talk = asked()
    away(talk, 121.0)
    assert "Yes" in told(talk.handle(PeopleAnswered("Yes"), 130.0))[0].text
    assert not [one for one in again(talk, 300.0) if isinstance(one, WaitLonger)]
    assert talk.tick(400.0) == []


@pytest.mark.parametrize(("away", "again"), AWAY)
def test_what_was_given_up_in_that_moment_is_told_afterwards(away: Step, again: Step) -> None:
    """Nobody opens a held line for it, and an agent that comes back does not wait for ever."""
    talk = asked()
    assert talk.tick(146.0) == [GiveUpAsking()]
    away(talk, 146.1)
    assert talk.handle(NobodyAnswered(), 146.2) == []
    assert talk.tick(146.0 + GIVING_UP_S) == []
    again(talk, 200.0)
    assert said(talk.tick(200.0)) == [SAY_CALL_BACK_LATER]


def closing(talk: Conversation, now: float) -> None:
    talk.close_with(WantHangUp(EndedBy.AGENT, "done"), "Say goodbye.", now, revocable=True)


def test_an_answer_into_a_farewell_is_told_when_the_talk_goes_on_all_the_same() -> None:
    talk = asked()
    closing(talk, 110.0)
    assert talk.handle(PeopleAnswered("Yes", 1, "q1"), 111.0) == []
    talk.go_on()
    effects = talk.tick(112.0)
    assert ["Yes" in one.text for one in told(effects)] == [True]
    assert Note(TOLD, "q1") in effects
    assert told(talk.tick(113.0)) == [], "once"


def test_what_was_given_up_in_a_farewell_counts_when_the_talk_goes_on_all_the_same() -> None:
    talk = asked()
    talk.tick(146.0)
    closing(talk, 146.1)
    assert talk.handle(NobodyAnswered(), 146.2) == []
    talk.go_on()
    assert talk.tick(147.0) == [WaitLonger(0.0)]
    assert said(talk.tick(147.0)) == [SAY_CALL_BACK_LATER]


def test_patience_that_a_hold_stopped_runs_again_when_an_end_was_taken_back() -> None:
    talk = asked()
    hold(talk, 121.0)
    closing(talk, 130.0)
    talk.go_on()
    assert talk.next_deadline == float("-inf"), "at once"
    assert talk.tick(140.0) == [WaitLonger(25.0)]
    assert talk.tick(165.0) == [GiveUpAsking()]


# --- the row ----------------------------------------------------------------------------------------------------
class Desk:
    """A desk at work on a stored call; `heard` is what the talk is told."""

    def __init__(self, db: SqliteDatabase, call: Call, orders: CallOrder) -> None:
        self.db, self.call = db, call
        self.heard: list[object] = []
        self.people = PeopleDesk(switchboard(db), orders, self.heard.append)

    async def do(self, *wishes: Wish) -> None:
        """Until all of it is done."""
        async with asyncio.TaskGroup() as group:
            for wish in wishes:
                self.people.carry_out(wish, group)

    async def rows(self) -> list[FeedbackRequest]:
        return await feedback.of_call(self.db, TENANT, self.call.id)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "test.db")) as db, asyncio.timeout(20):
        await add_agent(db)
        task = await claimed_task(db)
        call = await begun_call(db, task)
        yield Desk(db, call, order(task, call_id=call.id))


QUESTION = AskPeople("Tuesday?", (), 30.0, 1)


@pytest.mark.anyio
async def test_a_withdrawn_question_waits_for_nobody(desk: Desk) -> None:
    await desk.do(QUESTION)
    assert [one.question for one in await inbox.page(desk.db, TENANT)] == ["Tuesday?"]
    await desk.do(WithdrawQuestion(), WithdrawQuestion())
    assert (await desk.rows(), await inbox.page(desk.db, TENANT)) == ([], [])
    await desk.do(QUESTION, WithdrawQuestion(), GiveUpAsking())  # before it is stored, even
    assert (await desk.rows(), desk.heard) == ([], [])


@pytest.mark.anyio
async def test_an_answer_that_was_quicker_than_the_person_who_took_over_is_told(desk: Desk) -> None:
    await desk.do(QUESTION)
    (row,) = await desk.rows()
    async with desk.db.tx() as tx:
        await feedback.answer(tx, TENANT, row.id, "Yes", by=None, now_ms=NOW + 1)
    await desk.do(WithdrawQuestion())
    assert desk.heard == [PeopleAnswered("Yes", 1, row.id)]
    assert [one.answer for one in await desk.rows()] == ["Yes"]


@pytest.mark.anyio
async def test_people_see_how_long_a_callee_waits_after_a_hold(desk: Desk) -> None:
    await desk.do(QUESTION, WaitLonger(90.0))
    assert [row.deadline_ms for row in await desk.rows()] == [NOW + 90_000]
