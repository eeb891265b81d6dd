"""The `opendeep` command. Each verb is a file beside this one."""

import asyncio
import sys
import zoneinfo
from functools import partial
from typing import get_args

import click

from app.cli.audit import audit_command
from app.cli.call import call_command
from app.cli.command import command_command
from app.cli.demo import demo_command
from app.cli.doctor import doctor_command
from app.cli.drain import drain_command
from app.cli.house import open_house, serve_console
from app.cli.migrate import migrate_command
from app.cli.policy import policy_command
from app.cli.resume import resume_command
from app.cli.sim import sim_command
from app.cli.stop import stop_signals, until_stopped
from app.cli.user import nobody_yet, user_command
from app.cli.why import why_command
from app.config import load_settings, setting_warnings
from app.errors import AppError
from app.logs import Level, set_up_logs
from media.errors import MediaError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="opendeep")
@click.option("--log-level", type=click.Choice(get_args(Level)), default="warning", show_default=True)
def opendeep(log_level: Level) -> None:
    """AI outbound calling for people who own their phone lines.

    Try `opendeep demo`: simulated calls, no key and no telephone line needed.
    """
    set_up_logs(log_level, as_json=False)


@opendeep.command(name="up")
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


opendeep.add_command(audit_command)
opendeep.add_command(call_command)
opendeep.add_command(command_command)
opendeep.add_command(demo_command)
opendeep.add_command(doctor_command)
opendeep.add_command(migrate_command)
opendeep.add_command(drain_command)
opendeep.add_command(policy_command)
opendeep.add_command(resume_command)
opendeep.add_command(sim_command)
opendeep.add_command(user_command)
opendeep.add_command(why_command)


def main() -> None:
    """Entry point: errors of ours become sentences, not stack traces. Exit status 2 for what cannot be done."""
    zoneinfo.reset_tzpath(to=())  # zones come from the pinned tzdata package, not from the machine
    try:
        opendeep(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (AppError, MediaError, BaseExceptionGroup) as error:
        for sentence in _sentences(error):
            click.echo(f"opendeep: {sentence}", err=True)
        sys.exit(2)


def _sentences(error: BaseException) -> list[str]:
    """What to tell a person; a fault of ours inside a group is raised again."""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    if inner:
        return [line for each in inner for line in _sentences(each)]
    if not isinstance(error, AppError | MediaError):
        raise error
    return [str(error)]
