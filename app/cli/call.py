"""`opendeep call`: one task, created and followed live."""

import asyncio
import re
from typing import get_args

import click
import msgspec

from app.cli.agent import find
from app.cli.follow import Follower, Story
from app.cli.house import open_house
from app.cli.store import open_store
from app.clock import SystemClock
from app.config import Settings, load_settings
from app.config.site import load_site
from app.domain.admission import Dial
from app.domain.agent import Agent, Opening
from app.domain.call import Call
from app.domain.messages import TaskChanged
from app.domain.number import parse_number
from app.domain.policy.pack import CalleeKind, ConsentLevel, Purpose
from app.domain.policy.zones import zone_named
from app.domain.task import CallTask, NewTask, TaskState
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import ConflictError, NotFoundError, ValidationFailed
from app.ids import new_id
from app.store import admission, agents, consents, tasks
from app.store.consents import NewConsent
from app.store.db import Database

ASSISTANT = "Assistant"
"""The agent without a description of its own, for a call that needs none."""
CLI_PRIORITY = 90
"""Somebody is waiting at the terminal."""
TO_DO = {
    "number": "Check the number and ALLOWED_COUNTRIES.",
    "do_not_call": "It stays on the list until it is taken off.",
    "pack": "Set POLICY_PACKS to a pack about that country.",
    "registry": "The registry has to be imported first, or the number is on it.",
    "consent": "State it with --consent express|written and --consent-evidence, or choose another --purpose.",
    "caller_id": "Set CALLER_ID, CALLER_ID_OWNED and CALLER_ID_REACHABLE as they are.",
    "zone": "Say it with --zone, like --zone America/New_York.",
    "task": "",
    "tenant": "",
}
"""Rules that waiting does not satisfy, and what somebody at the terminal can do. Others schedule the call."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    number: str
    objective: str
    callee_name: str
    agent_name: str
    greeting: str
    opening: Opening
    language: str
    purpose: Purpose
    callee_kind: CalleeKind
    callee_zone: str
    callee_region: str
    consent: ConsentLevel
    consent_evidence: str


class CallAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`opendeep call --json`: how it ended."""

    ok: bool
    task_id: str
    task_state: str
    conclusion: str
    call: Call | None


@click.command(name="call")
@click.argument("number")
@click.option("--objective", required=True, help="What the call shall achieve, in plain words.")
@click.option("--name", "callee_name", default="", help="Who is called.")
@click.option(
    "--agent",
    "agent_name",
    default=ASSISTANT,
    show_default=True,
    help="Who speaks: a name of `opendeep agent list`. The default one is made when it is not there.",
)
@click.option("--greeting", default="", help="First sentence of a new agent, word for word.")
@click.option("--greet-first", is_flag=True, help="A new agent speaks first instead of waiting for a hello.")
@click.option("--language", default="en", show_default=True, help="Language of a new agent (ISO 639-1).")
@click.option(
    "--purpose",
    type=click.Choice(get_args(Purpose)),
    default="service",
    show_default=True,
    help="What the call is for. service: the callee asked for it or has business with you.",
)
@click.option(
    "--kind", "callee_kind", type=click.Choice(get_args(CalleeKind)), default="person", show_default=True
)
@click.option("--zone", "callee_zone", default="", help="The callee's time zone, like America/New_York, if known.")
@click.option("--region", "callee_region", default="", help="Where the callee lives, like US-FL, if known.")
@click.option(
    "--consent",
    type=click.Choice(["express", "written"]),
    default=None,
    help="What the callee agreed to; packs such as us-strict ask for it. Needs --consent-evidence.",
)
@click.option("--consent-evidence", default="", help="Where that can be seen: a form, a mail, a recording.")
@click.option("--simulate", is_flag=True, help="Simulated exchange, callee and model; nothing real is dialed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def call_command(
    simulate: bool, as_json: bool, greet_first: bool, consent: ConsentLevel | None, **texts: str
) -> None:
    """Call NUMBER now and follow the call: state, words, outcome.

    \b
    opendeep call +12025550123 --objective "Ask whether the office is open on Monday"
    opendeep call +12025550123 --agent Appointments --objective "A table for two on Friday at eight"
    opendeep call +15551000100 --objective "Confirm the appointment" --simulate

    Calling rules hold for this call as for any other: when they say no, the sentence says which and what would do
    (`opendeep policy check NUMBER` tells all of them beforehand). A call that may begin later stays scheduled.

    Exit status 0 when the task is completed, 1 otherwise. Ctrl-C hangs up.
    """
    if consent is not None and not texts["consent_evidence"].strip():
        raise click.UsageError("--consent needs --consent-evidence: say where the consent can be seen.")
    if consent is None and texts["consent_evidence"].strip():
        raise click.UsageError("--consent-evidence needs --consent express or --consent written.")
    opening: Opening = "greet_first" if greet_first else "wait_for_hello"
    wish = msgspec.convert({**texts, "opening": opening, "consent": consent or "none"}, Wish)
    settings = load_settings(overrides={"simulate": True} if simulate else None)
    story = asyncio.run(call_and_follow(settings, wish, as_json=as_json))
    task, call = story.task, story.call
    done = task.state is TaskState.COMPLETED
    said = story.deferred or task.overall_conclusion
    click.echo(f"task: {task.state} - {said}", err=as_json)
    if story.deferred:
        click.echo(f"It stays scheduled; `opendeep why {task.id}` says how it stands.", err=as_json)
    if as_json:
        answer = CallAnswer(ok=done, task_id=task.id, task_state=str(task.state), conclusion=said, call=call)
        click.echo(msgspec.json.encode(answer).decode())
    raise SystemExit(0 if done else 1)


