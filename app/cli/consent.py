"""`opendeep consent withdraw NUMBER`: the callee takes back what was agreed to."""

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
from app.store import audit, consents, tenants
from app.store.audit import Deed

ACTOR = "shell"


class WithdrawAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints. `ok`: there was something to withdraw. `withdrawn`: consents, one for each purpose."""

    ok: bool
    name: str = "consent withdraw"
    number: str
    tenant: str
    withdrawn: int


@click.group(name="consent")
def consent_command() -> None:
    """What callees agreed to."""


@consent_command.command(name="withdraw")
@click.argument("number")
@click.option("--tenant", "tenant_id", default=DEFAULT_TENANT_ID, show_default=True, help="Whose consents.")
@click.option("--simulate", is_flag=True, help="In the database of simulated runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def withdraw_command(*, number: str, tenant_id: str, simulate: bool, as_json: bool) -> None:
    """Note that the person with this NUMBER takes back every consent, whatever it was for.

    \b
    opendeep consent withdraw +12025550123
    opendeep consent withdraw +12025550123 --tenant branch

    Calls of the purposes that were agreed to are refused from then on, also where the rules ask for no consent,
    until a new one is given; other calls only the do-not-call list ends. Exit status 0: withdrawn, 1: there was
    nothing to withdraw.
    """
    settings = load_settings(overrides={"simulate": True} if simulate else None)
    done = asyncio.run(withdrawn(settings, tenant_id, read_number(number, settings.default_region)))
    click.echo(told(done), err=as_json)
    if as_json:
        click.echo(msgspec.json.encode(done).decode())
    sys.exit(0 if done.ok else 1)


async def withdrawn(settings: Settings, tenant_id: str, number: str) -> WithdrawAnswer:
    """Withdraw, with an entry in the audit log. Raises NotFoundError for an unknown tenant."""
    now_ms = SystemClock().unix_ms()
    async with open_store(settings) as db:
        await tenants.name_of(db, tenant_id)
        async with db.tx() as tx:
            count = await consents.withdraw(tx, tenant_id, number, now_ms)
            if count:
                about = f"consent:{mask_number(number)}"
                deed = Deed(actor=ACTOR, action="consent_withdrawn", object=about, detail={"consents": count})
                await audit.add(tx, tenant_id, deed, now_ms)
    return WithdrawAnswer(ok=count > 0, number=mask_number(number), tenant=tenant_id, withdrawn=count)


def told(done: WithdrawAnswer) -> str:
    """For a person."""
    if not done.ok:
        return (
            f"{done.number}: nothing to withdraw. {done.tenant} has no consent of this number on record, or it "
            "was withdrawn before. A number that must not be called at all belongs on the do-not-call list."
        )
    what = "one consent" if done.withdrawn == 1 else f"{done.withdrawn} consents"
    return f"{done.number}: {what} withdrawn. {done.tenant} makes no such call to it without a new one."
