"""`python -m scripts.benchmarks.audio_control JOB`: the product's engine as `opendeep run` has it, with stamps.

Calls every number of the job once, at the same time, and ends when the last call is concluded. The stamps are
taken from the program's own log lines and from the one command that releases the greeting.
"""

import asyncio
import sys
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

from app.cli.house import House, open_house
from app.config import load_settings
from app.domain.agent import Agent
from app.domain.messages import TaskChanged
from app.domain.task import SETTLED, NewTask
from app.domain.tenant import DEFAULT_TENANT_ID
from app.ids import new_id
from app.store import agents, calls, campaigns, tasks
from app.store.campaigns import NewCampaign
from media import protocol as media
from scripts.benchmarks.audio_jobs import CallLog, ControlJob, load, save

LIMIT_S = 60.0


class Stamps:
    """Times by call id."""

    def __init__(self) -> None:
        self.of_call: dict[str, dict[str, float]] = {}

    def set(self, call_id: str, what: str) -> None:
        """Now; the first time counts."""
        self.of_call.setdefault(call_id, {}).setdefault(what, time.monotonic())

    def processor(self, _logger: object, level: str, line: MutableMapping[str, Any]) -> str:
        """Last in structlog's chain: "call state" lines are stamps, warnings go out, the rest is dropped."""
        if line.get("event") == "call state":
            self.set(line["call_id"], line["state"])
        if level == "info":
            raise structlog.DropEvent
        return str(dict(line))


def watch_commands(house: House, stamps: Stamps) -> None:
    """Stamp every `Answered` before it is written to the worker's socket."""
    link = house.engine.board.media
    send = link.send

    async def stamped(command: media.Command) -> None:
        if isinstance(command, media.Answered):
            stamps.set(command.call_id, "answered_sent")
        await send(command)

    setattr(link, "send", stamped)  # noqa: B010 - an instrument, not an interface


async def run(job: ControlJob) -> None:
    """All calls of the job, to their end."""
    stamps = Stamps()
    structlog.configure(
        processors=[stamps.processor],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    settings = load_settings(Path(job.log).parent, job.settings)
    async with open_house(settings) as house:
        watch_commands(house, stamps)
        campaign_id = await dial(house, job.numbers)
        async with asyncio.timeout(LIMIT_S):
            with house.bus.subscribe("tasks") as messages:
                while set(await campaigns.counts(house.db, DEFAULT_TENANT_ID, campaign_id)) - SETTLED:
                    await anext(messages)
        done = await story(house, campaign_id, stamps)
    save(job.log, done)


async def dial(house: House, numbers: tuple[str, ...]) -> str:
    """One campaign with one task per number, all due now."""
    now_ms = house.clock.unix_ms()
    agent = Agent(
        id=new_id(now_ms),
        tenant_id=DEFAULT_TENANT_ID,
        name="Benchmark",
        greeting="Hello, this is an automated assistant.",
        opening="greet_first",
        tools=(),
    )
    batch = [
        NewTask(
            id=new_id(now_ms),
            agent_id=agent.id,
            number=number,
            objective=f"Be measured on {number}.",
            next_action_time=now_ms,
            max_attempts=1,
        )
        for number in numbers
    ]
    async with house.db.tx() as tx:
        await agents.create(tx, agent, now_ms)
        new = NewCampaign(id=new_id(now_ms), name="Benchmark")
        campaign, _ = await campaigns.create(tx, DEFAULT_TENANT_ID, new, batch, now_ms)
    await house.bus.publish("tasks", TaskChanged(tenant_id=DEFAULT_TENANT_ID, task_id=""))
    return campaign.id


async def story(house: House, campaign_id: str, stamps: Stamps) -> list[CallLog]:
    """What became of every call, with its stamps."""
    logs: list[CallLog] = []
    for task in await tasks.list_tasks(house.db, DEFAULT_TENANT_ID, campaign_id=campaign_id, limit=1_000):
        for call in await calls.of_task(house.db, DEFAULT_TENANT_ID, task.id):
            times = stamps.of_call.get(call.id, {})
            outcome = f"{call.outcome} {call.detail}".strip()
            logs.append(CallLog(number=call.number_dialed, outcome=outcome, times=times))
    return logs


if __name__ == "__main__":
    asyncio.run(run(load(sys.argv[1], ControlJob)))
