"""`/campaigns` and what lies below it."""

from collections.abc import Mapping
from typing import Annotated, cast, get_args
from urllib.parse import urlencode

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from app.domain.people import Permission
from app.errors import ConflictError, NotFoundError, ValidationFailed
from app.store.campaign_ends import STEPS, Step
from app.store.campaigns import CampaignState
from web.auth import needs, signed_in
from web.campaigns.page import CampaignReader, read_key, read_stage, read_task_state, written_key
from web.campaigns.steps import CampaignSteps, Live, Wanted
from web.campaigns.view import STAGE_WORDS, STATES, TASK_STATES
from web.render import Templates
from web.view import OUTCOME_WORDS, card

Asked = Request[object, object, State]
HERE = "/campaigns"
SAID = {"pause": "Paused.", "resume": "Resumed.", "stop": "Stopped; its waiting tasks are being cancelled."}


class StepForm(msgspec.Struct, frozen=True, kw_only=True):
    """A button of the campaign page."""

    live: Live = "finish"
    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


def campaign_routes(reader: CampaignReader, steps: CampaignSteps, templates: Templates) -> list[HTTPRouteHandler]:
    """List, page, the tasks and calls behind its numbers, and its steps."""
    return [*_pages(reader, templates), *_lists(reader, templates), _step(reader, steps, templates)]


def _pages(reader: CampaignReader, templates: Templates) -> list[HTTPRouteHandler]:
    may = needs(Permission.SEE)

    @get(HERE, opt=may, media_type=MediaType.HTML)
    async def campaigns_page(request: Asked, show: FromQuery[str] = "", before: FromQuery[str] = "") -> str:
        person = signed_in(request)
        if show and show not in get_args(CampaignState):
            raise ValidationFailed(f"There is no campaign state {show[:40]!r}.")
        found = await reader.listed(person, cast("CampaignState | None", show or None), read_key(before))
        return templates.render(
            "campaigns.html",
            person,
            HERE,
            rows=found.rows,
            states=STATES,
            show=show,
            first=not before,
            older=_address(HERE, {"show": show, "before": written_key(found.older)}) if found.older else "",
        )

    @get(f"{HERE}/{{campaign_id:str}}", opt=may, media_type=MediaType.HTML)
    async def campaign_page(
        request: Asked, campaign_id: FromPath[str], said: FromQuery[str] = ""
    ) -> Response[str]:
        return await _campaign(reader, templates, request, campaign_id, said=SAID.get(said, ""))

    return [campaigns_page, campaign_page]


def _lists(reader: CampaignReader, templates: Templates) -> list[HTTPRouteHandler]:
    may = needs(Permission.SEE)

    @get(f"{HERE}/{{campaign_id:str}}/tasks", opt=may, media_type=MediaType.HTML)
    async def campaign_tasks(
        request: Asked,
        campaign_id: FromPath[str],
        reached: FromQuery[str] = "",
        show: FromQuery[str] = "",
        before: FromQuery[str] = "",
    ) -> str:
        person, campaign = signed_in(request), await reader.get(signed_in(request), campaign_id)
        state = read_task_state(show)
        stage = read_stage(reached)
        rows, older = await reader.tasks(person, campaign_id, state, stage, read_key(before))
        filters = {"show": show, "reached": reached}
        what = STAGE_WORDS[stage] if stage is not None else TASK_STATES[state] if state is not None else "all"
        here = f"{HERE}/{campaign_id}/tasks"
        return templates.render(
            "campaign_tasks.html",
            person,
            HERE,
            campaign=campaign,
            what=what,
            rows=rows,
            older=_address(here, filters | {"before": written_key(older)}) if older else "",
        )

    @get(f"{HERE}/{{campaign_id:str}}/calls", opt=may, media_type=MediaType.HTML)
    async def campaign_calls(
        request: Asked, campaign_id: FromPath[str], outcome: FromQuery[str] = "", before: FromQuery[str] = ""
    ) -> str:
        person, campaign = signed_in(request), await reader.get(signed_in(request), campaign_id)
        if outcome not in OUTCOME_WORDS:
            raise ValidationFailed(f"There is no outcome {outcome[:40]!r}.")
        rows, older = await reader.calls(person, campaign_id, outcome, read_key(before))
        here = f"{HERE}/{campaign_id}/calls"
        return templates.render(
            "campaign_calls.html",
            person,
            HERE,
            campaign=campaign,
            what=OUTCOME_WORDS[outcome],
            rows=[card(one) for one in rows],
            older=_address(here, {"outcome": outcome, "before": written_key(older)}) if older else "",
        )

    return [campaign_tasks, campaign_calls]


def _step(reader: CampaignReader, steps: CampaignSteps, templates: Templates) -> HTTPRouteHandler:
    @post(f"{HERE}/{{campaign_id:str}}/{{step:str}}", opt=needs(Permission.PLAN), media_type=MediaType.HTML)
    async def campaign_step(
        request: Asked, campaign_id: FromPath[str], step: FromPath[str], data: URLEncodedBody[StepForm]
    ) -> Response[str] | Redirect:
        if step not in STEPS:
            raise NotFoundError("There is no such step.")
        wanted: Step = step
        try:
            await steps.act(request, campaign_id, Wanted(step=wanted, live=data.live, reason=data.reason))
        except ConflictError as refused:
            return await _campaign(reader, templates, request, campaign_id, 409, refusal=refused.message)
        return Redirect(f"{HERE}/{campaign_id}?said={wanted}", status_code=303)

    return campaign_step


async def _campaign(
    reader: CampaignReader,
    templates: Templates,
    request: Asked,
    campaign_id: str,
    status: int = 200,
    **said: str,
) -> Response[str]:
    person = signed_in(request)
    text = templates.render(
        "campaign.html",
        person,
        HERE,
        page=await reader.one(person, campaign_id),
        may_plan=person.may(Permission.PLAN),
        may_steer=person.may(Permission.STEER),
        **{"said": "", "refusal": ""} | said,
    )
    return Response(text, status_code=status, media_type=MediaType.HTML)


def _address(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode({name: value for name, value in query.items() if value})}"
