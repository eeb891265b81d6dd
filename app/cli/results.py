"""`opendeep results`: what calls found out."""

import asyncio
from pathlib import Path

import click
import msgspec

from app.cli.store import open_store
from app.config import Settings, load_settings
from app.domain.contacts.csv_text import BOM, line
from app.domain.tenant import DEFAULT_TENANT_ID
from app.store import results
from app.store.results import Filter, ResultRow

PAGE = 500
FILE = click.Path(dir_okay=False, path_type=Path)
HEAD = ("agent", "number", "callee", "outcome", "updated_ms", "call_id")


class ResultsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`opendeep results --json`, newest first."""

    ok: bool
    name: str = "results"
    results: tuple[ResultRow, ...]


@click.command(name="results")
@click.option("--campaign", default="", help="Only of this campaign (its id).")
@click.option(
    "--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="Write them into this file."
)
@click.option("--simulate", is_flag=True, help="Those of a simulated run.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def results_command(campaign: str, csv_file: Path | None, simulate: bool, as_json: bool) -> None:
    """List what calls found out, by agent and recipient.

    \b
    opendeep results
    opendeep results --campaign 01a21a314324785a92959720ced3c6f5 --csv results.csv
    """
    settings = load_settings(overrides={"simulate": True} if simulate else None)
    found = asyncio.run(read(settings, Filter(campaign_id=campaign)))
    if csv_file is not None:
        csv_file.write_text(as_csv(found), encoding="utf-8", newline="")
    for row in found:
        values = ", ".join(f"{name}: {value.text}" for name, value in row.fields.items())
        click.echo(f"{row.result.number}  {row.callee_name}  {values}", err=as_json)
    if not found:
        click.echo("Nothing was found out yet.", err=as_json)
    if as_json:
        click.echo(msgspec.json.encode(ResultsAnswer(ok=True, results=tuple(found))).decode())


async def read(settings: Settings, which: Filter) -> list[ResultRow]:
    """Every row of the filter, newest first; in order of recipients first, for calls may go on meanwhile."""
    found: list[ResultRow] = []
    async with open_store(settings) as db:
        after = ("", "")
        while page := await results.walk(db, DEFAULT_TENANT_ID, which, after, PAGE):
            found += page
            after = (page[-1].result.agent_id, page[-1].result.number)
    return sorted(found, key=lambda one: (one.result.updated_ms, one.result.task_id), reverse=True)


def as_csv(found: list[ResultRow]) -> str:
    """One line for each recipient, one column for each field."""
    names = sorted({name for row in found for name in row.fields})
    lines = [line((*HEAD, *names))]
    for row in found:
        one = row.result
        cells = [row.agent_name, one.number, row.callee_name, one.outcome, str(one.updated_ms), one.call_id]
        cells += [row.fields[name].text if name in row.fields else "" for name in names]
        lines.append(line(cells))
    return BOM + "".join(lines)
