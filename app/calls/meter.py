"""Fills the engine's `Metrics`: what media workers report as it comes, and how things stand every few seconds."""

import asyncio
from collections.abc import AsyncIterator

import structlog

from app.calls.board import Switchboard
from app.calls.tools import NAMES
from app.domain.messages import ConnectionChanged, Message, Resync
from app.errors import StoreError
from app.metrics import OTHER, Metrics
from app.store import standing
from media import protocol as media

log = structlog.get_logger()

LOOK_S = 5.0
TICK_S = 0.25


class Meter:
    """Run beside the scheduler."""

    def __init__(self, board: Switchboard, look_s: float = LOOK_S) -> None:
        self._board = board
        self._look_s = look_s
        self._connected = board.metrics.connected

    async def run(self) -> None:
        """Until cancelled."""
        with self._board.bus.subscribe("system") as messages:
            await self._serve(messages)

    async def _serve(self, messages: AsyncIterator[Message | Resync]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(messages), name="meter of connections")
            group.create_task(self._tick(), name="meter of the loop")
            while True:
                await self.look()
                await asyncio.sleep(self._look_s)

    async def look(self) -> None:
        """Set the gauges once. What cannot be read keeps its last value; that the store is away is told."""
        board, metrics = self._board, self._board.metrics
        metrics.calls_live.set(len(board.calls))
        metrics.call_slots.set(board.settings.call_slots)
        if (load := board.media.load) is not None:
            metrics.media_legs.set(load.legs)
            metrics.media_late_s.labels("p99").set(load.tick_late_p99_ms / 1000)
            metrics.media_late_s.labels("max").set(load.tick_late_max_ms / 1000)
        try:
            now = await standing.read(board.db, board.clock.unix_ms())
        except StoreError as error:
            self._connected.labels("store").set(0)
            log.debug("standing not read", error=error.message)
            return
        self._connected.labels("store").set(1)
        metrics.tasks_due.set(now.due)
        metrics.oldest_due_s.set(now.oldest_due_ms / 1000)
        metrics.unjudged.set(now.unjudged)
        metrics.questions.set(now.questions)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK_S
            await asyncio.sleep(TICK_S)
            self._board.metrics.loop_late_s.observe(max(0.0, loop.time() - due))

    async def _listen(self, messages: AsyncIterator[Message | Resync]) -> None:
        async for message in messages:
            if isinstance(message, ConnectionChanged) and message.node in {"", self._board.settings.node_name}:
                self._connected.labels(message.name).set(message.state == "connected")


def count_report(metrics: Metrics, report: media.NumberedReport) -> None:
    """Count what a media worker reported."""
    match report:
        case media.AgentSpeaking(speech_stop_to_rtp_ms=late_ms) if late_ms is not None:
            metrics.turn_s.observe(late_ms / 1000)
        case media.BargeIn():
            metrics.barge_ins.inc()
        case media.ToolCalled(name=name):
            # A model may invent names without end, and an operator may name tools of theirs as they like.
            metrics.tool_calls.labels(name if name in NAMES else OTHER).inc()
        case media.AnswerVerdict(verdict=verdict, final=True):
            metrics.answered_by.labels(verdict).inc()
        case media.Fault(code=code) | media.LegFailed(code=code):
            metrics.model_faults.labels(metrics.code(code)).inc()
        case (
            media.ResponseUsed(model=model, cost_micro_usd=cost)
            | media.TranscriptionUsed(model=model, cost_micro_usd=cost)
        ):
            metrics.speech_usd.labels(model).inc((cost or 0) / 1e6)
        case _:
            pass
