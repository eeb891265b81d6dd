"""`/calls`, `/calls/{id}` and what belongs to them. Another tenant's call is not found."""

from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from app.domain.people import Permission
from web.auth import needs, signed_in
from web.call_page.audio import audio_response
from web.call_page.listing import NAMES, Query
from web.call_page.page import CallPages
from web.call_page.recorded import Waveform

Asked = Request[object, object, State]
MOST_ENTRIES = 500
"""Newest entries that a page may ask for again."""


def call_page_routes(pages: CallPages) -> list[HTTPRouteHandler]:
    """The list, the page of a call, its changing parts, its raw file, its waveforms and its recordings."""
    may, html = needs(Permission.SEE), MediaType.HTML

    @get("/calls", opt=may, media_type=html)
    async def call_list(request: Asked) -> str:
        given = {name: request.query_params.get(name, "") for name in NAMES}
        return await pages.listed(signed_in(request), Query(**given))

    @get("/calls/{call_id:str}", opt=may, media_type=html)
    async def call_page(request: Asked, call_id: FromPath[str]) -> str:
        return await pages.call(signed_in(request), call_id)

    @get("/calls/{call_id:str}/panels", opt=may, media_type=html)
    async def call_panels(request: Asked, call_id: FromPath[str], newest: FromQuery[int] = 100) -> str:
        return await pages.panels(signed_in(request), call_id, max(0, min(newest, MOST_ENTRIES)))

    @get("/calls/{call_id:str}/raw", opt=may)
    async def call_raw(request: Asked, call_id: FromPath[str]) -> Response[bytes]:
        content = await pages.raw(signed_in(request), call_id)
        name = f'attachment; filename="call-{call_id}.json"'
        return Response(content, media_type="application/json", headers={"content-disposition": name})

    @get("/calls/{call_id:str}/peaks", opt=may)
    async def call_peaks(request: Asked, call_id: FromPath[str]) -> list[Waveform]:
        return await pages.waveforms(signed_in(request), call_id)

    @get("/calls/{call_id:str}/audio/{part:str}", opt=may)
    async def call_audio(request: Asked, call_id: FromPath[str], part: FromPath[str]) -> Stream | Response[str]:
        file = await pages.audio(signed_in(request), call_id, part)
        headers = request.headers
        name = f"call-{call_id}-{part}.wav"
        return audio_response(file, headers.get("range"), headers.get("if-range"), name)

    return [call_list, call_page, call_panels, call_raw, call_peaks, call_audio]
