"""After each connect, and every minute as a sweep: compare what Asterisk has with the calls somebody runs.

The planner is pure. Events flow already while it works; the call machine takes facts in any order, so nothing has
to be held back. Only ids of this node are touched: another process has its own application and node.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime

import msgspec

from stasis.call_model import Input, MediaLost, Reconciled
from stasis.client import AriClient
from stasis.errors import NotFound
from stasis.ids import CallIds, parse
from stasis.inbound import INBOUND, Caller
from stasis.model import Bridge, Channel
from stasis.router import Router

NOBODY: Mapping[str, str] = {}


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What Asterisk has now. `startup_time` changes when it was restarted."""

    startup_time: datetime | None
    channels: dict[str, Channel]
    bridges: dict[str, Bridge]


class ReconcilePlan(msgspec.Struct, frozen=True, kw_only=True):
    """`inputs`: (call id, input) for the running calls; strays are ours by name, but nobody runs their call;
    `callers` wait in our application and nobody has heard of them.
    """

    inputs: tuple[tuple[str, Input], ...]
    stray_channels: tuple[str, ...]
    stray_bridges: tuple[str, ...]
    asterisk_restarted: bool
    callers: tuple[Caller, ...] = ()


def plan(
    node: str,
    running: Collection[str],
    now: Snapshot,
    before: datetime | None,
    *,
    caller_channels: Mapping[str, str] = NOBODY,
    app: str = "",
) -> ReconcilePlan:
    """`running`: call ids, read *after* the snapshot was taken, so that no call is taken for a stray; `before`:
    the startup time of the last snapshot, None at the first; `caller_channels`: of inbound calls, by call id;
    `app`: our Stasis application, in which callers may wait.
    """
    restarted = before is not None and now.startup_time is not None and now.startup_time != before
    generations = _media_generations(node, now)
    targets = [key for key in now.channels if (ours := parse(key)) is not None and ours.kind == "t"]
    inputs: list[tuple[str, Input]] = []
    for call_id in running:
        ids = CallIds(node=node, call_id=call_id, caller_channel=caller_channels.get(call_id, ""))
        callee = now.channels.get(ids.callee)
        media = generations.get(call_id)
        given = Reconciled(
            channel=callee,
            asterisk_restarted=restarted,
            generation=media or 1,
            targets=tuple(key for key in targets if key.startswith(ids.target_of(1))),
        )
        inputs.append((call_id, given))
        # The callee leg is made (a caller's: answered) last: alone it is a person listening to nothing.
        last = callee is not None and (not ids.caller_channel or callee.state == "Up")
        if last and ids.bridge not in now.bridges:
            inputs.append((call_id, MediaLost(reason="the bridge is gone", bridge=True)))
        elif last and media is None:
            inputs.append((call_id, MediaLost(reason="the media channel is gone", listed=True)))
    known = frozenset(caller_channels.values())
    waiting = (_waiting(channel, app) for channel in now.channels.values() if channel.id not in known)
    return ReconcilePlan(
        inputs=tuple(inputs),
        stray_channels=tuple(key for key in now.channels if _is_stray(key, node, running)),
        stray_bridges=tuple(key for key in now.bridges if _is_stray(key, node, running)),
        asterisk_restarted=restarted,
        callers=tuple(caller for caller in waiting if caller is not None),
    )


def _media_generations(node: str, now: Snapshot) -> dict[str, int]:
    """The newest media channel of each call that has one."""
    found: dict[str, int] = {}
    for ours in map(parse, now.channels):
        if ours is not None and ours.node == node and ours.kind == "m":
            found[ours.call_id] = max(ours.generation, found.get(ours.call_id, 0))
    return found


def _waiting(channel: Channel, app: str) -> Caller | None:
    """Somebody who is in our application as a caller, by what the dialplan runs: `<app>,inbound,<who>,<whom>`."""
    if not app or not channel.in_stasis:
        return None
    name, kind, number, called = (*channel.dialplan.app_data.split(","), "", "", "")[:4]
    if (name, kind) != (app, INBOUND):
        return None
    return Caller(channel_id=channel.id, number=number, called=called, answered=channel.state == "Up")


def _is_stray(asterisk_id: str, node: str, running: Collection[str]) -> bool:
    ours = parse(asterisk_id)
    return ours is not None and ours.node == node and ours.call_id not in running


async def take_snapshot(client: AriClient) -> Snapshot:
    """Raises AriError."""
    info = await client.asterisk.info(only="status")
    channels = await client.channels.list()
    bridges = await client.bridges.list()
    return Snapshot(
        startup_time=info.status.startup_time if info.status is not None else None,
        channels={channel.id: channel for channel in channels},
        bridges={bridge.id: bridge for bridge in bridges},
    )


Settle = Callable[[Snapshot], Awaitable[None]]


class Reconciler:
    """Awaitable without arguments, as the stream wants it. Keeps the last startup time.

    `settle` is given each snapshot before strays are named: it may take over calls nobody runs.
    """

    def __init__(self, client: AriClient, router: Router, node: str, settle: Settle | None = None) -> None:
        self._settle = settle
        self._client = client
        self._router = router
        self._node = node
        self._startup_time: datetime | None = None

    async def __call__(self) -> ReconcilePlan:
        """Take a snapshot, tell the calls, remove the strays. Raises AriError; may be run again at any time."""
        snapshot = await take_snapshot(self._client)
        if self._settle is not None:
            await self._settle(snapshot)
        todo = plan(
            self._node,
            self._router.call_ids,
            snapshot,
            self._startup_time,
            caller_channels=self._router.caller_channels,
            app=self._client.app,
        )
        self._startup_time = snapshot.startup_time
        for call_id, given in todo.inputs:
            self._router.send(call_id, given)
        for channel_id in todo.stray_channels:
            with suppress(NotFound):
                await self._client.channels.hangup(channel_id)
        for bridge_id in todo.stray_bridges:
            with suppress(NotFound):
                await self._client.bridges.destroy(bridge_id)
        return todo
