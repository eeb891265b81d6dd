"""Who is called, who must not be, and who else hears of it: contacts, do-not-call lists, webhooks, kept words."""

from litestar.handlers import HTTPRouteHandler

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.admission_site import Site
from app.store.db import Database
from web.contacts.do_not_call import DoNotCallPage, do_not_call_routes
from web.contacts.listing import DoNotCallDesk
from web.contacts.page import ContactPages
from web.contacts.routes import contact_routes
from web.keeping.desk import KeepingDesk
from web.keeping.page import KeepingPage
from web.keeping.routes import keeping_routes
from web.render import Templates
from web.webhooks.deeds import WebhookDeeds
from web.webhooks.page import WebhookPage, webhook_routes


class Reach:
    """What the pages and the programs' routes of this part are made of."""

    def __init__(
        self, settings: Settings, db: Database, bus: Bus, clock: Clock, *, templates: Templates, site: Site
    ) -> None:
        self._templates = templates
        self.contacts = ContactPages(settings, db, clock, templates, site)
        self.do_not_call = DoNotCallDesk(settings, db, bus, clock)
        self.webhooks = WebhookDeeds(settings, db, clock)
        self.keeping = KeepingDesk(settings, db, clock)

    def routes(self) -> list[HTTPRouteHandler]:
        """The pages."""
        return [
            *contact_routes(self.contacts),
            *do_not_call_routes(DoNotCallPage(self.do_not_call, self._templates)),
            *webhook_routes(WebhookPage(self.webhooks, self._templates)),
            *keeping_routes(KeepingPage(self.keeping, self._templates)),
        ]
