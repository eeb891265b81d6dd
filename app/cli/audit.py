"""`opendeep audit`: the log of who did what, and whether it is whole."""

import asyncio
import sys

import click

from app.cli.store import open_store
from app.config import load_settings
from app.figures import Figure, Result, answer
from app.store import audit, users


@click.group(name="audit")
def audit_command() -> None:
    """Who did what, when, from where."""


@audit_command.command(name="verify")
@click.option("--simulate", is_flag=True, help="In the database of simulated runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def verify_audit(simulate: bool, as_json: bool) -> None:
    """Check that no entry was changed, removed or put in another order. Exit status 1 when one was."""
    settings = load_settings(overrides={"simulate": True} if simulate else None)

    async def verify() -> list[Result]:
        async with open_store(settings) as db:
            found: list[Result] = []
            for tenant_id, _ in await users.list_tenants(db):
                read, wrong = await audit.verify(db, tenant_id)
                click.echo(f"{tenant_id}: {read} entries, {wrong or 'whole'}", err=as_json)
                figures: dict[str, Figure] = {"tenant": tenant_id, "wrong": wrong or ""}
                found.append(Result(name="audit log", n=read, violations=int(wrong is not None), figures=figures))
            return found

    done = answer("audit verify", tuple(asyncio.run(verify())))
    if as_json:
        click.echo(done.to_json())
    sys.exit(0 if done.ok else 1)
