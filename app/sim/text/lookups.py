"""SimLookups: one HTTP server on loopback that plays SearXNG, OpenAI's web_search, Google Places, Nominatim and
Overpass, each as strict as the real one about what it must be asked with.
"""

import asyncio
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web
from openai.types.responses import Response

Json = dict[str, Any]


class Page(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a search finds."""

    url: str
    title: str
    text: str


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a directory knows. With `kinds`, words of which one must be asked for; else it is always found."""

    name: str
    phone: str = ""
    address: str = "1 Example Street"
    hours: str = ""
    kinds: tuple[str, ...] = ()


class SimLookups:
    """Async context manager. Set `pages`, `places` and `status`; read `asked`: (service, query) in order."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None
        self.pages: list[Page] = []
        self.places: list[Place] = []
        self.status = 200
        """Anything else is what every request is answered with."""
        self.delay_s = 0.0
        self.padding = 0
        """Bytes put into every answer: one that is too large."""
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        """Base address of all of them; OpenAI's is below `/v1`."""
        if self._runner is None:
            raise RuntimeError("SimLookups is not running: use it in `async with`")
        return f"http://{self._host}:{self._runner.addresses[0][1]}"

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/search", self._search)
        application.router.add_post("/v1/places:searchText", self._google)
        application.router.add_post("/api/interpreter", self._overpass)
        application.router.add_post("/v1/responses", self._openai)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, service: str, query: str, body: Any) -> web.Response:
        self.asked.append((service, query))
        await asyncio.sleep(self.delay_s)
        if self.status != 200:
            return web.Response(status=self.status)
        text = msgspec.json.encode(body).decode() + " " * self.padding
        return web.Response(text=text, content_type="application/json")

    async def _search(self, request: web.Request) -> web.Response:
        query = request.query.get("q", "")
        if request.query.get("format") == "jsonv2":
            found = [
                {"osm_type": "node", "osm_id": n, "name": place.name, "display_name": place.address}
                | {"lat": "52.5", "lon": "13.4", "extratags": _tags(place)}
                for n, place in enumerate(self.places)
            ]
            return await self._answer("nominatim", query, found)
        if request.query.get("format") != "json":
            return web.Response(status=403)
        results = [{"url": page.url, "title": page.title, "content": page.text} for page in self.pages]
        return await self._answer("searxng", query, {"query": query, "results": results})

    async def _google(self, request: web.Request) -> web.Response:
        body: Json = await request.json()
        mask = request.headers.get("X-Goog-FieldMask", "")
        if not request.headers.get("X-Goog-Api-Key") or not mask or not set(body) <= _GOOGLE_FIELDS:
            return web.Response(status=400)
        found = [
            {"id": f"place{n}", "displayName": {"text": place.name}, "formattedAddress": place.address}
            | ({"internationalPhoneNumber": place.phone} if place.phone else {})
            | ({"regularOpeningHours": {"weekdayDescriptions": [place.hours]}} if place.hours else {})
            for n, place in enumerate(self.places)
            if not place.kinds or any(kind in str(body.get("textQuery", "")).lower() for kind in place.kinds)
        ]
        return await self._answer("google", str(body.get("textQuery", "")), {"places": found} if found else {})

    async def _overpass(self, request: web.Request) -> web.Response:
        query = str((await request.post()).get("data", ""))
        if not query.startswith("[out:json]"):
            return web.Response(status=400)
        found = [
            {"type": "node", "id": n, "tags": {"name": p.name, **_tags(p)}} for n, p in enumerate(self.places)
        ]
        return await self._answer("overpass", query, {"elements": found})

    async def _openai(self, request: web.Request) -> web.Response:
        body: Json = await request.json()
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            return web.Response(status=401)
        if "web_search" not in {tool["type"] for tool in body["tools"]}:
            return web.Response(status=400)
        return await self._answer("openai", str(body["input"]), _response(str(body["model"]), self.pages))


_GOOGLE_FIELDS = {"textQuery", "languageCode", "regionCode", "pageSize", "locationBias", "openNow"}


def _tags(place: Place) -> Json:
    tags = {"phone": place.phone, "opening_hours": place.hours}
    return {name: value for name, value in tags.items() if value}


def _response(model: str, pages: list[Page]) -> Json:
    """A response as the real one answers a web search: text with citations."""
    text, notes = "", list[Json]()
    for page in pages:
        begin = len(text)
        text += f"{page.text} "
        place = {"start_index": begin, "end_index": len(text), "url": page.url, "title": page.title}
        notes.append({"type": "url_citation", **place})
    part = {"type": "output_text", "text": text, "annotations": notes, "logprobs": []}
    action = {"type": "search", "query": "q"}
    search = {"type": "web_search_call", "id": "ws_sim", "status": "completed", "action": action}
    message = {"type": "message", "id": "msg_sim", "role": "assistant", "status": "completed", "content": [part]}
    body: Json = {
        "id": "resp_sim",
        "object": "response",
        "created_at": 0,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": [search, message],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 50,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 150,
        },
    }
    Response.model_validate(body)
    return body
