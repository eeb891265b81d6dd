"""What the pages of campaigns read of the store."""

import msgspec

from app.clock import Clock
from app.domain.admission_site import Site
from app.domain.breaker import Breaker, BreakerState
from app.domain.campaign_figures import STAGES, Stage
from app.domain.people import Permission, Person
from app.domain.task import SETTLED, TaskState
from app.errors import NotFoundError, ValidationFailed
from app.ids import is_id
from app.store import breakers, campaign_figures, campaign_pages, campaigns, holds, rehearsals
from app.store import why as why_store
from app.store.calls import WallCall
from app.store.campaign_pages import COUNTED_TO, Key
from app.store.campaigns import Campaign, CampaignState
from app.store.db import Database
from app.store.rehearsals import CampaignRehearsal
from web.campaigns import view
from web.campaigns.view import Bar, Columns, Money, Row, TaskRow
from web.masks import mask_of
from web.rehearsals.view import verdict

PAGE = 25
TASKS_PAGE = 50
LIVE = (TaskState.CLAIMED, TaskState.IN_CALL)


class Standstill(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing is dialed now; `next_ms` when it is looked at next."""

    sentence: str
    next_ms: int | None = None


class CampaignPage(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign as the page shows it."""

    campaign: Campaign
    state_label: str
    done: int
    tasks: int
    live: int
    funnel: tuple[Bar, ...]
    standing: tuple[Bar, ...]
    outcomes: tuple[Bar, ...]
    attempts: tuple[Bar, ...]
    hours: Columns | None
    money: Money
    standstill: Standstill | None
    breaker: str
    next_due_ms: int | None
    rehearsal: CampaignRehearsal | None = None
    rehearsed: str = ""
    """How the agent's version did, in words; empty: not rehearsed."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list; `older` is the address of the next one, empty at the end."""

    rows: tuple[Row, ...]
    older: Key | None


class CampaignReader:
    """Reads what is shown. One per application."""

    def __init__(self, db: Database, clock: Clock, site: Site) -> None:
        self._db = db
        self._clock = clock
        self._site = site

    async def listed(self, person: Person, state: CampaignState | None, before: Key | None) -> Listed:
        """A page of campaigns, newest first."""
        tenant_id = person.tenant_id
        found = await campaign_pages.list_page(self._db, tenant_id, state=state, before=before, limit=PAGE + 1)
        shown = found[:PAGE]
        ids = [one.id for one in shown]
        figures = await campaign_figures.of_campaigns(self._db, tenant_id, ids)
        accounts = await campaign_pages.accounts(self._db, ids)
        due = {one.id: await campaign_pages.first_due(self._db, one.id) for one in shown if one.state == "active"}
        return Listed(
            rows=tuple(
                view.row(one, figures[one.id], accounts[one.id], first[1] if (first := due.get(one.id)) else None)
                for one in shown
            ),
            older=(shown[-1].created_ms, shown[-1].id) if len(found) > PAGE else None,
        )

    async def get(self, person: Person, campaign_id: str) -> Campaign:
        """Raises NotFoundError, for another tenant's too."""
        if not is_id(campaign_id):
            raise NotFoundError("There is no such campaign.")
        return await campaigns.get(self._db, person.tenant_id, campaign_id)

    async def one(self, person: Person, campaign_id: str) -> CampaignPage:
        """Everything the page of a campaign shows. Raises NotFoundError."""
        campaign, db = await self.get(person, campaign_id), self._db
        figures = (await campaign_figures.of_campaigns(db, person.tenant_id, [campaign_id]))[campaign_id]
        account = (await campaign_pages.accounts(db, [campaign_id]))[campaign_id]
        waiting = {
            state: await campaign_pages.in_state(db, campaign_id, state)
            for state in sorted(set(TaskState) - SETTLED - {TaskState.PENDING})
        }
        waiting[TaskState.PENDING] = max(figures.open - sum(waiting.values()), 0)
        due = await campaign_pages.first_due(db, campaign_id)
        live = sum(waiting[state] for state in LIVE)
        rehearsal = await rehearsals.of_campaign(db, person.tenant_id, campaign_id)
        return CampaignPage(
            campaign=campaign,
            state_label=view.STATES[campaign.state],
            done=figures.done,
            tasks=figures.tasks,
            live=live,
            funnel=view.funnel(campaign_id, figures),
            standing=view.standing(campaign_id, figures, waiting, COUNTED_TO),
            outcomes=view.outcomes(campaign_id, figures),
            attempts=view.attempts(figures),
            hours=view.columns(await campaign_figures.hours(db, person.tenant_id, campaign_id)),
            money=view.money(campaign, account),
            standstill=await self._standstill(person, campaign, live, due[0] if due else None),
            breaker=self._breaker(await breakers.get(db, campaign_id)),
            next_due_ms=due[1] if due else None,
            rehearsal=rehearsal,
            rehearsed=verdict(rehearsal.newest) if rehearsal is not None and rehearsal.newest is not None else "",
        )

    async def tasks(
        self, person: Person, campaign_id: str, state: TaskState | None, stage: Stage | None, before: Key | None
    ) -> tuple[list[TaskRow], Key | None]:
        """Tasks in a state or that came at least to a stage, else all; and where the next page begins."""
        limit = TASKS_PAGE + 1
        if stage is not None:
            found = await campaign_pages.tasks_reached(
                self._db, person.tenant_id, campaign_id, stage, before=before, limit=limit
            )
        else:
            states = (state,) if state is not None else tuple(TaskState)
            found = await campaign_pages.tasks_in(
                self._db, person.tenant_id, campaign_id, states, before=before, limit=limit
            )
        shown = found[:TASKS_PAGE]
        numbers = person.may(Permission.SEE_NUMBERS)
        older = (shown[-1].created_ms, shown[-1].id) if len(found) > TASKS_PAGE else None
        return [view.task_row(one, numbers=numbers) for one in shown], older

    async def calls(
        self, person: Person, campaign_id: str, outcome: str, before: Key | None
    ) -> tuple[list[WallCall], Key | None]:
        """Ended calls with an outcome, and where the next page begins."""
        found = await campaign_pages.calls_with(
            self._db, person.tenant_id, campaign_id, outcome, before=before, limit=TASKS_PAGE + 1
        )
        shown = found[:TASKS_PAGE]
        return shown, (shown[-1].created_ms, shown[-1].id) if len(found) > TASKS_PAGE else None

    async def _standstill(
        self, person: Person, campaign: Campaign, live: int, first: str | None
    ) -> Standstill | None:
        """None: calls are going on, or there is nothing left to call."""
        if campaign.state == "paused":
            why = f": {campaign.pause_reason}" if campaign.pause_reason else " by somebody"
            return Standstill(sentence=f"Paused{why}. Nothing is dialed until it is resumed.")
        if live or first is None or campaign.state != "active":
            return None
        held = await holds.active(self._db, campaign.tenant_id)
        if held is not None:
            return Standstill(sentence=f"Dialing is held for everything: {held.message}")
        found = await why_store.why(self._db, campaign.tenant_id, first, self._site, self._clock.unix_ms())
        if found.answer == "now":
            return None
        return Standstill(sentence=mask_of(person)(found.sentence), next_ms=found.next_ms)

    def _breaker(self, breaker: Breaker) -> str:
        """A sentence while the error breaker holds calls back."""
        if breaker.state(self._clock.unix_ms()) is BreakerState.CLOSED:
            return ""
        return f"The error breaker holds calls back: {breaker.reason}."


def read_key(before: str) -> Key | None:
    """The `before` of an address, as `written_key` writes it. Raises ValidationFailed."""
    if not before:
        return None
    ms, _, id_ = before.partition("-")
    if not ms.isdecimal() or len(ms) > 15 or not is_id(id_):
        raise ValidationFailed("This address does not name a page of the list; begin without `before`.")
    return int(ms), id_


def written_key(key: Key | None) -> str:
    """As it stands in addresses; empty at the end."""
    return f"{key[0]}-{key[1]}" if key else ""


def read_stage(name: str) -> Stage | None:
    """A stage by its name in addresses. Raises ValidationFailed."""
    if not name:
        return None
    found = next((stage for stage in STAGES if stage.name.lower() == name), None)
    if found is None:
        raise ValidationFailed(f"There is no stage {name[:40]!r}.")
    return found


def read_task_state(name: str) -> TaskState | None:
    """A state by its name in addresses. Raises ValidationFailed."""
    try:
        return TaskState(name) if name else None
    except ValueError:
        raise ValidationFailed(f"There is no task state {name[:40]!r}.") from None
