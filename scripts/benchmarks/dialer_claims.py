"""Claim latency in a table of many tasks, and what a scheduler's round asks besides, against a bare update."""

import random
import time
from collections.abc import Awaitable, Callable

import numpy as np

from app.domain.agent import Agent
from app.domain.task import NewTask
from app.domain.tenant import DEFAULT_TENANT_ID
from app.figures import Result
from app.ids import new_id
from app.store import agents, campaigns, leases, tasks
from app.store.campaigns import NewCampaign
from app.store.db import Database

SEED = 20261121
DUE_SHARE = 0.1
CHUNK = 20_000
CAMPAIGNS = 10
CLAIMS, BATCHES, BATCH, ROUNDS = 2_000, 200, 20, 200
ALIVE = 200
"""Tasks that are claimed or in a call at most: a large cell. What is above is settled, outside the times."""
LIMIT_S = 20.0
AIM_MS = 5.0
DAY_MS = 86_400_000
_SETTLE = """
    UPDATE tasks SET state = 'completed', lease_owner = NULL, lease_until = NULL, updated_ms = :now_ms
    WHERE state = 'claimed'
"""
_BARE = "UPDATE tasks SET updated_ms = :now_ms WHERE tenant_id = :tenant_id AND id = :id"


async def measure(store: str, db: Database, count: int) -> Result:
    """Fill the table, then claim one by one and by twenties, as a scheduler does."""
    began = time.monotonic()
    now_ms = time.time_ns() // 1_000_000
    some = await fill(db, count, now_ms)
    filled_s = time.monotonic() - began
    one = await _claimed(db, now_ms, CLAIMS, 1)
    batch = await _claimed(db, now_ms, BATCHES, BATCH)
    bare = await timed(
        CLAIMS, lambda at: db.execute(_BARE, {"now_ms": at, "tenant_id": DEFAULT_TENANT_ID, "id": some[at]})
    )
    queries = {
        "recover": await timed(ROUNDS, lambda _: _recover(db, now_ms)),
        "analysis": await timed(ROUNDS, lambda _: leases.claim_analysis(db, now_ms, "bench", 600_000, 20)),
        "complete": await timed(ROUNDS, lambda _: campaigns.complete_settled(db, now_ms)),
        "next_due": await timed(ROUNDS, lambda _: tasks.next_due_ms(db, now_ms)),
    }
    p99 = _at(one, 99)
    return Result(
        name=f"dialer claims {store}",
        n=len(one),
        seed=SEED,
        seconds=round(time.monotonic() - began, 1),
        figures={
            "tasks": count,
            "fill_s": round(filled_s, 1),
            "claim_p50_ms": _at(one, 50),
            "claim_p99_ms": p99,
            "aim_ms": AIM_MS,
            "met": p99 < AIM_MS,
            "claim_20_p50_ms": _at(batch, 50),
            "claim_20_p99_ms": _at(batch, 99),
            "bare_update_p50_ms": _at(bare, 50),
            "bare_update_p99_ms": _at(bare, 99),
            "ratio_p50": round(_at(one, 50) / max(_at(bare, 50), 1e-3), 2),
            **{f"{name}_p99_ms": _at(found, 99) for name, found in queries.items()},
        },
    )


async def fill(db: Database, count: int, now_ms: int) -> list[str]:
    """`count` tasks in ten campaigns; a tenth has been due for up to a day. Answers ids of some that are not."""
    chance = random.Random(SEED)
    agent = Agent(id=new_id(now_ms), tenant_id=DEFAULT_TENANT_ID, name="Benchmark", opening="greet_first")
    async with db.tx() as tx:
        await agents.create(tx, agent, now_ms)
        made = [
            (
                await campaigns.create(
                    tx, DEFAULT_TENANT_ID, NewCampaign(id=new_id(now_ms), name=f"C{n}"), [], now_ms
                )
            )[0]
            for n in range(CAMPAIGNS)
        ]
    some: list[str] = []
    for start in range(0, count, CHUNK):
        batch = [
            _task(n, agent.id, made[n % CAMPAIGNS].id, now_ms, chance)
            for n in range(start, min(start + CHUNK, count))
        ]
        await tasks.create_many(db, DEFAULT_TENANT_ID, batch, now_ms)
        if len(some) < CLAIMS:
            some += [one.id for one in batch if one.next_action_time > now_ms][:CLAIMS]
    return some[:CLAIMS]


def _task(n: int, agent_id: str, campaign_id: str, now_ms: int, chance: random.Random) -> NewTask:
    due = chance.random() < DUE_SHARE
    return NewTask(
        id=new_id(now_ms),
        agent_id=agent_id,
        campaign_id=campaign_id,
        number=f"+1202{n % 10_000_000:07d}",
        objective="Be claimed.",
        priority=chance.randrange(3),
        next_action_time=now_ms
        + (-chance.randrange(DAY_MS) if due else 3_600_000 + chance.randrange(30 * DAY_MS)),
    )


async def _claimed(db: Database, now_ms: int, times: int, most: int) -> list[float]:
    """Milliseconds of `times` claims of up to `most`."""
    found: list[float] = []
    chunk = ALIVE // most
    while len(found) < times:
        some = await timed(chunk, lambda _: leases.claim_due(db, now_ms, "bench", 600_000, most))
        found += some
        await db.execute(_SETTLE, {"now_ms": now_ms})
        if len(some) < chunk:
            break
    return found


async def _recover(db: Database, now_ms: int) -> object:
    async with db.tx() as tx:
        return await leases.recover_expired(tx, now_ms)


async def timed(count: int, work: Callable[[int], Awaitable[object]]) -> list[float]:
    """Milliseconds of each run; fewer of them when they take long."""
    found: list[float] = []
    until = time.monotonic() + LIMIT_S
    for at in range(count):
        if time.monotonic() > until:
            break
        began = time.perf_counter()
        await work(at)
        found.append((time.perf_counter() - began) * 1e3)
    return found


def _at(found: list[float], percent: int) -> float:
    return round(float(np.percentile(found, percent)), 3)
