"""`python -m app.sim.text`: the simulated text API as a program, for developing a client by hand."""

import asyncio

import click

from app.sim.text.analyst import PlausibleAnalyst
from app.sim.text.faults import TextFault, TextFaultKind, TextFaults
from app.sim.text.mind import Route
from app.sim.text.reporter import PlausibleReporter
from app.sim.text.server import SimText


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=9011, show_default=True, help="0 picks a free one.")
@click.option("--api-key", help="The only key that is let in; without it any.")
@click.option("--fault", type=click.Choice(list(TextFaultKind)), help="Struck by chance.")
@click.option("--chance", default=0.1, show_default=True, help="How often, from 0 to 1.")
@click.option("--seed", default=0, show_default=True)
def main(*, host: str, port: int, api_key: str | None, fault: str | None, chance: float, seed: int) -> None:
    """Play the text side of the OpenAI API until interrupted; prints the address for TEXT_BASE_URL."""
    by_chance = TextFault(kind=TextFaultKind(fault)) if fault else None

    async def run() -> None:
        faults = TextFaults(chance=chance, by_chance=by_chance, seed=seed)
        routes = [
            Route(schema="CallJudgement", mind=PlausibleAnalyst()),
            Route(schema="CampaignReportDraft", mind=PlausibleReporter()),
        ]
        async with SimText(host, port, routes=routes, faults=faults, api_key=api_key) as sim:
            click.echo(sim.base_url)
            await asyncio.Event().wait()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


if __name__ == "__main__":
    main()