async def call_and_follow(settings: Settings, wish: Wish, *, as_json: bool) -> Story:
    """Create the task and follow it, in the engine that runs on this data directory or else in one of ours."""
    number = parse_number(wish.number, region=settings.default_region, fictional=settings.simulate)
    _check_callee(wish)

    def write(line: str) -> None:
        click.echo(line, err=as_json)

    try:
        async with open_house(settings) as house:
            task = await create_task(house.db, house.settings, wish, number)
            await house.bus.publish("tasks", TaskChanged(tenant_id=task.tenant_id, task_id=task.id))
            return await Follower(house.db, task, write).until_settled()
    except ConflictError as running:
        write(f"{running.message} The call is handed to it.")
        async with open_store(settings) as db:
            task = await create_task(db, settings, wish, number)
            return await Follower(db, task, write).until_settled()


def _check_callee(wish: Wish) -> None:
    """Raises ValidationFailed."""
    if wish.callee_zone and zone_named(wish.callee_zone) is None:
        raise ValidationFailed(f"--zone {wish.callee_zone!r} is not a time zone like America/New_York.")
    if wish.callee_region and re.fullmatch(r"[A-Z]{2}-[A-Z0-9]{1,3}", wish.callee_region) is None:
        raise ValidationFailed(f"--region {wish.callee_region!r} is not a region like US-FL.")


async def create_task(db: Database, settings: Settings, wish: Wish, number: str) -> CallTask:
    """The task, due now. Raises NotFoundError for an agent that is not there; the default one is made."""
    now_ms = SystemClock().unix_ms()
    agent = await (_assistant(db, wish, now_ms) if wish.agent_name == ASSISTANT else find(db, wish.agent_name))
    new = NewTask(
        id=new_id(now_ms),
        agent_id=agent.id,
        number=number,
        objective=wish.objective,
        callee_name=wish.callee_name,
        next_action_time=now_ms,
        priority=CLI_PRIORITY,
        max_attempts=settings.max_attempts,
        purpose=wish.purpose,
        callee_zone=wish.callee_zone,
        callee_kind=wish.callee_kind,
        callee_region=wish.callee_region,
    )
    async with db.tx() as tx:
        if wish.consent != "none":
            given = NewConsent(
                number=number,
                purpose=wish.purpose,
                level=wish.consent,
                evidence=wish.consent_evidence,
                given_ms=now_ms,
            )
            await consents.give(tx, DEFAULT_TENANT_ID, given)
        task = await tasks.create(tx, DEFAULT_TENANT_ID, new, now_ms)
        decision = (await admission.judge(tx, task, load_site(settings), now_ms)).decision
        if not isinstance(decision, Dial) and decision.rule in TO_DO:
            said = decision.sentence.partition(" Next look: ")[0]
            raise ValidationFailed(f"{said} {TO_DO[decision.rule]} Nothing was scheduled.")
        return task


async def _assistant(db: Database, wish: Wish, now_ms: int) -> Agent:
    try:
        return await agents.by_name(db, DEFAULT_TENANT_ID, ASSISTANT)
    except NotFoundError:
        agent = Agent(
            id=new_id(now_ms),
            tenant_id=DEFAULT_TENANT_ID,
            name=ASSISTANT,
            greeting=wish.greeting,
            opening=wish.opening,
            language=wish.language,
        )
        return await agents.create(db, agent, now_ms)
