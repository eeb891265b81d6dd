"""The lifecycle agent: looks over the open tasks of each tenant, on a schedule and when something happened to
them; started by `app.engine`.

The queue is the table `lifecycle_turns`. A model that is away, or a budget that is used up, means that nothing
happens. It acts only through `app.store.lifecycle`, so nothing it wishes passes by the rules.
"""

import asyncio
import hashlib
from collections.abc import Sequence

import msgspec
import structlog

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.admission_site import Site
from app.domain.analysis.reach import reach_of
from app.domain.analysis.when import Reach
from app.domain.lifecycle.digest import fingerprint, keyed
from app.domain.lifecycle.judge import judge
from app.domain.messages import FeedbackChanged, ListChanged, TaskChanged
from app.domain.policy.pack import Pack
from app.domain.task import CallTask
from app.errors import AppError, LeaseLost, StoreError
from app.llm.errors import TextModelError
from app.llm.model import TextModel, paid
from app.llm.stewardship import ASKS, PROMPT_VERSION, TIMEOUT_S, Wished, wish
from app.store import admission, lifecycle, lifecycle_facts, lifecycle_turns
from app.store.db import Database
from app.store.lifecycle import Asked, Done
from app.store.lifecycle_turns import Turn

log = structlog.get_logger()

BATCH = 1
"""The lease covers one turn."""
LEASE_MS = round((ASKS * 3 * (TIMEOUT_S + 10) + 60) * 1000)
FIRST_LOOK_MS = 60_000
"""A process that has just started lets its calls settle first."""
GAP_MS = 5 * 60_000
"""Events bring a turn forward, but not closer than this to the one before."""
SAME_MS = 6 * 3_600_000
"""Tasks to which nothing happened are shown again after so long: time passes for them too."""
FIRST_DEFER_MS, LONGEST_DEFER_MS = 60_000, 60 * 60_000
LOOK_S = 30.0
MOST_CHANGED = 500


