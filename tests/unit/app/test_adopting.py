"""What the next control process knows of a talk that it takes over, from the store alone."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.calls.adopt import adoptable, adopted_order
from app.calls.board import CallOrder
from app.calls.conversation import Conversation
from app.calls.diary import Diary
from app.calls.media_side import MediaSide
from app.calls.talk_model import Note, TalkEffect, TalkLimits, TalkState, ToMedia
from app.calls.talk_side import TalkSide
from app.domain.call import Call
from app.domain.command import PAYLOADS, CommandKind, CommandState, NewCommand
from app.domain.feedback import ASKED, TOLD, FeedbackRequest
from app.ids import new_id
from app.store import commands, events, feedback
from app.store.db import Database
from app.store.sqlite import SqliteDatabase
from media import protocol as media
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.call_world import switchboard
from tests.unit.app.store_world import NOW, TENANT, add_agent, ask_people, begun_call, claimed_task

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "test.db")) as opened:
        await add_agent(opened)
        yield opened


async def adopted(db: SqliteDatabase, call: Call) -> CallOrder:
    order, _ = await adopted_order(switchboard(db), call, None)
    return order


async def test_of_a_living_leg_it_is_known_which_reports_were_made_before(db: SqliteDatabase) -> None:
    """A function call among them that the leg does not await has been answered."""
    call = await begun_call(db, await claimed_task(db))
    leg = media.LegSnapshot(
        call_id=call.id,
        codec="ulaw",
        rtp_host="127.0.0.1",
        rtp_port=1,
        peer=None,
        ready=True,
        answered=True,
        audio_ms=0,
        tools_awaited=("t2",),
    )
    welcome = media.Welcome(protocol_version=media.PROTOCOL_VERSION, worker_id="w", pid=1, last_seq=7, legs=(leg,))
    ((order, _),) = await adoptable(switchboard(db, node_name=call.node), welcome)
    assert (order.left.last_seq, order.left.awaited) == (7, ("t2",))


async def settled(db: Database, call: Call, kind: CommandKind, state: CommandState) -> None:
    new = NewCommand(
        id=new_id(NOW),
        call_id=call.id,
        kind=kind,
        payload=PAYLOADS[kind](),
        issued_by="x",
        expires_ms=NOW + 30_000,
    )
    async with db.tx() as tx:
        made = await commands.enqueue(tx, TENANT, new, NOW)
        change = "UPDATE commands SET state = :state, taken_ms = :now_ms, done_ms = :now_ms WHERE id = :id"
        await tx.execute(change, {"state": state, "id": made.id, "now_ms": NOW})


async def test_a_question_that_a_person_took_in_hand_is_not_asked_any_more(db: SqliteDatabase) -> None:
    call = await begun_call(db, await claimed_task(db))
    question = await ask_people(db, call)
    assert (await adopted(db, call)).open_question == question
    await events.add(db, TENANT, call.id, "operator_joined", {}, at_ms=NOW + 1)
    assert (await adopted(db, call)).open_question is None


async def told(db: SqliteDatabase, call: Call, talk: Conversation) -> list[TalkEffect]:
    """What the talk does with what the desks of the next process tell it at once."""
    heard: list[Any] = []
    orders = await adopted(db, call)
    board = switchboard(db)
    side = TalkSide(
        board,
        orders,
        put=heard.append,
        media=MediaSide(board, orders, heard.append),
        diary=Diary(board, orders),
        callee_channel="c-1",
        talking=lambda: True,
    )
    talk.resumed(100.0, orders.left)
    side.adopt_question(talk, 100.0)
    return [effect for news in heard for effect in talk.handle(news, 100.1)]


def notes(effects: list[TalkEffect]) -> list[str]:
    return [one.kind for one in effects if isinstance(one, Note)]


@pytest.fixture
async def asked(db: SqliteDatabase) -> tuple[SqliteDatabase, Call, FeedbackRequest]:
    """A question of this version."""
    call = await begun_call(db, await claimed_task(db))
    question = await ask_people(db, call)
    await events.add(db, TENANT, call.id, ASKED, {"detail": question.id}, at_ms=NOW)
    return db, call, question


Asked_ = tuple[SqliteDatabase, Call, FeedbackRequest]


async def answer(db: SqliteDatabase, question: FeedbackRequest) -> None:
    async with db.tx() as tx:
        await feedback.answer(tx, TENANT, question.id, "Tuesday is fine", by=None, now_ms=NOW + 10)


async def test_an_answer_that_came_while_no_process_looked_is_told_by_the_next_one(asked: Asked_) -> None:
    db, call, question = asked
    await answer(db, question)
    talk = Conversation("c1", TalkLimits())
    effects = await told(db, call, talk)
    (words,) = [one.command for one in effects if isinstance(one, ToMedia)]
    assert isinstance(words, media.InjectText)
    assert ("Tuesday is fine" in words.text, words.respond) == (True, True)
    assert effects[1:] == [Note(TOLD, question.id)]
    assert not talk.tools.question.is_open


async def test_an_answer_that_the_agent_has_is_not_told_again(asked: Asked_) -> None:
    db, call, question = asked
    await answer(db, question)
    await events.add(db, TENANT, call.id, TOLD, {"detail": question.id}, at_ms=NOW + 11)
    assert await told(db, call, Conversation("c1", TalkLimits())) == []


async def test_what_an_older_version_did_with_an_answer_is_not_known_so_it_is_left(db: SqliteDatabase) -> None:
    call = await begun_call(db, await claimed_task(db))
    await answer(db, await ask_people(db, call))
    assert await told(db, call, Conversation("c1", TalkLimits())) == []


async def test_a_question_that_was_given_up_is_given_up_once(asked: Asked_) -> None:
    db, call, question = asked
    assert await feedback.time_out(db, TENANT, question.id)
    talk = Conversation("c1", TalkLimits())
    assert notes(await told(db, call, talk))[0] == "feedback_unanswered"
    assert talk.state is TalkState.CLOSING
    await events.add(db, TENANT, call.id, "feedback_unanswered", {}, at_ms=NOW + 12)
    assert await told(db, call, Conversation("c1", TalkLimits())) == []


async def test_an_open_question_stays_open(asked: Asked_) -> None:
    db, call, _ = asked
    talk = Conversation("c1", TalkLimits())
    assert await told(db, call, talk) == []
    assert talk.tools.question.is_open


async def test_patience_of_a_callee_on_hold_does_not_run_for_the_next_process_either(asked: Asked_) -> None:
    db, call, _ = asked
    await settled(db, call, CommandKind.HOLD, CommandState.DONE)
    talk = Conversation("c1", TalkLimits())
    await told(db, call, talk)
    assert (talk.tools.question.is_put_off, talk.tick(300.0)) == (True, [])


async def test_a_hold_outlives_the_process_that_was_told(db: SqliteDatabase) -> None:
    call = await begun_call(db, await claimed_task(db))
    assert (await adopted(db, call)).left.line == "open"
    await settled(db, call, CommandKind.HOLD, CommandState.DONE)
    await settled(db, call, CommandKind.UNHOLD, CommandState.REFUSED)
    assert (await adopted(db, call)).left.line == "held"
