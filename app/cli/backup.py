"""`opendeep backup` and `opendeep restore`: a checked copy of everything, and the way back."""

import asyncio
from importlib.metadata import version
from pathlib import Path

import click

from app.cli.data_directory import engine_lock, private_folder
from app.cli.migrate import place
from app.cli.store import open_store
from app.clock import SystemClock
from app.config import Settings, load_settings
from app.errors import ConflictError
from app.figures import Result, answer
from app.store import backup, holds, nodes
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
@click.argument("folder", type=PATH, required=False)
@click.option(
    "--hold-only", is_flag=True, help="Put nothing back, only hold every tenant's dialing: after pg_restore."
)
@click.option("--simulate", is_flag=True, help="Into the data of simulated runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def restore_command(*, folder: Path | None, hold_only: bool, simulate: bool, as_json: bool) -> None:
    """Put the copy FOLDER into an empty DATA_DIR. Nobody is dialed until `opendeep resume`.

    \b
    opendeep restore /backups/opendeep-2026-11-27
    opendeep restore --hold-only

    With PostgreSQL: pg_restore, then `opendeep restore --hold-only`, and only then start an engine.
    A copy does not know what came after it. Do-not-call entries, withdrawn consents and erasures made since
    are not in it: enter them first (`opendeep import --do-not-call`, `opendeep consent withdraw`, `opendeep
    erase`). Then look through the open tasks, cancel what is done, and let each tenant
    dial again with `opendeep resume --tenant ID`.
    """
    if hold_only == (folder is not None):
        raise click.UsageError("Name the FOLDER of a copy, or --hold-only after pg_restore.")
    if folder is None:
        held = asyncio.run(_hold(_settings(simulate)))
        _say_held()
        if as_json:
            click.echo(
                answer("restore", (Result(name="restore", n=held, figures={"held_tenants": held}),)).to_json()
            )
        return
    settings = _of_sqlite(simulate)
    with engine_lock(settings):
        private_folder(settings.recordings_dir)
        made = backup.restore(folder, installation(settings), now_ms=SystemClock().unix_ms())
    _tell("restore", folder, made, as_json=as_json)
    _say_held()


async def _hold(settings: Settings) -> int:
    """Hold the dialing of everybody in the database; for how many. Raises ConflictError while an engine lives."""
    with engine_lock(settings):
        async with open_store(settings) as db, db.tx() as tx:
            now_ms = SystemClock().unix_ms()
            dead_ms = now_ms - settings.lease_s * 1000
            every = await nodes.list_nodes(tx)
            living = [one.name for one in every if not one.stopped and one.beat_ms > dead_ms]
            if living:
                raise ConflictError(
                    f"An engine uses this database ({', '.join(living)}). Stop every engine; of one that is gone, "
                    f"or that a fresh dump remembers, wait {settings.lease_s} s."
                )
            return await holds.place_on_every_tenant(tx, backup.RESTORED, backup.LATER_MISSING, now_ms=now_ms)


def _say_held() -> None:
    click.echo(f"{backup.LATER_MISSING}\nNobody is dialed until you say so: opendeep resume", err=True)


def installation(settings: Settings) -> Installation:
    """Where these settings keep things."""
    return Installation(
        database=settings.database_path,
        recordings=settings.recordings_dir,
        documents=settings.documents_folder,
    )


def _settings(simulate: bool) -> Settings:
    return load_settings(overrides={"simulate": True} if simulate else None)


def _of_sqlite(simulate: bool) -> Settings:
    settings = _settings(simulate)
    if settings.database_url.get_secret_value():
        raise ConflictError(
            f"The data are in PostgreSQL ({place(settings)}). Use pg_dump --format=custom for them and copy "
            f"{settings.recordings_dir} and {settings.documents_folder} after it. The way back: pg_restore, those "
            "folders, then `opendeep restore --hold-only`, before an engine starts."
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