class Steward:
    """One per control process; several processes share the turns."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        db: Database,
        bus: Bus,
        *,
        model: TextModel,
        packs: Sequence[Pack],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._db = db
        self._bus = bus
        self._model = model
        self._site = Site(packs=tuple(packs))
        """Only asked which rules bind a call."""
        self._changed: set[str] = set()

    async def run(self) -> None:
        """Work until cancelled; what was not finished is found again by the next process of this name."""
        if self._settings.lifecycle == "off":
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._rounds())

    async def look(self) -> int:
        """Take the turns that are due now; answers how many that were."""
        now_ms = self._clock.unix_ms()
        await lifecycle_turns.open_all(self._db, now_ms + FIRST_LOOK_MS)
        due = await lifecycle_turns.claim_due(self._db, now_ms, self._settings.node_name, LEASE_MS, BATCH)
        for turn in due:
            await self._take_safely(turn)
        return len(due)

    async def _rounds(self) -> None:
        first = True
        while True:
            try:
                if first:
                    await lifecycle_turns.let_go(self._db, self._settings.node_name)
                    first = False
                await self._hurry()
                if await self.look():
                    continue
            except StoreError as error:
                log.error("the lifecycle agent cannot reach the store", error=error.message)
            except Exception:  # supervision: one bad turn must not stop those of other tenants
                log.exception("a lifecycle round failed by a fault of ours")
            await asyncio.sleep(LOOK_S)

    async def _listen(self) -> None:
        with self._bus.subscribe("tasks") as messages:
            async for message in messages:
                if isinstance(message, TaskChanged) and len(self._changed) < MOST_CHANGED:
                    self._changed.add(message.task_id)

    async def _hurry(self) -> None:
        changed, self._changed = sorted(self._changed - {""}), set()
        if changed:
            await lifecycle_turns.hurry(self._db, changed, self._clock.unix_ms(), GAP_MS)

    async def _take_safely(self, turn: Turn) -> None:
        try:
            await self._take(turn)
        except LeaseLost:
            log.warning("a lifecycle round was given up, somebody else has it", tenant_id=turn.tenant_id)
        except TextModelError as error:
            await self._defer(turn, error)
        except AppError as error:  # the store is away: the lease runs out and the turn comes again
            log.error("a lifecycle round was not stored", tenant_id=turn.tenant_id, error=error.message)
        except Exception as error:  # supervision: this turn waits and is seen, those of others go on
            log.exception("a lifecycle round failed by a fault of ours", tenant_id=turn.tenant_id)
            await self._defer(turn, AppError(f"A fault of ours: {type(error).__name__}."))

    async def _take(self, turn: Turn) -> None:
        now_ms = self._clock.unix_ms()
        seen = await lifecycle_facts.open_tasks(self._db, turn, self._reach, now_ms)
        mark = _digest_of(fingerprint(seen.tasks))
        ended = msgspec.structs.replace(
            turn,
            next_ms=now_ms + self._settings.lifecycle_every_s * 1000,
            looked_ms=now_ms,
            after_ms=seen.after_ms,
            after_id=seen.after_id,
            fingerprint=mark,
            tries=0,
            last_error="",
        )
        known = mark == turn.fingerprint and now_ms < turn.asked_ms + SAME_MS
        if not seen.tasks or known or not await self._affords(turn.tenant_id, now_ms):
            async with self._db.tx() as tx:
                await lifecycle_turns.end(tx, ended)
            return
        shown = keyed(seen.tasks)
        try:
            wished = await wish(self._model, self._settings.analysis_model, shown, now_ms)
        except TextModelError as error:
            if not error.replies:
                raise
            # What was paid for counts for the day's budget; the next turn asks again.
            wished = Wished(wishes=(), summary="", replies=error.replies, fault=error.message)
            ended = msgspec.structs.replace(_again(turn, error, now_ms), fingerprint="")
        later_ms = self._clock.unix_ms()
        judged = judge(wished.wishes, shown, later_ms)
        asked = asked_by(self._settings.analysis_model, wished, len(shown))
        async with self._db.tx() as tx:
            done = await lifecycle.carry_out(
                tx,
                msgspec.structs.replace(ended, asked_ms=now_ms),
                asked,
                judged.grants,
                judged.refusals,
                now_ms=later_ms,
            )
        await self._tell(turn.tenant_id, done)

    async def _affords(self, tenant_id: str, now_ms: int) -> bool:
        limit = round(self._settings.lifecycle_usd_per_day * 1_000_000)
        spent = await lifecycle.spent_today(self._db, tenant_id, now_ms)
        if spent >= limit:
            log.info("the lifecycle agent rests, its day's budget is used", tenant_id=tenant_id, spent=spent)
        return spent < limit

    async def _tell(self, tenant_id: str, done: Done) -> None:
        log.info(
            "open tasks looked over",
            tenant_id=tenant_id,
            round_id=done.round_id,
            changed=len(done.task_ids),
            refused=done.refused,
        )
        for task_id in done.task_ids:
            await self._bus.publish("tasks", TaskChanged(tenant_id=tenant_id, task_id=task_id))
        if done.task_ids:
            await self._bus.publish("feedback", FeedbackChanged(tenant_id=tenant_id, request_id=""))
        await self._bus.publish("lists", ListChanged(tenant_id=tenant_id, kind="decisions"))

    async def _defer(self, turn: Turn, error: AppError) -> None:
        log.warning("open tasks not looked over", tenant_id=turn.tenant_id, error=error.message)
        again = _again(turn, error, self._clock.unix_ms())
        try:
            async with self._db.tx() as tx:
                await lifecycle_turns.end(tx, again)
        except (LeaseLost, StoreError) as lost:
            log.warning("pause of a lifecycle round not stored", tenant_id=turn.tenant_id, error=lost.message)

    async def _reach(self, task: CallTask) -> Reach:
        policy = await admission.policy_of(self._db, task, self._site)
        hold_s = self._settings.ring_timeout_s
        return reach_of(task, policy, hold_s=hold_s, now_ms=self._clock.unix_ms())


def _again(turn: Turn, error: AppError, now_ms: int) -> Turn:
    """The same tasks are looked over once more, after a pause that grows with the tries."""
    pause_ms = min(FIRST_DEFER_MS << min(turn.tries, 10), LONGEST_DEFER_MS)
    return msgspec.structs.replace(
        turn, next_ms=now_ms + pause_ms, tries=turn.tries + 1, last_error=error.message[:500]
    )


def asked_by(model: str, wished: Wished, shown: int) -> Asked:
    """What the questions of a round cost; one unknown cost makes the sum unknown."""
    return Asked(
        model=model,
        prompt_version=PROMPT_VERSION,
        **msgspec.structs.asdict(paid(wished.replies)),
        shown=shown,
        summary=wished.summary or wished.fault,
    )


def _digest_of(mark: tuple[tuple[object, ...], ...]) -> str:
    return hashlib.sha256(msgspec.json.encode(mark)).hexdigest()
