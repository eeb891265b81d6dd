"""`opendeep resume`: dial again for a tenant whose dialing was held, by a refused account or after a restore."""

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
    """Dial again after a hold: the speech model had refused the account, or a backup was restored.

    Put the account right first: the next refused call holds the dialing again. After a restore enter do-not-call
    entries, withdrawn consents (`opendeep consent withdraw`) and erasures made since the backup, for they are not
    in it, and look through the open tasks: it does not know who was called after it was made.
    """
    settings = load_settings(overrides={"simulate": True} if simulate else None)

    async def lift() -> None:
        async with open_store(settings) as db:
            async with db.tx() as tx:
                lifted = await holds.every(tx, tenant)
                await holds.lift(tx, tenant)
            if not lifted:
                click.echo(f"Nothing holds back the calls of {tenant}.")
                return
            click.echo("Dialing goes on. It was held because of:")
            for hold in lifted:
                click.echo(f"  {hold.code}: {hold.message}")

    asyncio.run(lift())
