"""Carries erasures and sweeps through: some rows in a transaction, then a breath; goes on where it stopped."""

import asyncio
import os
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from app.clock import Clock
from app.config import Settings
from app.domain.erasure import Kind, Marks
from app.domain.personal_data import EVERY
from app.domain.personal_table import Road
from app.erasure.days import Horizon, cutoffs_of, house_days, pseudonym_key
from app.erasure.files import remove_due
from app.errors import AppError, LeaseLost, ValidationFailed
from app.store import (
    audit,
    erasing,
    erasures,
    free_text,
    history,
    legal_holds,
    rehearsals,
    retention,
    tryouts,
)
from app.store.audit import Deed
from app.store.db import Database, Tx
from app.store.erasing import Counts, added
from app.store.erasures import Erasure
from app.store.retention import Terms

log = structlog.get_logger()

LOOK_S = 5.0
BREATH_S = 0.02
"""Between two transactions: calls write too."""
TASKS = 10
TOUCHED = (*(table.name for table in EVERY if table.road is not Road.NONE), "erasures")
"""Tables that are scoured afterwards."""
Sweep = Callable[[Tx, str, int, int], Awaitable[Counts]]


class Eraser:
    """One per process that may forget people: the engine, or `opendeep erase`."""

    def __init__(self, settings: Settings, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._folder = settings.recordings_dir
        self._node = settings.node_name
        self._owner = f"{settings.node_name}:{os.getpid()}"
        self._house = house_days(settings)
        self._key = pseudonym_key(settings)
        self._horizon = Horizon(settings)

    async def run(self) -> None:
        """Look until cancelled. A database that is away is no end: it is tried again."""
        while True:
            try:
                await self.look()
            except AppError as error:
                log.warning("erasing waits", error=error.message)
            except Exception:  # supervision: a strange row must not end the calls of this engine
                log.exception("erasing failed by a fault of ours")
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Everything that is due now: people first, then what is too old, then files."""
        while (one := await erasures.hold(self._db, self._owner, self._clock.unix_ms())) is not None:
            await self.carry(one)
        while (held := await retention.hold_due(self._db, self._owner, self._clock.unix_ms())) is not None:
            await self.sweep(held)
        await remove_due(self._db, self._folder, self._node)

    async def finish(self, tenant_id: str, erasure_id: str) -> Erasure:
        """Work on one erasure until it is done, or waits for calls; answers how it stands. What another process
        holds is left to it.
        """
        held = await erasures.hold(self._db, self._owner, self._clock.unix_ms(), erasure_id)
        if held is not None:
            await self.carry(held)
        return await erasures.get(self._db, tenant_id, erasure_id)

    async def carry(self, one: Erasure) -> None:
        """An erasure, to its end or until it waits."""
        try:
            while one.state == "open" and one.lease_owner is not None:
                one = await self.step(one)
                await asyncio.sleep(BREATH_S)
        except LeaseLost:
            log.info("erasure goes on elsewhere", erasure_id=one.id)

    async def step(self, one: Erasure) -> Erasure:
        """One transaction, or the files and the log at the end."""
        match one.step:
            case "tasks":
                return await self._tasks(one)
            case "number":
                return await self._number(one)
            case "lists" | "texts":
                return await self._texts(one)
            case "chats":
                return await self._chats(one)
            case "files":
                return await self._end(one)
            case _:
                raise ValidationFailed(
                    f"An erasure stands at {one.step[:40]!r}, which this version does not know."
                )

    async def _tasks(self, one: Erasure) -> Erasure:
        async with self._db.tx() as tx:
            now_ms = self._clock.unix_ms()
            await erasures.stop(tx, one.tenant_id, one.number, now_ms)  # an analysis may have put one back
            if await legal_holds.is_held(tx, one.tenant_id, one.number):
                return await self._wait(tx, one, step="tasks", waits_for=1)
            counts, more = await self._settled(tx, one, now_ms)
            return await self._save(tx, one, counts, step="tasks" if more else "number")

    async def _settled(self, tx: Tx, one: Erasure, now_ms: int) -> tuple[Counts, bool]:
        """Some tasks that are over; True when there may be more of them."""
        tasks = await erasures.settled(tx, one, TASKS)
        if not tasks:
            return {}, False
        since_ms = now_ms - await self._horizon.rules_ms(tx)
        counts = await erasing.erase_tasks(
            tx, one.tenant_id, tasks, one.pseudonym, since_ms=since_ms, now_ms=now_ms
        )
        return counts, len(tasks) == TASKS

    async def _number(self, one: Erasure) -> Erasure:
        """Calls that go on, texts that are being written and late holds are waited for, before the number and
        the names are needed no more.
        """
        async with self._db.tx() as tx:
            now_ms = self._clock.unix_ms()
            held = await legal_holds.is_held(tx, one.tenant_id, one.number)
            busy = await erasures.busy(tx, one, now_ms) + held
            if busy:
                return await self._wait(tx, one, step="tasks", waits_for=busy)
            over, more = await self._settled(tx, one, now_ms)  # since the last look
            if more:
                return await self._save(tx, one, over, step="tasks")
            counts = await erasing.erase_number(tx, one.tenant_id, one.number, one.pseudonym, now_ms=now_ms)
            return await self._save(tx, one, added(over, counts), step="chats", waits_for=0)

    async def _chats(self, one: Erasure) -> Erasure:
        async with self._db.tx() as tx:
            now_ms = self._clock.unix_ms()
            counts = await free_text.empty_own_chats(tx, one.tenant_id, one.number, one.pseudonym, now_ms=now_ms)
            return await self._save(tx, one, counts, step="chats" if counts else "lists")

    async def _texts(self, one: Erasure) -> Erasure:
        """Uploaded lists, then one table of free text after the other; `place` names the table by its place."""
        marks = Marks(one.number, one.called)
        async with self._db.tx() as tx:
            if one.step == "lists":
                counts, behind = await free_text.walk_lists(tx, one.tenant_id, marks, one.behind)
                place: list[str | int] = [0] if behind is None else behind
                return await self._save(tx, one, counts, step="texts" if behind is None else "lists", place=place)
            number, *after = one.behind
            walk = free_text.WALKS[int(number)]
            counts, behind = await free_text.walk(tx, one.tenant_id, marks, walk, after)
            if behind is not None:
                return await self._save(tx, one, counts, step="texts", place=[number, *behind])
            following = int(number) + 1
            if following < len(free_text.WALKS):
                return await self._save(tx, one, counts, step="texts", place=[following])
            end = msgspec.structs.replace(one, number=one.pseudonym, names="[]")
            return await self._save(tx, end, counts, step="files", place=[])

    async def _end(self, one: Erasure) -> Erasure:
        """Number and names are out of the row by now: what is left are files and the database's own log."""
        await remove_due(self._db, self._folder, self._node)
        now_ms = self._clock.unix_ms()
        async with self._db.tx() as tx:
            one = msgspec.structs.replace(one, lease_until=now_ms + erasures.SCOUR_LEASE_MS)
            await erasures.save(tx, one)
        if not await self._scoured():
            log.warning("the write-ahead log still holds erased rows", erasure_id=one.id)
            async with self._db.tx() as tx:
                return await self._wait(tx, one, step="files", waits_for=0)
        done = msgspec.structs.replace(
            one, state="done", done_ms=now_ms, lease_owner=None, lease_until=None, waits_for=0
        )
        async with self._db.tx() as tx:
            await erasures.save(tx, done)
            deed = Deed(
                actor=one.requested_by, action="person_erased", object=f"erasure:{one.id}", detail=one.counted
            )
            await audit.add(tx, one.tenant_id, deed, now_ms)
        log.info("a person was erased", erasure_id=one.id, tenant_id=one.tenant_id)
        return done

    async def _save(
        self, tx: Tx, one: Erasure, counts: Counts, *, step: str, place: list[str | int] | None = None, **more: int
    ) -> Erasure:
        """How far it has come, with a new lease."""
        now = msgspec.structs.replace(
            one,
            step=step,
            place=msgspec.json.encode(place or []).decode(),
            counts=msgspec.json.encode(added(one.counted, counts)).decode(),
            lease_until=self._clock.unix_ms() + erasures.LEASE_MS,
            **more,
        )
        await erasures.save(tx, now)
        return now

    async def _wait(self, tx: Tx, one: Erasure, *, step: str, waits_for: int) -> Erasure:
        """Somebody goes on with it in a while."""
        later_ms = self._clock.unix_ms() + erasures.WAIT_MS
        wait = msgspec.structs.replace(
            one, step=step, waits_for=waits_for, next_ms=later_ms, lease_owner=None, lease_until=None
        )
        await erasures.save(tx, wait)
        return wait

    async def sweep(self, held: Terms) -> Counts:
        """Everything of a tenant whose days are over; kinds for which nobody set days are kept."""
        now_ms = self._clock.unix_ms()
        cutoffs = cutoffs_of(self._house, held.days, now_ms, await self._horizon.talks_ms(self._db))
        await history.forget_attempts(self._db, now_ms - await self._horizon.rules_ms(self._db))
        counts: Counts = {}
        try:
            for kind, sweep in self._sweeps():
                while found := await self._swept(held, sweep, cutoffs.get(kind, 0)):  # 0: nothing is that old
                    counts = added(counts, found)
                    await asyncio.sleep(BREATH_S)
        except LeaseLost:
            log.info("sweep goes on elsewhere", tenant_id=held.tenant_id)
            return counts
        if counts:
            await remove_due(self._db, self._folder, self._node)
            await self._scoured()
            log.info("swept what was too old", tenant_id=held.tenant_id, **counts)
        await retention.finish(self._db, held, counts, self._clock.unix_ms())
        return counts

    async def _swept(self, held: Terms, sweep: Sweep, before_ms: int) -> Counts:
        async with self._db.tx() as tx:
            now_ms = self._clock.unix_ms()
            await retention.renew(tx, held, now_ms)
            return await sweep(tx, held.tenant_id, before_ms, now_ms)

    def _sweeps(self) -> tuple[tuple[Kind, Sweep], ...]:
        async def talks(tx: Tx, tenant_id: str, before_ms: int, now_ms: int) -> Counts:
            return await retention.sweep_talks(tx, tenant_id, before_ms, now_ms, self._key)

        return (
            (Kind.RECORDINGS, retention.sweep_recordings),
            (Kind.TALKS, talks),
            (Kind.TALKS, retention.sweep_reports),
            (Kind.TALKS, tryouts.sweep),
            (Kind.TALKS, rehearsals.sweep),
            (Kind.CHATS, retention.sweep_chats),
            (Kind.CHATS, retention.sweep_uploads),
            (Kind.WEBHOOKS, retention.sweep_webhooks),
        )

    async def _scoured(self) -> bool:
        """A reader of old rows is waited for a moment."""
        for _ in range(50):
            if await self._db.scour(TOUCHED):
                return True
            await asyncio.sleep(BREATH_S * 5)
        return False
