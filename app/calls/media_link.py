"""The control side's one line to the media worker: tells the call concerned and stores what is worth keeping.

A report is committed together with the worker's acknowledged position before it is acknowledged, so whatever dies
in between, a turn is stored exactly once. Storing goes on beside the calls, in order and until it works: a store
that is away delays rows, never what a call hears. A worker that dies takes its legs with it: their calls are told,
and a new worker is found or started.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress

import structlog

from app.bus import Bus
from app.calls.tools import RESERVED
from app.domain.messages import CallAudio, CallLevels, CallWords, ConnectionChanged, audio_topic
from app.errors import StoreError
from app.store import reports as report_store
from app.store.db import Database
from media import protocol as media
from media.client import MediaClient, WorkerLost, WorkerUnavailable

log = structlog.get_logger()

OF_THE_MOMENT = (
    media.TurnPartial,
    media.Levels,
    media.WorkerLoad,
    media.SpeechStarted,
    media.SpeechStopped,
    media.PlayoutDrained,
)
RECONNECT_S = 1.0
STORE_AGAIN_S = 0.2
Mailbox = asyncio.Queue[media.NumberedReport | WorkerLost]
Connect = Callable[[], Awaitable[MediaClient]]


class MediaLink:
    """Routes worker reports to mailboxes by call id; `send` passes commands on.

    `connect` finds or starts a worker, telling it up to where its reports are stored. `node`:
    whose worker it is.
    """

    def __init__(self, connect: Connect, db: Database, bus: Bus, node: str = "") -> None:
        self._connect = connect
        self._node = node
        self._db = db
        self._bus = bus
        self._client: MediaClient | None = None
        self._found = asyncio.Event()
        self._mailboxes: dict[str, Mailbox] = {}
        self.observe: Callable[[media.NumberedReport], None] = lambda _report: None
        """Sees every report as it comes."""
        self._tenants: dict[str, str] = {}
        self.load: media.WorkerLoad | None = None
        """What the worker last said about its own lateness."""
        self._unstored: asyncio.Queue[tuple[MediaClient, media.NumberedReport]] = asyncio.Queue()

    @property
    def connected(self) -> bool:
        """Whether a worker is there now; nothing is dialed without one."""
        return self._client is not None

    @contextmanager
    def open(self, call_id: str, tenant_id: str) -> Generator[Mailbox]:
        """The mailbox of one call; unbounded, as a call sees at most some tens of reports a second."""
        mailbox: Mailbox = asyncio.Queue()
        self._mailboxes[call_id] = mailbox
        self._tenants[call_id] = tenant_id
        try:
            yield mailbox
        finally:
            del self._mailboxes[call_id], self._tenants[call_id]

    async def send(self, command: media.Command) -> None:
        """Pass a command to the worker. Raises `WorkerLost` when there is none."""
        if self._client is None:
            raise WorkerLost("there is no media worker")
        await self._client.send(command)

    async def stored(self) -> None:
        """Wait until every report that came so far is stored."""
        await self._unstored.join()

    async def connection(self) -> None:
        """Wait until there is a worker."""
        await self._found.wait()

    async def start(self) -> media.Welcome:
        """Find or start the worker; the answer says which legs are alive in it. Raises MediaError."""
        self._client = await self._connect()
        self._client.on_audio = self._heard
        self._found.set()
        await self._bus.publish("system", ConnectionChanged(name="media", state="connected", node=self._node))
        return self._client.welcome

    async def run(self) -> None:
        """Follow the worker, and its successor when it dies, until `close`."""
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(self._keep())
            while self._client is not None and (lost := await self._follow(self._client)) is not None:
                log.error("media worker lost", reason=str(lost))
                former, self._client = self._client, None
                self._found.clear()
                for mailbox in self._mailboxes.values():
                    mailbox.put_nowait(lost)
                told = ConnectionChanged(name="media", state="lost", detail="Worker died.", node=self._node)
                await self._bus.publish("system", told)
                await former.close()
                await self._reconnect(former)
            keeper.cancel()

    async def close(self, *, shutdown: bool) -> None:
        """Hang up; with `shutdown` the worker ends too, without it keeps its legs for the next process."""
        if self._client is not None:
            await self._client.close(shutdown=shutdown)

    async def _reconnect(self, lost: MediaClient) -> None:
        while self._client is None:
            # The store says where the reports went on, the system makes the process: both may fail for a while.
            with suppress(WorkerLost, WorkerUnavailable, StoreError, OSError):
                welcome = await self.start()
                for leg in welcome.legs:
                    if leg.call_id not in self._mailboxes:
                        await self.send(media.CloseLeg(call_id=leg.call_id))
                return
            log.warning("no media worker", former=lost.welcome.worker_id)
            await asyncio.sleep(RECONNECT_S)

    async def _follow(self, client: MediaClient) -> WorkerLost | None:
        """Until the worker is lost, or None when it was closed by us."""
        try:
            async for report in client.reports():
                await self._take(client, report)
        except WorkerLost as lost:
            return lost
        return None

    async def _take(self, client: MediaClient, report: media.NumberedReport) -> None:
        if isinstance(report, media.WorkerLoad):
            self.load = report
        self.observe(report)
        if not _of_the_moment(report):
            self._unstored.put_nowait((client, report))
        if not isinstance(report, media.LegClosed):  # the last one; who waits for it waits for the rows before it
            self._hand_on(report)
        await self._publish(report)

    def _hand_on(self, report: media.NumberedReport) -> None:
        mailbox = self._mailboxes.get(report.call_id)
        if mailbox is not None:
            mailbox.put_nowait(report)

    async def _keep(self) -> None:
        """Store reports one after the other: the position only ever moves over what is stored."""
        while True:
            client, report = await self._unstored.get()
            stored = await self._stored(client, report)
            while not stored:
                await asyncio.sleep(STORE_AGAIN_S)
                stored = await self._stored(client, report)
            self._unstored.task_done()
            if isinstance(report, media.LegClosed):
                self._hand_on(report)
            with suppress(WorkerLost):  # its reports are stored all the same
                await client.acknowledge(report.seq)

    async def _stored(self, client: MediaClient, report: media.NumberedReport) -> bool:
        try:
            await report_store.store(self._db, client.welcome.worker_id, report, self._node)
        except StoreError as error:
            log.error("report not stored yet", call_id=report.call_id, error=error.message)
            return False
        return True

    async def _heard(self, audio: media.CallAudio) -> None:
        """What is listened in on; with nobody on the other side the bus drops it."""
        heard = CallAudio(call_id=audio.call_id, codec=audio.codec, callee=audio.callee, agent=audio.agent)
        await self._bus.publish(audio_topic(audio.call_id), heard)

    async def _publish(self, report: media.NumberedReport) -> None:
        """What screens are told. Of a call that nobody here runs they read the stored rows."""
        tenant_id = self._tenants.get(report.call_id)
        match report:
            case media.TurnPartial() | media.TurnSpoken() if tenant_id is not None:
                message = CallWords(
                    tenant_id=tenant_id,
                    call_id=report.call_id,
                    speaker=report.speaker,
                    item_id=report.item_id,
                    text=report.text,
                    final=isinstance(report, media.TurnSpoken),
                )
            case media.Levels(call_id=call_id, callee_dbov=callee, agent_dbov=agent) if tenant_id:
                message = CallLevels(tenant_id=tenant_id, call_id=call_id, callee_dbov=callee, agent_dbov=agent)
            case media.LegFailed(fatal=True):
                why = f"{report.code}: {report.message} Dialing is held for this account until somebody lifts it."
                await self._bus.publish("system", ConnectionChanged(name="realtime", state="off", detail=why))
                return
            case _:
                return
        await self._bus.publish("calls", message)


def _of_the_moment(report: media.NumberedReport) -> bool:
    """Not stored; a process that takes the calls over may hear of it again. What that would do twice in our own
    books does no harm, in other people's systems it does: those calls are taken from the worker for good.
    """
    if isinstance(report, media.ToolCalled):
        return report.name in RESERVED
    return isinstance(report, OF_THE_MOMENT)
