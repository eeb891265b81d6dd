"""The report of a campaign: page (made to be printed), JSON and CSV, and asking for one while it runs."""

import re
from contextlib import suppress

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Redirect

from app.bus import Bus
from app.clock import Clock
from app.domain.messages import TaskChanged
from app.domain.people import Permission, Person
from app.domain.report import Number
from app.domain.report_csv import report_csv
from app.domain.report_words import ReportWords
from app.errors import ConflictError, NotFoundError
from app.ids import is_id
from app.store import audit, campaign_reports, campaigns
from app.store.audit import Deed
from app.store.campaign_reports import CampaignReport, Kind
from app.store.campaigns import Campaign
from app.store.db import Database, Tx
from web.auth import caller_of, needs, signed_in
from web.masks import shown
from web.render import Templates

Asked = Request[object, object, State]
HERE = "/campaigns"


class ReportView(msgspec.Struct, frozen=True, kw_only=True):
    """A report as programs read it; `numbers` and `words` are empty while it waits to be written."""

    id: str
    campaign_id: str
    campaign: str
    kind: Kind
    state: str
    written_by: str
    model: str
    prompt_version: str
    cost_micro_usd: int | None
    created_ms: int
    done_ms: int | None
    last_error: str
    numbers: tuple[Number, ...]
    words: ReportWords | None


class ReportDesk:
    """What people and programs do with reports. One per application."""

    def __init__(self, db: Database, bus: Bus, clock: Clock) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock

    async def campaign(self, person: Person, campaign_id: str) -> Campaign:
        """Raises NotFoundError."""
        if not is_id(campaign_id):
            raise NotFoundError("There is no such campaign.")
        return await campaigns.get(self._db, person.tenant_id, campaign_id)

    async def shown(self, person: Person, campaign: Campaign) -> tuple[ReportView | None, ReportView | None]:
        """The newest written report, and the one that is being written. Another tenant's campaign has none."""
        found = await campaign_reports.of_campaign(self._db, person.tenant_id, campaign.id)
        done = next((one for one in found if one.state == "done"), None)
        waiting = next((one for one in found if one.state == "waiting"), None)
        return done and view_of(person, done, campaign), waiting and view_of(person, waiting, campaign)

    async def latest(self, person: Person, campaign_id: str) -> ReportView:
        """The newest written report, else the one that waits. Raises NotFoundError with what to do."""
        done, waiting = await self.shown(person, await self.campaign(person, campaign_id))
        found = done or waiting
        if found is None:
            raise NotFoundError("There is no report yet; ask for one.")
        return found

    async def full_until_ms(self, person: Person, campaign: Campaign) -> int | None:
        """Until when the campaign gets no report of what happened so far; None: one may be asked for."""
        from_ms = await campaign_reports.interim_from_ms(self._db, person.tenant_id, campaign.id)
        return from_ms if self._clock.unix_ms() < from_ms else None

    async def ask(self, tx: Tx, request: Asked, campaign_id: str) -> ReportView:
        """Ask for a report of the campaign so far; one that waits already is enough. `tell` follows the commit."""
        person, now_ms = signed_in(request), self._clock.unix_ms()
        campaign = await campaigns.get(tx, person.tenant_id, campaign_id)
        if await campaign_reports.ask(
            tx, person.tenant_id, campaign_id, "interim", by=person.actor, now_ms=now_ms
        ):
            await self._write_down(tx, request, campaign_id, "report_asked", "")
        found = await campaign_reports.of_campaign(tx, person.tenant_id, campaign_id)
        # The one that waited may have been finished in this moment: then the newest is what was asked for.
        return view_of(person, next((one for one in found if one.state == "waiting"), found[0]), campaign)

    async def tell(self, tenant_id: str) -> None:
        """Wake who writes."""
        await self._bus.publish("tasks", TaskChanged(tenant_id=tenant_id, task_id=""))

    async def order(self, request: Asked, campaign_id: str) -> ReportView:
        """`ask` in a transaction of its own, and `tell`. Raises NotFoundError."""
        await self.campaign(signed_in(request), campaign_id)
        async with self._db.tx() as tx:
            asked = await self.ask(tx, request, campaign_id)
        await self.tell(signed_in(request).tenant_id)
        return asked

    async def exported(self, request: Asked, campaign_id: str, form: str) -> ReportView:
        """A written report that leaves the house. Raises NotFoundError."""
        found = await self.latest(signed_in(request), campaign_id)
        if found.words is None:
            raise NotFoundError("The report is still being written.")
        async with self._db.tx() as tx:
            await self._write_down(tx, request, campaign_id, "report_exported", form)
        return found

    async def _write_down(self, tx: Tx, request: Asked, campaign_id: str, action: str, form: str) -> None:
        person = signed_in(request)
        deed = Deed(
            actor=person.actor,
            action=action,
            object=f"campaign:{campaign_id}",
            detail={"format": form} if form else {},
            address=caller_of(request).address,
        )
        await audit.add(tx, person.tenant_id, deed, self._clock.unix_ms())


