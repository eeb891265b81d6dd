"""Asterisk's own memory of the calls it was asked for: one global variable each, set with the originate itself.

A channel that is gone looks like one that never was, and the difference is a person who was rung or not. Asterisk
sets the originate's variables when it has made the channel and before it dials, `GLOBAL(name)` among them, so the
variable proves that the request arrived; its absence proves that it did not, as long as Asterisk was not restarted
and has the function at all (func_global). Forgotten when the end of the call is stored.
"""

from stasis.call_model import LEDGER_MARK
from stasis.client import AriClient
from stasis.errors import AriError, NeverMade, NotFound, Passed
from stasis.ids import parse

_PROBE = "OD_LEDGER"
CLOCKS_APART_MS = 5_000
"""Asterisk may have been restarted after a dial that our clock puts this long before its start."""


async def testimony(client: AriClient, channel_id: str, missing: NotFound, dialed_unix_ms: int | None) -> NotFound:
    """What the 404 of a callee channel means: `Passed`, `NeverMade`, or nothing more than it says.

    Raises AriError.
    """
    ours = parse(channel_id)
    if ours is None:
        return missing
    if await client.asterisk.get_variable(_name(ours.call_id)):
        # It is set once the channel is there: only a channel that is still missing now is over.
        await _look_again(client, channel_id)
        return Passed(missing.status, "it was there and is gone", missing.method, missing.path)
    if dialed_unix_ms is None or not await _kept_since(client, dialed_unix_ms):
        return missing
    return NeverMade(missing.status, "Asterisk was never asked for it", missing.method, missing.path)


async def forget(client: AriClient, call_id: str) -> None:
    """The call is stored as ended. Raises AriError."""
    await client.asterisk.set_variable(_name(call_id), None)


async def _look_again(client: AriClient, channel_id: str) -> None:
    try:
        await client.channels.get(channel_id)
    except NotFound:
        return
    raise AriError(None, "the channel turned up between two looks")


async def _kept_since(client: AriClient, dialed_unix_ms: int) -> bool:
    """Whether Asterisk has kept the ledger over the time of that dial."""
    status = (await client.asterisk.info(only="status")).status
    started = status.startup_time if status is not None else None
    if started is None or started.timestamp() * 1000 > dialed_unix_ms - CLOCKS_APART_MS:
        return False
    await client.asterisk.set_variable(f"GLOBAL({_PROBE})", "kept")
    return await client.asterisk.get_variable(_PROBE) == "kept"


def _name(call_id: str) -> str:
    return LEDGER_MARK.format(call_id=call_id).removeprefix("GLOBAL(").removesuffix(")")
