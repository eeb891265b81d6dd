"""One confirmation of a plan in a process of its own, which may be killed; started by `scripts.promises.confirm`.

Read by a fork server before the first process, so that a process lives for milliseconds and kills strike the
confirmation and not the import. Also here: deliberately wrong products.
"""

import asyncio
from pathlib import Path

import msgspec
from openai.types.responses import Response

from app import crash_points
from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.crash_points import crash_here
from app.domain.admission_site import SIMULATION_PACK, Site
from app.ids import new_id
from app.llm.connect import text_model
from app.llm.orchestrator import Confirmed, Confirmer, Orchestrator, agent_of, tasks_of
from app.logs import set_up_logs
from app.store import agents, campaigns, tasks
from app.store.campaigns import NewCampaign
from app.store.conversations import StoredPlan
from app.store.db import Writer
from app.store.sqlite import SqliteDatabase

Response.model_rebuild()
SITE = Site(packs=(SIMULATION_PACK,), fictional=True)
WHO = Confirmer(tenant_id="default", actor="user:prover")


class Click(msgspec.Struct, frozen=True, kw_only=True):
    """One confirm. `point`: where to die; `answer`: the file in which an answer is left."""

    folder: str
    text_base_url: str
    conversation_id: str
    plan_id: str
    answer: str
    point: str = ""
    mutant: str = ""


def click(asked: Click) -> None:
    """The life of one process."""
    if asked.point:
        crash_points.arm(asked.point)
    set_up_logs("error", as_json=False)
    Path(asked.answer).write_text(asyncio.run(_click(asked)))


async def _click(asked: Click) -> str:
    settings = Settings.model_validate({"simulate": True, "ari_app": "x", "text_base_url": asked.text_base_url})
    async with SqliteDatabase(Path(asked.folder) / "proof.db") as db, text_model(settings) as model:
        made = MUTANTS.get(asked.mutant, Orchestrator)(
            settings, SystemClock(), db, MemoryBus(), model=model, site=SITE
        )
        done = await made.confirm(WHO, asked.conversation_id, asked.plan_id)
    return done.campaign.id


# --- deliberately wrong products --------------------------------------------------------------------------------
class ByHalves(Orchestrator):
    """Campaign and tasks are committed one after the other, and a replay takes what is there for the whole."""

    async def confirm(self, who: Confirmer, conversation_id: str, plan_id: str) -> Confirmed:
        stored = await self._stored(who, conversation_id, plan_id)
        batch, now_ms, agent = (
            await self._order(stored, []),
            self._clock.unix_ms(),
            agent_of(stored, who.tenant_id),
        )
        key = f"plan:{stored.id}"
        async with self._db.tx() as tx:
            new = NewCampaign(id=new_id(now_ms), name=batch.name, idempotency_key=key)
            campaign, added = await campaigns.create(tx, who.tenant_id, new, (), now_ms)
            if added:
                await agents.create(tx, agent, now_ms)
        crash_here("confirm_campaign")
        if added:
            made = tasks_of(stored.plan, batch.order, agent, max_attempts=3, now_ms=now_ms)
            for task in made:
                await tasks.create(
                    self._db, who.tenant_id, msgspec.structs.replace(task, campaign_id=campaign.id), now_ms
                )
            await _mark(self._db, who, stored, campaign.id, now_ms)
        return Confirmed(campaign=campaign, calls=len(stored.plan.calls), first=added)


class LooksFirst(Orchestrator):
    """Looks whether there is a campaign, and writes one afterwards; nothing is held in between, and no key."""

    async def confirm(self, who: Confirmer, conversation_id: str, plan_id: str) -> Confirmed:
        stored = await self._stored(who, conversation_id, plan_id)
        if stored.campaign_id is not None:
            return await self._before(who, stored, stored.campaign_id)
        batch, now_ms = await self._order(stored, []), self._clock.unix_ms()
        agent = msgspec.structs.replace(agent_of(stored, who.tenant_id), id=new_id(now_ms), name=new_id(now_ms))
        async with self._db.tx() as tx:
            await agents.create(tx, agent, now_ms)
            made = tasks_of(stored.plan, batch.order, agent, max_attempts=3, now_ms=now_ms)
            new = NewCampaign(id=new_id(now_ms), name=batch.name)
            campaign, _ = await campaigns.create(tx, who.tenant_id, new, made, now_ms)
            await _mark(tx, who, stored, campaign.id, now_ms)
        return Confirmed(campaign=campaign, calls=len(made), first=True)


class MarksLater(LooksFirst):
    """Notes only after the campaign was committed that the plan is confirmed."""

    async def confirm(self, who: Confirmer, conversation_id: str, plan_id: str) -> Confirmed:
        stored = await self._stored(who, conversation_id, plan_id)
        if stored.campaign_id is not None:
            return await self._before(who, stored, stored.campaign_id)
        batch, now_ms = await self._order(stored, []), self._clock.unix_ms()
        agent = msgspec.structs.replace(agent_of(stored, who.tenant_id), id=new_id(now_ms), name=new_id(now_ms))
        async with self._db.tx() as tx:
            await agents.create(tx, agent, now_ms)
            made = tasks_of(stored.plan, batch.order, agent, max_attempts=3, now_ms=now_ms)
            new = NewCampaign(id=new_id(now_ms), name=batch.name)
            campaign, _ = await campaigns.create(tx, who.tenant_id, new, made, now_ms)
        crash_here("confirm_committed")
        await _mark(self._db, who, stored, campaign.id, now_ms)
        return Confirmed(campaign=campaign, calls=len(made), first=True)


async def _mark(sql: Writer, who: Confirmer, stored: StoredPlan, campaign_id: str, now_ms: int) -> None:
    statement = (
        "UPDATE plans SET state = 'confirmed', campaign_id = :campaign, confirmed_by = :by, "
        "confirmed_ms = :now_ms WHERE id = :id"
    )
    params = {"campaign": campaign_id, "by": who.actor, "now_ms": now_ms, "id": stored.id}
    await sql.execute(statement, params)


MUTANTS: dict[str, type[Orchestrator]] = {
    "by_halves": ByHalves,
    "looks_first": LooksFirst,
    "marks_later": MarksLater,
}
