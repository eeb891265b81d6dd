"""Questions to people: states, and the one answer that is taken, on a real store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from app.domain.feedback import STEPS, FeedbackRequest, FeedbackState, answered, timed_out
from app.errors import ConflictError, NotFoundError, ValidationFailed
from app.ids import new_id
from app.store import feedback
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.store_world import NOW, TENANT, add_agent, begun_call, claimed_task

pytestmark = pytest.mark.anyio


def request(**changes: object) -> FeedbackRequest:
    made = FeedbackRequest(
        id=new_id(NOW),
        tenant_id=TENANT,
        task_id="t",
        call_id=None,
        question="May we offer Tuesday?",
        suggestions=("Yes", "No"),
        state=FeedbackState.OPEN,
        answer=None,
        answered_by=None,
        created_ms=NOW,
        deadline_ms=NOW + 30_000,
        answered_ms=None,
    )
    return msgspec.structs.replace(made, **changes)


def test_the_table_of_states() -> None:
    assert {state for state in FeedbackState if not STEPS[state]} == {FeedbackState.ANSWERED}
    late = timed_out(request(), NOW + 30_000)
    assert late.state is FeedbackState.TIMED_OUT
    assert timed_out(request(), NOW + 29_999).state is FeedbackState.OPEN
    kept = answered(late, " Tuesday ", None, NOW + 99_000)
    assert (kept.answer, timed_out(kept, NOW + 99_999)) == ("Tuesday", kept)


@pytest.mark.parametrize("text", ["", "   ", "x" * 2001])
def test_an_answer_has_words(text: str) -> None:
    with pytest.raises(ValidationFailed):
        answered(request(), text, None, NOW)


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[tuple[SqliteDatabase, FeedbackRequest]]:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "test.db")) as db:
        await add_agent(db)
        call = await begun_call(db, await claimed_task(db))
        made = request(task_id=call.task_id, call_id=call.id)
        await feedback.ask(db, made)
        yield db, made


async def test_a_question_is_found_by_call_and_task_and_waits(
    asked: tuple[SqliteDatabase, FeedbackRequest],
) -> None:
    db, made = asked
    assert made.call_id is not None
    for found in (
        await feedback.of_call(db, TENANT, made.call_id),
        await feedback.of_task(db, TENANT, made.task_id),
        await feedback.waiting(db, TENANT),
    ):
        assert found == [made]
    assert await feedback.waiting(db, "other") == []
    with pytest.raises(NotFoundError):
        await feedback.get(db, "other", made.id)


async def test_of_many_answers_at_once_one_is_taken(asked: tuple[SqliteDatabase, FeedbackRequest]) -> None:
    db, made = asked
    taken: list[str] = []

    async def give(text: str) -> None:
        try:
            async with db.tx() as tx:
                done = await feedback.answer(tx, TENANT, made.id, text, by=None, now_ms=NOW)
        except ConflictError:
            return
        assert done.answer is not None
        taken.append(done.answer)

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(give(f"answer {number}"))
    assert len(taken) == 1
    assert (await feedback.get(db, TENANT, made.id)).answer == taken[0]
    assert not await feedback.time_out(db, TENANT, made.id)
    assert await feedback.waiting(db, TENANT) == []


async def test_an_answer_after_the_time_is_kept(asked: tuple[SqliteDatabase, FeedbackRequest]) -> None:
    db, made = asked
    assert await feedback.time_out(db, TENANT, made.id)
    assert not await feedback.time_out(db, TENANT, made.id)
    assert await feedback.waiting(db, TENANT) == [], "its task is not parked"
    async with db.tx() as tx:
        await feedback.answer(tx, TENANT, made.id, "Yes", by=None, now_ms=NOW + 99_000)
    assert (await feedback.get(db, TENANT, made.id)).state is FeedbackState.ANSWERED
