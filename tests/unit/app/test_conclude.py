"""What follows an ended call is decided once, from the stored rows, by whoever holds the claim."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.calls.conclude import conclude_task
from app.calls.second_thought import TAKEN_BACK
from app.calls.tools import Reschedule
from app.calls.wished_time import KIND
from app.domain.call import Turn
from app.domain.feedback import ASKED, TOLD, asks_way
from app.domain.task import CallTask, TaskState
from app.errors import LeaseLost
from app.store import attempts, callbacks, calls, dnd, events, feedback, leases, tasks, transcripts
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.call_world import switchboard
from tests.unit.app.store_world import (
    LEASE_MS,
    NOW,
    SITE,
    TENANT,
    add_agent,
    ask_people,
    begun_call,
    claimed_task,
    ended,
    new_call,
    new_task,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "test.db")) as opened:
        await add_agent(opened)
        yield opened


async def analyzing(db: SqliteDatabase, outcome: str = "busy") -> CallTask:
    task = await claimed_task(db)
    call = await begun_call(db, task)
    async with db.tx() as tx:
        return await attempts.finish_call(tx, TENANT, ended(call, outcome), NOW, token=task.lease_token)


async def test_an_ended_call_is_concluded_once(db: SqliteDatabase) -> None:
    board, task = switchboard(db), await analyzing(db)
    done = await conclude_task(board, task, task.lease_token)
    assert done.state is TaskState.PENDING
    assert done.overall_conclusion.startswith("The line was busy; again in 10 minutes")
    assert done.lease_owner is None
    assert await conclude_task(board, task, task.lease_token) == done


@pytest.mark.parametrize(
    ("outcome", "state"), [("completed", "completed"), ("bad_number", "failed"), ("rejected", "failed")]
)
async def test_outcomes(db: SqliteDatabase, outcome: str, state: str) -> None:
    board, task = switchboard(db), await analyzing(db, outcome)
    assert (await conclude_task(board, task, task.lease_token)).state == state


@pytest.mark.parametrize(
    ("after", "state"), [((), "waiting_user"), ((TAKEN_BACK,), "completed"), ((TAKEN_BACK, KIND), "waiting_user")]
)
async def test_a_wish_counts_unless_the_end_it_came_with_was_taken_back(
    db: SqliteDatabase, after: tuple[str, ...], state: str
) -> None:
    board, task = switchboard(db), await analyzing(db, "completed")
    [call] = await calls.of_task(db, TENANT, task.id)
    wish = Reschedule(wished_words="tomorrow at four", wished_local="2099-01-01T16:00")
    for kind in (KIND, *after):
        told = {"detail": msgspec.json.encode(wish).decode()}
        await events.add(db, TENANT, call.id, kind, told, at_ms=NOW)
    assert (await conclude_task(board, task, task.lease_token)).state == state
    asked = [asks_way(one) for one in await feedback.of_task(db, TENANT, task.id)]
    assert asked == ([True] if state == "waiting_user" else [])


@pytest.mark.parametrize(("packets", "state"), [(0, "failed"), (1, "completed")])
async def test_no_audio_of_the_callee_is_no_completed_task(db: SqliteDatabase, packets: int, state: str) -> None:
    board, task = switchboard(db), await analyzing(db, "completed")
    [call] = await calls.of_task(db, TENANT, task.id)
    await db.execute("UPDATE calls SET ended_by = 'system_timeout' WHERE id = :id", {"id": call.id})
    counted = {"statistics": {"packets_received": packets}}
    await events.add(db, TENANT, call.id, "leg_closed", counted, at_ms=NOW)
    assert (await conclude_task(board, task, task.lease_token)).state == state


@pytest.mark.parametrize(("minutes", "state"), [(9, "failed"), (11, "pending")])
async def test_a_retry_after_the_time_the_call_was_wanted_for_is_none(
    db: SqliteDatabase, minutes: int, state: str
) -> None:
    board, task = switchboard(db), await analyzing(db)  # busy: again in ten minutes
    until_ms = board.clock.unix_ms() + minutes * 60_000
    await db.execute("UPDATE tasks SET until_ms = :until WHERE id = :id", {"until": until_ms, "id": task.id})
    done = await conclude_task(board, task, task.lease_token)
    assert done.state == state
    assert ("nobody calls again" in done.overall_conclusion) == (state == "failed")


async def asked(
    db: SqliteDatabase, *, ended_by: str, gave_up: bool = False, answered_ms: int | None = None, **more: object
) -> CallTask:
    """A task with one attempt left behind it: the agent had asked its people, then the call ended at NOW + 50."""
    task = await claimed_task(db, max_attempts=1)
    call = await begun_call(db, task)
    question = await ask_people(db, call)
    await db.execute(
        "UPDATE feedback_requests SET rule = :rule", {"rule": str(more.get("rule", "close_and_call_back"))}
    )
    noted = [kind for kind in (ASKED, TOLD) if more.get(kind)]
    for kind in noted:  # a version before them noted neither
        await events.add(db, TENANT, call.id, kind, {"detail": question.id}, at_ms=NOW + 5)
    if gave_up:
        await events.add(db, TENANT, call.id, "feedback_unanswered", {}, at_ms=NOW + 20)
        await feedback.time_out(db, TENANT, question.id)
    if more.get("handed_over"):
        await events.add(db, TENANT, call.id, "handed_over", {}, at_ms=NOW + 20)
    if (joined_ms := more.get("joined_ms")) is not None:
        await events.add(db, TENANT, call.id, "operator_joined", {}, at_ms=NOW + int(str(joined_ms)))
    end = ended(call, "completed", answered_ms=NOW + 1, ended_ms=NOW + 50)
    end = msgspec.structs.replace(end, ended_by=ended_by)
    async with db.tx() as tx:
        task = await attempts.finish_call(tx, TENANT, end, NOW + 50, token=task.lease_token)
    if answered_ms is not None:
        async with db.tx() as tx:
            await feedback.answer(tx, TENANT, question.id, "Yes", by=None, now_ms=NOW + answered_ms)
    return task


@pytest.mark.parametrize(
    ("case", "state"),
    [
        ({"ended_by": "agent", "gave_up": True}, "waiting_user"),
        ({"ended_by": "callee"}, "waiting_user"),
        ({"ended_by": "network"}, "waiting_user"),
        ({"ended_by": "agent", "gave_up": True, "answered_ms": 30}, "pending"),  # during the farewell
        ({"ended_by": "callee", "answered_ms": 60}, "pending"),  # between the end and the conclusion
        ({"ended_by": "callee", "answered_ms": 10}, "completed"),  # in time: the talk heard it
        ({"ended_by": "callee", "answered_ms": 10, ASKED: True, TOLD: True}, "completed"),
        ({"ended_by": "callee", "answered_ms": 10, ASKED: True}, "pending"),  # in time, and nobody told the talk
        ({"ended_by": "agent", "gave_up": True, "answered_ms": 10, ASKED: True}, "pending"),
        ({"ended_by": "agent", "answered_ms": 10, ASKED: True}, "completed"),
        ({"ended_by": "agent"}, "completed"),  # done, or another time: the question was pointless by then
        ({"ended_by": "operator"}, "completed"),
        ({"ended_by": "callee", "handed_over": True}, "completed"),
        ({"ended_by": "callee", "joined_ms": 20}, "completed"),  # a person had it in hand
        ({"ended_by": "callee", "joined_ms": -20}, "waiting_user"),  # the agent has asked since
        ({"ended_by": "callee", "rule": "close"}, "completed"),
    ],
    ids=str,
)
async def test_a_question_parks_what_ended_because_of_it(
    db: SqliteDatabase, case: dict[str, Any], state: str
) -> None:
    task = await asked(db, **case)
    done = await conclude_task(switchboard(db), task, task.lease_token)
    assert done.state == state, done.overall_conclusion
    assert done.max_attempts == (2 if state == "pending" else 1), "whoever answers is owed an attempt"
    (question,) = await feedback.of_task(db, TENANT, task.id)
    assert question.state != "open", "nobody waits on the line any more"


@pytest.mark.parametrize(
    ("case", "state"),
    [
        ({"ended_by": "agent", "gave_up": True}, "pending"),
        ({"ended_by": "operator"}, "waiting_user"),
        ({"ended_by": "callee", "handed_over": True}, "waiting_user"),
        ({"ended_by": "callee", "joined_ms": 20}, "waiting_user"),
        ({"ended_by": "callee", "rule": "close"}, "waiting_user"),
    ],
    ids=str,
)
async def test_an_answer_calls_again_only_who_is_parked_for_it(
    db: SqliteDatabase, case: dict[str, Any], state: str
) -> None:
    task = await asked(db, **case)
    done = await conclude_task(switchboard(db), task, task.lease_token)
    if done.state != "waiting_user":  # a judgement that was too unsure, say, waits for a person for its own reason
        await db.execute("UPDATE tasks SET state = 'waiting_user' WHERE id = :id", {"id": task.id})
    (question,) = await feedback.of_task(db, TENANT, task.id)
    async with db.tx() as tx:
        await feedback.answer(tx, TENANT, question.id, "Yes", by=None, now_ms=NOW + 1_000)
    assert (await tasks.get(db, TENANT, task.id)).state == state
    assert (await feedback.get(db, TENANT, question.id)).answer == "Yes"


async def test_who_calls_back_about_a_settled_task_is_listed_too(db: SqliteDatabase) -> None:
    board, task = switchboard(db), await analyzing(db, "completed")
    task = await conclude_task(board, task, task.lease_token)
    await tasks.create(db, TENANT, new_task(), NOW)
    async with db.tx() as tx:
        back = await callbacks.begin(
            tx, task, new_call(task, caller_channel="c-1"), NOW + LEASE_MS, NOW, site=SITE
        )
        assert isinstance(back, callbacks.CallBack)
        assert not back.leased
    turn = Turn(speaker="callee", item_id="item-1", text="Stop calling me and take me off your list!")
    await transcripts.add(db, TENANT, back.call.id, turn, NOW + 1)
    async with db.tx() as tx:
        left = await attempts.finish_call(tx, TENANT, ended(back.call, "completed", answered_ms=NOW), NOW + 9)
    for _ in range(2):
        assert await conclude_task(board, left, left.lease_token) == left
    (entry,) = await dnd.list_entries(db, TENANT)
    assert (entry.number, entry.evidence_call_id, entry.evidence_item_id) == (task.number, back.call.id, "item-1")
    waiting = [one for one in await tasks.list_tasks(db, TENANT) if one.id != task.id]
    assert [one.state for one in waiting] == ["suppressed"]


async def test_an_old_claim_concludes_nothing(db: SqliteDatabase) -> None:
    board, task = switchboard(db), await analyzing(db)
    later = NOW + LEASE_MS + 1
    (taken,) = await leases.claim_analysis(db, later, "other", LEASE_MS, 1)
    with pytest.raises(LeaseLost):
        await conclude_task(board, task, task.lease_token)
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.ANALYZING
    assert (await conclude_task(board, taken, taken.lease_token)).state is TaskState.PENDING


async def test_a_task_that_is_not_analyzed_is_left_alone(db: SqliteDatabase) -> None:
    task = await claimed_task(db)
    assert await conclude_task(switchboard(db), task, task.lease_token) == task
