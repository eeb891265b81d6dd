"""One spoken session: the Realtime session, the notebook and looks at the store around `SpokenTalk`.

Thin: it carries inputs to the machine and carries out what it wants. It belongs to the console, not to a
websocket, so that what was said is still written down when the browser goes.
"""

import asyncio
from collections.abc import Callable

import structlog

from app.domain.follow_up import news_of
from app.domain.planning import PlannerTurn, Profile
from app.errors import AppError
from app.llm.planner_contacts import with_contacts
from app.llm.planner_history import context_of, tables_of
from app.llm.planner_steps import Parts
from app.llm.planner_world import limits_of
from app.llm.spoken import budget
from app.llm.spoken.line import SpokenLine
from app.llm.spoken.model import (
    Act,
    BudgetUsed,
    Charge,
    Effect,
    End,
    FlushEvent,
    GiveResult,
    HungUp,
    Inform,
    Input,
    ModelLine,
    Note,
    OverEvent,
    PageEvent,
    PendingNews,
    Quiet,
    Reported,
    Seen,
    StoredEvent,
    Tell,
    Tick,
)
from app.llm.spoken.notebook import PATIENCE_S, Notebook
from app.llm.spoken.opening import realtime_settings
from app.llm.spoken.talk import SpokenTalk
from app.llm.spoken.told import primed
from app.store import conversations, follow_up
from app.store.conversations import Conversation
from media.leg_session import LegSession
from media.protocol import NumberedReport

log = structlog.get_logger()
STEP_S = 0.1
LOOK_S = 2.0
BUDGET_LOOKS = 5
"""Every so many looks at the store the budget is asked, too."""
WRITE_DOWN_S = PATIENCE_S + 15.0
"""After the end: somebody else may be writing."""
STOPPING_S = 15.0
"""The same while the console is being stopped."""


