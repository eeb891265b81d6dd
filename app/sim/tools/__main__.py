"""`python -m app.sim.tools`: the simulated systems as a program, to try an agent's own functions by hand."""

import asyncio

import click
import msgspec

from app.sim.tools.server import SimTools


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=9012, show_default=True, help="0 picks a free one.")
@click.option("--key", default="", help="The only bearer token that is let in; without it everybody is.")
@click.option("--streams", is_flag=True, help="MCP answers come as server-sent events.")
def main(*, host: str, port: int, key: str, streams: bool) -> None:
    """Play an HTTP API and an MCP server until interrupted; prints the MCP address and its tools with hashes."""

    async def run() -> None:
        async with SimTools(host, port, key=key, streams=streams) as sim:
            click.echo(msgspec.json.encode({"url": sim.mcp_url, "tools": sim.pins()}).decode())
            await asyncio.Event().wait()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


if __name__ == "__main__":
    main()
