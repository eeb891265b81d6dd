"""Everything there is under `/api/v1`: one line for each resource."""

import msgspec
from litestar.handlers import BaseRouteHandler

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.admission_site import Site
from app.store.db import Database
from web.agents.deeds import AgentDeeds
from web.api.agents import agent_api
from web.api.calls import call_api
from web.api.campaigns import campaign_api
from web.api.commands import command_api
from web.api.contacts import contact_api
from web.api.dnc import dnc_api
from web.api.erasures import erasure_api
from web.api.feedback import feedback_api
from web.api.once import Once
from web.api.results import result_api
from web.api.tasks import task_api
from web.api.webhooks import webhook_api
from web.call_page.recorded import Recordings
from web.campaigns.batches import Batches
from web.questions import Questions
from web.reach import Reach
from web.steer.desk import SteerDesk
from web.tasks import task_routes


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What resources are made of."""

    settings: Settings
    db: Database
    bus: Bus
    clock: Clock
    site: Site
    questions: Questions
    steer: SteerDesk
    once: Once
    reach: Reach


def resources(parts: Parts, batches: Batches) -> list[BaseRouteHandler]:
    """The routes, with paths behind `/api/v1`."""
    return [
        *agent_api(parts.db, AgentDeeds(parts.clock), parts.once),
        *call_api(parts.db, Recordings(parts.db, parts.settings.recordings_dir)),
        *campaign_api(parts.db, batches.steps, batches.reports, parts.once),
        *command_api(parts.steer, parts.once),
        *contact_api(parts.db, parts.reach.contacts, parts.once),
        *dnc_api(parts.reach.do_not_call, parts.once),
        *erasure_api(parts.reach.keeping, parts.once),
        *feedback_api(parts.questions, parts.once),
        *task_api(parts),
        *result_api(batches.results),
        *task_routes(parts.db, parts.clock, parts.site),
        *webhook_api(parts.reach.webhooks, parts.once),
    ]
