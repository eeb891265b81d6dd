"""`opendeep resume`: dial again for a tenant whose account with the speech model was refused."""

import asyncio

import click

from app.cli.store import open_store
from app.config import load_settings
from app.domain.tenant import DEFAULT_TENANT_ID
from app.store import holds


@click.command(name="resume")
@click.option("--tenant", default=DEFAULT_TENANT_ID, show_default=True)
@click.option("--simulate", is_flag=True, help="In the database of simulated runs.")
def resume_command(tenant: str, simulate: bool) -> None:
    """Dial again after the speech model had refused the account (no credit, a wrong key).

    Put the account right first: the next refused call holds the dialing again.
    """
    settings = load_settings(overrides={"simulate": True} if simulate else None)

    async def lift() -> None:
        async with open_store(settings) as db:
            hold = await holds.active(db, tenant)
            if hold is None:
                click.echo(f"Nothing holds back the calls of {tenant}.")
                return
            await holds.lift(db, tenant)
            click.echo(f"Dialing goes on. It was held because of {hold.code}: {hold.message}")

    asyncio.run(lift())
