"""A task that only a person can judge after its call: asked once, and carried on as the answer says."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.calls.conclude import conclude_task
from app.calls.memory import told_answers
from app.domain.call import Call
from app.domain.feedback import WAYS, FeedbackRequest, Way, way_of
from app.domain.task import CallTask, TaskState
from app.errors import ConflictError
from app.ids import new_id
from app.store import attempts, callbacks, dnd, erasures, feedback, inbox, leases, tasks
from app.store.db import DIALING, Tx
from tests.unit.app import test_analyst
from tests.unit.app.store_world import (
    LEASE_MS,
    NOW,
    NUMBER,
    SITE,
    TENANT,
    ask_people,
    begun_call,
    ended,
    new_call,
)
from tests.unit.app.test_analyst import World, judgement

pytestmark = pytest.mark.anyio
world = test_analyst.world
LATER = NOW + 60_000


async def judged(world: World, *, in_call: str = "") -> tuple[CallTask, Call]:
    """A task with one attempt, used, of which the model says that a person must decide. `in_call`: what the agent
    had asked in the talk, and nobody answered.
    """
    task, call = await world.talked()
    await world.db.execute("UPDATE tasks SET max_attempts = 1 WHERE id = :id", {"id": task.id})
    if in_call:
        asked = await ask_people(world.db, call, in_call)
        await feedback.time_out(world.db, TENANT, asked.id)
        await moved(world, asked.id, NOW - 1_000)
    world.thinks(judgement("ASK_USER", outcome="other", question="Is the number right?"))
    assert await world.analyst.look() == 1
    return await world.task(task), call


async def moved(world: World, question_id: str, created_ms: int) -> None:
    statement = "UPDATE feedback_requests SET created_ms = :created_ms WHERE id = :id"
    await world.db.execute(statement, {"id": question_id, "created_ms": created_ms})


async def answered(world: World, question_id: str, text: str, now_ms: int = LATER) -> FeedbackRequest:
    async with world.db.tx() as tx:
        return await feedback.answer(tx, TENANT, question_id, text, by=None, now_ms=now_ms)


async def called_back(world: World, task: CallTask, **end: object) -> CallTask:
    """They ring at us at LATER; the call is over and concluded."""
    async with world.db.tx() as tx:
        back = await callbacks.begin(
            tx, task, new_call(task, caller_channel="c-1"), LATER + LEASE_MS, LATER, site=SITE
        )
        assert isinstance(back, callbacks.CallBack)
    async with world.db.tx() as tx:
        left = await attempts.finish_call(tx, TENANT, ended(back.call, dialed=False, **end), LATER + 9)
    (left,) = await leases.claim_analysis(world.db, LATER + 10 * LEASE_MS, "x", LEASE_MS, 1)
    return await conclude_task(world.board, left, left.lease_token)


async def test_what_only_a_person_can_judge_is_asked_with_three_ways(world: World) -> None:
    task, call = await judged(world)
    assert task.state is TaskState.WAITING_USER
    (one,) = await inbox.page(world.db, TENANT)
    assert (one.question, one.suggestions, one.call_id) == ("Is the number right?", WAYS, call.id)
    assert one.parked
    assert [found.id for found in await feedback.waiting(world.db, TENANT)] == [one.id]


@pytest.mark.parametrize(
    ("answer", "state", "attempts_left"),
    [
        (Way.REACHED, TaskState.COMPLETED, 0),
        (Way.GIVE_UP, TaskState.FAILED, 0),
        ("give up.", TaskState.FAILED, 0),
        (Way.AGAIN, TaskState.PENDING, 1),
        ("Ask for Mr Rossi.", TaskState.PENDING, 1),
    ],
)
async def test_the_answer_is_carried_out(world: World, answer: str, state: TaskState, attempts_left: int) -> None:
    task, _ = await judged(world)
    (one,) = await inbox.page(world.db, TENANT)
    await answered(world, one.id, str(answer))
    done = await world.task(task)
    assert (done.state, done.max_attempts - done.current_attempt_count) == (state, attempts_left)
    assert done.overall_conclusion != task.overall_conclusion
    if state is TaskState.PENDING:
        assert done.next_action_time == LATER
    assert await inbox.page(world.db, TENANT) == []
    assert await feedback.waiting(world.db, TENANT) == []
    with pytest.raises(ConflictError):
        await answered(world, one.id, Way.AGAIN)
    told = told_answers(await feedback.of_task(world.db, TENANT, task.id))
    assert told.count("\n") == (1 if way_of(answer) is None else 0), "a way is no word for the agent"
    assert ("After the last call they said: 'Ask for Mr Rossi.'" in told.replace('"', "'")) == (
        way_of(answer) is None
    )


async def test_of_many_answers_at_once_one_is_carried_out(world: World) -> None:
    task, _ = await judged(world)
    (one,) = await inbox.page(world.db, TENANT)
    taken: list[str] = []

    async def give(way: str) -> None:
        try:
            await answered(world, one.id, way)
        except ConflictError:
            return
        taken.append(way)

    async with asyncio.TaskGroup() as group:
        for way in WAYS * 3:
            group.create_task(give(way))
    assert len(taken) == 1
    states = {Way.REACHED: "completed", Way.AGAIN: "pending", Way.GIVE_UP: "failed"}
    assert (await world.task(task)).state == states[Way(taken[0])]


async def test_an_older_question_of_the_task_is_offered_no_more(world: World) -> None:
    task, _ = await judged(world, in_call="May we offer Tuesday?")
    old, way = await feedback.of_task(world.db, TENANT, task.id)
    assert [one.id for one in await inbox.page(world.db, TENANT)] == [way.id]
    assert [one.id for one in await feedback.waiting(world.db, TENANT)] == [way.id]
    with pytest.raises(ConflictError, match="another answer"):
        await answered(world, old.id, "Yes")
    assert (await feedback.get(world.db, TENANT, old.id)).answer is None


async def _listed(tx: Tx, task: CallTask) -> None:
    entry = dnd.DoNotCall(
        id=new_id(NOW), tenant_id=TENANT, number=task.number, reason="asked by mail", source="operator"
    )
    await dnd.add(tx, entry, LATER)


async def _forgotten(tx: Tx, task: CallTask) -> None:
    await tx.exclusive(DIALING)
    await erasures.stop(tx, TENANT, NUMBER, LATER)
    assert task.number == NUMBER


async def _called_off(tx: Tx, task: CallTask) -> None:
    await tasks.cancel(tx, TENANT, task.id, "The campaign was stopped.", LATER)


@pytest.mark.parametrize("end", [_listed, _forgotten, _called_off])
async def test_a_task_that_is_settled_otherwise_closes_its_question(
    world: World, end: Callable[[Tx, CallTask], Awaitable[None]]
) -> None:
    task, _ = await judged(world)
    (one,) = await inbox.page(world.db, TENANT)
    async with world.db.tx() as tx:
        await end(tx, task)
    settled = await world.task(task)
    assert settled.state in {TaskState.SUPPRESSED, TaskState.CANCELLED}
    assert await inbox.page(world.db, TENANT) == []
    assert await feedback.waiting(world.db, TENANT) == []
    with pytest.raises(ConflictError, match="any more"):
        await answered(world, one.id, Way.AGAIN)
    assert await world.task(task) == settled


async def test_a_call_back_in_vain_leaves_the_question(world: World) -> None:
    """Questions of the talk before, answered or not, decide nothing there."""
    task, _ = await judged(world, in_call="May we offer Tuesday?")
    back = await called_back(world, task, outcome="canceled")
    assert (back.state, back.overall_conclusion) == (TaskState.WAITING_USER, task.overall_conclusion)
    (one,) = await inbox.page(world.db, TENANT)
    await answered(world, one.id, Way.REACHED)
    assert (await world.task(task)).state is TaskState.COMPLETED


async def test_a_talk_since_then_closes_the_question(world: World) -> None:
    task, _ = await judged(world)
    (before,) = await inbox.page(world.db, TENANT)
    await called_back(world, task, outcome="completed", answered_ms=LATER + 1)
    await world.db.execute("UPDATE tasks SET state = 'waiting_user' WHERE id = :id", {"id": task.id})
    assert await inbox.page(world.db, TENANT) == []
    with pytest.raises(ConflictError):
        await answered(world, before.id, Way.GIVE_UP)


async def test_an_answer_calls_again_whoever_is_asked_twice(world: World) -> None:
    """The next talk parks the task for a question of its own: that one counts, also after a call-back in vain."""
    task, _ = await judged(world, in_call="May we offer Tuesday?")
    (one,) = await inbox.page(world.db, TENANT)
    await answered(world, one.id, Way.AGAIN)
    (claim,) = await leases.claim_due(world.db, LATER, "me", LEASE_MS, 1)
    call = await begun_call(world.db, claim, LATER)
    asked = await ask_people(world.db, call, "Wednesday?")
    await moved(world, asked.id, LATER)
    async with world.db.tx() as tx:
        over = ended(call, "completed", answered_ms=LATER + 1, ended_ms=LATER + 50)
        left = await attempts.finish_call(tx, TENANT, over, LATER + 50, token=claim.lease_token)
    parked = await conclude_task(world.board, left, left.lease_token)
    assert parked.state is TaskState.WAITING_USER
    parked = await called_back(world, parked, outcome="canceled")
    assert parked.state is TaskState.WAITING_USER
    assert [one.id for one in await inbox.page(world.db, TENANT)] == [asked.id]
    await answered(world, asked.id, "Yes", LATER + 1_000)
    assert (await world.task(task)).state is TaskState.PENDING
