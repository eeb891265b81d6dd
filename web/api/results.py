"""`/api/v1/results`: what calls found out, by agent and recipient."""

from typing import Annotated

from litestar import Request, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from app.domain.people import Permission
from app.store.results import Filter
from web.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, paging
from web.auth import needs, signed_in
from web.results.page import ResultReader, ResultView, read_filter

Asked = Request[object, object, State]
OfAgent = Annotated[str, QueryParameter(description="The id of an agent.")]
OfCampaign = Annotated[str, QueryParameter(description="The id of a campaign.")]
OfNumber = Annotated[str, QueryParameter(description="A telephone number, E.164.")]


def result_api(reader: ResultReader) -> list[HTTPRouteHandler]:
    """`/results`."""

    @get("/results", opt=needs(Permission.SEE))
    async def list_results(
        request: Asked,
        agent: OfAgent = "",
        campaign: OfCampaign = "",
        number: OfNumber = "",
        *,
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[ResultView]:
        """The newest value of each field by agent and recipient, each with its proof."""
        full = signed_in(request).may(Permission.SEE_NUMBERS)
        which: Filter = read_filter(agent, campaign, number, full_numbers=full)
        at = paging(request, f"results {which}", cursor, limit, int, str)
        after = (int(at.after[0]), str(at.after[1])) if at.after else None
        rows, _ = await reader.rows(signed_in(request), which, after, limit + 1)
        return at.page(rows, key=lambda row: (row.updated_ms, row.task_id), shown=lambda row: row)

    return [list_results]
