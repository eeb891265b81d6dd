"""`opendeep erase NUMBER`: forgets a person."""

import asyncio
import sys

import click
import msgspec

from app.cli.store import open_store
from app.cli.typed_number import read_number
from app.clock import SystemClock
from app.config import Settings, load_settings
from app.domain.number import mask_number
from app.domain.tenant import DEFAULT_TENANT_ID
from app.erasure.days import pseudonym_key
from app.erasure.runner import Eraser
from app.errors import ValidationFailed
from app.store import erasures, tenants
from app.store.audit import Deed
from app.store.db import Database
from app.store.erasures import Erasure

ACTOR = "shell"
LOOK_S = 1.0


class EraseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints. `ok`: it is done, or with --dry-run: it may be done. `counts`: rows by table."""

    ok: bool
    name: str = "erase"
    number: str
    tenant: str
    dry_run: bool
    state: str
    waits_for: int
    erasure_id: str
    counts: dict[str, int]


@click.command(name="erase")
@click.argument("number")
@click.option("--tenant", "tenant_id", default=DEFAULT_TENANT_ID, show_default=True, help="Whose rows.")
@click.option("--dry-run", is_flag=True, help="Say what is there, change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for the number once more.")
@click.option("--wait", "wait_s", default=0.0, show_default=True, help="Seconds to wait for a call that goes on.")
@click.option("--simulate", is_flag=True, help="In the database of simulated runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout; needs --yes.")
def erase_command(
    *, number: str, tenant_id: str, dry_run: bool, yes: bool, wait_s: float, simulate: bool, as_json: bool
) -> None:
    """Forget the person with this NUMBER: contact, tasks, talks, recordings, answers, texts that name them.

    \b
    opendeep erase +12025550123 --dry-run
    opendeep erase +12025550123

    What stays: the number on the do-not-call list, and of each call when it was, how it ended and what it cost. A
    call that goes on is waited for: the engine finishes the work by itself. Exit status 0: done, 1: it waits.
    """
    settings = load_settings(overrides={"simulate": True} if simulate else None)
    found = read_number(number, settings.default_region)
    if not dry_run and not yes:
        if as_json:
            raise ValidationFailed("--json asks nothing: give --yes as well, or --dry-run.")
        again = click.prompt("Nothing brings it back. Type the number once more", err=True)
        if read_number(again, settings.default_region) != found:
            raise ValidationFailed("That is another number; nothing was erased.")
    done = asyncio.run(_answer(settings, tenant_id, found, dry_run=dry_run, wait_s=wait_s))
    for line in _told(done):
        click.echo(line, err=as_json)
    if as_json:
        click.echo(msgspec.json.encode(done).decode())
    sys.exit(0 if done.ok else 1)


async def _answer(settings: Settings, tenant_id: str, number: str, *, dry_run: bool, wait_s: float) -> EraseAnswer:
    async with open_store(settings) as db:
        await tenants.name_of(db, tenant_id)
        if not dry_run:
            done = await erased(settings, db, tenant_id, number, wait_s=wait_s)
            return EraseAnswer(
                ok=done.state == "done",
                number=mask_number(number),
                tenant=tenant_id,
                dry_run=False,
                state=done.state,
                waits_for=done.waits_for,
                erasure_id=done.id,
                counts=done.counted,
            )
        scope = await erasures.scope(db, tenant_id, number)
        return EraseAnswer(
            ok=True,
            number=mask_number(number),
            tenant=tenant_id,
            dry_run=True,
            state="nothing was changed",
            waits_for=scope.in_call,
            erasure_id="",
            counts=scope.counts,
        )


async def erased(settings: Settings, db: Database, tenant_id: str, number: str, *, wait_s: float) -> Erasure:
    """Ask for it and carry it out, beside an engine that may run; what takes longer is left to that."""
    clock = SystemClock()
    eraser = Eraser(settings, db, clock)
    async with db.tx() as tx:
        deed = Deed(actor=ACTOR, action="", object="")
        key = pseudonym_key(settings)
        one = await erasures.request(tx, tenant_id, number, key, deed, now_ms=clock.unix_ms())
    end = clock.monotonic() + max(wait_s, 0)
    one = await eraser.finish(tenant_id, one.id)
    while one.state == "open" and clock.monotonic() < end:
        await asyncio.sleep(LOOK_S)
        one = await eraser.finish(tenant_id, one.id)
    return one


def _told(done: EraseAnswer) -> list[str]:
    """For people."""
    counts = [f"  {table}: {rows}" for table, rows in sorted(done.counts.items()) if rows]
    if done.dry_run:
        waits = [f"  in a call now, waited for: {done.waits_for}"] if done.waits_for else []
        return [f"{done.number}: nothing was changed. There is:", *(counts or ["  nothing"]), *waits]
    if not done.ok:
        why = (
            f"{done.waits_for} calls, judgements, uploads or legal holds" if done.waits_for else "another process"
        )
        return [f"{done.number}: goes on by itself; it waits for {why}. The number is not dialed any more."]
    return [f"{done.number}: erased. Rows that lost something:", *(counts or ["  none, nothing was there"])]
