"""`opendeep decisions`: what the lifecycle agent decided about tasks, and undoing it."""

import asyncio

import click
import msgspec

from app.cli.store import open_store
from app.clock import SystemClock
from app.config import Settings, load_settings
from app.domain.lifecycle.words import words
from app.domain.number import mask_number
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import NotFoundError
from app.ids import is_id
from app.store import audit, lifecycle, lifecycle_undo
from app.store.audit import Deed
from app.store.lifecycle import StoredDecision


class DecisionsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`opendeep decisions --json`. `undone`: the id that was undone."""

    ok: bool
    name: str = "decisions"
    decisions: list[StoredDecision]
    undone: str | None = None


@click.command(name="decisions")
@click.option("--undo", "decision_id", default="", help="Take this decision back.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500), help="How many are listed.")
@click.option("--simulate", is_flag=True, help="Those of a simulated run.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def decisions_command(decision_id: str, limit: int, simulate: bool, as_json: bool) -> None:
    """List what the lifecycle agent decided about tasks, newest first, or undo one decision.

    \b
    opendeep decisions
    opendeep decisions --undo 01a21a314324785a92959720ced3c6f5

    A decision is undone as long as its task has not moved on since; otherwise it says why not, with exit status 2.
    """
    settings = load_settings(overrides={"simulate": True} if simulate else None)
    found = asyncio.run(ask(settings, decision_id, limit))
    told = [f"undone: {decision_id}"] if decision_id else lines(found)
    for line in told:
        click.echo(line, err=as_json)
    if as_json:
        answer = DecisionsAnswer(ok=True, decisions=found, undone=decision_id or None)
        click.echo(msgspec.json.encode(answer).decode())


async def ask(settings: Settings, decision_id: str, limit: int) -> list[StoredDecision]:
    """Raises NotFoundError, ConflictError with why it cannot be undone."""
    if decision_id and not is_id(decision_id):
        raise NotFoundError(f"There is no decision {decision_id[:40]!r}; `opendeep decisions` lists them.")
    async with open_store(settings) as db:
        if decision_id:
            now_ms = SystemClock().unix_ms()
            async with db.tx() as tx:
                done = await lifecycle_undo.take_back(
                    tx, DEFAULT_TENANT_ID, decision_id, by="command line", now_ms=now_ms
                )
                deed = Deed(
                    actor="command line",
                    action="decision_undone",
                    object=f"task:{done.task_id}",
                    detail={"decision": decision_id, "action": str(done.action)},
                )
                await audit.add(tx, DEFAULT_TENANT_ID, deed, now_ms)
            return [await lifecycle.get(db, DEFAULT_TENANT_ID, decision_id)]
        return await lifecycle.newest(db, DEFAULT_TENANT_ID, limit=limit)


def lines(found: list[StoredDecision]) -> list[str]:
    """For a person."""
    if not found:
        return ["Nothing was decided yet."]
    told: list[str] = []
    for one in found:
        state = f" (undone by {one.undone_by})" if one.undone_by else ""
        who = f"{mask_number(one.number)} {one.callee_name}".strip()
        told.append(f"{one.id}  {words(one.action, one.before, one.after)}{state}")
        told.append(f"    {who}: {one.reason}")
    return told
