"""The judgement of a call-back: a talk like any other, which used up no attempt; silence changes nothing."""

import json

import msgspec
import pytest

from app.calls.conclude import conclude_task
from app.domain.analysis.when import Reach
from app.domain.call import Call, Turn
from app.domain.task import CallTask, TaskState
from app.llm.analyst import LEASE_MS
from app.store import attempts, callbacks, dnd, lifecycle_facts, lifecycle_turns, tasks, transcripts
from tests.unit.app.call_world import switchboard
from tests.unit.app.lifecycle_world import REACH
from tests.unit.app.store_world import NOW, NUMBER, SITE, TENANT, ended, new_call
from tests.unit.app.test_analyst import HOUR_S, World, judgement, world

__all__ = ["world"]
pytestmark = pytest.mark.anyio


async def called_back(world: World, *words: str, task: CallTask | None = None) -> tuple[CallTask, Call]:
    """A task whose callee met us on a busy line, called back and said `words`."""
    if task is None:
        dialed, _ = await world.talked(outcome="busy", answered_ms=None)
        task = await world.task(dialed)
    async with world.db.tx() as tx:
        back = await callbacks.begin(
            tx, task, new_call(task, node="me", caller_channel="c"), NOW + 9_000, NOW, site=SITE
        )
    assert isinstance(back, callbacks.CallBack)
    for n, text in enumerate(("Good that you call. Does Friday suit you?", *words)):
        turn = Turn(speaker="callee" if n else "agent", item_id=f"b{n}", text=text, start_audio_ms=n * 1000)
        await transcripts.add(world.db, TENANT, back.call.id, turn, NOW)
    over = ended(back.call, "completed", dialed=False, answered_ms=NOW, ended_ms=NOW + 10)
    async with world.db.tx() as tx:
        task = await attempts.finish_call(tx, TENANT, over, NOW, token=back.task.lease_token)
    return await conclude_task(world.board, task, task.lease_token), back.call


async def test_a_talk_of_a_call_back_is_judged_as_one_that_was_dialed(world: World) -> None:
    task, call = await called_back(world, "I am at work right now.")
    assert (task.state, task.lease_owner, task.current_attempt_count) == (TaskState.ANALYZING, None, 1)
    mind = world.thinks(
        judgement("SCHEDULE_JOB_RETRY", outcome="not_available", evidence=[{"turn": 2, "quote": "I am at work"}])
    )
    assert await world.analyst.look() == 1
    shown = json.loads(mind.asked[0].last_user_text)["call"]
    assert "called us back" in shown["direction"]
    assert shown["attempts_left"] == task.max_attempts - 1
    done = await world.task(task)
    assert (done.state, done.current_attempt_count) == (TaskState.PENDING, 1)
    assert done.next_action_time >= NOW + 2 * HOUR_S * 1000
    decided = (await world.row(call)).decided
    assert decided is not None
    assert [one.quote for one in decided.proofs] == ["I am at work"]


async def test_who_calls_back_is_listed_when_only_the_model_understands_that(world: World) -> None:
    task, call = await called_back(world, "This number is off limits.")
    off_limits = [{"turn": 2, "quote": "off limits"}]
    world.thinks(judgement("MARK_NUMBER_DO_NOT_CALL", evidence=off_limits))
    await world.analyst.look()
    assert (await world.task(task)).state is TaskState.SUPPRESSED
    (entry,) = await dnd.list_entries(world.db, TENANT)
    assert (entry.number, entry.evidence_call_id) == (NUMBER, call.id)


async def test_the_model_is_told_of_a_direction_only_when_they_called(world: World) -> None:
    await world.talked()
    mind = world.thinks(judgement())
    await world.analyst.look()
    assert "direction" not in json.loads(mind.asked[0].last_user_text)["call"]


async def test_switched_to_rules_a_call_back_that_waits_is_a_talk(world: World) -> None:
    task, _ = await called_back(world, "Friday is fine.")
    world.analyst._model = None
    assert await world.analyst.look() == 1
    done = await world.task(task)
    assert done.state is TaskState.COMPLETED
    assert done.overall_conclusion == "They called back. The call was answered and ended by callee."


async def test_a_call_back_without_a_word_leaves_its_task_as_it_was(world: World) -> None:
    dialed, _ = await world.talked(outcome="busy", answered_ms=None)
    at_ms = NOW + 9 * HOUR_S * 1000
    async with world.db.tx() as tx:
        await tasks.save(tx, msgspec.structs.replace(dialed, next_action_time=at_ms))
    task, _ = await called_back(world, task=await world.task(dialed))
    assert await world.analyst.look() == 1
    done = await world.task(task)
    assert (done.state, done.next_action_time, done.current_attempt_count) == (TaskState.PENDING, at_ms, 1)
    assert done.overall_conclusion.startswith("They called back, and nobody talked")
    async with world.db.tx() as tx:
        await tasks.save(
            tx, msgspec.structs.replace(done, state=TaskState.WAITING_USER, overall_conclusion="Which day?")
        )
    asked, _ = await called_back(world, task=await world.task(done))
    assert await world.analyst.look() == 1
    waits = await world.task(asked)
    assert (waits.state, waits.overall_conclusion) == (TaskState.WAITING_USER, "Which day?")
    assert not world.sim.journal


async def test_without_a_model_an_answered_call_back_ends_its_task(world: World) -> None:
    world.board = switchboard(world.db, analysis="rules")
    task, _ = await called_back(world, "Friday is fine.")
    assert task.state is TaskState.COMPLETED
    assert task.overall_conclusion == "They called back. The call was answered and ended by callee."


async def test_a_call_back_without_a_word_takes_no_promise_back(world: World) -> None:
    """They named a time, and later rang us and said nothing: the lifecycle agent may not move that call."""
    dialed, _ = await world.talked("Call me tomorrow at four.")
    wish = {"local_time": "2027-01-16T16:00", "zone": "America/New_York", "turn": 2, "quote": "tomorrow at four"}
    evidence = [{"turn": 2, "quote": "Call me tomorrow at four"}]
    world.thinks(judgement("SCHEDULE_JOB_RETRY", outcome="callback_requested", evidence=evidence, retry=wish))
    await world.analyst.look()
    task, _ = await called_back(world, task=await world.task(dialed))
    assert await world.analyst.look() == 1
    await lifecycle_turns.open_all(world.db, NOW)
    (turn,) = await lifecycle_turns.claim_due(world.db, NOW, "me", LEASE_MS, 1)

    async def reach(_: CallTask) -> Reach:
        return REACH

    (seen,) = (await lifecycle_facts.open_tasks(world.db, turn, reach, NOW)).tasks
    assert (seen.task.id, seen.promised) == (task.id, True)
