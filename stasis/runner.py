"""Runs one REST effect of the call machine and returns what to feed back. Called by `app` in a task per effect."""

from typing import assert_never

from stasis.call_model import (
    AddToBridge,
    Completed,
    CreateBridge,
    DestroyBridge,
    Failed,
    HangUpChannel,
    LookUp,
    RestEffect,
)
from stasis.client import AriClient
from stasis.errors import AriError, NotFound, NotSent
from stasis.ledger import testimony
from stasis.model import Channel
from stasis.requests import CreateExternalMedia, Originate
from stasis.stream import Gate


async def run_effect(
    client: AriClient, effect: RestEffect, gate: Gate | None = None, dialed_unix_ms: int | None = None
) -> Completed | Failed:
    """Every failure of ARI comes back as a value. With a `gate`, an originate is refused while it is closed.

    `dialed_unix_ms` is when the originate was sent at the earliest; it tells what a missing channel means.
    """
    if isinstance(effect, Originate) and gate is not None and not gate.is_open:
        return Failed(effect=effect, error=NotSent("the ARI event stream is not ready"))
    try:
        channel = await _run(client, effect, dialed_unix_ms)
    except AriError as error:
        return Failed(effect=effect, error=error)
    return Completed(effect=effect, channel=channel)


async def _run(client: AriClient, effect: RestEffect, dialed_unix_ms: int | None) -> Channel | None:
    match effect:
        case CreateBridge(bridge_id=bridge_id):
            await client.bridges.create(bridge_id)
        case CreateExternalMedia():
            return await client.channels.external_media(effect)
        case AddToBridge(bridge_id=bridge_id, channel_id=channel_id):
            await client.bridges.add_channel(bridge_id, channel_id)
        case Originate():
            return await client.channels.originate(effect)
        case LookUp(channel_id=channel_id):
            return await _look_up(client, channel_id, dialed_unix_ms)
        case HangUpChannel(channel_id=channel_id):
            await client.channels.hangup(channel_id)
        case DestroyBridge(bridge_id=bridge_id):
            await client.bridges.destroy(bridge_id)
        case _:
            assert_never(effect)
    return None


async def _look_up(client: AriClient, channel_id: str, dialed_unix_ms: int | None) -> Channel:
    try:
        return await client.channels.get(channel_id)
    except NotFound as missing:
        raise await testimony(client, channel_id, missing, dialed_unix_ms) from missing
