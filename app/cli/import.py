"""`opendeep import FILE`: a list of contacts, or of numbers that must not be called, into the store."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import click
import msgspec

from app.cli.store import open_store
from app.clock import SystemClock
from app.config import Settings, load_settings
from app.config.site import load_site
from app.contacts.desk import ImportDesk
from app.contacts.export import rejected_lines
from app.contacts.runner import Importer
from app.domain.contacts.contact import Options, Target
from app.domain.contacts.csv_text import BOM
from app.domain.contacts.mapping import Column
from app.domain.policy.pack import ConsentLevel, Purpose
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import ConflictError, ValidationFailed
from app.store import audit
from app.store.audit import Deed
from app.store.contact_imports import ContactImport
from app.store.db import Database

ACTOR = "shell"


class ImportAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints. `ok`: every row could be taken. `counts`: rows by state and by issue."""

    ok: bool
    name: str = "import"
    import_id: str
    state: str
    dry_run: bool
    problem: str
    rows: int
    counts: dict[str, int]
    columns: tuple[Column, ...]
    notes: tuple[str, ...]
    rejected_file: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the command, read."""

    file: Path
    target: Target
    options: Options
    dry_run: bool
    rejected: Path | None


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--map", "mapping", multiple=True, help="What a column means: 'COLUMN=MEANING', repeatable.")
@click.option("--do-not-call", is_flag=True, help="The list names numbers that must not be called.")
@click.option("--reason", default="", help="With --do-not-call: why, as written beside every number.")
@click.option("--region", default=None, help="Country of numbers without country code, like US.")
@click.option("--bare", is_flag=True, help="Numbers have their country code; only the + is missing.")
@click.option("--purpose", type=click.Choice(get_args(Purpose)), help="Check consent for calls of this purpose.")
@click.option("--consent", type=click.Choice(get_args(ConsentLevel)), default="none", show_default=True)
@click.option("--consent-evidence", default="", help="Where the consent of everybody on the list can be seen.")
@click.option("--skip-known", is_flag=True, help="Leave contacts alone that are known already.")
@click.option(
    "--rejected", type=click.Path(dir_okay=False, path_type=Path), help="Write rows left out to this file."
)
@click.option("--dry-run", is_flag=True, help="Read and check, bring nothing in.")
@click.option("--simulate", is_flag=True, help="Into the store of simulated runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def import_command(*, simulate: bool, as_json: bool, **given: object) -> None:
    """Read FILE (CSV or XLSX), say what is wrong with which row, and bring the others in.

    \b
    opendeep import customers.csv --dry-run
    opendeep import customers.xlsx --map "Mobile=number" --map "Notes=preferences"
    opendeep import blocked.csv --do-not-call --reason "list of the regulator, May"

    Meanings: number, name, first_name, last_name, company, zone, language, kind, region, preferences, consent,
    variable, leave_out. Running it again changes nothing twice; one that was stopped goes on. Exit status 0: every
    row was taken, 1: some were not, 2: the list cannot be read.
    """
    settings = load_settings(overrides={"simulate": True} if simulate else None)
    done = asyncio.run(bring(settings, _wanted(settings, given)))
    for line in told(done):
        click.echo(line, err=as_json)
    if as_json:
        click.echo(msgspec.json.encode(done).decode())
    sys.exit(0 if done.ok else 2 if done.problem else 1)


def _wanted(settings: Settings, given: dict[str, object]) -> Wanted:
    mapping: list[tuple[str, str]] = []
    for pair in msgspec.convert(given["mapping"], tuple[str, ...]):
        column, sign, meaning = pair.rpartition("=")
        if not sign:
            raise ValidationFailed(f"--map {pair!r} is not COLUMN=MEANING.")
        mapping.append((column, meaning))
    chosen = {
        "region": settings.default_region if given["region"] is None else given["region"],
        "bare_international": given["bare"],
        "purpose": given["purpose"] or "",
        "consent_level": given["consent"],
        "consent_evidence": given["consent_evidence"],
        "skip_known": given["skip_known"],
        "reason": given["reason"],
        "mapping": mapping,
    }
    try:
        options = msgspec.convert(chosen, Options)
    except msgspec.ValidationError as error:
        raise ValidationFailed(f"An option does not fit: {error}.") from None
    return Wanted(
        file=msgspec.convert(given["file"], Path),
        target="do_not_call" if given["do_not_call"] else "contacts",
        options=options,
        dry_run=bool(given["dry_run"]),
        rejected=msgspec.convert(given["rejected"], Path | None),
    )


async def bring(settings: Settings, wanted: Wanted) -> ImportAnswer:
    """Carry the list through; one that this command began before is gone on with. Raises ConflictError for one
    that somebody else began: it is theirs to bring in or to cancel.
    """
    clock, site = SystemClock(), load_site(settings)
    async with open_store(settings) as db:
        desk, importer = ImportDesk(db, clock, site), Importer(db, clock, site)
        one = await desk.receive(
            DEFAULT_TENANT_ID,
            wanted.file.name,
            _pieces(wanted.file),
            target=wanted.target,
            options=wanted.options,
            by=ACTOR,
        )
        if one.created_by != ACTOR:
            raise ConflictError(
                f"This list waits already as the import {one.id}, which was not begun here. Bring it in or cancel "
                "it in the console, then run this again."
            )
        one = await importer.finish(DEFAULT_TENANT_ID, one.id)
        if one.state == "review" and not one.problem and one.chosen != wanted.options:
            await desk.remap(DEFAULT_TENANT_ID, one.id, wanted.options.mapping, wanted.options)
            one = await importer.finish(DEFAULT_TENANT_ID, one.id)
        if not wanted.dry_run and one.state == "review" and one.tally.get("ready"):
            async with db.tx() as tx:
                one = await desk.bring(tx, DEFAULT_TENANT_ID, one.id)
                deed = Deed(actor=ACTOR, action=f"{one.target}_imported", object=f"import:{one.id}")
                await audit.add(tx, DEFAULT_TENANT_ID, deed, clock.unix_ms())
            one = await importer.finish(DEFAULT_TENANT_ID, one.id)
        file = await _write_rejected(db, one, wanted.rejected)
        if wanted.dry_run and one.state == "review":
            async with db.tx() as tx:
                await desk.cancel(tx, DEFAULT_TENANT_ID, one.id)
    return answer(one, dry_run=wanted.dry_run, rejected_file=file)


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as source:
        while piece := await asyncio.to_thread(source.read, 256 * 1024):
            yield piece


async def _write_rejected(db: Database, one: ContactImport, path: Path | None) -> str:
    if path is None or one.state == "failed":
        return ""
    text = BOM + "".join([line async for line in rejected_lines(db, one)])
    await asyncio.to_thread(path.write_text, text, encoding="utf-8", newline="")
    return str(path)


def answer(one: ContactImport, *, dry_run: bool, rejected_file: str) -> ImportAnswer:
    """What came of it."""
    tally = one.tally
    whole = one.rows_total > 0 and tally.get("ready" if dry_run else "imported", 0) == one.rows_total
    return ImportAnswer(
        ok=whole and not one.problem,
        import_id=one.id,
        state=one.state,
        dry_run=dry_run,
        problem=one.problem,
        rows=one.rows_total,
        counts=tally,
        columns=one.mapping,
        notes=one.told,
        rejected_file=rejected_file,
    )


def told(done: ImportAnswer) -> list[str]:
    """For a person."""
    if done.problem:
        return [done.problem]
    lines = [*done.notes]
    lines += [f"  {one.meaning:12} {one.name}   {' | '.join(one.samples[:2])}" for one in done.columns]
    states = ", ".join(f"{count} {key}" for key, count in sorted(done.counts.items()) if ":" not in key)
    lines.append(f"{done.rows} rows: {states or 'nothing'}")
    issues = sorted((key[6:], count) for key, count in done.counts.items() if key.startswith("issue:"))
    lines += [f"  {count:6} {issue.replace('_', ' ')}" for issue, count in issues]
    if done.dry_run:
        lines.append("Nothing was brought in (--dry-run).")
    if done.rejected_file:
        lines.append(f"Rows that were left out, with their reasons: {done.rejected_file}")
    return lines
