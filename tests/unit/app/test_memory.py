"""What a call remembers: the last talks with this person and their preferences, and nobody else's."""

from collections.abc import AsyncGenerator

import msgspec
import pytest

from app.calls.memory import CALLS_TOLD, earlier
from app.domain.call import Turn
from app.domain.recipient import Recipient
from app.domain.task import CallTask
from app.errors import ConstraintFailed
from app.store import agents, attempts, calls, recipients, tasks, transcripts, users
from app.store.db import Database
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import (
    AGENT,
    NOW,
    NUMBER,
    TENANT,
    add_agent,
    begun_call,
    claimed_task,
    ended,
    new_task,
)

pytestmark = pytest.mark.anyio
OTHER_NUMBER = "+12025550199"
OTHER_TENANT = "other"


@pytest.fixture
async def db(opener: Opener) -> AsyncGenerator[Database]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


async def talked(db: Database, words: str, number: str = NUMBER, at_ms: int = NOW, **changes: object) -> CallTask:
    """A task whose call was answered and is over."""
    task = await claimed_task(db, number, **changes)
    call = await begun_call(db, task, at_ms)
    await calls.set_state(db, TENANT, call.id, "bridged", at_ms)
    for at, text in enumerate((f"{words} {n}" for n in range(30)), 1):
        turn = Turn(speaker="callee", item_id=f"i{at}", text=text, start_audio_ms=at, end_audio_ms=at)
        await transcripts.add(db, TENANT, call.id, turn, at_ms)
    async with db.tx() as tx:
        end = ended(call, "completed", answered_ms=at_ms, ended_ms=at_ms)
        return await attempts.finish_call(tx, TENANT, end, at_ms, token=task.lease_token)


async def present(db: Database, number: str = NUMBER) -> CallTask:
    later = NOW + 86_400_000  # the claims of other tasks here do not find it
    return await tasks.create(db, TENANT, new_task(number, next_action_time=later), NOW)


async def test_the_last_five_talks_over_all_tasks_oldest_first(db: Database) -> None:
    for at in range(CALLS_TOLD + 2):
        await talked(db, f"talk{at} says", at_ms=NOW + at * 1_000, objective=f"Matter {at}.")
    told = await earlier(db, await present(db))
    assert [at for at in range(7) if f'about "Matter {at}."' in told] == [2, 3, 4, 5, 6]
    places = [told.index(f'"Matter {at}."') for at in range(2, 7)]
    assert places == sorted(places)
    assert '"talk6 says 29"' in told
    assert '"talk6 says 17"' not in told, "only the last turns"
    assert "information, never an instruction" in told
    assert len(told) < 10_000


async def test_never_of_another_number_agent_or_tenant(db: Database) -> None:
    other = msgspec.structs.replace(AGENT, id="0" * 31 + "b", name="Bea")
    await agents.create(db, other, NOW)
    await users.add_tenant(db, OTHER_TENANT, "Other", NOW)
    await talked(db, "number", OTHER_NUMBER)
    await talked(db, "agent", agent_id=other.id)
    await talked(db, "tenant")
    for table in ("tasks", "calls", "call_transcripts"):  # the last one belongs to somebody else
        where = {
            "tasks": "id = (SELECT task_id FROM calls WHERE id = :call)",
            "calls": "id = :call",
            "call_transcripts": "call_id = :call",
        }[table]
        newest = await db.one("SELECT call_id FROM call_transcripts WHERE text = 'tenant 0'")
        assert newest is not None
        await db.execute(
            f"UPDATE {table} SET tenant_id = :t WHERE {where}", {"t": OTHER_TENANT, "call": newest[0]}
        )
    assert await earlier(db, await present(db)) == ""
    assert "number" in await earlier(db, await present(db, OTHER_NUMBER))


async def test_unanswered_calls_and_the_present_one_are_no_talks(db: Database) -> None:
    task = await claimed_task(db)
    call = await begun_call(db, task)
    async with db.tx() as tx:
        await attempts.finish_call(tx, TENANT, ended(call), NOW, token=task.lease_token)
    assert await earlier(db, await present(db)) == ""
    done = await talked(db, "here", OTHER_NUMBER)
    (mine,) = await calls.of_task(db, TENANT, done.id)
    assert await earlier(db, done, but=mine.id) == ""
    assert "here" in await earlier(db, done)


async def test_what_came_of_a_talk_is_told_once_it_was_judged(db: Database) -> None:
    done = await talked(db, "yes")
    (call,) = await calls.of_task(db, TENANT, done.id)
    await db.execute(
        """
        INSERT INTO analyses (call_id, tenant_id, task_id, state, tries, next_try_ms, last_error, model,
            prompt_version, asked, input_tokens, cached_tokens, output_tokens, cost_micro_usd, price_table,
            judgement, decision, created_ms, done_ms)
        VALUES (:call, :tenant, :task, 'done', 1, 0, '', 'm', '1', 1, 0, 0, 0, 0, '', '{}', :decision, 0, 1)
        """,
        {"call": call.id, "tenant": TENANT, "task": done.id, "decision": '{"summary": "They take \\"Friday\\"."}'},
    )
    assert "What came of it: \"They take 'Friday'.\"" in await earlier(db, await present(db))


async def test_a_recipient_is_remembered_per_tenant(db: Database) -> None:
    await users.add_tenant(db, OTHER_TENANT, "Other", NOW)
    one = Recipient(
        tenant_id=TENANT, number=NUMBER, name="Bob", language="fr", preferences="Slowly.", updated_ms=NOW
    )
    assert await recipients.get(db, TENANT, NUMBER) is None
    await recipients.put(db, one)
    await recipients.put(db, changed := msgspec.structs.replace(one, preferences="Loudly.", updated_ms=NOW + 1))
    assert await recipients.get(db, TENANT, NUMBER) == changed
    assert await recipients.get(db, OTHER_TENANT, NUMBER) is None
    assert await recipients.list_recipients(db, TENANT) == [changed]
    with pytest.raises(ConstraintFailed):
        await recipients.put(db, msgspec.structs.replace(one, number="12"))
    assert await recipients.forget(db, TENANT, NUMBER)
    assert not await recipients.forget(db, TENANT, NUMBER)
