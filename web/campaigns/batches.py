"""Everything the console does about batches of calls, put together once: campaigns, their reports, results."""

import msgspec
from litestar.handlers import BaseRouteHandler

from app.bus import Bus
from app.clock import Clock
from app.domain.admission_site import Site
from app.store.db import Database
from web.campaigns.page import CampaignReader
from web.campaigns.report import ReportDesk, report_routes
from web.campaigns.routes import campaign_routes
from web.campaigns.steps import CampaignSteps
from web.render import Templates
from web.results.page import ResultReader
from web.results.routes import result_routes
from web.steer.desk import SteerDesk


class Batches(msgspec.Struct, frozen=True, kw_only=True):
    """One per application."""

    reader: CampaignReader
    steps: CampaignSteps
    reports: ReportDesk
    results: ResultReader

    def routes(self, templates: Templates) -> list[BaseRouteHandler]:
        """The pages and their files."""
        return [
            *campaign_routes(self.reader, self.steps, templates),
            *report_routes(self.reports, templates),
            *result_routes(self.results, templates),
        ]


def batches_over(db: Database, bus: Bus, clock: Clock, site: Site, steer: SteerDesk) -> Batches:
    """Over an opened database."""
    return Batches(
        reader=CampaignReader(db, clock, site),
        steps=CampaignSteps(db, bus, clock, steer),
        reports=ReportDesk(db, bus, clock),
        results=ResultReader(db, clock),
    )
