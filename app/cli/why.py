"""`opendeep why`: why a task is, or is not, being called now."""

import asyncio

import click
import msgspec

from app.cli.store import open_store
from app.clock import SystemClock
from app.config import Settings, load_settings
from app.config.site import load_site
from app.domain.local_time import told
from app.domain.tenant import DEFAULT_TENANT_ID
from app.domain.why import Why
from app.errors import NotFoundError
from app.ids import is_id
from app.store import why as why_store


class WhyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`opendeep why --json`. `ok`: the question was answered."""

    ok: bool
    name: str = "why"
    why: Why


@click.command(name="why")
@click.argument("task_id")
@click.option("--simulate", is_flag=True, help="A task of a simulated run.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def why_command(task_id: str, simulate: bool, as_json: bool) -> None:
    """Say in one sentence why the task TASK_ID is, or is not, being called now, and when it is looked at next.

    \b
    opendeep why 01a21a314324785a92959720ced3c6f5
    opendeep why 01a21a314324785a92959720ced3c6f5 --json

    Asks the calling rules as they stand this moment; changes nothing. Exit status 0 when the task is known, 2 when
    there is no such task.
    """
    settings = load_settings(overrides={"simulate": True} if simulate else None)
    found = asyncio.run(ask(settings, task_id))
    for line in lines(found):
        click.echo(line, err=as_json)
    if as_json:
        click.echo(msgspec.json.encode(WhyAnswer(ok=True, why=found)).decode())


async def ask(settings: Settings, task_id: str) -> Why:
    """Raises NotFoundError with what to do about it."""
    unknown = f"There is no task {task_id[:40]!r} in {settings.home}. `opendeep call` prints the id of its task."
    nothing_yet = not settings.database_url.get_secret_value() and not settings.database_path.exists()
    if not is_id(task_id) or nothing_yet:
        raise NotFoundError(unknown)
    async with open_store(settings) as db:
        try:
            return await why_store.why(
                db, DEFAULT_TENANT_ID, task_id, load_site(settings), SystemClock().unix_ms()
            )
        except NotFoundError:
            raise NotFoundError(unknown) from None


def lines(found: Why) -> list[str]:
    """For a person: the sentence first."""
    told_lines = [found.sentence]
    if found.answer in {"later", "now"} and found.next_ms is not None:
        told_lines.append(f"next look: {told(found.next_ms)}")
    if found.rules:
        told_lines.append(f"rules asked: {', '.join(found.rules)}")
    if found.packs:
        told_lines.append("packs: " + ", ".join(f"{ref.id} {ref.version}" for ref in found.packs))
    told_lines += [f"warning: {warning}" for warning in found.warnings]
    told_lines.append(f"attempts: {found.attempts_used} of {found.max_attempts} used")
    return told_lines
