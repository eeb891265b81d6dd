"""Takes the test calls that people begin in the browser, and runs them beside the calls to people.

A nudge on the bus says that something changed; the row says what. Whoever changes a row from wanted to live runs
it, so of several engines one does. Started by `app.engine`.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

import msgspec
import structlog

from app.calls.tryout import TryoutCall
from app.calls.tryout_plan import Bench, ordered
from app.domain.messages import ListChanged, Resync, TryoutNews, audio_topic
from app.domain.tryout import Tryout, TryoutStep
from app.errors import AppError, StoreError
from app.store import tryouts

log = structlog.get_logger()

FORGET_S = 60.0
"""So often what other engines left alive is looked for."""
AT_ONCE = 4
"""Of this engine, all tenants together: calls to people come first."""


@contextmanager
def _told(what: str) -> Generator[None]:
    try:
        yield
    except AppError as error:
        log.warning(what, error=error.message)


class TryoutDesk:
    """One per engine."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._living: dict[str, TryoutCall] = {}
        self._taken: set[str] = set()
        self._forgot_at = 0.0

    async def run(self) -> None:
        """Until cancelled; then every test call ends."""
        await self._forget(self._bench.settings.node_name)
        async with asyncio.TaskGroup() as group:
            with self._bench.bus.subscribe("lists") as messages:
                async for message in messages:
                    if isinstance(message, Resync) or (
                        isinstance(message, ListChanged) and message.kind == "tryouts"
                    ):
                        await self._look(group)

    async def _forget(self, node: str) -> None:
        """What that engine left alive, and what nobody can be at any more."""
        bench = self._bench
        self._forgot_at = bench.clock.monotonic()
        try:
            async with bench.db.tx() as tx:
                await tryouts.lost(tx, node, bench.clock.unix_ms())
        except StoreError as error:  # their pages say that nothing comes any more
            log.warning("former test calls not closed", error=error.message)

    async def _look(self, group: asyncio.TaskGroup) -> None:
        """Take what is wanted, let go of whom nobody sits at any more. A trouble of the store costs one look,
        one with a row nothing but its own.
        """
        bench = self._bench
        if bench.clock.monotonic() - self._forgot_at >= FORGET_S:
            await self._forget("")
        for call in [*self._living.values()]:
            await self._look_at(call)
        with _told("test calls not looked at"):
            for one in await tryouts.wanted(bench.db, bench.clock.unix_ms()):
                with _told("a test call not begun"):
                    await self._begin(one, group)

    async def _look_at(self, call: TryoutCall) -> None:
        with _told("a test call not looked at"):
            if not (await tryouts.get(self._bench.db, *call.key)).mic_id:
                call.leave()

    async def _begin(self, one: Tryout, group: asyncio.TaskGroup) -> None:
        bench = self._bench
        if not bench.media.connected or len(self._taken) >= AT_ONCE:
            return  # another engine may; the page asks again until its patience is over
        now_ms = bench.clock.unix_ms()
        async with bench.db.tx() as tx:
            room = await tryouts.room_micro_usd(tx, one.tenant_id, now_ms)
            model, node = bench.settings.realtime_model, bench.settings.node_name
            if room is not None and room <= 0:
                await tryouts.end(
                    tx, one, ended_by="system_failure", reason=tryouts.NO_MONEY, steps="[]", now_ms=now_ms
                )
                taken = False
            else:
                taken = await tryouts.take(tx, one, node, model, now_ms)
        if not taken:
            return
        self._taken.add(one.id)
        group.create_task(self._run(one, room), name=f"test call {one.id}")

    async def _run(self, one: Tryout, room: int | None) -> None:
        """One of them; a fault of ours in it harms nothing else."""
        try:
            call = TryoutCall(self._bench, await ordered(self._bench, one, room))
            self._living[one.id] = call
            await self._look_at(call)  # who left while it was loaded was in nobody's sight
            await call.run()
        except (AppError, msgspec.MsgspecError) as error:
            log.warning("test call not made", call_id=one.id, error=str(error))
            await self._failed(one, str(error))
        except Exception as fault:  # supervision: a bug met by a test call must not end the calls to people
            log.exception("test call ended by a fault of ours", call_id=one.id)
            await self._failed(one, f"{type(fault).__name__} in the engine")
        finally:
            self._living.pop(one.id, None)
            self._taken.discard(one.id)

    async def _failed(self, one: Tryout, why: str) -> None:
        bench = self._bench
        try:
            async with bench.db.tx() as tx:
                now_ms = bench.clock.unix_ms()
                await tryouts.end(tx, one, ended_by="system_failure", reason=why, steps="[]", now_ms=now_ms)
        except StoreError as error:
            log.warning("end of a test call not stored", call_id=one.id, error=error.message)
        over = TryoutStep(kind="over", text=why, who="system_failure")
        await bench.bus.publish(audio_topic(one.id), TryoutNews(call_id=one.id, step=over))
