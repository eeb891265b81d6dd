"""Whoever calls us: refused without any cost, or brought to the task we had called them about.

The channel rings in our Stasis application (`opendeep-callback` of the bundled dialplan). It is refused at once
when nobody of ours knows the number, when it calls too often, when we are full or busy with the same task, when an
answer would not be heard, or when there is no money for the talk. Otherwise the call is stored, its task taken
over, and the call lives like any other.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import StrEnum

import structlog

from app.calls.ari_link import CallerWaits
from app.calls.board import CallOrder, Switchboard
from app.calls.context import call_context
from app.calls.held import Held
from app.calls.memory import remembered
from app.calls.outside import with_outside_tools
from app.domain.call import NewCall
from app.domain.callback import CallerLimits, caller_numbers
from app.domain.number import mask_number
from app.domain.task import CallTask
from app.errors import AppError, ConflictError, StoreError
from app.ids import new_id
from app.store import agents, callbacks, events
from app.store.callbacks import CallBack, CallBackRefusal
from stasis.errors import AriError, NotFound
from stasis.inbound import Caller

log = structlog.get_logger()

APOLOGY = "opendeep-apology"
"""Dialplan context in which a caller hears that we cannot talk now."""
TOGETHER_PER_SLOT = 20
STORE_AGAIN_S = 0.5
DAY_MS = 24 * 3_600_000

Follow = Callable[[CallOrder, CallTask], Awaitable[None]]
"""Run a stored call to its end and count it among the living ones meanwhile."""


class Turned(StrEnum):
    """Why a caller was not answered."""

    STOPPING = "we are being stopped"
    UNHEARD = "nobody would be heard: no media worker or no event stream"
    TOO_OFTEN = "called too often"
    UNKNOWN = "not a number we called lately"
    FULL = "no room for another call"
    AT_WORK = "their task is being worked on"
    LEFT = "talked with a process that is gone"
    NO_MEANS = "no money is left, or the organisation or its account is suspended"
    FAULT = "a fault of ours"


class Reception:
    """One per control process. `taken` and `turned` count what became of callers; `running` has the tasks that are
    being called, those of callers among them.
    """

    def __init__(self, board: Switchboard, follow: Follow, running: Held) -> None:
        self.board = board
        self.taken = 0
        self.turned: Counter[Turned] = Counter()
        self._follow = follow
        self._running = running
        self._accepting = True
        self._here: set[str] = set()
        settings = board.settings
        self._limits = CallerLimits(settings.callbacks_per_hour, settings.call_slots * TOGETHER_PER_SLOT)

    async def run(self) -> None:
        """Receive callers until cancelled; calls that live then are cancelled too, so stop and drain before."""
        await self._close_left()
        async with asyncio.TaskGroup() as group:
            while True:
                waits = await self.board.ari.callers.get()
                # The same caller may come twice: by event and by the listing after a connect.
                if waits.caller.channel_id not in self._here:
                    self._here.add(waits.caller.channel_id)
                    group.create_task(self._take(waits))

    async def _close_left(self) -> None:
        """Before the first caller, whose call is of our node as well; as often as it takes, for a store that is
        away must not end the calls that live. Callers ring meanwhile.
        """
        board = self.board
        while True:
            try:
                left = await callbacks.close_left(board.db, board.settings.node_name, board.clock.unix_ms())
            except StoreError as error:
                log.warning("call-backs of a former process not closed yet", error=error.message)
                await asyncio.sleep(STORE_AGAIN_S)
                continue
            if left:
                log.warning("call-backs of a former process closed", calls=len(left))
            return

    def stop(self) -> None:
        """Take nobody any more; calls in progress are the business of their owner."""
        self._accepting = False

    async def _take(self, waits: CallerWaits) -> None:
        caller = waits.caller
        try:
            turned = await self._bring(waits)
        except AppError as error:
            log.error("caller not taken", error=error.message)
            turned = Turned.FAULT
        except Exception:  # supervision: one caller must not end the calls of others
            log.exception("caller not taken by a fault of ours")
            turned = Turned.FAULT
        if turned is not None:
            self.turned[turned] += 1
            log.info("caller turned away", number=mask_number(caller.number), why=str(turned))
            await self._turn_away(caller, turned)
        self._here.discard(caller.channel_id)

    async def _bring(self, waits: CallerWaits) -> Turned | None:
        """Bring a caller to the task; answers why not, and None when the call was made and is over."""
        caller, board = waits.caller, self.board
        if waits.found and caller.answered:
            return Turned.LEFT
        if not self._accepting:
            return Turned.STOPPING
        if not board.media.connected:
            return Turned.UNHEARD
        if not self._limits.admit(caller.number, board.clock.monotonic()):
            return Turned.TOO_OFTEN
        found, number = await self._known(caller)
        if found is None:
            return Turned.UNKNOWN
        if found.id in self._running:
            return Turned.AT_WORK
        if len(self._running) >= board.settings.call_slots:
            return Turned.FULL
        self._running.add(found.id)  # at once: the scheduler claims no more than what is left
        try:
            begun = await self._begin(found, caller, number)
            if isinstance(begun, Turned):
                return begun
            await self._talk(*begun)
        finally:
            self._running.discard(found.id)
        return None

    async def _talk(self, order: CallOrder, task: CallTask) -> None:
        self.taken += 1
        log.info("call-back", call_id=order.call_id, task_id=task.id)
        await self.board.announce(order)
        await self._follow(order, task)
        if order.leased or order.opted_out:
            return
        async with self.board.db.tx() as tx:
            await callbacks.settle_given_up(tx, task.tenant_id, order.call_id, self.board.clock.unix_ms())
        await self.board.announce(order)

    async def _known(self, caller: Caller) -> tuple[CallTask | None, str]:
        settings = self.board.settings
        since_ms = self.board.clock.unix_ms() - settings.callback_days * DAY_MS
        numbers = caller_numbers(caller.number, settings.default_region) if settings.callback_days else ()
        for number in numbers:
            task = await callbacks.find(self.board.db, number, since_ms)
            if task is not None:
                return task, number
        return None, ""

    async def _begin(self, found: CallTask, caller: Caller, number: str) -> tuple[CallOrder, CallTask] | Turned:
        board, settings = self.board, self.board.settings
        agent = await agents.get(board.db, found.tenant_id, found.agent_id)
        context = await call_context(board, found, agent, inbound=True)
        now_ms = board.clock.unix_ms()
        new = NewCall(
            id=new_id(now_ms),
            task_id=found.id,
            node=settings.node_name,
            number_dialed=number,
            caller_channel=caller.channel_id,
            agent_version=agent.version,
        )
        lease_until = now_ms + settings.lease_s * 1000
        try:
            async with board.db.tx() as tx:
                begun = await callbacks.begin(tx, found, new, lease_until, now_ms, site=board.site)
                if isinstance(begun, CallBack):
                    await events.add_notes(tx, found.tenant_id, new.id, context.notes, at_ms=now_ms)
        except ConflictError:
            return Turned.AT_WORK
        if begun is None:
            return Turned.AT_WORK
        if isinstance(begun, CallBackRefusal):
            log.warning("call-back refused", task_id=found.id, why=begun.sentence)
            return Turned.NO_MEANS
        task = begun.task
        order = CallOrder(
            new=new,
            tenant_id=task.tenant_id,
            lease_token=task.lease_token,
            objective=task.generated_agent_prompt or task.objective,
            callee_name=task.callee_name,
            agent=agent,
            leased=begun.leased,
            opted_out=begun.opted_out,
            earlier=await self._earlier(begun),
            context=context,
        )
        return await with_outside_tools(board, order), task

    async def _earlier(self, begun: CallBack) -> str:
        call, db = begun.call, self.board.db
        before = await callbacks.earlier(db, call)
        return await remembered(db, call.tenant_id, call.task_id, before)

    async def _turn_away(self, caller: Caller, turned: Turned) -> None:
        """Busy, or the apology: when we are the ones who cannot, and for strangers where the site wants it."""
        channels = self.board.ari.client.channels
        apologize = turned in {Turned.UNHEARD, Turned.FAULT, Turned.NO_MEANS} or (
            turned is Turned.UNKNOWN and self.board.settings.callback_unknown == "apology"
        )
        try:
            if apologize:
                await channels.continue_in_dialplan(caller.channel_id, context=APOLOGY)
            else:
                await channels.hangup(caller.channel_id, "normal" if caller.answered else "busy")
        except NotFound:
            pass  # they have hung up
        except AriError as error:  # its dead-man switch ends it within a minute
            log.warning("caller not turned away", error=str(error))
