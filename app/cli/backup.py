"""`opendeep backup` and `opendeep restore`: a checked copy of everything, and the way back."""

from importlib.metadata import version
from pathlib import Path

import click

from app.cli.data_directory import engine_lock, private_folder
from app.cli.migrate import place
from app.clock import SystemClock
from app.config import Settings, load_settings
from app.errors import ConflictError
from app.figures import Result, answer
from app.store import backup
from app.store.backup import Installation, Manifest

PATH = click.Path(file_okay=False, path_type=Path)
MEGABYTE = 1_000_000


@click.command(name="backup")
@click.argument("folder", type=PATH)
@click.option("--recordings/--no-recordings", default=True, show_default=True, help="Audio of calls as well.")
@click.option(
    "--check", "only_check", is_flag=True, help="Make nothing: read the copy FOLDER again and say if it is whole."
)
@click.option("--simulate", is_flag=True, help="Of the data of simulated runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def backup_command(*, folder: Path, recordings: bool, only_check: bool, simulate: bool, as_json: bool) -> None:
    """Copy database, recordings and documents to the new FOLDER while the engine runs, and check the copy.

    \b
    opendeep backup /backups/opendeep-$(date +%F)
    opendeep backup --check /backups/opendeep-2026-11-27
    opendeep restore /backups/opendeep-2026-11-27

    .env is not in it: keep that where you keep secrets. With PostgreSQL use pg_dump; see README, Operating it.
    """
    settings = _of_sqlite(simulate)
    if only_check:
        made = backup.check(folder)
    else:
        source, now_ms = installation(settings), SystemClock().unix_ms()
        backup.copy(source, folder, made_ms=now_ms, program=version("opendeep"), recordings=recordings)
        made = backup.check(folder)
    _tell("backup", folder, made, as_json=as_json)


@click.command(name="restore")
@click.argument("folder", type=PATH)
@click.option("--simulate", is_flag=True, help="Into the data of simulated runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def restore_command(*, folder: Path, simulate: bool, as_json: bool) -> None:
    """Put the copy FOLDER into an empty DATA_DIR. Nobody is dialed until `opendeep resume`.

    \b
    opendeep restore /backups/opendeep-2026-11-27

    A copy does not know what came after it. Do-not-call entries, withdrawn consents and erasures made since
    are not in it: enter them first. Then look through the open tasks, cancel what is done, and let each tenant
    dial again with `opendeep resume --tenant ID`.
    """
    settings = _of_sqlite(simulate)
    with engine_lock(settings):
        private_folder(settings.recordings_dir)
        made = backup.restore(folder, installation(settings), now_ms=SystemClock().unix_ms())
    _tell("restore", folder, made, as_json=as_json)
    click.echo(f"{backup.LATER_MISSING}\nNobody is dialed until you say so: opendeep resume", err=True)


def installation(settings: Settings) -> Installation:
    """Where these settings keep things."""
    return Installation(
        database=settings.database_path,
        recordings=settings.recordings_dir,
        documents=settings.documents_folder,
    )


def _of_sqlite(simulate: bool) -> Settings:
    settings = load_settings(overrides={"simulate": True} if simulate else None)
    if settings.database_url.get_secret_value():
        raise ConflictError(
            f"The data are in PostgreSQL ({place(settings)}). Use pg_dump --format=custom for them and copy "
            f"{settings.recordings_dir} and {settings.documents_folder} after it."
        )
    return settings


def _tell(name: str, folder: Path, made: Manifest, *, as_json: bool) -> None:
    what = f"{made.tasks} tasks, {made.calls} calls, {len(made.files)} files, {made.size / MEGABYTE:.1f} MB"
    click.echo(f"{folder}: {what}, schema {made.schema}, checked", err=as_json)
    for one in made.missing:
        click.echo(f"not found: recording {one}", err=True)
    if as_json:
        figures: dict[str, int | float | str | bool | None] = {
            "folder": str(folder),
            "tasks": made.tasks,
            "calls": made.calls,
            "bytes": made.size,
            "schema": made.schema,
            "missing_recordings": len(made.missing),
        }
        click.echo(answer(name, (Result(name=name, n=len(made.files), figures=figures),)).to_json())
