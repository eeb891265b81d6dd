"""`opendeep demo`: a campaign of simulated calls, in the console or headless."""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import click

from app.cli.console import serve_console, stop_on_signals
from app.cli.house import House, open_house
from app.cli.user import add, link_text
from app.config import Settings, load_settings
from app.domain.agent import Agent
from app.domain.messages import TaskChanged
from app.domain.people import Role
from app.domain.task import SETTLED, NewTask, TaskState
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import NotFoundError
from app.figures import Answer, Result, answer
from app.ids import new_id
from app.people.door import Door
from app.store import agents, calls, campaigns, tasks, transcripts, users
from app.store.campaigns import NewCampaign

ENDINGS = ("500", "017", "041", "019", "501", "021", "016", "040", "001", "042", "502", "018", "034", "183", "503")
"""Last digits of the simulated numbers; they choose the callee (app/sim/asterisk/personas.py)."""
NAMES = (
    "Ada",
    "Ben",
    "Chloe",
    "David",
    "Elif",
    "Farid",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Kim",
    "Leo",
    "Mia",
    "Noah",
)
OBJECTIVE = "Move the dental check-up to another day"
DEMO_OWNER = "you@demo.example"
OVER = SETTLED | {TaskState.WAITING_USER}
"""States in which nothing more happens by itself."""
HEADLESS_LIMIT_S = 300.0
CONSOLE_PAUSE_S = 20.0


@click.command(name="demo")
@click.option("--headless", is_flag=True, help="No console: run one campaign to its end and exit.")
@click.option("--json", "as_json", is_flag=True, help="With --headless: one JSON object as the last line.")
@click.option("--calls", "count", default=15, show_default=True, type=click.IntRange(1, 500), help="Calls.")
@click.option("--concurrent", default=6, show_default=True, type=click.IntRange(1, 50), help="Calls at a time.")
def demo_command(headless: bool, as_json: bool, count: int, concurrent: int) -> None:
    """Simulated calls: exchange, callees and speech model are simulated, nothing real is dialed.

    \b
    opendeep demo                    console on http://127.0.0.1:8000, calls keep coming
    opendeep demo --headless --json  one campaign, exit status 0 only if every task settled
    """
    overrides = {
        "simulate": True,
        "app_test_mode": False,
        "redis_url": "",
        "database_url": "",
        "max_concurrent_calls": concurrent,
        "calls_per_second": 20.0,
        "ring_timeout_s": 5,
        "no_input_s": 3.0,
        "no_input_prompts": 1,
        "recording": True,
        "media_mode": "process",
    }
    if not headless:
        asyncio.run(_with_console(load_settings(overrides={**overrides, "data_dir": Path("data/demo")}), count))
        return
    with tempfile.TemporaryDirectory(prefix="od-") as folder:
        settings = load_settings(overrides={**overrides, "data_dir": Path(folder)})
        done = asyncio.run(_headless(settings, count))
    for line in _summary(done):
        click.echo(line, err=as_json)
    if as_json:
        click.echo(done.to_json())
    sys.exit(0 if done.ok else 1)


async def _with_console(settings: Settings, count: int) -> None:
    with stop_on_signals() as stop:
        async with open_house(settings) as house, asyncio.TaskGroup() as group:
            click.echo("OpenDeep demo - nothing real is dialed. Open this link, which signs you in once:")
            click.echo(await _way_in(house))
            click.echo("Ctrl-C ends it.")
            feeding = group.create_task(_keep_coming(house, count))
            await serve_console(house, stop)
            feeding.cancel()


async def _way_in(house: House) -> str:
    """A link that signs the demo's owner in."""
    found = await users.by_email(house.db, DEMO_OWNER)
    user = found[0] if found is not None else await add(house.db, DEMO_OWNER, "You", Role.OWNER)
    return await link_text(house.settings, Door(house.db, house.clock), user)


async def _keep_coming(house: House, count: int) -> None:
    """A new campaign whenever the last one is done."""
    while True:
        campaign_id = await create_campaign(house, count)
        await _until_settled(house, campaign_id)
        await asyncio.sleep(CONSOLE_PAUSE_S)