class SpokenSession:
    """`run` lives until somebody hangs up or the machine ends it; `ended` is set when all is written down."""

    def __init__(
        self,
        parts: Parts,
        conversation: Conversation,
        profile: Profile,
        *,
        tell: Callable[[PageEvent], None],
        speech: Callable[[bytes], None],
    ) -> None:
        self.ended = asyncio.Event()
        self._parts = parts
        self._conversation = conversation
        self._profile = profile
        self._tell = tell
        self._speech = speech
        self._notebook = Notebook(parts, conversation, profile)
        self._over = asyncio.Event()
        self._line: SpokenLine | None = None
        self._talk = SpokenTalk(_now(), zone=profile.zone)
        self._seq = 0
        self._confirmed: set[str] = set()
        self._stopping = False
        self._writing_down: asyncio.Timeout | None = None

    def hear(self, pcm: bytes) -> None:
        """A piece of the microphone: PCM16 at 16 kHz."""
        if self._line is not None and not self._over.is_set():
            self._line.hear(pcm)

    @property
    def over(self) -> bool:
        """Nobody speaks any more, whatever is still to be written down."""
        return self._over.is_set()

    def hang_up(self, *, stopping: bool = False) -> None:
        """Nobody listens any more. `stopping`: there is little time to write down what was said."""
        self._over.set()
        if stopping:
            self._stopping = True
            if self._writing_down is not None:
                self._writing_down.reschedule(_now() + STOPPING_S)

    async def run(self, *, resumed: bool) -> None:
        """Speak. `resumed`: the user was speaking a moment ago. Raises StoreError before it began."""
        try:
            await self._prepare(resumed=resumed)
            assert self._line is not None
            async with asyncio.TaskGroup() as group:
                writing = group.create_task(self._notebook.run(self._handle, self._stored))
                tasks = [
                    group.create_task(self._line.leg.run()),
                    group.create_task(self._line.play()),
                    group.create_task(self._watch()),
                    group.create_task(self._look_on()),
                ]
                await asyncio.sleep(0)  # the session begins with its playback held
                self._line.leg.answered()
                await self._over.wait()
                self._notebook.close()
                for task in tasks[1:]:
                    task.cancel()
                await self._last_words()
                self._line.leg.close()
                self._handle(HungUp())
                await self._write_down()
                writing.cancel()
        finally:
            self.ended.set()

    async def _last_words(self) -> None:
        """What the user has just said is still being written down by the model: the next session answers it."""
        while self._leg.live and not self._stopping and self._talk.awaits_words(_now()):  # noqa: ASYNC110 - time ends it, too
            await asyncio.sleep(STEP_S)

    async def _write_down(self) -> None:
        try:
            async with asyncio.timeout(STOPPING_S if self._stopping else WRITE_DOWN_S) as self._writing_down:
                await self._notebook.todo.join()
        except TimeoutError:
            log.warning("not all was written down", conversation_id=self._conversation.id)
        finally:
            self._writing_down = None

    # --- before -------------------------------------------------------------------------------------------------
    async def _prepare(self, *, resumed: bool) -> None:
        db, chat = self._parts.db, self._conversation
        turns = await conversations.turns(db, chat.tenant_id, chat.id)
        fates = await conversations.fates(db, chat.tenant_id, chat.id)
        news = await self._news()
        self._seq = turns[-1].seq if turns else 0
        self._confirmed = {one.id for one in fates.values() if one.state == "confirmed"}
        profile = await with_contacts(db, chat.tenant_id, self._profile, turns)
        limits = limits_of(self._parts.settings, self._parts.site)
        tables = await asyncio.to_thread(tables_of, turns)
        context = context_of(profile, tables, limits, None, self._parts.clock.unix_ms())
        states: dict[str, str] = {one.id: one.state for one in fates.values()}
        settings = realtime_settings(
            self._parts.settings,
            self._parts.lookups,
            primed(context, turns, states, resumed=resumed),
            fresh=not turns,
        )
        self._line = SpokenLine(
            chat.id, settings, report=self._reported, speech=self._speech, silence=self._silence
        )
        self._talk = SpokenTalk(_now(), news, self._profile.zone)
        self._run(self._talk.begin(_now(), owed=_owed(turns, resumed=resumed)))

    # --- beside -------------------------------------------------------------------------------------------------
    async def _watch(self) -> None:
        """What nobody reports: the model's connection, silence, time."""
        assert self._line is not None
        while True:
            await asyncio.sleep(STEP_S)
            if self._line.leg.ready:
                self._handle(ModelLine(self._line.leg.live))
            if self._line.leg.live and self._line.quiet:
                self._handle(Quiet())
            if (deadline := self._talk.next_deadline) is not None and _now() >= deadline:
                self._handle(Tick())

    async def _look_on(self) -> None:
        """The store, now and then: what was typed, which calls ended, what was confirmed, what it cost."""
        looks = 0
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                self._handle(await self._look())
                looks += 1
                if looks % BUDGET_LOOKS == 0 and not await self._affords():
                    self._handle(BudgetUsed())
            except AppError as error:  # the next look tells
                log.warning(
                    "a look at the chat failed", conversation_id=self._conversation.id, error=error.message
                )

    async def _look(self) -> Seen:
        db, chat = self._parts.db, self._conversation
        fresh = await conversations.turns_after(db, chat.tenant_id, chat.id, self._seq)
        fates = await conversations.fates(db, chat.tenant_id, chat.id)
        confirmed = [one for one in fates if fates[one].state == "confirmed" and one not in self._confirmed]
        titles = [(await conversations.get_plan(db, chat.tenant_id, one)).plan.title for one in confirmed]
        news = await self._news()
        # only now: a look that failed is made again, and must see the same
        self._seq = fresh[-1].seq if fresh else self._seq
        self._confirmed.update(confirmed)
        written = tuple(turn for turn in fresh if not turn.content.spoken)
        return Seen(turns=written, news=news, confirmed=tuple(titles))

    async def _news(self) -> PendingNews | None:
        ended = await follow_up.untold(self._parts.db, self._conversation.tenant_id, self._conversation.id)
        if not ended:
            return None
        return PendingNews(news=news_of(ended), call_ids=frozenset(one.call_id for one in ended))

    async def _affords(self) -> bool:
        return await budget.left(self._parts.db, self._conversation.tenant_id, self._parts.clock.unix_ms())

    # --- the machine --------------------------------------------------------------------------------------------
    def _reported(self, report: NumberedReport) -> None:
        self._handle(Reported(report))

    def _stored(self, seq: int) -> None:
        self._tell(StoredEvent(seq=seq))

    def _silence(self) -> None:
        self._tell(FlushEvent())

    def _handle(self, event: Input) -> None:
        self._run(self._talk.handle(event, _now()))

    def _run(self, effects: list[Effect]) -> None:
        assert self._line is not None or not effects
        for effect in effects:
            match effect:
                case Note() | Act() | Charge():
                    self._notebook.todo.put_nowait(effect)
                case GiveResult(tool_call_id=tool_call_id, output=output):
                    self._leg.tool_output(tool_call_id, output, respond=True)
                case Inform(text=text, respond=respond):
                    self._leg.inject(text, respond=respond)
                case Tell(event=event):
                    self._tell(event)
                case End(why=why, words=words):
                    self._tell(OverEvent(why=why, words=words))
                    self._over.set()

    @property
    def _leg(self) -> LegSession:
        assert self._line is not None
        return self._line.leg


def _owed(turns: list[PlannerTurn], *, resumed: bool) -> bool:
    """Whether the user waits for an answer, or for the rest of one, since the connection was lost."""
    return resumed and bool(turns) and (turns[-1].role == "user" or turns[-1].content.interrupted)


def _now() -> float:
    return asyncio.get_running_loop().time()
