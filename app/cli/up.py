"""`opendeep up`: the engine and the console, until somebody stops them."""

import asyncio
from functools import partial

import click

from app.cli.console import serve_console
from app.cli.house import House, open_house
from app.cli.stop import StopSignals, stop_signals, until_stopped
from app.cli.user import nobody_yet
from app.config import load_settings, setting_warnings
from app.logs import set_up_logs


@click.command(name="up")
def up_command() -> None:
    """Run OpenDeep: scheduler, calls and the console on http://WEB_HOST:WEB_PORT.

    \b
    opendeep up                    with the settings of .env
    SIMULATE=True opendeep up      with a simulated exchange and model

    Ctrl-C or SIGTERM: nothing new is dialed, living calls go on to their end. Once more: the agents say goodbye.
    SIGUSR1 leaves living calls to the next `opendeep up`. From another shell: `opendeep drain`.
    """
    settings = load_settings()
    set_up_logs(settings.log_level, as_json=settings.log_json)
    for warning in setting_warnings():
        click.echo(warning, err=True)

    async def serve() -> None:
        with stop_signals() as signals:
            async with open_house(settings) as house:
                metrics = house.engine.board.metrics
                with metrics.served(settings.metrics_host, settings.metrics_port):
                    await _serve(house, signals)

    asyncio.run(serve())


async def _serve(house: House, signals: StopSignals) -> None:
    settings, stop = house.settings, asyncio.Event()
    async with asyncio.TaskGroup() as group:
        click.echo(f"console on http://{settings.web_host}:{settings.web_port}", err=True)
        if settings.metrics_port:
            click.echo(f"figures on http://{settings.metrics_host}:{settings.metrics_port}/metrics", err=True)
        if await nobody_yet(house.db):
            click.echo("Nobody can sign in yet: opendeep user add you@example.org --role owner", err=True)
        group.create_task(serve_console(house, stop))
        await until_stopped(house.engine, house.settings, signals, partial(click.echo, err=True))
        stop.set()
