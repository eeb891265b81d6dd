"""What happened in a test call, told to its page as it happens and kept for the row; and what it cost.

Owned by `app.calls.tryout`.
"""

import asyncio

import msgspec
import structlog

from app.calls.storing import until_stored
from app.calls.tryout_plan import Bench
from app.domain.messages import ListChanged, TryoutNews, audio_topic
from app.domain.tryout import StepKind, Story, Tryout, TryoutStep
from app.errors import StoreError
from app.store import holds, tryouts
from media import protocol as media

log = structlog.get_logger()
UNKNOWN = "store_unknown"
"""Whether it was stored is open."""


class TryoutDiary:
    """Of one test call."""

    def __init__(self, bench: Bench, one: Tryout) -> None:
        self._bench = bench
        self._one = one
        self._story = Story()
        self._news: asyncio.Queue[TryoutStep] = asyncio.Queue()
        self._began = bench.clock.monotonic()
        self._cost = 0

    def begin(self) -> None:
        """The talk begins now: its time line starts."""
        self._began = self._bench.clock.monotonic()

    def step(self, kind: StepKind, text: str, **more: object) -> None:
        """Something happened now; `more` are fields of `TryoutStep`."""
        at_ms = max(0, round((self._bench.clock.monotonic() - self._began) * 1000))
        self._keep(msgspec.convert({"kind": kind, "text": text, "at_ms": at_ms, **more}, TryoutStep))

    async def observe(self, report: media.Report) -> None:
        """What the media worker reports of the talk."""
        match report:
            case media.TurnPartial():
                self.step("words", report.text, ref=report.item_id, who=report.speaker, final=False)
            case media.TurnSpoken():
                self._keep(_turn(report))
            case media.AgentSpeaking(speech_stop_to_rtp_ms=delay) if delay is not None:
                self.step("state", f"Answered after {delay} ms.", ref="latency", delay_ms=delay)
            case media.ToolCalled():
                self.step("function", report.arguments, ref=report.tool_call_id, who=report.name)
            case media.ResponseUsed() | media.TranscriptionUsed():
                await self._spend(report.cost_micro_usd)
            case media.BargeIn(heard_ms=heard, generated_ms=generated):
                self.step("note", f"Interrupted: {heard} of {generated} ms had been heard.")
            case media.LegFailed() | media.Fault():
                self.step("fault", f"{report.code}: {report.message}")
                if isinstance(report, media.LegFailed) and report.fatal:
                    await self._hold(report)
            case _:
                pass

    async def run(self) -> None:
        """Tell the page, in order, until cancelled."""
        while True:
            await self._publish(await self._news.get())

    async def over(self, ended_by: str, reason: str) -> None:
        """Write the row, then tell the page."""
        bench = self._bench

        async def write() -> None:
            async with bench.db.tx() as tx:
                steps, now_ms = self._story.encoded(), bench.clock.unix_ms()
                await tryouts.end(tx, self._one, ended_by=ended_by, reason=reason, steps=steps, now_ms=now_ms)

        await until_stored(write, self._one.id)
        while not self._news.empty():
            await self._publish(self._news.get_nowait())
        await self._publish(TryoutStep(kind="over", text=reason, who=ended_by))
        await bench.bus.publish("lists", ListChanged(tenant_id=self._one.tenant_id, kind="tryouts"))

    def _keep(self, step: TryoutStep) -> None:
        self._story.add(step)
        self._news.put_nowait(step)

    async def _publish(self, step: TryoutStep) -> None:
        news = TryoutNews(call_id=self._one.id, step=step)
        await self._bench.bus.publish(audio_topic(self._one.id), news)

    async def _spend(self, micro_usd: int | None) -> None:
        """It has no key: rather not counted than twice."""
        bench, one = self._bench, self._one

        async def count() -> None:
            try:
                async with bench.db.tx() as tx:
                    await tryouts.spend(tx, one.tenant_id, one.id, micro_usd, bench.clock.unix_ms())
            except StoreError as error:
                if error.code != UNKNOWN:
                    raise
                log.warning("whether a cost was counted is open", call_id=one.id, error=error.message)

        await until_stored(count, one.id)
        self._cost += micro_usd or 0
        self.step("cost", "", micro_usd=self._cost)

    async def _hold(self, failed: media.LegFailed) -> None:
        """The account with the model is refused. Calls to people would be too, so they wait, as after a call."""
        bench, one = self._bench, self._one

        async def place() -> None:
            code, now_ms = failed.code, bench.clock.unix_ms()
            await holds.place(bench.db, one.tenant_id, code, failed.message, call_id=None, now_ms=now_ms)

        await until_stored(place, one.id)


def _turn(turn: media.TurnSpoken) -> TryoutStep:
    """A finished turn, and how long it let the other side wait."""
    parts, delay = turn.latency, None
    if parts is not None and parts.stop_to_response_ms is not None:
        delay = parts.stop_to_response_ms + parts.response_to_delta_ms + parts.delta_to_rtp_ms
    return TryoutStep(
        kind="words",
        text=turn.text,
        ref=turn.item_id,
        who=turn.speaker,
        at_ms=turn.start_audio_ms,
        interrupted=turn.interrupted,
        delay_ms=delay,
    )
