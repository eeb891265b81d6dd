"""`python -m app.sim.asterisk`: a simulated Asterisk for developers, until interrupted.

Every number is answered by one persona (--callees polite), or by its last digits (--callees rule).
"""

import asyncio
from contextlib import suppress

import click

from app.sim.asterisk.personas import PERSONAS, by_number
from app.sim.asterisk.script import CalleeScript
from app.sim.asterisk.server import SimAsterisk


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8088, show_default=True, help="HTTP port; 0 picks a free one.")
@click.option(
    "--callees", type=click.Choice(["rule", *PERSONAS]), default="rule", show_default=True, help="Who answers."
)
@click.option("--user", default="opendeep", show_default=True, help="ARI user.")
@click.option("--password", default="secret", show_default=True, help="ARI password.")
def main(*, host: str, port: int, callees: str, user: str, password: str) -> None:
    """Run a simulated Asterisk (ARI and RTP) on loopback."""
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(host, port, callees, (user, password)))


async def _serve(host: str, port: int, callees: str, credentials: tuple[str, str]) -> None:
    def directory(number: str) -> CalleeScript:
        return PERSONAS[callees]() if callees in PERSONAS else by_number(number)

    async with SimAsterisk(host=host, http_port=port, callees=directory, credentials=credentials) as sim:
        click.echo(
            f"ARI on {sim.base_url} (user {credentials[0]}); endpoint PJSIP/<number>@{sim.exchange.settings.trunk}"
        )
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
