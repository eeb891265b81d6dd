"""The media worker: an engine, its report log and the way to one control process.

Legs live on when control goes; its successor says `Hello`, is told which legs there are and receives every report
that was not acknowledged. A newer `Hello` wins. With no leg and no control for a while the worker ends by itself.
Run by `media.server` as a process of its own, or inside the control process (`MediaClient.in_process`).
"""

import asyncio
import contextlib
import logging
import os
import secrets
import time
from typing import Protocol

import msgspec

from media.engine import MediaEngine
from media.protocol import (
    PROTOCOL_VERSION,
    Acknowledge,
    CallAudio,
    Command,
    Hello,
    NumberedReport,
    Refused,
    Shutdown,
    Welcome,
)
from media.reports import KEPT_BYTES, ReportLog, first_seq

logger = logging.getLogger(__name__)


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How one worker is run. `advertised_host` is what Asterisk is told; the bind address when None."""

    bind_host: str = "127.0.0.1"
    advertised_host: str | None = None
    port: int = 0
    idle_exit_s: float = 60.0
    reports_limit_bytes: int = KEPT_BYTES


class ControlLink(Protocol):
    """The way to the control process that said Hello last."""

    def welcome(self, message: Welcome) -> None:
        """Tell who we are, before any report."""
        ...

    def pump(self, log: ReportLog) -> None:
        """Take reports out of the log as long as the way is free."""
        ...

    def hear(self, audio: CallAudio) -> None:
        """Pass on what is listened in on, or lose it when the way is not free."""
        ...

    def refuse(self, message: Refused) -> None:
        """Say why, then hang up."""
        ...


class Worker:
    """Engine + report log + at most one control link; knows no socket."""

    def __init__(self, options: WorkerOptions) -> None:
        started_unix_ms = time.time_ns() // 1_000_000
        self.worker_id = f"{started_unix_ms:x}-{secrets.token_hex(4)}"
        self.log = ReportLog(first_seq(started_unix_ms), options.reports_limit_bytes)
        self.engine = MediaEngine(
            options.bind_host,
            options.advertised_host or options.bind_host,
            options.port,
            self._report,
            self._hear,
        )
        self._idle_exit_s = options.idle_exit_s
        self._link: ControlLink | None = None
        self.started = asyncio.Event()
        self._stopping = asyncio.Event()
        self._stop_when_idle = False

    async def run(self) -> None:
        """Serve legs until `stop`, a Shutdown command or idleness; all legs are closed on return."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.engine.run(), name="media engine")
            group.create_task(self._watch_idle(), name="idle watch")
            await self.engine.started.wait()
            self.started.set()
            await self._stopping.wait()
            self.engine.stop()

    def stop(self) -> None:
        """End the worker now; every leg reports `LegClosed`."""
        self._stopping.set()

    def attach(self, link: ControlLink, hello: Hello) -> bool:
        """Make `link` the control link. False when it was refused."""
        if hello.protocol_version != PROTOCOL_VERSION:
            link.refuse(
                Refused(
                    protocol_version=PROTOCOL_VERSION,
                    reason="protocol_version",
                    message=f"This media worker speaks protocol version {PROTOCOL_VERSION}, control process "
                    f"{hello.control_id} speaks {hello.protocol_version}. Let its calls end (it exits when idle), "
                    "or use another runtime directory.",
                )
            )
            return False
        if self._link is not None and self._link is not link:
            self._replace(hello.control_id)
        logger.info("control process %s connected, %d legs alive", hello.control_id, len(self.engine.legs))
        self.log.disconnected()
        self.log.acknowledge(hello.acknowledged_seq)
        self.log.connected = True
        self._link = link
        link.welcome(self._welcome())
        link.pump(self.log)
        return True

    def detach(self, link: ControlLink) -> None:
        """The link is gone; legs live on and reports wait."""
        if self._link is link:
            logger.info("control process disconnected, %d legs alive", len(self.engine.legs))
            self._link = None
            self.log.disconnected()

    def handle(self, command: Command) -> None:
        """Carry out one command of the attached control process."""
        match command:
            case Acknowledge(seq=seq):
                self.log.acknowledge(seq)
            case Shutdown(when_idle=True):
                self._stop_when_idle = True
            case Shutdown():
                self.stop()
            case Hello():
                logger.warning("control process %s said Hello twice", command.control_id)
            case _:
                self.engine.handle(command)

    def _welcome(self) -> Welcome:
        return Welcome(
            protocol_version=PROTOCOL_VERSION,
            worker_id=self.worker_id,
            pid=os.getpid(),
            last_seq=self.log.last_seq,
            legs=self.engine.snapshots(),
            reports_lost=self.log.lost,
        )

    def _replace(self, control_id: str) -> None:
        assert self._link is not None
        self._link.refuse(
            Refused(
                protocol_version=PROTOCOL_VERSION,
                reason="replaced",
                message=f"Control process {control_id} took over this media worker.",
            )
        )

    def _report(self, report: NumberedReport) -> None:
        self.log.add(report, time.time_ns() // 1_000_000)
        if self._link is not None:
            self._link.pump(self.log)

    def _hear(self, audio: CallAudio) -> None:
        if self._link is not None:
            self._link.hear(audio)

    async def _watch_idle(self) -> None:
        loop = asyncio.get_running_loop()
        period_s = min(1.0, self._idle_exit_s / 4)
        idle_since = loop.time()
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), period_s)
            if self.engine.legs:
                idle_since = loop.time()
            elif self._stop_when_idle:
                self.stop()
            elif self._link is not None:
                idle_since = loop.time()
            elif loop.time() - idle_since >= self._idle_exit_s:
                logger.info("no leg and no control process for %.0f s: the worker ends", self._idle_exit_s)
                self.stop()
