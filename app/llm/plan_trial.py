"""Runs scripted briefs through the planner as the product does: store, look-ups, model over HTTP, plan, confirm.

Used by `opendeep sim plan`: against SimText every expectation is about what our code makes of plausible and of
wrong models; against another server only the first message of each brief is sent, and the kind of reply compared.
"""

import asyncio
import re
from datetime import datetime
from pathlib import Path

import msgspec

from app.bus import MemoryBus
from app.clock import ManualClock
from app.config import Settings
from app.domain.admission_site import Site
from app.domain.plan import Plan
from app.domain.planning import PlannerTurn, Profile
from app.domain.policy.windows import utc_ms
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import ValidationFailed
from app.ids import new_id
from app.llm.lookups.connect import lookups
from app.llm.model import TextModel
from app.llm.orchestrator import Confirmer, Orchestrator
from app.llm.plan_events import calls_happen
from app.llm.planner import Planner, Replied
from app.llm.planner_answer import TextWithdrawn
from app.llm.planner_lookups import ROUNDS
from app.llm.planner_message import Said
from app.policy_packs import enabled_packs, load_packs
from app.sim.text.briefs import Brief, Turn
from app.sim.text.lookups import SimLookups
from app.store import conversations, dnd, tasks
from app.store.conversations import Conversation
from app.store.db import Database
from app.store.sqlite import SqliteDatabase

OWNER = "user:trial"
PROFILE = Profile(name="Ann", zone="Europe/London", company="Ann's Bistro")


class TriedPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one brief. `kinds` of its replies, in order."""

    brief: str
    kinds: tuple[str, ...]
    calls: int
    lookups: int
    sent_back: int
    cost_micro_usd: int | None
    agrees: bool
    """The first reply is of the kind a right model gives."""
    wrong: tuple[str, ...]
    """Every expectation that does not hold."""


class Trial:
    """One brief in a store of its own."""

    def __init__(
        self, brief: Brief, db: Database, found: SimLookups, settings: Settings, model: TextModel
    ) -> None:
        self._brief, self._db, self._found, self._model = brief, db, found, model
        changes = {"plan_max_calls": brief.max_calls, "default_region": brief.region}
        self._settings = settings.model_copy(update={**changes, **_lookup_settings(found)})
        self._site = Site(packs=enabled_packs(load_packs()), allowed_countries=tuple(brief.countries.split(",")))
        self._clock = ManualClock(datetime.fromisoformat(brief.now))
        self._wrong: list[str] = []
        self._turns: list[PlannerTurn] = []
        self._sent_back = 0
        self._called: set[str] = set()

    async def run(self, before: "Before", *, whole: bool) -> TriedPlan:
        """All messages, or only the first; `before` is told of each."""
        brief = self._brief
        self._found.pages, self._found.places = list(brief.pages), list(brief.places)
        self._found.status = 503 if brief.lookups_down else 200
        chat = await self._begin()
        async with lookups(self._settings) as offered:
            planner = Planner(
                self._settings, self._clock, self._db, model=self._model, lookups=offered, site=self._site
            )
            for n, turn in enumerate(brief.turns if whole else brief.turns[:1], 1):
                if turn.happened:
                    await self._happen(chat, turn, before)
                before(turn)
                await self._say(planner, chat, turn, f"message {n}")
        calls = await self._confirm(chat, before) if whole else 0
        self._wrong += _invented(brief, [one.content.plan for one in self._turns if one.content.plan is not None])
        costs = [turn.cost_micro_usd for turn in self._turns]
        first = brief.turns[0].expect
        return TriedPlan(
            brief=brief.id,
            kinds=tuple(turn.kind for turn in self._turns),
            calls=calls,
            lookups=sum(len(turn.lookups) for turn in self._turns),
            sent_back=self._sent_back,
            cost_micro_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
            agrees=bool(self._turns) and first is not None and self._turns[0].kind == first.kind,
            wrong=tuple(self._wrong),
        )

    async def _begin(self) -> Conversation:
        now_ms = self._clock.unix_ms()
        async with self._db.tx() as tx:
            for number in self._brief.listed:
                entry = dnd.DoNotCall(
                    id=new_id(now_ms), tenant_id=None, number=number, reason="x", source="operator"
                )
                await dnd.add(tx, entry, now_ms)
        chat = Conversation(
            id=new_id(now_ms),
            tenant_id=DEFAULT_TENANT_ID,
            owner=OWNER,
            display_name=PROFILE.name,
            answering_until_ms=None,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        return await conversations.create(self._db, chat)

    async def _say(self, planner: Planner, chat: Conversation, turn: Turn, what: str) -> None:
        profile = msgspec.structs.replace(PROFILE, contacts=self._brief.contacts)
        said = Said(text=turn.text, answers=turn.answers, tables=turn.tables)
        try:
            events = [event async for event in planner.reply(chat, profile, said)]
            self._sent_back += sum(isinstance(event, TextWithdrawn) for event in events)
        except ValidationFailed as refused:
            if not turn.refused or turn.refused not in refused.message:
                self._wrong.append(f"{what} was not taken: {refused.message}")
            return
        last = events[-1]
        assert isinstance(last, Replied)
        self._turns.append(last.turn)
        if turn.refused:
            self._wrong.append(f"{what} was taken")
        elif turn.expect is not None:
            self._wrong += [f"{what}: {line}" for line in _unmet(turn, last.turn)]

    async def _happen(self, chat: Conversation, turn: Turn, before: "Before") -> None:
        """Confirm the open plan and make its calls, at the time at which all of them may ring."""
        before(None)
        stored = await conversations.open_plan(self._db, DEFAULT_TENANT_ID, chat.id)
        if stored is not None:
            orchestrator = self._orchestrator()
            await orchestrator.confirm(Confirmer(tenant_id=DEFAULT_TENANT_ID, actor=OWNER), chat.id, stored.id)
        every = await tasks.list_tasks(self._db, DEFAULT_TENANT_ID, limit=10_000)
        self._called = {task.id for task in every}
        due_ms = max(task.next_action_time for task in every)
        self._clock.advance(max(0, due_ms - self._clock.unix_ms()) / 1000)
        made = await calls_happen(self._db, DEFAULT_TENANT_ID, turn.happened, self._clock.unix_ms())
        if made != len(turn.happened):
            self._wrong.append(f"{made} calls were made, {len(turn.happened)} are written")
        self._clock.advance(60)

    def _orchestrator(self) -> Orchestrator:
        return Orchestrator(self._settings, self._clock, self._db, MemoryBus(), model=self._model, site=self._site)

    async def _confirm(self, chat: Conversation, before: "Before") -> int:
        """Confirm twice at the same time; there must be one campaign with the expected calls, or nothing."""
        before(None)
        brief = self._brief
        earlier = {task.id for task in await tasks.list_tasks(self._db, DEFAULT_TENANT_ID, limit=10_000)}
        stored = await conversations.open_plan(self._db, DEFAULT_TENANT_ID, chat.id)
        if stored is None or not brief.batch:
            if (stored is not None) != bool(brief.batch):
                self._wrong.append("a plan can be confirmed" if stored else "there is no plan to confirm")
            if earlier != self._called:
                self._wrong.append("something was scheduled without a confirm")
            return 0
        made = self._orchestrator()
        who = Confirmer(tenant_id=DEFAULT_TENANT_ID, actor=OWNER)
        async with asyncio.TaskGroup() as group:
            clicks = [group.create_task(made.confirm(who, chat.id, stored.id)) for _ in range(2)]
        ids = {click.result().campaign.id for click in clicks}
        every = await tasks.list_tasks(self._db, DEFAULT_TENANT_ID, limit=10_000)
        numbers = sorted(task.number for task in every if task.id not in earlier)
        made_of = {task.campaign_id for task in every if task.id not in earlier}
        if len(ids) != 1 or made_of != ids:
            self._wrong.append("two clicks made more than one campaign")
        if numbers != sorted(call.number for call in stored.plan.calls) or len(numbers) != brief.batch:
            self._wrong.append(f"batch: expected {brief.batch} calls of the plan, got {numbers}")
        return len(numbers)


class Before:
    """Told of each message before it is sent, and (None) of the confirm; sets the minds of a simulated model."""

    def __call__(self, turn: Turn | None) -> None:
        """Nothing for a model that has a mind of its own."""


async def try_brief(
    brief: Brief,
    folder: Path,
    *,
    found: SimLookups,
    model: TextModel,
    settings: Settings,
    before: Before,
    whole: bool = True,
) -> TriedPlan:
    """One brief in a database below `folder`."""
    async with SqliteDatabase(folder / f"{brief.id}.db") as db:
        return await Trial(brief, db, found, settings, model).run(before, whole=whole)


def _lookup_settings(found: SimLookups) -> dict[str, object]:
    return {
        "search_provider": "searxng",
        "searxng_url": found.url,
        "places_provider": "osm",
        "nominatim_url": found.url,
        "overpass_url": found.url,
        "lookup_timeout_s": 5.0,
    }


def _unmet(turn: Turn, got: PlannerTurn) -> list[str]:
    expect, plan = turn.expect, got.content.plan
    assert expect is not None
    wrong: list[str] = []

    def want(what: str, wanted: object, found: object) -> None:
        if wanted != found:
            wrong.append(f"{what}: expected {wanted!r}, got {found!r}")

    calls = plan.calls if plan is not None else ()
    want("kind", expect.kind, got.kind)
    want("questions", expect.questions, tuple(f"{one.name}:{one.type}" for one in got.content.questions))
    want("look-ups", expect.lookups, tuple(one.name for one in got.lookups))
    want("calls", expect.calls, tuple(call.number for call in calls))
    if expect.origins:
        want("origins", expect.origins, tuple(call.origin.ref for call in calls))
    want("left out", expect.left_out, tuple(one.row for one in plan.left_out) if plan is not None else ())
    if expect.first and calls:
        want("first", utc_ms(datetime.fromisoformat(expect.first)), min(call.first_ms for call in calls))
    decisions = min(len(turn.looks) + 1, ROUNDS)
    want("sent back", expect.sent_back, got.asked - decisions - 1)
    if expect.changes is not None:
        diff = got.content.changes
        told = [] if diff is None else [*(f"+{one}" for one in diff.added), *(f"-{one}" for one in diff.removed)]
        told += [] if diff is None else [f"{one.about}:{one.field}" for one in diff.changes]
        want("changes", sorted(expect.changes), sorted(told))
    told = got.content.news.calls if got.content.news is not None else ()
    want("news", sorted(expect.news), sorted(one.number for one in told))
    problems = [one.problem for one in got.lookups if one.problem]
    if len(problems) != len(expect.problems) or any(
        w not in p for w, p in zip(expect.problems, problems, strict=True)
    ):
        wrong.append(f"problems: expected {expect.problems!r}, got {problems!r}")
    if expect.says not in got.text:
        wrong.append(f"{expect.says!r} is not in {got.text!r}")
    return wrong


def _invented(brief: Brief, plans: list[Plan]) -> list[str]:
    """Numbers of plans whose digits stand in nothing that was supplied; an independent look."""
    texts = [turn.text + " ".join(turn.tables) + str(turn.answers or "") for turn in brief.turns]
    texts += [contact.number for contact in brief.contacts]
    texts += [page.text for page in brief.pages] + [place.phone for place in brief.places]
    digits = re.sub(r"[^\d|]", "", "|".join(texts))
    numbers = {call.number for plan in plans for call in plan.calls}
    return [f"{number} was invented" for number in sorted(numbers) if number[-9:] not in digits]
