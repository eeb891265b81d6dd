"""`opendeep command`: orders something of a living call and tells what came of it."""

import asyncio

import click
import msgspec

from app.cli.store import open_bus, open_store
from app.clock import SystemClock
from app.config import Settings, load_settings
from app.domain.command import (
    MAX_LIFE_MS,
    SETTLED,
    Command,
    CommandKind,
    CommandState,
    NewCommand,
    read_kind,
    read_payload,
    wake_up,
)
from app.domain.messages import command_topic
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import NotFoundError, ValidationFailed
from app.ids import new_id
from app.store import calls, commands
from app.store.db import Database

LOOK_S = 0.1
MIN_LIFE_MS = 3_000
"""Longer than it takes to be noticed when every message is lost."""
SHORT = {"text", "digits", "reason", "target"}
"""Fields of payloads that have an option of their own."""


class CommandAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`opendeep command --json`: what came of it."""

    ok: bool
    command: Command


@click.command(name="command")
@click.argument("call_id")
@click.argument("kind", type=click.Choice([str(kind) for kind in CommandKind]))
@click.option("--text", default=None, help="What to say or to whisper.")
@click.option("--digits", default=None, help="Keys to press, for send_dtmf; w is a half second pause.")
@click.option("--reason", default=None, help="Why, for the record.")
@click.option("--target", default=None, help="Whom to, for transfer.")
@click.option("--payload", default=None, help="All of the payload as JSON, instead of the options above.")
@click.option("--by", "issued_by", default="command line", show_default=True, help="Who orders it.")
@click.option("--wait", "wait_s", default=30.0, show_default=True, help="Seconds to wait for what comes of it.")
@click.option("--simulate", is_flag=True, help="A call of a simulated run.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line of stdout.")
def command_command(
    *, call_id: str, kind: str, issued_by: str, wait_s: float, simulate: bool, as_json: bool, **fields: str | None
) -> None:
    """Order KIND of the living call CALL_ID.

    \b
    opendeep command CALL_ID end_call --reason "wrong person"
    opendeep command CALL_ID end_call --payload '{"polite": false}'
    opendeep command CALL_ID whisper --text "offer the window table"
    opendeep command CALL_ID send_dtmf --digits 12w3#

    Exit status 0 when it was done, 1 when it was refused, expired or still waits. It expires after --wait.
    """
    settings = load_settings(overrides={"simulate": True} if simulate else None)
    now_ms = SystemClock().unix_ms()
    new = NewCommand(
        id=new_id(now_ms),
        call_id=call_id,
        kind=read_kind(kind),
        payload=read_payload(read_kind(kind), _payload(fields)),
        issued_by=issued_by,
        expires_ms=now_ms + min(max(round(wait_s * 1000), MIN_LIFE_MS), MAX_LIFE_MS),
    )
    command = asyncio.run(order(settings, new, wait_s))
    done = command.state is CommandState.DONE
    if as_json:
        click.echo(msgspec.json.encode(CommandAnswer(ok=done, command=command)).decode())
    else:
        click.echo(f"{command.state}: {command.result}" if command.result else str(command.state))
    raise SystemExit(0 if done else 1)


def _payload(fields: dict[str, str | None]) -> bytes:
    """The JSON of --payload, or of the options that were given."""
    given = {name: value for name, value in fields.items() if name in SHORT and value is not None}
    text = fields["payload"]
    if text is None:
        return msgspec.json.encode(given)
    if given:
        raise ValidationFailed("Give --payload or the options for its fields, not both.")
    return text.encode("utf-8", "surrogateescape")


async def order(settings: Settings, new: NewCommand, wait_s: float) -> Command:
    """Store the command, wake the process that runs the call, and wait for the end of it or `wait_s`."""
    clock = SystemClock()
    key = settings.command_key.get_secret_value().encode()
    async with open_store(settings) as db:
        command = await _stored(db, new, clock.unix_ms())
        async with open_bus(settings) as bus:
            await bus.publish(command_topic(command.call_id), wake_up(command, key))
            try:
                async with asyncio.timeout(wait_s):
                    return await _settled(db, command)
            except TimeoutError:
                return await commands.get(db, DEFAULT_TENANT_ID, command.id)


async def _stored(db: Database, new: NewCommand, now_ms: int) -> Command:
    try:
        async with db.tx() as tx:
            return await commands.enqueue(tx, DEFAULT_TENANT_ID, new, now_ms)
    except NotFoundError:
        alive = [call for call in await calls.wall(db, DEFAULT_TENANT_ID) if call.outcome is None]
        known = "; ".join(f"{call.id} {call.number_dialed} {call.state}" for call in alive)
        raise NotFoundError(f"There is no call {new.call_id[:64]!r}. In progress: {known or 'none'}.") from None


async def _settled(db: Database, command: Command) -> Command:
    while command.state not in SETTLED:
        await asyncio.sleep(LOOK_S)
        command = await commands.get(db, command.tenant_id, command.id)
    return command
