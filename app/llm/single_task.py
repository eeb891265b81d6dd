"""One task without a chat: what a person or a program asks for, checked as every plan is, and stored once.

The id of the task follows from the caller's key, so a request that is sent twice is one task.
"""

import hashlib

import msgspec

from app.config import Settings
from app.domain.admission_site import Site
from app.domain.agent import PLANNED_TOOLS, Agent
from app.domain.plan import AgentBrief, CallDraft, ConsentDraft, Origin, PlanDraft, WindowDraft
from app.domain.plan_check import check_plan
from app.domain.plan_sources import Source, Sources, numbers_in
from app.domain.policy.pack import CalleeKind, ConsentLevel, Purpose
from app.domain.task import CallTask, NewTask
from app.errors import ConflictError, NotFoundError, ValidationFailed
from app.ids import new_id
from app.llm.orchestrator import Confirmer
from app.llm.planner_world import world_of
from app.store import agents, audit, consents, tasks
from app.store.audit import Deed
from app.store.consents import NewConsent
from app.store.db import DIALING, Writer, within

OPENING = "Hello, this is an automated assistant."


class SingleTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to call about what. `agent_id` empty: an agent of its own with `agent_instructions`."""

    number: str
    objective: str
    callee_name: str = ""
    agent_instructions: str = ""
    agent_id: str = ""
    language: str = "en"
    opening_line: str = OPENING
    purpose: Purpose = "service"
    callee_kind: CalleeKind = "person"
    consent_level: ConsentLevel = "none"
    consent_evidence: str = ""
    earliest: str = ""
    latest: str = ""
    zone: str = ""
    idempotency_key: str = ""


async def schedule(
    sql: Writer, who: Confirmer, asked: SingleTask, *, settings: Settings, site: Site, now_ms: int
) -> tuple[CallTask, bool]:
    """The task; the second value is False when this key was used before. Raises ValidationFailed, NotFoundError,
    ConflictError when the key was used for another number, StoreError.
    """
    draft, sources = _draft(asked, settings.default_region)
    async with within(sql) as tx:
        await tx.exclusive(DIALING)
        task_id = _task_id(who, asked.idempotency_key) or new_id(now_ms)
        try:
            there = await tasks.get(tx, who.tenant_id, task_id)
        except NotFoundError:
            pass
        else:
            same = there.number in numbers_in(asked.number, settings.default_region)
            if there.objective != asked.objective.strip() or not same:
                raise ConflictError("This idempotency key was used for another task.")
            return there, False
        world = await world_of(
            tx, who.tenant_id, asked.purpose, sources.numbers, settings=settings, site=site, now_ms=now_ms
        )
        plan, problems = check_plan(draft, sources, world)
        if plan is None:
            raise ValidationFailed("The call cannot be planned: " + " ".join(problems), code="plan")
        (call,) = plan.calls
        agent_id = asked.agent_id or task_id
        if asked.agent_id:
            await agents.get(tx, who.tenant_id, asked.agent_id)
        else:
            await agents.create(tx, _agent(asked, who.tenant_id, task_id), now_ms)
        if call.consent is not None:
            given = NewConsent(
                number=call.number,
                purpose=asked.purpose,
                level=call.consent.level,
                evidence=f"{who.actor}: {call.consent.quote[:300]}",
                given_ms=now_ms,
            )
            await consents.give(tx, who.tenant_id, given)
        new = NewTask(
            id=task_id,
            agent_id=agent_id,
            number=call.number,
            objective=call.objective,
            callee_name=call.callee_name,
            next_action_time=call.first_ms,
            max_attempts=settings.max_attempts,
            purpose=asked.purpose,
            callee_zone=call.zone,
            callee_kind=call.callee_kind,
            until_ms=call.until_ms,
        )
        task = await tasks.create(tx, who.tenant_id, new, now_ms)
        deed = Deed(actor=who.actor, action="task_scheduled", object=f"task:{task.id}", address=who.address)
        await audit.add(tx, who.tenant_id, deed, now_ms)
    return task, True


def _draft(asked: SingleTask, region: str) -> tuple[PlanDraft, Sources]:
    """The request as a plan of one call; everything in it was said by whoever asks."""
    consent = None
    if asked.consent_level != "none":
        consent = ConsentDraft(level=asked.consent_level, quote=asked.consent_evidence)
    call = CallDraft(
        callee_name=asked.callee_name,
        number=asked.number,
        objective=asked.objective,
        window=WindowDraft(earliest=asked.earliest, latest=asked.latest, zone=asked.zone),
        callee_kind=asked.callee_kind,
        business_quote="business",
        consent=consent,
    )
    brief = AgentBrief(
        language=asked.language,
        purpose=asked.objective or "-",
        opening_line=asked.opening_line,
        stop_when=("the matter is settled",),
    )
    draft = PlanDraft(title=asked.objective[:100] or "-", purpose=asked.purpose, agent=brief, calls=(call,))
    said = f"{asked.number}\n{asked.callee_kind}\n{asked.zone}\n{asked.consent_evidence}"
    origin = Origin(kind="user", ref="the request")
    return draft, Sources([Source(origin=origin, text=said)], region=region)


def _task_id(who: Confirmer, key: str) -> str:
    if not key:
        return ""
    return hashlib.sha256(f"{who.tenant_id}\0{key}".encode()).hexdigest()[:32]


def _agent(asked: SingleTask, tenant_id: str, task_id: str) -> Agent:
    return Agent(
        id=task_id,
        tenant_id=tenant_id,
        name=f"{asked.objective.strip()[:150]} ({task_id[-8:]})",
        prompt=asked.agent_instructions.strip(),
        greeting=asked.opening_line,
        language=asked.language,
        tools=PLANNED_TOOLS,
    )
