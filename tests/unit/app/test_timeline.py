"""The time line of a task out of its rows: what happened, in order, with reasons, and what comes next."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from app.domain.admission import Defer, Evidence
from app.domain.analysis.judgement import Action, Decision
from app.domain.retry import Conclusion
from app.domain.task import TaskEvent, TaskState
from app.domain.task_change import PutOnHold
from app.errors import NotFoundError
from app.store import admission, analyses, attempts, decisions, task_changes, tasks, timeline, users, why
from app.store.analyses import Examined
from app.store.db import Database
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import (
    NOW,
    SITE,
    TENANT,
    add_agent,
    ask_people,
    begun_call,
    claimed_task,
    ended,
    new_task,
)

pytestmark = pytest.mark.anyio
HOUR_MS = 3_600_000


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


async def test_the_lane_of_a_task_that_was_blocked_called_judged_and_is_called_again(db: Database) -> None:
    task = await claimed_task(db)
    refused = Defer(
        until_ms=NOW + 10,
        rule="window",
        sentence="Outside the calling window.",
        evidence=Evidence(rules=("window",), packs=(), warnings=(), facts=None),
    )
    async with db.tx() as tx:
        for at in range(3):
            await decisions.add(tx, TENANT, task.id, refused, NOW - 3 + at)
    call = await begun_call(db, task, NOW + 10)
    question = await ask_people(db, call, "Is Tuesday fine?")
    end = ended(call, "completed", answered_ms=NOW + 20, ended_ms=NOW + 90_000)
    async with db.tx() as tx:
        task = await attempts.finish_call(tx, TENANT, end, NOW + 90_000, token=task.lease_token)
        task = await analyses.queue(tx, task, call.id, NOW + 90_000)
    waits = await timeline.of_task(db, TENANT, task.id)
    assert [one.kind for one in waits.entries][-1] == "judged"
    assert "waits to be judged" in waits.entries[-1].title
    (task,) = await analyses.claim_due(db, NOW + 100_000, "me", 30_000, 1)
    again_ms = NOW + 24 * HOUR_MS
    conclusion = Conclusion(event=TaskEvent.RETRY, reason="They asked for tomorrow.", retry_at_ms=again_ms)
    decision = Decision(
        action=Action.RETRY,
        outcome="callback_requested",
        conclusion=conclusion,
        summary="Busy today.",
    )
    examined = Examined(
        model="m",
        prompt_version="p",
        asked=1,
        input_tokens=1,
        cached_tokens=0,
        output_tokens=1,
        cost_micro_usd=1,
        price_table="t",
        judgement=None,
    )
    async with db.tx() as tx:
        await analyses.finish(tx, task, call.id, examined, decision, now_ms=NOW + 110_000)
        await tasks.conclude(tx, TENANT, task.id, task.lease_token, conclusion, now_ms=NOW + 110_000)
    told = await timeline.of_task(db, TENANT, task.id)
    assert told.zones == ("America/New_York",)
    kinds = [one.kind for one in told.entries]
    assert kinds == ["blocked", "created", "asked", "attempt", "judged", "next"]
    of = dict(zip(kinds, told.entries, strict=True))
    assert (of["blocked"].times, "until Fri 15 Jan 2027" in of["blocked"].title) == (3, True)
    assert (of["attempt"].title, of["attempt"].call_id) == (
        "Attempt 1: completed, ended by callee",
        call.id,
    )
    assert "SCHEDULE_JOB_RETRY at Sat 16 Jan 2027 03:00 in New York" in of["judged"].title
    assert of["judged"].detail == "Busy today. They asked for tomorrow."
    assert of["asked"].detail == question.question
    assert (of["next"].at_ms, of["next"].detail) == (again_ms, "2 of 3 attempts left. They asked for tomorrow.")


async def test_a_settled_task_ends_with_its_conclusion(db: Database) -> None:
    task = await tasks.create(db, TENANT, new_task(), NOW)
    async with db.tx() as tx:
        await tasks.cancel(tx, TENANT, task.id, "Sold already.", NOW + 5)
    last = (await timeline.of_task(db, TENANT, task.id)).entries[-1]
    assert (last.kind, last.title, last.detail) == ("settled", "Settled: cancelled", "Sold already.")


async def test_another_tenants_task_has_no_time_line(db: Database) -> None:
    await users.add_tenant(db, "other", "Other", NOW)
    task = await tasks.create(db, TENANT, new_task(), NOW)
    with pytest.raises(NotFoundError):
        await timeline.of_task(db, "other", task.id)


async def test_a_hold_says_why_nobody_is_called(db: Database) -> None:
    task = await tasks.create(db, TENANT, new_task(), NOW)
    hold = PutOnHold(until_ms=NOW + 5 * HOUR_MS, reason="The owner is away.")
    async with db.tx() as tx:
        await task_changes.apply(tx, TENANT, task.id, hold, by="user:a", now_ms=NOW)
    found = await why.why(db, TENANT, task.id, SITE, NOW + 1)
    assert (found.answer, found.rule, found.next_ms) == ("later", "task_hold", NOW + 5 * HOUR_MS)
    assert found.sentence == "The task is on hold until Fri 15 Jan 2027 13:00 UTC: The owner is away."
    kept = (await timeline.of_task(db, TENANT, task.id)).entries
    assert [(one.kind, one.actor) for one in kept if one.kind == "changed"] == [("changed", "user:a")]
    moved = msgspec.structs.replace(await tasks.get(db, TENANT, task.id), next_action_time=NOW)
    async with db.tx() as tx:
        await tasks.save(tx, moved)
    assert (await why.why(db, TENANT, task.id, SITE, NOW + 1)).answer == "now"
    assert (await admission.judge(db, moved, SITE, NOW + 1)).decision.sentence
    assert moved.state is TaskState.PENDING
