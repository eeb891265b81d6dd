"""Writes the reports of campaigns, as they come due; started by `app.engine`.

The queue is the table `campaign_reports`. While the text model is away a report waits, tried again after a growing
pause; numbers are counted anew each time. One that the model will not write within its numbers is written by code.
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import structlog

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.messages import Message, Resync, TaskChanged
from app.domain.report import named, numbers_of
from app.domain.report_plain import plain
from app.errors import AppError, LeaseLost, StoreError
from app.llm.errors import TextModelError, TextModelRefused
from app.llm.model import TextModel, paid
from app.llm.report_writer import ASKS, PROMPT_VERSION, TIMEOUT_S, Drafted, draft
from app.store import campaign_reports, campaigns, report_facts
from app.store.campaign_reports import CampaignReport, Written
from app.store.db import Database

log = structlog.get_logger()

BATCH = 4
LEASE_MS = round((ASKS * 3 * (TIMEOUT_S + 10) + 60) * 1000)
"""A claim outlasts the longest writing."""
FIRST_DEFER_MS = 15_000
LONGEST_DEFER_MS = 15 * 60_000
LOOK_S = 30.0
REFUSED_TRIES = 3
"""After so many requests the server does not take, code writes the report."""


class Summarizer:
    """One per control process; several processes share the queue."""

    def __init__(
        self, settings: Settings, clock: Clock, db: Database, bus: Bus, *, model: TextModel | None
    ) -> None:
        """Without `model` (ANALYSIS=rules) every report is written by code."""
        self._settings = settings
        self._clock = clock
        self._db = db
        self._bus = bus
        self._model = model

    async def run(self) -> None:
        """Work until cancelled: what is not done then is found again by the next process of this name."""
        first = True
        with self._bus.subscribe("tasks") as messages:
            while True:
                try:
                    if first:
                        await campaign_reports.let_go(self._db, self._settings.node_name)
                        first = False
                    if await self.look():
                        continue
                except StoreError as error:
                    log.error("reports cannot reach the store", error=error.message)
                except Exception:  # supervision: one bad row must not stop every other report
                    log.exception("report round failed by a fault of ours")
                try:
                    async with asyncio.timeout(await self._pause_s()):
                        await _news(messages)
                except TimeoutError:
                    pass

    async def look(self) -> int:
        """Ask for the reports of campaigns that are over, and write what is due; answers how many that were."""
        now_ms = self._clock.unix_ms()
        await campaign_reports.queue_finals(self._db, now_ms)
        due = await campaign_reports.claim_due(self._db, now_ms, self._settings.node_name, LEASE_MS, BATCH)
        async with asyncio.TaskGroup() as group:
            for report in due:
                group.create_task(self._write_safely(report))
        return len(due)

    async def _pause_s(self) -> float:
        try:
            due_ms = await campaign_reports.next_try_ms(self._db)
        except StoreError:
            return LOOK_S
        if due_ms is None:
            return LOOK_S
        return min(max((due_ms - self._clock.unix_ms()) / 1000, 1.0), LOOK_S)

    async def _write_safely(self, report: CampaignReport) -> None:
        """Write one report; whatever happens, the others go on."""
        try:
            written = await self._write(report)
            async with self._db.tx() as tx:
                await campaign_reports.finish(tx, report, written, self._clock.unix_ms())
        except LeaseLost:
            log.warning("report given up, it was taken over", report_id=report.id)
            return
        except TextModelError as error:
            await self._defer(report, error)
            return
        except AppError as error:  # the store is away: the lease runs out and it is written again
            log.error("report not stored", report_id=report.id, error=error.message)
            return
        except Exception as error:  # supervision: others go on; this one waits and is seen
            log.exception("report failed by a fault of ours", report_id=report.id)
            await self._defer(report, AppError(f"A fault of ours: {type(error).__name__}."))
            return
        log.info("report written", campaign_id=report.campaign_id, by=written.written_by)
        await self._bus.publish("tasks", TaskChanged(tenant_id=report.tenant_id, task_id=""))

    async def _write(self, report: CampaignReport) -> Written:
        campaign = await campaigns.get(self._db, report.tenant_id, report.campaign_id)
        numbers = numbers_of(await report_facts.facts(self._db, report.tenant_id, report.campaign_id))
        talks = await report_facts.talks(self._db, report.tenant_id, report.campaign_id)
        by_name = named(numbers)
        drafted = Drafted(words=None, replies=())
        if self._model is not None:
            try:
                drafted = await draft(self._model, self._settings.analysis_model, campaign.name, by_name, talks)
            except TextModelRefused as refused:
                if refused.setup or report.tries + 1 < REFUSED_TRIES:
                    raise
                drafted = Drafted(words=None, replies=refused.replies, fault=refused.message)
        if drafted.fault:
            log.warning("report written by code", report_id=report.id, fault=drafted.fault)
        words = drafted.words or plain(by_name, report_facts.proven_quotes(talks))
        return Written(
            written_by="code" if drafted.words is None else "model",
            numbers=numbers,
            words=words,
            model=self._settings.analysis_model if drafted.replies else "",
            prompt_version=PROMPT_VERSION if drafted.replies else "",
            **msgspec.structs.asdict(paid(drafted.replies)),
        )

    async def _defer(self, report: CampaignReport, error: AppError) -> None:
        pause_ms = min(FIRST_DEFER_MS << min(report.tries, 10), LONGEST_DEFER_MS)
        log.warning("report not written yet", report_id=report.id, error=error.message, again_s=pause_ms // 1000)
        try:
            now_ms = self._clock.unix_ms()
            cost = paid(error.replies).cost_micro_usd if isinstance(error, TextModelError) else 0
            async with self._db.tx() as tx:
                await campaign_reports.defer(
                    tx,
                    report,
                    error.message,
                    next_try_ms=now_ms + pause_ms,
                    cost_micro_usd=cost,
                    now_ms=now_ms,
                )
        except (LeaseLost, StoreError) as lost:
            log.warning("pause of a report not stored", report_id=report.id, error=lost.message)


async def _news(messages: AsyncIterator[Message | Resync]) -> None:
    """Wait for what may mean a report: campaigns changed, not one of their tasks."""
    async for message in messages:
        if not isinstance(message, TaskChanged) or not message.task_id:
            return
