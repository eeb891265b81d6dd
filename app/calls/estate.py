"""Settles what dead engines left, through their Asterisk: looks the calls up there, hangs up what nobody follows.

The rules are `app.domain.estate`. One engine settles for a dead one at a time (`nodes.begin_settling`), every
write names its token, and a dead engine that comes back takes its token away.
"""

import asyncio
from contextlib import suppress

import structlog

from app.calls.board import Switchboard
from app.calls.plan import ids_of
from app.domain import retry
from app.domain.call import Call, CallEnd
from app.domain.estate import Limits, Seen, Verdict, judge
from app.domain.messages import TaskChanged
from app.domain.pulse import PulseWatch
from app.domain.task import CallTask, TaskEvent, TaskState
from app.errors import AppError, StoreError
from app.store import attempts, leases, nodes, tasks
from app.store.db import Tx
from app.store.nodes import Left, Node
from stasis.client import AriClient
from stasis.errors import AriError, NotFound
from stasis.ids import CallIds, parse
from stasis.model import Channel
from stasis.outcome import EndedBy, Outcome

log = structlog.get_logger()

LOOKS_PER_LEASE = 3
BATCH = 200
Channels = dict[str, Channel]


class Estate:
    """One per control process."""

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._watch = PulseWatch(float(board.settings.lease_s))
        self._packets: dict[str, int] = {}
        """Packets that Asterisk had sent to a callee at the last look, by call id."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._board.settings.lease_s / LOOKS_PER_LEASE)
            try:
                await self.look()
            except StoreError as error:
                log.warning("cannot look after other engines", error=error.message)
            except Exception:  # supervision: a strange row of another engine must not end our own calls
                log.exception("looking after other engines failed by a fault of ours")

    async def look(self) -> None:
        """One round over all engines whose beat stood still for a lease by our own clock."""
        board = self._board
        await nodes.note_unknown(board.db, board.clock.unix_ms())
        others = {n.name: n for n in await nodes.list_nodes(board.db) if n.name != board.settings.node_name}
        beats = {name: (node.instance, node.beat) for name, node in others.items()}
        for name in sorted(self._watch.look(beats, board.clock.monotonic())):
            left = await nodes.left_by(board.db, name, board.clock.unix_ms(), BATCH)
            if left:
                await self._settle_for(others[name], left)

    async def _settle_for(self, node: Node, left: list[Left]) -> None:
        board, now_ms = self._board, self._board.clock.unix_ms()
        until_ms = now_ms + board.settings.lease_s * 1000
        me = board.settings.node_name
        token = await nodes.begin_settling(board.db, node, me, now_ms=now_ms, until_ms=until_ms)
        if token is None:
            return
        username, password = peer_login(self._board.settings.peer_ari_logins.get_secret_value(), node.name) or (
            board.settings.ari_username,
            board.settings.ari_password.get_secret_value(),
        )
        url = node.ari_url or board.settings.ari_url
        async with AriClient(url, username, password, node.ari_app, board.settings.ari_timeout_s) as client:
            channels = await self._channels(node, client)
            for one in left:
                try:
                    await self._settle(node, token, one, client, channels)
                except AppError as error:  # it lives again, or somebody else was faster: theirs now
                    log.info("not settled here", node=node.name, task_id=one.task.id, reason=error.message)

    async def _channels(self, node: Node, client: AriClient) -> Channels | None:
        """What its Asterisk has; None when it cannot be asked."""
        if not node.ari_url:
            return None
        try:
            return {channel.id: channel for channel in await client.channels.list()}
        except AriError as error:
            log.warning("the Asterisk of a dead engine cannot be asked", node=node.name, error=str(error))
            return None

    async def _settle(
        self, node: Node, token: int, left: Left, client: AriClient, channels: Channels | None
    ) -> None:
        board, task, call = self._board, left.task, left.call
        ids = ids_of(call) if call is not None else None
        channel = channels.get(ids.callee) if ids is not None and channels is not None else None
        seen = Seen.UNREACHABLE if channels is None else await self._seen(client, call, channel)
        limits = Limits(ring_ms=board.settings.ring_timeout_s * 1000, longest_call_ms=_longest_ms(board, node))
        verdict = judge(task, call, seen, limits, board.clock.unix_ms())
        if verdict is Verdict.WAIT:
            return
        async with board.db.tx() as tx:  # before anything is touched: the fence, and that it is still as it was
            await _as_it_was(tx, node, token, left)
        if ids is not None and channels is not None and not await _clear_away(client, ids, channels):
            return  # the next round tries again
        await self._write(node, token, left, verdict, seen=seen, channel=channel)
        self._packets.pop(call.id if call is not None else "", None)
        log.warning("task of a dead engine settled", node=node.name, task_id=task.id, verdict=str(verdict))
        await board.bus.publish("tasks", TaskChanged(tenant_id=task.tenant_id, task_id=task.id))

    async def _seen(self, client: AriClient, call: Call | None, channel: Channel | None) -> Seen:
        """Whether the callee is there and hears anything: then its media worker lives and the talk goes on."""
        if call is None or channel is None:
            return Seen.GONE
        try:
            sent = (await client.channels.rtp_statistics(channel.id)).txcount
        except NotFound:
            sent = 0
        except AriError:
            return Seen.UNREACHABLE
        before = self._packets.get(call.id)
        self._packets[call.id] = sent
        if before is None:
            return Seen.NEW
        return Seen.HEARD if sent > before else Seen.SILENT

    async def _write(
        self, node: Node, token: int, left: Left, verdict: Verdict, *, seen: Seen, channel: Channel | None
    ) -> None:
        now_ms = self._board.clock.unix_ms()
        async with self._board.db.tx() as tx:
            task = await _as_it_was(tx, node, token, left)
            if verdict is Verdict.RELEASE or left.call is None:
                await leases.recover(tx, task, f"engine {node.name} died before anybody was dialed", now_ms)
                return
            end = end_of(left.call, verdict, node.name, channel, now_ms)
            if task.state is not TaskState.IN_CALL:  # settled before: only the call-back to it ends
                await attempts.close_row(tx, left.call, end, now_ms)
                self._board.metrics.ended(end)
                return
            task = await attempts.finish_call(tx, task.tenant_id, end, now_ms, token=task.lease_token)
            if seen is Seen.UNREACHABLE:
                await _fail_unwitnessed(tx, task, node.name, now_ms)
        self._board.metrics.ended(end)


async def _as_it_was(tx: Tx, node: Node, token: int, left: Left) -> CallTask:
    """The task now. Raises LeaseLost when somebody else speaks for the engine or for its task."""
    await nodes.check_settler(tx, node.name, token)
    task = await tasks.get(tx, left.task.tenant_id, left.task.id)
    if left.task.lease_owner is not None:  # a settled task is nobody's; its call-back is the engine's
        tasks.check_token(task, left.task.lease_token)
    return task


def end_of(call: Call, verdict: Verdict, node: str, channel: Channel | None, now_ms: int) -> CallEnd:
    """How the call of a dead engine is written down."""
    answered_ms = call.answered_ms
    if verdict is Verdict.CLOSE:
        outcome, detail = Outcome.LOST, f"engine {node} died, and nobody saw the call end"
    elif answered_ms is not None:
        outcome, detail = Outcome.COMPLETED, f"engine {node} died, and the call was hung up"
    else:
        up = channel is not None and channel.state == "Up"
        answered_ms = now_ms if up else None
        outcome, detail = Outcome.CANCELED, f"engine {node} died while the phone rang"
    return CallEnd(
        call_id=call.id,
        outcome=str(outcome),
        ended_by=str(EndedBy.SYSTEM_FAILURE),
        dialed=call.direction != "inbound",
        answered_ms=answered_ms,
        ended_ms=now_ms,
        detail=detail,
    )


async def _fail_unwitnessed(tx: Tx, task: CallTask, node: str, now_ms: int) -> None:
    """Nobody can say whether somebody was spoken to: a person decides about another call, not a rule."""
    reason = (
        f"Engine {node} died and its Asterisk cannot be asked what became of the call; look before calling again."
    )
    conclusion = retry.Conclusion(event=TaskEvent.FAIL, reason=reason, needs_review=True)
    await tasks.conclude(tx, task.tenant_id, task.id, task.lease_token, conclusion, now_ms=now_ms)


async def _clear_away(client: AriClient, ids: CallIds, channels: Channels) -> bool:
    """Take down every leg and the bridge of one call. False: Asterisk did not answer."""
    ours = [key for key in channels if (made := parse(key)) is not None and made.call_id == ids.call_id]
    try:
        for channel_id in dict.fromkeys((ids.callee, ids.media, *ours)):
            with suppress(NotFound):
                await client.channels.hangup(channel_id)
        with suppress(NotFound):
            await client.bridges.destroy(ids.bridge)
    except AriError as error:
        log.warning("a call of a dead engine could not be taken down", call_id=ids.call_id, error=str(error))
        return False
    return True


def _longest_ms(board: Switchboard, node: Node) -> int:
    """Of an engine that never registered we only know that its settings were like ours."""
    s = board.settings
    return node.longest_call_ms or 1000 * (s.ring_timeout_s + s.max_call_duration_s + 60)


def peer_login(logins: str, node: str) -> tuple[str, str] | None:
    """User and password for the Asterisk of `node` from `node=user:password ...`; None: the same as ours."""
    for entry in logins.split():
        name, _, login = entry.partition("=")
        username, _, password = login.partition(":")
        if name == node and password:
            return username, password
    return None
