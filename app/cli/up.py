"""`opendeep up`: the engine and the console, until somebody stops them."""

import asyncio
from functools import partial

import click

from app.cli.console import serve_console
from app.cli.house import open_house
from app.cli.stop import stop_signals, until_stopped
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
        stop = asyncio.Event()
        with stop_signals() as signals:
            async with open_house(settings) as house, asyncio.TaskGroup() as group:
                click.echo(f"console on http://{settings.web_host}:{settings.web_port}", err=True)
                if await nobody_yet(house.db):
                    click.echo("Nobody can sign in yet: opendeep user add you@example.org --role owner", err=True)
                group.create_task(serve_console(house, stop))
                await until_stopped(house.engine, house.settings, signals, partial(click.echo, err=True))
                stop.set()

    asyncio.run(serve())