async def _headless(settings: Settings, count: int) -> Answer:
    started = time.monotonic()
    async with open_house(settings) as house:
        campaign_id = await create_campaign(house, count)
        try:
            async with asyncio.timeout(HEADLESS_LIMIT_S):
                await _until_settled(house, campaign_id)
        except TimeoutError:
            pass
        await house.engine.scheduler.idle.wait()
        return await _report(house, campaign_id, time.monotonic() - started)


async def create_campaign(house: House, count: int) -> str:
    """A campaign of `count` simulated people, one attempt each."""
    now_ms = house.clock.unix_ms()
    agent = await _demo_agent(house, now_ms)
    batch = [
        NewTask(
            id=new_id(now_ms + index),
            agent_id=agent.id,
            number=f"+1555{index // len(ENDINGS):04d}{ENDINGS[index % len(ENDINGS)]}",
            callee_name=NAMES[index % len(NAMES)],
            objective=OBJECTIVE,
            next_action_time=now_ms,
            max_attempts=1,
        )
        for index in range(count)
    ]
    async with house.db.tx() as tx:
        new = NewCampaign(id=new_id(now_ms), name=f"Demo: {OBJECTIVE.lower()}")
        campaign, _ = await campaigns.create(tx, DEFAULT_TENANT_ID, new, batch, now_ms)
    await house.bus.publish("tasks", TaskChanged(tenant_id=DEFAULT_TENANT_ID, task_id=""))
    return campaign.id


async def _demo_agent(house: House, now_ms: int) -> Agent:
    try:
        return await agents.by_name(house.db, DEFAULT_TENANT_ID, "Dental assistant")
    except NotFoundError:
        agent = Agent(
            id=new_id(now_ms),
            tenant_id=DEFAULT_TENANT_ID,
            name="Dental assistant",
            prompt="You call for a dental practice. You are friendly and brief.",
            greeting="Hello, this is the automated assistant of the dental practice.",
        )
        return await agents.create(house.db, agent, now_ms)


async def _until_settled(house: House, campaign_id: str) -> None:
    """Wait until nothing is left to do in a campaign."""
    with house.bus.subscribe("tasks") as messages:
        while set(await campaigns.counts(house.db, DEFAULT_TENANT_ID, campaign_id)) - OVER:
            await anext(messages)


async def _report(house: House, campaign_id: str, seconds: float) -> Answer:
    """What came of it, counted in the store; the simulated exchange is the witness of who was dialed."""
    assert house.world is not None
    outcomes: Counter[str] = Counter()
    turns, cost, unsettled = 0, 0, 0
    batch = await tasks.list_tasks(house.db, DEFAULT_TENANT_ID, campaign_id=campaign_id, limit=1_000)
    for task in batch:
        unsettled += task.state not in OVER
        for call in await calls.of_task(house.db, DEFAULT_TENANT_ID, task.id):
            outcomes[call.outcome or str(call.state)] += 1
            cost += call.cost_micro_usd
            turns += len(await transcripts.list_turns(house.db, DEFAULT_TENANT_ID, call.id))
    dialed = Counter(number for number, *_ in house.world.asterisk.invites)
    twice = sum(times - 1 for times in dialed.values() if times > 1)
    leftovers = house.world.asterisk.leftovers()
    results = (
        Result(name="tasks settled", n=len(batch), violations=unsettled, seconds=round(seconds, 1)),
        Result(name="numbers dialed once", n=len(dialed), violations=twice),
        Result(name="nothing left in the exchange", n=len(batch), violations=len(leftovers)),
        Result(
            name="calls",
            n=sum(outcomes.values()),
            figures={**dict(sorted(outcomes.items())), "turns": turns, "cost_usd": round(cost / 1e6, 4)},
        ),
    )
    return answer("demo", results)


def _summary(done: Answer) -> list[str]:
    lines = ["every task settled" if done.ok else "NOT every task settled"]
    for result in done.results:
        figures = ", ".join(f"{name} {value}" for name, value in result.figures.items())
        lines.append(f"  {result.name}: {result.n}, violations {result.violations} {figures}".rstrip())
    return lines
