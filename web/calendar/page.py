"""What the page "Calendar" shows. Called by `web.calendar.routes`."""

from typing import get_args

import msgspec
from litestar import MediaType, Response

from app.clock import Clock
from app.domain.admission_site import NOWHERE, Site
from app.domain.calling_week import week_hours
from app.domain.people import Person
from app.domain.policy.pack import Purpose
from app.domain.policy.selection import Callee, Policy, policy_for
from app.errors import AppError, StoreError
from app.store import answer_hours, tenants
from app.store.db import Database
from app.store.tenants import TenantTerms
from web.calendar.heat import heat
from web.render import Templates

WEEKS = 12
WEEK_MS = 7 * 86_400_000
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


class Calendar:
    """Renders the week of the callees of a tenant."""

    def __init__(self, db: Database, clock: Clock, site: Site, templates: Templates) -> None:
        self._db = db
        self._clock = clock
        self._site = site
        self._templates = templates

    async def page(self, person: Person, country: str, purpose: str) -> Response[str]:
        """The last weeks, and the calling hours of one country and purpose."""
        terms = await tenants.terms(self._db, person.tenant_id)
        countries = self._countries(terms)
        country = country if country in countries else (countries[0] if countries else "")
        wanted = purpose if purpose in PURPOSES else "service"
        policy = self._policy(country, msgspec.convert(wanted, Purpose), terms)
        counts = await answer_hours.counts(
            self._db, person.tenant_id, self._clock.unix_ms() - (WEEKS - 1) * WEEK_MS
        )
        text = self._templates.render(
            "calendar.html",
            person,
            "/calendar",
            heat=heat(week_hours(counts, policy.rules.hours if policy is not None else None)),
            weeks=WEEKS,
            countries=countries,
            country=country,
            purposes=PURPOSES,
            purpose=wanted,
            packs=[f"{ref.id} {ref.version}" for ref in policy.packs] if policy is not None else [],
            holidays=policy is not None and bool(policy.rules.holidays),
        )
        return Response(text, media_type=MediaType.HTML)

    def _countries(self, terms: TenantTerms) -> list[str]:
        """Those that may be called; where none is allowed yet, those that there are rules for."""
        if self._site.fictional:
            return [NOWHERE]
        allowed = set(terms.allowed_countries or self._site.allowed_countries)
        ruled = {country for pack in self._site.packs for country in pack.match.countries}
        return sorted(allowed or ruled)

    def _policy(self, country: str, purpose: Purpose, terms: TenantTerms) -> Policy | None:
        if not country:
            return None
        callee = Callee(number="", countries=(country,))
        try:
            return policy_for(self._site.packs, callee, purpose, terms.rules)
        except StoreError:
            raise
        except (AppError, LookupError, TypeError, ValueError):
            return None  # rules that cannot be read allow nothing: the hours are shown as not known
