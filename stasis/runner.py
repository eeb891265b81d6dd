"""Runs one REST effect of the call machine and returns what to feed back. Called by `app` in a task per effect."""

import asyncio
from contextlib import suppress
from typing import assert_never

from stasis.call_model import (
    AddToBridge,
    AnswerCaller,
    Completed,
    CreateBridge,
    DestroyBridge,
    Failed,
    HangUpChannel,
    HoldCallee,
    LookUp,
    RestEffect,
    RetrieveCallee,
)
from stasis.client import AriClient
from stasis.errors import AriError, NotFound, NotSent, Unprocessable
from stasis.ledger import testimony
from stasis.model import Channel
from stasis.requests import CreateExternalMedia, Originate
from stasis.stream import Gate

AWAKE_S = 1.0
"""How long Asterisk may take to say that it is awake before anything that rings is sent to it."""


async def run_effect(
    client: AriClient, effect: RestEffect, gate: Gate | None = None, dialed_unix_ms: int | None = None
) -> Completed | Failed:
    """Every failure of ARI comes back as a value. With a `gate`, an originate is refused while it is closed.

    An originate is only sent to an Asterisk that has just answered: one that stands still would keep the request
    in its socket and ring somebody whenever it wakes, with nobody of ours left to talk. `dialed_unix_ms` is when
    it was sent at the earliest; it tells what a missing channel means.
    """
    if isinstance(effect, Originate):
        if gate is not None and not gate.is_open:
            return Failed(effect=effect, error=NotSent("the ARI event stream is not ready"))
        if not await _awake(client):
            return Failed(effect=effect, error=NotSent(f"Asterisk gave no sign of life within {AWAKE_S:.0f} s"))
    try:
        channel = await _run(client, effect, dialed_unix_ms)
    except AriError as error:
        return Failed(effect=effect, error=error)
    return Completed(effect=effect, channel=channel)


async def _awake(client: AriClient) -> bool:
    try:
        async with asyncio.timeout(AWAKE_S):
            await client.asterisk.ping()
    except (AriError, TimeoutError):
        return False
    return True


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
        case AnswerCaller(channel_id=channel_id, limit_s=limit_s):
            await client.channels.set_variable(channel_id, "TIMEOUT(absolute)", str(limit_s))
            await client.channels.answer(channel_id)
        case HoldCallee():
            await _hold(client, effect)
        case RetrieveCallee():
            await _retrieve(client, effect)
        case HangUpChannel(channel_id=channel_id, reason=reason):
            await client.channels.hangup(channel_id, reason)
        case DestroyBridge(bridge_id=bridge_id):
            await client.bridges.destroy(bridge_id)
        case _:
            assert_never(effect)
    return None


async def _hold(client: AriClient, effect: HoldCallee) -> None:
    """A channel that is in no bridge any more (the request was sent before) is only given its sound."""
    with suppress(Unprocessable):
        await client.bridges.remove_channel(effect.bridge_id, effect.channel_id)
    if effect.music:
        await client.channels.start_moh(effect.channel_id, effect.music)
    else:
        await client.channels.ring(effect.channel_id)


async def _retrieve(client: AriClient, effect: RetrieveCallee) -> None:
    """Both sounds are stopped: who takes over a call does not know which one it was."""
    await client.channels.ring_stop(effect.channel_id)
    await client.channels.stop_moh(effect.channel_id)
    await client.bridges.add_channel(effect.bridge_id, effect.channel_id)


async def _look_up(client: AriClient, channel_id: str, dialed_unix_ms: int | None) -> Channel:
    try:
        return await client.channels.get(channel_id)
    except NotFound as missing:
        raise await testimony(client, channel_id, missing, dialed_unix_ms) from missing
