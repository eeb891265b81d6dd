"""`opendeep registry`: public do-not-call registries, brought in as their keepers hand them out."""

import asyncio
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import click
import msgspec

from app.cli.store import open_store
from app.clock import SystemClock
from app.config import Settings, load_settings
from app.config.site import written_packs
from app.contacts.registry_file import RegistryList, read_registry
from app.domain.policy.registries import AskedRegistry, asked_registries
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import ValidationFailed
from app.store import audit, registries
from app.store.audit import Deed

ACTOR = "shell"


class RegistryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `registry import --json` prints. `ok`: every row could be read. Dates are days in UTC."""

    ok: bool
    name: str = "registry import"
    registry: str
    numbers: int
    rows: int
    unreadable: int
    problems: tuple[str, ...]
    as_of: str
    stale_on: str


class RegistryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `registry list`. `as_of` and `stale_on` are "" for one that was never imported, `stale_on` also
    for one that no pack asks.
    """

    name: str
    numbers: int
    as_of: str
    stale_on: str
    stale: bool


@click.group(name="registry")
def registry_command() -> None:
    """Public do-not-call registries that calling rules ask: bring a list in, see how old the lists are."""


@registry_command.command(name="import")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as-of", default="", help="The day the list is of, like 2026-11-21. Default: today (UTC).")
@click.option("--simulate", is_flag=True, help="Into the database of simulated runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def import_registry(*, name: str, file: Path, as_of: str, simulate: bool, as_json: bool) -> None:
    """Put the list FILE in the place of the last one of the registry NAME.

    \b
    opendeep registry import us-national-dnc 2026-11-21.txt --as-of 2026-11-21
    opendeep registry import uk-tps tps.csv

    One number a line, or CSV whose first column is one; with + and country code, or as the country writes it.
    Until all is read the last list holds. Exit status 0: every row was read, 1: some were left out, 2: nothing was
    imported.
    """
    settings = load_settings(overrides={"simulate": True} if simulate else None)
    registry = _known(settings, name)
    as_of_ms = read_day(as_of, SystemClock().now().date())
    found = read_registry(file, registry.country)
    asyncio.run(bring(settings, name, found, as_of_ms))
    done = RegistryAnswer(
        ok=not found.unreadable,
        registry=name,
        numbers=len(found.digits),
        rows=found.rows,
        unreadable=found.unreadable,
        problems=found.problems,
        as_of=_day(as_of_ms),
        stale_on=_day(registry.stale_ms(as_of_ms)),
    )
    for line in told(done):
        click.echo(line, err=as_json)
    if as_json:
        click.echo(msgspec.json.encode(done).decode())
    sys.exit(0 if done.ok else 1)


@registry_command.command(name="list")
@click.option("--simulate", is_flag=True, help="In the database of simulated runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def list_registries(simulate: bool, as_json: bool) -> None:
    """Name every registry the packs in force ask: its numbers, the day of its list, and when that is too old."""
    settings = load_settings(overrides={"simulate": True} if simulate else None)
    found = asyncio.run(_rows(settings))
    for row in found:
        stale = (
            f"{'stale since' if row.stale else 'stale on'} {row.stale_on}" if row.stale_on else "asked by no pack"
        )
        text = f"{row.numbers:>10} numbers as of {row.as_of}, {stale}" if row.as_of else "never imported"
        click.echo(f"{row.name:20} {text}", err=as_json)
    if as_json:
        click.echo(msgspec.json.encode({"ok": True, "registries": found}).decode())


def _known(settings: Settings, name: str) -> AskedRegistry:
    known = asked_registries(written_packs(settings))
    if name not in known:
        there = ", ".join(known) or "none"
        raise ValidationFailed(f"No pack in force asks a registry {name[:40]!r}; they ask: {there}.")
    return known[name]


def read_day(text: str, today: date) -> int:
    """The begin of a day (UTC epoch milliseconds), "" for today. Raises ValidationFailed, also for tomorrow."""
    try:
        day = date.fromisoformat(text) if text else today
    except ValueError:
        raise ValidationFailed(f"--as-of {text[:40]!r} is not a day like 2026-11-21.") from None
    if not date(2000, 1, 1) <= day <= today:
        raise ValidationFailed(f"--as-of {day} is no day of a list: today is {today} (UTC).")
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


async def bring(settings: Settings, name: str, found: RegistryList, as_of_ms: int) -> None:
    """Put the numbers in force, with an entry in the audit log."""
    clock = SystemClock()
    async with open_store(settings) as db:
        filled = await registries.fill(db, name, found.numbers(), clock.unix_ms())
        async with db.tx() as tx:
            await registries.put_in_force(tx, filled, as_of_ms)
            detail = {"numbers": filled.numbers, "as_of": _day(as_of_ms), "unreadable": found.unreadable}
            deed = Deed(actor=ACTOR, action="registry_imported", object=f"registry:{name}", detail=detail)
            await audit.add(tx, DEFAULT_TENANT_ID, deed, clock.unix_ms())
        await registries.clear(db, name, clock.unix_ms())


async def _rows(settings: Settings) -> list[RegistryRow]:
    asked, now_ms = asked_registries(written_packs(settings)), SystemClock().unix_ms()
    async with open_store(settings) as db:
        there = {one.name: one for one in await registries.list_imported(db)}
    rows: list[RegistryRow] = []
    for name in sorted(asked.keys() | there.keys()):
        one = there.get(name)
        stale_ms = asked[name].stale_ms(one.imported_ms) if one and name in asked else None
        rows.append(
            RegistryRow(
                name=name,
                numbers=one.numbers if one else 0,
                as_of=_day(one.imported_ms) if one else "",
                stale_on="" if stale_ms is None else _day(stale_ms),
                stale=stale_ms is not None and now_ms > stale_ms,
            )
        )
    return rows


def told(done: RegistryAnswer) -> list[str]:
    """For a person."""
    lines = [f"{done.registry}: {done.numbers} numbers as of {done.as_of} are in force, stale on {done.stale_on}."]
    if done.unreadable:
        lines.append(f"{done.unreadable} of {done.rows} rows could not be read and were left out:")
        lines += [f"  {problem}" for problem in done.problems]
    return lines


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).date().isoformat()
