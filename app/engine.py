"""The control process: makes the connections once, runs links, scheduler and analyst, ends in order.

The only wiring of `app`. Used by the command line; tests use it as the program does.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import structlog

from app.bus import Bus
from app.calls.adopt import adoptable
from app.calls.ari_link import AriLink, event_stream
from app.calls.board import CallOrder, Switchboard
from app.calls.estate import Estate
from app.calls.inbound import Reception
from app.calls.lights import Lights
from app.calls.media_link import MediaLink
from app.calls.meter import Meter, count_report
from app.calls.pulse import Pulse
from app.calls.settle import Settler
from app.calls.tryout_desk import TryoutDesk
from app.calls.tryout_plan import Bench
from app.clock import Clock
from app.config import Settings
from app.config.site import written_packs
from app.domain.task import CallTask
from app.erasure.runner import Eraser
from app.guarded_http import trusted_origins
from app.llm.analyst import Analyst
from app.llm.model import TextModel
from app.llm.steward import Steward
from app.llm.summarizer import Summarizer
from app.scheduler import Scheduler
from app.store import reports
from app.store.db import Database
from app.webhooks.sender import Sender
from media.client import MediaClient
from media.worker import WorkerOptions
from stasis.client import AriClient
from stasis.outcome import EndedBy

log = structlog.get_logger()

END_S = 15.0
"""How long calls get to end when the process stops."""
HAND_OVER_S = 5.0
"""How long a process that is being replaced writes down where its calls stand."""


class Engine:
    """`async with Engine(...).running() as engine:` serves until the block is left, then ends its calls."""

    def __init__(self, settings: Settings, db: Database, bus: Bus, clock: Clock) -> None:
        self.settings = settings
        self.db = db
        self.bus = bus
        self.clock = clock
        self._handed_over = False
        self.board: Switchboard
        self.scheduler: Scheduler
        self.reception: Reception

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Engine"]:
        """Connect, adopt what a former process left alive, serve. Raises MediaError when no media worker starts,
        ConflictError when a living engine has our name.

        An Asterisk that is away is no error: the link keeps trying and nothing is claimed meanwhile.
        """
        s = self.settings
        password = s.ari_password.get_secret_value()
        pulse = Pulse(s, self.db, self.clock)
        await pulse.start()
        async with (
            AriClient(s.ari_url, s.ari_username, password, s.ari_app, s.ari_timeout_s) as client,
            self._text_model() as text,
            asyncio.TaskGroup() as group,
        ):
            lights = group.create_task(Lights(self.bus, s.node_name).run(), name="lights")
            await asyncio.sleep(0)  # listening before the first connection is made
            ari = AriLink(client, s.node_name, self.bus, event_stream(s, client))
            link = MediaLink(lambda: self._connect_media(group), self.db, self.bus, s.node_name)
            self.board = Switchboard(settings=s, clock=self.clock, db=self.db, bus=self.bus, ari=ari, media=link)
            link.observe = partial(count_report, self.board.metrics)
            log.debug("functions of agents", private_hosts=len(trusted_origins(s.outside_tool_hosts)))
            client.channels.before_originate = self.board.guard.check
            self.scheduler = Scheduler(self.board)

            def adopt(order: CallOrder, task: CallTask) -> None:
                group.create_task(self.scheduler.adopt(order, task), name=f"adopted {order.call_id}")

            ari.settle = Settler(self.board, adopt)
            self.reception = Reception(self.board, self.scheduler.adopt, self.board.held)
            welcome = await link.start()
            # Adopted calls open their mailboxes before the first reconcile, which removes what nobody owns.
            for order, task in await adoptable(self.board, welcome):
                adopt(order, task)
            await asyncio.sleep(0)
            links = [
                group.create_task(link.run(), name="media link"),
                group.create_task(ari.run(), name="ari link"),
                group.create_task(pulse.run(self.scheduler.stop), name="pulse"),
                group.create_task(Estate(self.board).run(), name="estate"),
                group.create_task(Meter(self.board).run(), name="meter"),
                group.create_task(self.reception.run(), name="reception"),
                group.create_task(TryoutDesk(self._bench()).run(), name="test calls"),
                group.create_task(self._analyst(text).run(), name="analyst"),
                *self._steward(group, text),
                group.create_task(self._sender().run(), name="webhooks"),
                group.create_task(self._summarizer(text).run(), name="summarizer"),
                group.create_task(Eraser(s, self.db, self.clock).run(), name="eraser"),
            ]
            scheduling = group.create_task(self.scheduler.run(), name="scheduler")
            try:
                yield self
            finally:
                if not self._handed_over:
                    await self._end(scheduling)
                for task in (scheduling, *links, lights):
                    task.cancel()
                await link.close(shutdown=not self._handed_over)
                await pulse.stop()

    @asynccontextmanager
    async def _text_model(self) -> AsyncGenerator[TextModel | None]:
        if self.settings.analysis == "rules":
            yield None
            return
        from app.llm.connect import text_model  # noqa: PLC0415 - the SDK takes most of a second to import

        async with text_model(self.settings) as model:
            yield model

    def _bench(self) -> Bench:
        board = self.board
        return Bench(
            settings=board.settings,
            clock=board.clock,
            db=board.db,
            bus=board.bus,
            media=board.media,
            library=board.library,
            toolbox=board.toolbox,
        )

    def _analyst(self, text: TextModel | None) -> Analyst:
        packs = written_packs(self.settings)
        return Analyst(self.settings, self.clock, self.db, self.bus, model=text, packs=packs)

    def _steward(self, group: asyncio.TaskGroup, text: TextModel | None) -> list[asyncio.Task[None]]:
        """Who looks over open tasks; nobody without a model, or when it is switched off."""
        if text is None or self.settings.lifecycle == "off":
            return []
        packs = written_packs(self.settings)
        steward = Steward(self.settings, self.clock, self.db, self.bus, model=text, packs=packs)
        return [group.create_task(steward.run(), name="steward")]

    def _sender(self) -> Sender:
        return Sender(self.db, self.clock, trusted_origins(self.settings.webhook_hosts))

    def _summarizer(self, text: TextModel | None) -> Summarizer:
        return Summarizer(self.settings, self.clock, self.db, self.bus, model=text)

    async def _connect_media(self, group: asyncio.TaskGroup) -> MediaClient:
        s = self.settings
        options = WorkerOptions(bind_host=s.rtp_bind_host, advertised_host=s.rtp_advertised_host, port=s.rtp_port)
        if s.media_mode == "in_process":
            return await MediaClient.in_process(options, group, control_id=s.node_name)
        stored = await reports.last_acknowledged_seq(self.db, s.node_name)
        return await MediaClient.connect_or_spawn(s.runtime_dir.resolve(), options, stored, s.node_name)

    @property
    def living(self) -> int:
        """Calls in progress."""
        return len(self.board.calls)

    def drain(self) -> None:
        """Claim nothing more and answer nobody more; living calls go on to their ends."""
        self.scheduler.stop()
        self.reception.stop()

    async def drained(self) -> None:
        """Wait until no call is in progress and every task of one is concluded."""
        await self.scheduler.idle.wait()

    def say_goodbye(self) -> None:
        """Living calls end as soon as their farewell was heard; what rings is taken back."""
        for call in list(self.board.calls.values()):
            call.say_goodbye("OpenDeep is being stopped")

    async def hand_over(self) -> None:
        """Leave living calls to the media worker process and the next control process, and claim nothing more.

        Leave `running` after this. Calls that nobody was dialed for yet are put back.
        """
        self.drain()
        for call in list(self.board.calls.values()):
            call.let_go()
        try:
            async with asyncio.timeout(HAND_OVER_S):
                await self.scheduler.idle.wait()
        except TimeoutError:
            log.warning("calls left as they are", calls=len(self.scheduler.running))
        self._handed_over = True

    async def _end(self, scheduling: asyncio.Task[None]) -> None:
        """Claim nothing more and end living calls, so that nothing of ours is left in Asterisk."""
        self.scheduler.stop()
        self.reception.stop()
        for call in list(self.board.calls.values()):
            call.hang_up(EndedBy.SYSTEM_COMPLETE, "OpenDeep is being stopped")
        try:
            async with asyncio.timeout(END_S):
                await asyncio.wait([scheduling])
                await self.scheduler.idle.wait()
        except TimeoutError:
            log.warning("calls did not end in time", calls=len(self.scheduler.running))
