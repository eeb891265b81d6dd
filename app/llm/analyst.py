"""Examines ended calls, one after the other as they come due; started by `app.engine`.

The queue is the table `analyses`: a call waits there until it is decided. While the text model is away its tasks
stay in analysis and are tried again after a growing pause; nothing is called again without having been judged.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

import structlog

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.admission_site import Site
from app.domain.analysis.decide import Facts, by_rule, decide, silent, unjudged
from app.domain.analysis.judgement import Decision
from app.domain.call import Call
from app.domain.messages import CallChanged, TaskChanged
from app.domain.policy.pack import Pack
from app.domain.task import CallTask
from app.errors import AppError, LeaseLost, StoreError
from app.llm.analysis import ASKS, TIMEOUT_S, Judged, judge
from app.llm.errors import TextModelError, TextModelRefused, TextModelUnavailable
from app.llm.facts import WISH_KIND, WISH_UNDONE, facts_of, wish_of
from app.llm.model import TextModel
from app.llm.record import charge, examined_by, record
from app.store import admission, analyses, calls, events, transcripts
from app.store.db import DIALING, Database
from stasis.outcome import Outcome

log = structlog.get_logger()

BATCH = 8
LONGEST_TRY_S = ASKS * 3 * (TIMEOUT_S + 10)
LEASE_MS = round((LONGEST_TRY_S + 60) * 1000)
"""A claim outlasts the longest examination. After a crash its call waits for the next process of the same name, or
this long for another one.
"""
FIRST_DEFER_MS = 15_000
LONGEST_DEFER_MS = 15 * 60_000
LOOK_S = 30.0
REFUSED_TRIES = 3
"""A request that the server does not take is given to a person after so many tries."""
ALONE_TRIES = 3
"""So often a call must fail while others are judged, before it counts as failing by itself."""
MOST_TRIES = 20
"""So is a call that fails this often while the model judges others: waiting does not mend it."""


class Analyst:
    """One per control process; several processes share the queue."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        db: Database,
        bus: Bus,
        *,
        model: TextModel | None,
        packs: Sequence[Pack],
    ) -> None:
        """Without `model` (ANALYSIS=rules) what still waits is concluded by rule."""
        self._settings = settings
        self._clock = clock
        self._db = db
        self._bus = bus
        self._model = model
        self._site = Site(packs=tuple(packs))
        """Only asked which rules bind another call."""
        self._judged_ms = 0
        """When the model last gave a judgement here: a call that fails all the same does so by itself."""
        self._alone: Counter[str] = Counter()
        """How often each call failed while others were judged."""

    async def run(self) -> None:
        """Work until cancelled: what is not done then is found again by the next process of this name."""
        first = True
        with self._bus.subscribe("tasks") as messages:
            while True:
                try:
                    if first:
                        await analyses.let_go(self._db, self._settings.node_name)
                        first = False
                    if await self.look():
                        continue
                except StoreError as error:
                    log.error("analysis cannot reach the store", error=error.message)
                except Exception:  # supervision: one bad row must not stop every other call's analysis
                    log.exception("analysis round failed by a fault of ours")
                try:
                    async with asyncio.timeout(await self._pause_s()):
                        await anext(messages)
                except TimeoutError:
                    pass

    async def look(self) -> int:
        """Examine what is due now, several at a time; answers how many that were."""
        now_ms = self._clock.unix_ms()
        due = await analyses.claim_due(self._db, now_ms, self._settings.node_name, LEASE_MS, BATCH)
        async with asyncio.TaskGroup() as group:
            for task in due:
                group.create_task(self._examine_safely(task))
        return len(due)

    async def _pause_s(self) -> float:
        try:
            due_ms = await analyses.next_try_ms(self._db)
        except StoreError:
            return LOOK_S
        if due_ms is None:
            return LOOK_S
        return min(max((due_ms - self._clock.unix_ms()) / 1000, 1.0), LOOK_S)

    async def _examine_safely(self, task: CallTask) -> None:
        """Examine one call; whatever happens, the others go on."""
        try:
            last = (await calls.of_task(self._db, task.tenant_id, task.id))[-1]
        except StoreError as error:  # the lease runs out and it is examined again
            log.error("call of a task not read", task_id=task.id, error=error.message)
            return
        try:
            await self._examine(task, last)
        except LeaseLost:
            log.warning("analysis given up, the task was taken over", task_id=task.id)
            return
        except TextModelError as error:
            await self._give_up_or_defer(task, last, error)
        except AppError as error:  # the store is away: the lease runs out and it is examined again
            log.error("analysis not stored", task_id=task.id, error=error.message)
            return
        except Exception as error:  # supervision: others go on; this one waits and is seen
            log.exception("analysis failed by a fault of ours", task_id=task.id)
            await self._give_up_or_defer(task, last, AppError(f"A fault of ours: {type(error).__name__}."))
        await self._bus.publish("calls", CallChanged(tenant_id=task.tenant_id, call_id=last.id))
        await self._bus.publish("tasks", TaskChanged(tenant_id=task.tenant_id, task_id=task.id))

    async def _facts(self, task: CallTask, call: Call) -> Facts:
        turns = await transcripts.list_turns(self._db, task.tenant_id, call.id)
        noted = await events.standing(self._db, task.tenant_id, call.id, WISH_KIND, undone_by=WISH_UNDONE)
        wish = wish_of(noted)
        policy = await admission.policy_of(self._db, task, self._site)
        now_ms = self._clock.unix_ms()
        return facts_of(task, call, turns, wish, policy=policy, settings=self._settings, now_ms=now_ms)

    async def _examine(self, task: CallTask, call: Call) -> None:
        facts = await self._facts(task, call)
        judged = Judged(judgement=None, replies=())
        decision = self._by_rule(facts)
        if decision is None:
            name = self._settings.analysis_model
            assert self._model is not None
            try:
                judged = await judge(self._model, name, task, facts)
                self._judged_ms = self._clock.unix_ms()
            except TextModelRefused as refused:
                waiting = await analyses.get(self._db, task.tenant_id, call.id)
                if refused.setup or waiting is None or waiting.tries + 1 < REFUSED_TRIES:
                    raise
                judged = Judged(judgement=None, replies=refused.replies, fault=refused.message)
            decision = decided(judged, facts)
        await self._store(task, call, judged, decision)

    def _by_rule(self, facts: Facts) -> Decision | None:
        """The decision that needs no model; None when one is needed."""
        spoken = any(turn.speaker == "callee" and turn.text.strip() for turn in facts.turns)
        if spoken and self._model is not None:
            return None
        if not spoken and facts.attempt.outcome is Outcome.COMPLETED:
            return silent(facts)
        return by_rule(facts)

    async def _store(self, task: CallTask, call: Call, judged: Judged, decision: Decision) -> None:
        examined = examined_by(self._settings.analysis_model, judged.replies, judged.judgement)
        now_ms = self._clock.unix_ms()
        async with self._db.tx() as tx:
            await tx.exclusive(DIALING)  # before the budget's row: an opt-out may have to be listed
            for reply in judged.replies:
                await charge(tx, task, call.id, reply, now_ms)
            done = await record(tx, task, call, decision, examined, now_ms=now_ms)
        self._alone.pop(call.id, None)
        log.info("call analyzed", call_id=call.id, action=str(decision.action), task_state=str(done.state))

    async def _give_up_or_defer(self, task: CallTask, call: Call, error: AppError) -> None:
        waiting = await analyses.get(self._db, task.tenant_id, call.id)
        if waiting is not None and self._fails_by_itself(waiting, error):
            replies = error.replies if isinstance(error, TextModelError) else ()
            judged = Judged(judgement=None, replies=replies, fault=error.message)
            try:
                await self._store(task, call, judged, decided(judged, await self._facts(task, call)))
            except (LeaseLost, StoreError) as lost:
                log.warning("end of an analysis not stored", call_id=call.id, error=lost.message)
                return
            except Exception:  # supervision: what cannot even be read goes on waiting, and is seen
                log.exception("analysis cannot be given to a person", call_id=call.id)
            else:
                return
        await self._defer(task, call, error)

    def _fails_by_itself(self, waiting: analyses.Analysis, error: AppError) -> bool:
        """Whether the model is there for others while this call fails again and again. An error that looks like a
        model that is away counts only as often as others were judged since the try before: a model that comes back
        answers some of a backlog, and refuses others for their number.
        """
        away = isinstance(error, TextModelUnavailable) or (isinstance(error, TextModelRefused) and error.setup)
        again = away and waiting.tries > 0
        if again and self._judged_ms >= waiting.next_try_ms - _pause_ms(waiting.tries - 1):
            self._alone[waiting.call_id] += 1
        if waiting.tries + 1 < MOST_TRIES:
            return False
        return self._alone[waiting.call_id] >= ALONE_TRIES if away else self._judged_ms >= waiting.created_ms

    async def _defer(self, task: CallTask, call: Call, error: AppError) -> None:
        waiting = await analyses.get(self._db, task.tenant_id, call.id)
        pause_ms = _pause_ms(waiting.tries if waiting else 0)
        now_ms = self._clock.unix_ms()
        log.warning("call not analyzed yet", call_id=call.id, error=error.message, again_in_s=pause_ms // 1000)
        try:
            async with self._db.tx() as tx:
                for reply in error.replies if isinstance(error, TextModelError) else ():
                    await charge(tx, task, call.id, reply, now_ms)
                await analyses.defer(
                    tx, task, call.id, error.message, next_try_ms=now_ms + pause_ms, now_ms=now_ms
                )
        except (LeaseLost, StoreError) as lost:
            log.warning("pause of an analysis not stored", call_id=call.id, error=lost.message)


def _pause_ms(tries: int) -> int:
    """How long a call waits that failed after so many tries before."""
    return min(FIRST_DEFER_MS << min(tries, 10), LONGEST_DEFER_MS)


def decided(judged: Judged, facts: Facts) -> Decision:
    """The decision about what the model said, or about its having said nothing that can be used."""
    if judged.judgement is not None:
        return decide(judged.judgement, facts)
    question = f"The text model gave no usable judgement ({judged.fault}) Read the transcript and decide."
    return unjudged("The call could not be judged.", question, facts)
