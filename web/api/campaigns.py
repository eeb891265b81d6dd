"""`/api/v1/campaigns`: list, one with its figures, its report, and pause, resume and stop."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from app.domain.people import Permission
from app.errors import NotFoundError
from app.ids import is_id
from app.store import campaign_figures, campaign_pages, campaigns
from app.store.campaign_ends import Step
from app.store.campaigns import Campaign, CampaignState
from app.store.db import Database, Reader, Tx
from web.api.once import Once
from web.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, paging
from web.auth import needs, signed_in
from web.campaigns.report import ReportDesk, ReportView
from web.campaigns.steps import CampaignSteps, Live, Taken, Wanted

Asked = Request[object, object, State]
Wanting = Annotated[CampaignState | None, QueryParameter(description="Only campaigns in this state.")]


class CampaignEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign. Budget null: none of its own; money in micro-USD."""

    id: str
    name: str
    state: CampaignState
    pause_reason: str
    tasks: int
    settled: int
    goal_reached: int
    spent_micro_usd: int
    budget_micro_usd: int | None
    max_concurrent_calls: int | None
    created_ms: int
    updated_ms: int


class CampaignDetail(CampaignEntry, frozen=True, kw_only=True):
    """The same with its funnel (tasks that came at least so far), settled tasks by state and calls by outcome."""

    dialed: int
    answered: int
    people: int
    conversations: int
    settled_by_state: Mapping[str, int]
    calls_by_outcome: Mapping[str, int]
    next_due_ms: int | None


class StepBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How: `live` is what becomes of calls that are going on when a campaign is stopped."""

    live: Live = "finish"
    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


def campaign_api(db: Database, steps: CampaignSteps, reports: ReportDesk, once: Once) -> list[HTTPRouteHandler]:
    """Routes of campaigns."""
    return [*_reading(db), *_reports(reports, once), *(_step(steps, once, one) for one in _STEPS)]


_STEPS: tuple[Step, ...] = ("pause", "resume", "stop")
_WORDS: dict[Step, str] = {
    "pause": "Dial nobody of this campaign until it is resumed.",
    "resume": "Go on dialing.",
    "stop": "End it for good: waiting tasks are cancelled, and a report follows.",
}


def _reading(db: Database) -> list[HTTPRouteHandler]:
    may = needs(Permission.SEE)

    @get("/campaigns", opt=may)
    async def list_campaigns(
        request: Asked, show: Wanting = None, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> Page[CampaignEntry]:
        """Campaigns, newest first."""
        at = paging(request, f"campaigns {show or ''}", cursor, limit, int, str)
        after = (int(at.after[0]), str(at.after[1])) if at.after else None
        tenant_id = signed_in(request).tenant_id
        found = await campaign_pages.list_page(db, tenant_id, state=show, before=after, limit=limit + 1)
        entries = {one.id: one for one in await _entries(db, tenant_id, found[:limit])}
        return at.page(found, key=lambda one: (one.created_ms, one.id), shown=lambda one: entries[one.id])

    @get("/campaigns/{campaign_id:str}", opt=may)
    async def get_campaign(request: Asked, campaign_id: FromPath[str]) -> CampaignDetail:
        """One campaign with its figures."""
        if not is_id(campaign_id):
            raise NotFoundError("There is no such campaign.")
        tenant_id = signed_in(request).tenant_id
        return await _detail(db, tenant_id, await campaigns.get(db, tenant_id, campaign_id))

    return [list_campaigns, get_campaign]


def _reports(reports: ReportDesk, once: Once) -> list[HTTPRouteHandler]:
    @get("/campaigns/{campaign_id:str}/report", opt=needs(Permission.SEE))
    async def get_report(request: Asked, campaign_id: FromPath[str]) -> ReportView:
        """The newest report of a campaign; `state` is `waiting` while its first one is being written."""
        return await reports.latest(signed_in(request), campaign_id)

    @post("/campaigns/{campaign_id:str}/report", opt=needs(Permission.PLAN), status_code=202)
    async def ask_report(request: Asked, campaign_id: FromPath[str]) -> Response[ReportView]:
        """Ask for a report of the campaign so far; read it when its `state` is `done`."""
        await reports.campaign(signed_in(request), campaign_id)

        async def deed(tx: Tx) -> ReportView:
            return await reports.ask(tx, request, campaign_id)

        answer = await once.do(request, deed, status=202)
        await reports.tell(signed_in(request).tenant_id)
        return answer

    return [get_report, ask_report]


def _step(steps: CampaignSteps, once: Once, step: Step) -> HTTPRouteHandler:
    @post(f"/campaigns/{{campaign_id:str}}/{step}", opt=needs(Permission.PLAN), status_code=200)
    async def take_step(
        request: Asked, campaign_id: FromPath[str], data: JSONBody[StepBody]
    ) -> Response[CampaignDetail]:
        news: list[Taken] = []

        async def deed(tx: Tx) -> CampaignDetail:
            wanted = Wanted(step=step, live=data.live, reason=data.reason)
            news[:] = [await steps.take(tx, request, campaign_id, wanted)]
            return await _detail(tx, signed_in(request).tenant_id, news[0].campaign)

        answer = await once.do(request, deed, status=200)
        for taken in news:
            await steps.tell(taken)
        return answer

    take_step.fn.__doc__ = _WORDS[step]
    return take_step


async def _entries(db: Reader, tenant_id: str, found: list[Campaign]) -> list[CampaignEntry]:
    ids = [one.id for one in found]
    figures = await campaign_figures.of_campaigns(db, tenant_id, ids)
    accounts = await campaign_pages.accounts(db, ids)
    return [
        CampaignEntry(
            id=one.id,
            name=one.name,
            state=one.state,
            pause_reason=one.pause_reason,
            tasks=figures[one.id].tasks,
            settled=figures[one.id].done,
            goal_reached=figures[one.id].goals,
            spent_micro_usd=accounts[one.id].spent_micro_usd,
            budget_micro_usd=one.budget_micro_usd,
            max_concurrent_calls=one.max_concurrent_calls,
            created_ms=one.created_ms,
            updated_ms=one.updated_ms,
        )
        for one in found
    ]


async def _detail(db: Reader, tenant_id: str, campaign: Campaign) -> CampaignDetail:
    (entry,) = await _entries(db, tenant_id, [campaign])
    figures = (await campaign_figures.of_campaigns(db, tenant_id, [campaign.id]))[campaign.id]
    dialed, answered, people, conversations = figures.reached
    due = await campaign_pages.first_due(db, campaign.id)
    return CampaignDetail(
        **msgspec.structs.asdict(entry),
        dialed=dialed,
        answered=answered,
        people=people,
        conversations=conversations,
        settled_by_state={str(state): n for state, n in figures.settled.items()},
        calls_by_outcome=figures.outcomes,
        next_due_ms=due[1] if due else None,
    )