def report_routes(desk: ReportDesk, templates: Templates) -> list[HTTPRouteHandler]:
    """`/campaigns/{id}/report` and its files."""
    may = needs(Permission.SEE)

    @get(f"{HERE}/{{campaign_id:str}}/report", opt=may, media_type=MediaType.HTML)
    async def report_page(request: Asked, campaign_id: FromPath[str]) -> str:
        person = signed_in(request)
        campaign = await desk.campaign(person, campaign_id)
        done, waiting = await desk.shown(person, campaign)
        return templates.render(
            "campaign_report.html",
            person,
            HERE,
            campaign=campaign,
            report=done,
            waiting=waiting,
            may_plan=person.may(Permission.PLAN),
            full_until_ms=await desk.full_until_ms(person, campaign),
            a_day=campaign_reports.INTERIM_A_DAY,
        )

    @post(f"{HERE}/{{campaign_id:str}}/report", opt=needs(Permission.PLAN))
    async def report_ask(request: Asked, campaign_id: FromPath[str]) -> Redirect:
        with suppress(ConflictError):  # so many within a day: the page says from when on another is
            await desk.order(request, campaign_id)
        return Redirect(f"{HERE}/{campaign_id}/report", status_code=303)

    @get(f"{HERE}/{{campaign_id:str}}/report.json", opt=may)
    async def report_as_json(request: Asked, campaign_id: FromPath[str]) -> Response[ReportView]:
        found = await desk.exported(request, campaign_id, "json")
        return Response(found, headers=attachment(found.campaign, "json"))

    @get(f"{HERE}/{{campaign_id:str}}/report.csv", opt=may)
    async def report_as_csv(request: Asked, campaign_id: FromPath[str]) -> Response[str]:
        found = await desk.exported(request, campaign_id, "csv")
        text = report_csv(found.numbers, found.words)
        return Response(text, media_type="text/csv", headers=attachment(found.campaign, "csv"))

    return [report_page, report_ask, report_as_json, report_as_csv]


def view_of(person: Person, report: CampaignReport, campaign: Campaign) -> ReportView:
    """The row as programs read it; numbers in it are masked for those who may not see them."""
    view = ReportView(
        id=report.id,
        campaign_id=report.campaign_id,
        campaign=campaign.name,
        kind=report.kind,
        state=report.state,
        written_by=report.written_by,
        model=report.model,
        prompt_version=report.prompt_version,
        cost_micro_usd=report.cost_micro_usd,
        created_ms=report.created_ms,
        done_ms=report.done_ms,
        last_error=report.last_error,
        numbers=report.read_numbers,
        words=report.read_words,
    )
    return shown(person, view, ReportView)


def attachment(name: str, ending: str) -> dict[str, str]:
    """Header that makes a browser keep a file; the name is letters, digits and dashes only."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60] or "report"
    return {"content-disposition": f'attachment; filename="{plain}.{ending}"'}
