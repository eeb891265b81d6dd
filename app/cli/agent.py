"""`opendeep agent`: who speaks on calls, kept as TOML files by people and as versions in the store."""

import asyncio
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import click
import msgspec

import app
from app.calls.tools import NAMES
from app.cli.store import open_store
from app.clock import SystemClock
from app.config import load_settings
from app.domain.agent import Agent
from app.domain.agent_file import difference, read_agent, written
from app.domain.local_time import told
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import NotFoundError, ValidationFailed
from app.ids import new_id
from app.store import agents
from app.store.agents import AgentVersion
from app.store.db import Database

EXAMPLES = Path(app.__file__).parent / "examples" / "agents"
EXAMPLE = "example:"
T = TypeVar("T")

_simulate = click.option("--simulate", is_flag=True, help="In the database of simulated runs.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")


class AgentAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `--json` prints; `did` says what an import did."""

    ok: bool
    agents: tuple[Agent, ...] = ()
    did: Literal["", "created", "changed", "unchanged"] = ""
    versions: tuple[AgentVersion, ...] = ()
    diff: str = ""


@click.group(name="agent")
def agent_command() -> None:
    """Agents: who speaks on calls, what they know and may do.

    \b
    opendeep agent import example:appointment     one that comes with the program
    opendeep agent export Appointments > mine.toml
    opendeep agent import mine.toml               a new version, when something changed
    opendeep call +12025550123 --agent Appointments --objective "Book a table for two on Friday at eight"

    A file describes an agent completely; what it leaves out is as by default. A change makes a new version; calls
    keep the one they began with.
    """


@agent_command.command(name="list")
@_simulate
@_json
def list_command(*, simulate: bool, as_json: bool) -> None:
    """Name every agent, its version, its language and how many fields it finds out.

    \b
    opendeep agent list
    opendeep agent list --json
    """
    found = _run(simulate, lambda db: agents.list_agents(db, DEFAULT_TENANT_ID))
    for one in found:
        line = f"{one.name:30} version {one.version:<4} {one.language:6} {len(one.data_to_fill)} fields"
        click.echo(line, err=as_json)
    if not found:
        click.echo(f"There are no agents. Examples: {', '.join(examples())}.", err=as_json)
    _answer(AgentAnswer(ok=True, agents=tuple(found)), as_json=as_json)


@agent_command.command(name="show")
@click.argument("name")
@click.option("--version", type=int, default=None, help="As it was then. Default: as it is.")
@_simulate
@_json
def show_command(*, name: str, version: int | None, simulate: bool, as_json: bool) -> None:
    """Show the agent NAME, as it is or as it was.

    \b
    opendeep agent show Appointments
    opendeep agent show Appointments --version 1 --json
    """
    one = _run(simulate, lambda db: find(db, name, version))
    click.echo(f"# {one.name}, version {one.version}\n{written(one)}", err=as_json, nl=False)
    _answer(AgentAnswer(ok=True, agents=(one,)), as_json=as_json)


@agent_command.command(name="import")
@click.argument("file")
@_simulate
@_json
def import_command(*, file: str, simulate: bool, as_json: bool) -> None:
    """Make or change the agent that FILE.toml describes. The same file again changes nothing.

    \b
    opendeep agent import appointments.toml
    opendeep agent import example:survey
    """
    data = read_toml(file)

    async def work(db: Database) -> AgentAnswer:
        return await take_over(db, data)

    answer = _run(simulate, work)
    (agent,) = answer.agents
    click.echo(f"{agent.name}: {answer.did}, version {agent.version}.", err=as_json)
    _answer(answer, as_json=as_json)


@agent_command.command(name="export")
@click.argument("name")
@_simulate
@_json
def export_command(*, name: str, simulate: bool, as_json: bool) -> None:
    """Print the agent NAME as the TOML file that would make it.

    \b
    opendeep agent export Appointments > appointments.toml
    """
    one = _run(simulate, lambda db: find(db, name))
    click.echo(written(one), err=as_json, nl=False)
    _answer(AgentAnswer(ok=True, agents=(one,)), as_json=as_json)


@agent_command.command(name="versions")
@click.argument("name")
@_simulate
@_json
def versions_command(*, name: str, simulate: bool, as_json: bool) -> None:
    """List the versions of the agent NAME, newest first.

    \b
    opendeep agent versions Appointments
    """

    async def work(db: Database) -> list[AgentVersion]:
        return await agents.versions(db, DEFAULT_TENANT_ID, (await find(db, name)).id)

    found = _run(simulate, work)
    for one in found:
        click.echo(f"{one.version:4}  {told(one.created_ms)}  {one.made_by or 'command line'}", err=as_json)
    _answer(AgentAnswer(ok=True, versions=tuple(found)), as_json=as_json)


@agent_command.command(name="diff")
@click.argument("name")
@click.argument("before", type=int, metavar="V1")
@click.argument("after", type=int, metavar="V2")
@_simulate
@_json
def diff_command(*, name: str, before: int, after: int, simulate: bool, as_json: bool) -> None:
    """Show what changed in the agent NAME from version V1 to version V2. Exit status 1 when something did.

    \b
    opendeep agent diff Appointments 1 2
    """

    async def work(db: Database) -> tuple[Agent, Agent]:
        return await find(db, name, before), await find(db, name, after)

    diff = difference(*_run(simulate, work))
    click.echo(diff or f"Versions {before} and {after} are the same.\n", err=as_json, nl=False)
    _answer(AgentAnswer(ok=not diff, diff=diff), as_json=as_json)
    raise SystemExit(1 if diff else 0)


async def find(db: Database, name: str, version: int | None = None) -> Agent:
    """The agent of this name, as it was in `version`. Raises NotFoundError with the names or numbers there are."""
    everybody = {one.name: one for one in await agents.list_agents(db, DEFAULT_TENANT_ID)}
    if name not in everybody:
        known = f"there are {', '.join(everybody)}" if everybody else "there are none"
        raise NotFoundError(f"There is no agent named {name!r}; {known}. `opendeep agent import` makes one.")
    agent = everybody[name]
    if version is None:
        return agent
    kept = sorted(one.version for one in await agents.versions(db, DEFAULT_TENANT_ID, agent.id))
    if version not in kept:
        raise NotFoundError(f"{name} has no version {version}; there are {', '.join(map(str, kept)) or 'none'}.")
    return await agents.get_version(db, DEFAULT_TENANT_ID, agent.id, version)


async def take_over(db: Database, data: dict[str, Any]) -> AgentAnswer:
    """Store what a file describes: under its name, as a new agent or as the next version. Raises AppError."""
    now_ms = SystemClock().unix_ms()
    wanted = read_agent(data, agent_id=new_id(now_ms), tenant_id=DEFAULT_TENANT_ID, tools=NAMES)
    async with db.tx() as tx:
        try:
            there = await agents.by_name(tx, DEFAULT_TENANT_ID, wanted.name)
        except NotFoundError:
            return AgentAnswer(ok=True, did="created", agents=(await agents.create(tx, wanted, now_ms),))
        wanted = msgspec.structs.replace(wanted, id=there.id, version=there.version)
        now = await agents.update(tx, wanted, now_ms)
    return AgentAnswer(ok=True, did="unchanged" if now == there else "changed", agents=(now,))


def examples() -> list[str]:
    """How the agents that come with the program are named for `import`."""
    return [f"{EXAMPLE}{file.stem}" for file in sorted(EXAMPLES.glob("*.toml"))]


def read_toml(file: str) -> dict[str, Any]:
    """A file, or an example of ours. Raises ValidationFailed."""
    path = Path(file)
    if file.startswith(EXAMPLE):
        if file not in examples():
            raise ValidationFailed(f"There is no {file}; there are {', '.join(examples())}.")
        path = EXAMPLES / f"{file.removeprefix(EXAMPLE)}.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValidationFailed(f"There is no file {file}.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValidationFailed(f"{file} cannot be read: {error}.") from None


def _answer(answer: AgentAnswer, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(answer).decode())


def _run(simulate: bool, work: Callable[[Database], Awaitable[T]]) -> T:
    settings = load_settings(overrides={"simulate": True} if simulate else None)

    async def within() -> T:
        async with open_store(settings) as db:
            return await work(db)

    return asyncio.run(within())
