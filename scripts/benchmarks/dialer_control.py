"""`python -m scripts.benchmarks.dialer_control JOB`: the product's engine, fed with tasks that fall due in turn.

Stamps are taken around the scheduler's claim and the commit of the intent. Ends when every call is concluded.
"""

import asyncio
import resource
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from app import scheduler
from app.cli.house import House, open_house
from app.config import load_settings
from app.domain.agent import Agent
from app.domain.messages import TaskChanged
from app.domain.task import CallTask, NewTask
from app.domain.tenant import DEFAULT_TENANT_ID
from app.ids import new_id
from app.logs import set_up_logs
from app.store import agents, attempts, tasks
from scripts.benchmarks.dialer_calls import AFTER_S, LEAD_S, DialJob, DialLog

LOOK_S = 0.5
_OUTCOMES = "SELECT coalesce(outcome, state) || ' ' || coalesce(ended_by, ''), count(*) FROM calls GROUP BY 1"


class Stamps:
    """Monotonic seconds by number."""

    def __init__(self) -> None:
        self.claimed: dict[str, float] = {}
        self.intents: dict[str, float] = {}

    def watch(self) -> None:
        """Put the stamps around the product's own functions."""
        claim, intend = scheduler.leases.claim_due, attempts.begin_call

        async def stamped(*given: Any, **more: Any) -> list[CallTask]:
            found = await claim(*given, **more)
            now = time.monotonic()
            self.claimed |= {task.number: now for task in found}
            return found

        async def intended(tx: Any, tenant_id: str, new: Any, *rest: Any, **more: Any) -> Any:
            self.intents[new.number_dialed] = time.monotonic()
            return await intend(tx, tenant_id, new, *rest, **more)

        scheduler.leases.claim_due = stamped
        attempts.begin_call = intended


class Commits:
    """Write transactions of the engine: how many, how long they waited for the writer and held it."""

    def __init__(self) -> None:
        self.count = 0
        self.waited_s = self.held_s = 0.0

    def watch(self, kind: Any) -> None:
        """Count those of this class of databases from now on."""
        real = kind.tx

        @asynccontextmanager
        async def counted(db: Any) -> AsyncGenerator[Any]:
            asked = time.monotonic()
            async with real(db) as tx:
                began = time.monotonic()
                yield tx
            self.count += 1
            self.waited_s += began - asked
            self.held_s += time.monotonic() - began

        kind.tx = counted


async def run(job: DialJob) -> None:
    """All tasks of the job, to their end."""
    set_up_logs("critical", as_json=False)
    stamps = Stamps()
    stamps.watch()
    settings = load_settings(Path(job.log).parent, job.settings)
    commits = Commits()
    async with open_house(settings) as house:
        commits.watch(type(house.db))
        due = await feed(house, job)
        last = max(due.values())
        while time.monotonic() < last + AFTER_S:
            await asyncio.sleep(LOOK_S)
            if time.monotonic() > last and await left(house) == 0:
                break
        rows = await house.db.fetch(_OUTCOMES)
    used = resource.getrusage(resource.RUSAGE_SELF)
    log = DialLog(
        due=due,
        claimed=stamps.claimed,
        intents=stamps.intents,
        outcomes=dict(Counter({str(name).strip(): count for name, count in rows})),
        cpu_s=used.ru_utime + used.ru_stime,
        commits=commits.count,
        commit_waited_s=commits.waited_s,
        commit_held_s=commits.held_s,
    )
    await asyncio.to_thread(Path(job.log).write_bytes, msgspec.msgpack.encode(log))


async def feed(house: House, job: DialJob) -> dict[str, float]:
    """Store all tasks at once; answers when each falls due, in monotonic seconds."""
    now_ms, now = house.clock.unix_ms(), time.monotonic()
    agent = Agent(
        id=new_id(now_ms), tenant_id=DEFAULT_TENANT_ID, name="Benchmark", opening="wait_for_hello", tools=()
    )
    await agents.create(house.db, agent, now_ms)
    due = {number: LEAD_S * 1000 + at * job.every_ms for at, number in enumerate(job.numbers)}
    batch = [
        NewTask(
            id=new_id(now_ms),
            agent_id=agent.id,
            number=number,
            objective="Be dialed.",
            next_action_time=round(now_ms + after_ms),
            max_attempts=1,
        )
        for number, after_ms in due.items()
    ]
    await tasks.create_many(house.db, DEFAULT_TENANT_ID, batch, now_ms)
    await house.bus.publish("tasks", TaskChanged(tenant_id=DEFAULT_TENANT_ID, task_id=""))
    return {number: now + after_ms / 1000 for number, after_ms in due.items()}


async def left(house: House) -> int:
    """Tasks that were not tried yet or are being called."""
    row = await house.db.one(
        "SELECT count(*) FROM tasks WHERE state IN ('claimed', 'in_call', 'analyzing')"
        " OR (state = 'pending' AND overall_conclusion = '')"
    )
    return 0 if row is None else int(row[0])


if __name__ == "__main__":
    asyncio.run(run(msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=DialJob)))
