"""`opendeep migrate`: bring the database up to date, as every start does, and say what ran."""

import asyncio
from urllib.parse import urlsplit

import click

from app.cli.store import open_store
from app.config import Settings, load_settings
from app.figures import Result, answer


@click.command(name="migrate")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def migrate_command(as_json: bool) -> None:
    """Make or update the tables of DATABASE_URL (empty: SQLite in DATA_DIR). Running it twice changes nothing.

    \b
    opendeep migrate
    opendeep migrate --json

    A file of SQLite is copied beside itself first; of PostgreSQL make a backup before (pg_dump).
    """
    settings = load_settings()
    ran = asyncio.run(_migrate(settings))
    where = place(settings)
    for name in ran:
        click.echo(f"{where}: {name}", err=as_json)
    if not ran:
        click.echo(f"{where}: nothing to do", err=as_json)
    if as_json:
        figures: dict[str, int | float | str | bool | None] = {"database": where, "migrations": ", ".join(ran)}
        result = Result(name="migrate", n=len(ran), figures=figures)
        click.echo(answer("migrate", (result,)).to_json())


async def _migrate(settings: Settings) -> list[str]:
    async with open_store(settings) as db:
        return db.migrated


def place(settings: Settings) -> str:
    """Which database the settings mean, without user and password."""
    url = settings.database_url.get_secret_value()
    if not url:
        return str(settings.database_path)
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path} schema {settings.database_schema}"
