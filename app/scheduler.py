"""Finds due tasks and hands them to supervised calls; concludes what a dead process left behind.

The tasks table is the queue. The scheduler looks when something nudges it (a new task, an ended call), when the
next task is due, and at least every `scheduler_poll_s`. It claims no more than it can call at once, and nothing
while the exchange or the media worker is away.
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import structlog

from app.calls import memory
from app.calls.board import CallOrder, Switchboard
from app.calls.conclude import conclude_task
from app.calls.context import call_context
from app.calls.outside import with_outside_tools
from app.calls.plan import call_plan_limit_s
from app.calls.supervise import supervise
from app.crash_points import crash_here
from app.domain.admission import Dial
from app.domain.call import NewCall
from app.domain.messages import TaskChanged
from app.domain.task import CallTask, TaskEvent, after
from app.errors import AppError, StoreError
from app.ids import new_id
from app.store import admission, agents, attempts, campaign_ends, campaigns, events, leases, settlement, tasks
from app.store.db import DIALING

log = structlog.get_logger()

PREPARE_AND_DIAL_S = 30
"""An attempt that has not been dialed this long after its claim is not dialed any more."""
ANALYSIS_BATCH = 20


class Scheduler:
    """One per control process. `stop` ends claiming; calls in progress are the business of their owner."""

    def __init__(self, board: Switchboard) -> None:
        self.board = board
        self.running = board.held
        """Tasks being called now."""
        self.idle = board.held.idle
        """Set while nothing is being called."""
        self._accepting = True
        self._nudged = asyncio.Event()

    def stop(self) -> None:
        """Claim nothing any more."""
        self._accepting = False
        self._nudged.set()

    async def run(self) -> None:
        """Look for work until `stop`. Leaving waits for every call it began."""
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen())
            while self._accepting:
                self._nudged.clear()
                try:
                    await self.look(group)
                except StoreError as error:  # no claim without a store; live calls go on
                    log.error("scheduler cannot reach the store", error=error.message)
                except Exception:  # supervision: one bad row must not stop every other call
                    log.exception("scheduler round failed by a fault of ours")
                await self._sleep()
            listening.cancel()

    async def look(self, group: asyncio.TaskGroup) -> None:
        """One round: recover, conclude, claim, call."""
        settings, now_ms = self.board.settings, self.board.clock.unix_ms()
        async with self.board.db.tx() as tx:
            # What may be on the exchange still is settled by whoever asks it, and by us when nobody ever could.
            for task in await leases.recover_expired(
                tx,
                now_ms,
                held=self.running,
                owner=settings.node_name,
                longest_call_ms=call_plan_limit_s(settings) * 1000,
            ):
                log.warning("abandoned task recovered", task_id=task.id, state=str(task.state))
        await self._conclude_left()
        over = {tenant_id for tenant_id, _ in await campaigns.complete_settled(self.board.db, now_ms)}
        over.update(await campaign_ends.wind_up(self.board.db, now_ms))
        for tenant_id in sorted(over):  # there is a report to write, or more to do
            await self.board.bus.publish("tasks", TaskChanged(tenant_id=tenant_id, task_id=""))
        while self._ready() and (free := settings.call_slots - len(self.running)) > 0:
            claimed = await leases.claim_due(
                self.board.db,
                now_ms,
                settings.node_name,
                settings.lease_s * 1000,
                free,
                most_alive=settings.call_slots,
            )
            for task in claimed:
                self.board.metrics.claim_lag_s.observe(max(0, now_ms - task.next_action_time) / 1000)
                self.running.add(task.id)
                group.create_task(self._call(task))
            if not claimed:
                return

    async def adopt(self, order: CallOrder, task: CallTask) -> None:
        """Follow a call that a former process dialed, to its end."""
        self.running.add(task.id)
        try:
            await supervise(self.board, order, task)
        except AppError as error:  # the claim was lost: whoever took it over concludes the task
            log.error("adopted call not concluded here", task_id=task.id, error=error.message)
        finally:
            self._let_go(task)

    def _ready(self) -> bool:
        """Whether an answered call would be heard now: events flow, a media worker is there and not late."""
        connected = self.board.ari.gate.is_open and self.board.media.connected
        return self._accepting and connected and self.board.readiness.hold() is None

    def _let_go(self, task: CallTask) -> None:
        self.running.discard(task.id)
        self._nudged.set()

    async def _call(self, task: CallTask) -> None:
        crash_here("after_claim")
        try:
            order = await self._order(task)
            if order is None:
                await self.board.bus.publish("tasks", TaskChanged(tenant_id=task.tenant_id, task_id=task.id))
                return
            crash_here("after_open")
            await self.board.announce(order)
            if self._accepting:
                await supervise(self.board, order, task)
            else:
                await self._give_back(task)
        except AppError as error:
            # The claim was lost or the store is away: the lease runs out and the task is recovered.
            log.error("task not called", task_id=task.id, error=error.message)
        except Exception:  # supervision: a fault met by one task must not end the calls of others
            log.exception("task not called by a fault of ours", task_id=task.id)
        finally:
            self._let_go(task)

    async def _order(self, task: CallTask) -> CallOrder | None:
        """Ask admission early and open the attempt of a claimed task, in one transaction. None: it is not called
        now, and what was decided is stored. The last word is said when the intent is committed.
        """
        settings = self.board.settings
        try:
            agent = await agents.get(self.board.db, task.tenant_id, task.agent_id)
            context = await call_context(self.board, task, agent)
            told = await memory.earlier(self.board.db, task)
        except msgspec.ValidationError as damaged:
            await self._refuse(task, f"The stored agent of this task cannot be read: {damaged}.")
            return None
        now_ms = self.board.clock.unix_ms()  # after the documents: an attempt is dialed soon or not at all
        async with self.board.db.tx() as tx:
            await tx.exclusive(DIALING)
            current = await tasks.get(tx, task.tenant_id, task.id)
            tasks.check_token(current, task.lease_token)
            hold = self.board.readiness.hold()
            judged = await admission.judge(tx, current, self.board.site, now_ms, hold=hold, early=True)
            if not isinstance(judged.decision, Dial):
                self.board.metrics.not_dialed.labels(judged.decision.rule).inc()
                await settlement.settle(tx, current, judged.decision, now_ms)
                return None
            new = NewCall(
                id=new_id(now_ms),
                task_id=task.id,
                node=settings.node_name,
                number_dialed=self.board.site.target(task.number),
                dial_deadline_ms=now_ms + PREPARE_AND_DIAL_S * 1000,
                agent_version=agent.version,
            )
            await attempts.open_call(tx, task.tenant_id, new, task.lease_token, now_ms)
            await events.add_notes(tx, task.tenant_id, new.id, context.notes, at_ms=now_ms)
        order = CallOrder(
            new=new,
            tenant_id=task.tenant_id,
            lease_token=task.lease_token,
            objective=task.generated_agent_prompt or task.objective,
            callee_name=task.callee_name,
            agent=agent,
            earlier=told,
            context=context,
        )
        return await with_outside_tools(self.board, order)

    async def _give_back(self, task: CallTask) -> None:
        """Claimed, and then the process was told to stop: due again at once, for whoever comes next."""
        now_ms = self.board.clock.unix_ms()
        async with self.board.db.tx() as tx:
            await leases.release(
                tx, task.tenant_id, task.id, task.lease_token, task.next_action_time, now_ms=now_ms
            )

    async def _refuse(self, task: CallTask, sentence: str) -> None:
        now_ms = self.board.clock.unix_ms()
        async with self.board.db.tx() as tx:
            current = await tasks.get(tx, task.tenant_id, task.id)
            tasks.check_token(current, task.lease_token)
            failed = after(current, TaskEvent.FAIL, now_ms)
            await tasks.save(tx, msgspec.structs.replace(failed, overall_conclusion=sentence))
        await self.board.bus.publish("tasks", TaskChanged(tenant_id=task.tenant_id, task_id=task.id))

    async def _conclude_left(self) -> None:
        """Conclude tasks whose call ended but whose process died before it said what follows."""
        settings, now_ms = self.board.settings, self.board.clock.unix_ms()
        left = await leases.claim_analysis(
            self.board.db, now_ms, settings.node_name, settings.lease_s * 1000, ANALYSIS_BATCH
        )
        for task in left:
            await conclude_task(self.board, task, task.lease_token)
            await self.board.bus.publish("tasks", TaskChanged(tenant_id=task.tenant_id, task_id=task.id))

    async def _listen(self) -> None:
        with self.board.bus.subscribe("tasks", "system") as messages:
            await self._nudge_on(messages)

    async def _nudge_on(self, messages: AsyncIterator[object]) -> None:
        async for _ in messages:
            self._nudged.set()

    async def _sleep(self) -> None:
        """Until nudged, until the next task is due, at most one poll interval."""
        wait_s = self.board.settings.scheduler_poll_s
        try:
            due_ms = await tasks.next_due_ms(self.board.db, self.board.clock.unix_ms())
        except StoreError:
            due_ms = None
        if due_ms is not None:
            until_due_s = (due_ms - self.board.clock.unix_ms()) / 1000
            if until_due_s > 0:
                wait_s = min(wait_s, until_due_s)
        try:
            async with asyncio.timeout(wait_s):
                await self._nudged.wait()
        except TimeoutError:
            pass
