"""The control side's line to Asterisk: follows the event stream, tells the calls, reconciles, removes strays.

Every event finds its call through the router. After each connect, once a minute, and as soon as a channel of ours
turns up that no call here owns, what Asterisk has is compared with the calls that live.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from app.bus import Bus
from app.config import Settings
from app.domain.messages import ConnectionChanged, ConnectionState
from app.errors import StoreError
from stasis.call_model import StreamLost
from stasis.client import AriClient
from stasis.dialed_stream import DialedByAsteriskStream
from stasis.errors import AriError
from stasis.inbound import Caller
from stasis.reconcile import Reconciler, Snapshot, plan, take_snapshot
from stasis.router import Router
from stasis.stream import DialInStream, EventStream, Gate, StreamState

log = structlog.get_logger()

SWEEP_S = 60.0
UNDECIDED_S = 2.0
"""Between two looks at a call of which Asterisk cannot say yet whether it was dialed."""
BLIND_LOOK_S = 2.0
"""How often living calls are looked up once their events go to somebody else."""


def event_stream(settings: Settings, client: AriClient) -> EventStream:
    """The kind of stream ARI_EVENTS asks for."""
    if settings.ari_events == "dial_in":
        return DialInStream(client)
    return DialedByAsteriskStream(
        client,
        host=settings.ari_listen_host,
        port=settings.ari_listen_port,
        username=settings.ari_listen_username,
        password=settings.ari_listen_password.get_secret_value(),
    )


class CallerWaits(NamedTuple):
    """`found`: by reconciliation, so a caller who has been answered was talking with a process that is gone."""

    caller: Caller
    found: bool = False


class AriLink:
    """One per control process; `client` and `router` are what calls use of it. Everybody who calls us goes into
    `callers`: whoever rings now, and whom reconciliation found waiting (possibly both).
    """

    def __init__(self, client: AriClient, node: str, bus: Bus, stream: EventStream | None = None) -> None:
        self.client = client
        self.callers: asyncio.Queue[CallerWaits] = asyncio.Queue()
        self.router = Router(
            node, on_stray=self._stray, on_caller=lambda caller: self.callers.put_nowait(CallerWaits(caller))
        )
        self.replaced = False
        """Another process took our Stasis application: final, nothing may be dialed from here."""
        self._stream = stream or DialInStream(client)
        self._node = node
        self.settle: Callable[[Snapshot], Awaitable[int]] | None = None
        """Decides on calls nobody runs; answers how many have to be looked at again soon."""
        self._undecided = 0
        self._reconciler = Reconciler(client, self.router, node, self._settle)
        self._bus = bus
        self._sweep_now = asyncio.Event()
        self._states: asyncio.Queue[StreamState] = asyncio.Queue()

    @property
    def gate(self) -> Gate:
        """Open while the stream is connected and reconciled; nothing is originated otherwise."""
        return self._stream.gate

    async def run(self) -> None:
        """Follow the stream until cancelled; once our application is taken from us, only the calls that live."""
        async with asyncio.TaskGroup() as group:
            children = [group.create_task(self._sweep()), group.create_task(self._announce())]
            await self._stream.run(
                on_event=self.router.dispatch, on_state=self._on_state, reconcile=self._reconcile
            )
            log.error("another client took our Stasis application; nothing is dialed any more")
            await self._say("replaced", f"another client uses the Stasis application {self.client.app}")
            for child in children:
                child.cancel()
            await self._follow_blind()

    def look_for_strays(self) -> None:
        """A call of ours may have left something in Asterisk: compare soon."""
        self._sweep_now.set()

    async def _follow_blind(self) -> None:
        """Tell the calls that live what Asterisk shows of them. Strays are left alone: they are the other's."""
        while True:
            await asyncio.sleep(BLIND_LOOK_S)
            try:
                snapshot = await take_snapshot(self.client)
            except AriError as error:
                log.warning("cannot look after calls", error=str(error))
                self.router.broadcast(StreamLost())
                continue
            callers = self.router.caller_channels
            found = plan(self._node, self.router.call_ids, snapshot, None, caller_channels=callers)
            for call_id, given in found.inputs:
                self.router.send(call_id, given)

    async def _reconcile(self) -> None:
        try:
            done = await self._reconciler()
        finally:
            if self._undecided:
                asyncio.get_running_loop().call_later(UNDECIDED_S, self.look_for_strays)
        if done.asterisk_restarted:
            log.warning("Asterisk was restarted; its calls are gone")
        if done.stray_channels or done.stray_bridges:
            log.warning("strays removed", channels=len(done.stray_channels), bridges=len(done.stray_bridges))
        for caller in done.callers:
            self.callers.put_nowait(CallerWaits(caller, found=True))
        self._states.put_nowait(StreamState.CONNECTED)

    async def _settle(self, snapshot: Snapshot) -> None:
        """Without a store nobody knows which calls go on: nothing is reconciled then, and nothing dialed."""
        if self.settle is None:
            return
        try:
            self._undecided = await self.settle(snapshot)
        except StoreError as error:
            raise AriError(None, f"not reconciled without the store: {error.message}") from error

    def _on_state(self, state: StreamState) -> None:
        self.replaced = state is StreamState.REPLACED
        if state in {StreamState.LOST, StreamState.REPLACED}:
            self.router.broadcast(StreamLost())
        if state is not StreamState.CONNECTED:  # said when reconciled
            self._states.put_nowait(state)

    def _stray(self, call_id: str) -> None:
        self.look_for_strays()

    async def _sweep(self) -> None:
        while True:
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self._sweep_now.wait()
            except TimeoutError:
                pass
            self._sweep_now.clear()
            if self.gate.is_open:
                try:
                    await self._reconcile()
                except AriError as error:
                    log.warning("sweep failed", error=str(error))

    async def _announce(self) -> None:
        while True:
            state = await self._states.get()
            if state is not StreamState.REPLACED:
                await self._say(state.value)

    async def _say(self, state: ConnectionState, detail: str = "") -> None:
        await self._bus.publish(
            "system", ConnectionChanged(name="ari", state=state, detail=detail, node=self._node)
        )
