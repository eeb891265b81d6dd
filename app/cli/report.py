"""`opendeep report`: the report of a campaign."""

import asyncio
from pathlib import Path

import click
import msgspec

from app.cli.store import open_store
from app.config import Settings, load_settings
from app.domain.report import Number, named, numbers_of
from app.domain.report_csv import report_csv
from app.domain.report_plain import plain
from app.domain.report_words import ReportWords
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import NotFoundError
from app.ids import is_id
from app.store import campaign_pages, campaign_reports, campaigns, report_facts
from app.store.db import Database

FILE = click.Path(dir_okay=False, path_type=Path)


class ReportAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`opendeep report --json`. `written_by` empty: no report is stored, this one was counted just now."""

    ok: bool
    name: str = "report"
    campaign_id: str
    campaign: str
    state: str
    written_by: str
    done_ms: int | None
    numbers: tuple[Number, ...]
    words: ReportWords


@click.command(name="report")
@click.argument("campaign_id")
@click.option(
    "--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="Write it into this file."
)
@click.option("--simulate", is_flag=True, help="A campaign of a simulated run.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def report_command(campaign_id: str, csv_file: Path | None, simulate: bool, as_json: bool) -> None:
    """Print the report of the campaign CAMPAIGN_ID: numbers and words.

    \b
    opendeep report 01a21a314324785a92959720ced3c6f5
    opendeep report 01a21a314324785a92959720ced3c6f5 --csv report.csv

    The newest written report; while there is none, the numbers as they are now in plain sentences.
    Exit status 2 when there is no such campaign.
    """
    settings = load_settings(overrides={"simulate": True} if simulate else None)
    found = asyncio.run(read(settings, campaign_id))
    if csv_file is not None:
        csv_file.write_text(report_csv(found.numbers, found.words), encoding="utf-8", newline="")
    for text in lines(found):
        click.echo(text, err=as_json)
    if as_json:
        click.echo(msgspec.json.encode(found).decode())


async def read(settings: Settings, campaign_id: str) -> ReportAnswer:
    """Raises NotFoundError with the campaigns there are."""
    async with open_store(settings) as db:
        if not is_id(campaign_id):
            raise await _unknown(db, campaign_id)
        try:
            campaign = await campaigns.get(db, DEFAULT_TENANT_ID, campaign_id)
        except NotFoundError:
            raise await _unknown(db, campaign_id) from None
        stored = await campaign_reports.of_campaign(db, DEFAULT_TENANT_ID, campaign_id)
        done = next((one for one in stored if one.read_words is not None), None)
        if done is not None and done.read_words is not None:
            numbers, words = done.read_numbers, done.read_words
        else:
            numbers = numbers_of(await report_facts.facts(db, DEFAULT_TENANT_ID, campaign_id))
            words = plain(named(numbers))
    return ReportAnswer(
        ok=True,
        campaign_id=campaign.id,
        campaign=campaign.name,
        state=campaign.state,
        written_by=done.written_by if done else "",
        done_ms=done.done_ms if done else None,
        numbers=numbers,
        words=words,
    )


def lines(found: ReportAnswer) -> list[str]:
    """For a person."""
    words = found.words
    told = [f"{found.campaign} ({found.state}): {words.headline}", words.summary]
    told += [f"- {text}" for text in words.findings]
    told += [f'"{one.quote}" ({one.speaker}, call {one.call_id}, turn {one.turn})' for one in words.quotes]
    told += [f"next: {text}" for text in words.next_steps]
    return told + [f"{one.text:>12}  {one.label}" for one in found.numbers]


async def _unknown(db: Database, campaign_id: str) -> NotFoundError:
    newest = await campaign_pages.list_page(db, DEFAULT_TENANT_ID, limit=5)
    known = "; ".join(f"{one.id} {one.name}" for one in newest)
    return NotFoundError(f"There is no campaign {campaign_id[:40]!r}. The newest: {known or 'none'}.")
