"""`/results`, `/results.csv`, `/results.json`."""

from urllib.parse import urlencode

from litestar import MediaType, Request, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery
from litestar.response import Stream

from app.domain.people import Permission
from web.auth import caller_of, needs, signed_in
from web.campaigns.page import read_key, written_key
from web.campaigns.report import attachment
from web.render import Templates
from web.results.page import ResultReader, read_filter

Asked = Request[object, object, State]
HERE = "/results"


def result_routes(reader: ResultReader, templates: Templates) -> list[HTTPRouteHandler]:
    """The table and its files."""
    may = needs(Permission.SEE)

    @get(HERE, opt=may, media_type=MediaType.HTML)
    async def results_page(
        request: Asked,
        agent: FromQuery[str] = "",
        campaign: FromQuery[str] = "",
        number: FromQuery[str] = "",
        before: FromQuery[str] = "",
    ) -> str:
        person = signed_in(request)
        which = read_filter(agent, campaign, number, full_numbers=person.may(Permission.SEE_NUMBERS))
        found = await reader.page(person, which, read_key(before))
        agents, campaigns = await reader.choices(person)
        asked = {"agent": agent, "campaign": campaign, "number": number}
        kept = {name: value for name, value in asked.items() if value}
        query = urlencode(kept)
        older = written_key(found.older)
        return templates.render(
            "results.html",
            person,
            HERE,
            found=found,
            agents=agents,
            campaigns=campaigns,
            asked=asked,
            first=not before,
            query=f"?{query}" if query else "",
            older=f"{HERE}?{urlencode({**{n: v for n, v in asked.items() if v}, 'before': older})}"
            if older
            else "",
        )

    @get(f"{HERE}.csv", opt=may)
    async def results_csv(
        request: Asked, agent: FromQuery[str] = "", campaign: FromQuery[str] = "", number: FromQuery[str] = ""
    ) -> Stream:
        person = signed_in(request)
        which = read_filter(agent, campaign, number, full_numbers=person.may(Permission.SEE_NUMBERS))
        await reader.write_down(person, which, "csv", caller_of(request).address)
        return Stream(reader.csv(person, which), media_type="text/csv", headers=attachment("results", "csv"))

    @get(f"{HERE}.json", opt=may)
    async def results_json(
        request: Asked, agent: FromQuery[str] = "", campaign: FromQuery[str] = "", number: FromQuery[str] = ""
    ) -> Stream:
        person = signed_in(request)
        which = read_filter(agent, campaign, number, full_numbers=person.may(Permission.SEE_NUMBERS))
        await reader.write_down(person, which, "json", caller_of(request).address)
        return Stream(
            reader.json(person, which), media_type="application/json", headers=attachment("results", "json")
        )

    return [results_page, results_csv, results_json]
