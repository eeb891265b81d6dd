"""Providers of `get_authoritative_business_info`: Google Places API (New), and OpenStreetMap as the free road."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

from app.llm.lookups.asking import Service, objects, text_of
from app.llm.lookups.found import Answer, Found, cleaned

GOOGLE_FIELDS = ",".join(
    f"places.{name}"
    for name in (
        "id",
        "displayName",
        "formattedAddress",
        "internationalPhoneNumber",
        "regularOpeningHours",
        "timeZone",
        "websiteUri",
    )
)
"""Without a field mask the API answers an error; telephone and hours lie in its dearer tier."""
NAMELESS = "(without a name)"
NOMINATIM_PAUSE_S = 1.0
"""The public instance takes one request a second from a whole application."""
AROUND_M = 5_000
ATTRIBUTION = "OpenStreetMap contributors (ODbL)"


class GooglePlaces:
    """`POST /v1/places:searchText`."""

    def __init__(self, service: Service, key: str) -> None:
        self._service = service
        self._key = key

    async def find(self, name: str, near: str, language: str) -> Answer:
        body: dict[str, object] = {"textQuery": f"{name} {near}".strip(), "pageSize": 5}
        if language:
            body["languageCode"] = language
        headers = {"X-Goog-Api-Key": self._key, "X-Goog-FieldMask": GOOGLE_FIELDS}
        answer = await self._service.post("/v1/places:searchText", body, headers)
        return Answer(items=cleaned(_google(one) for one in objects(answer, "places")), cost_micro_usd=None)


def _google(place: dict[str, Any]) -> Found:
    name = text_of(place, "displayName", "text")
    hours = place.get("regularOpeningHours")
    days: list[Any] = hours.get("weekdayDescriptions", []) if isinstance(hours, dict) else []  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - any JSON
    parts = {
        "address": text_of(place, "formattedAddress"),
        "telephone": text_of(place, "internationalPhoneNumber"),
        "time zone": text_of(place, "timeZone", "id"),
        "hours": "; ".join(str(day) for day in days),  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - any JSON
    }
    return _entry(name, f"Google Places {text_of(place, 'id')}", parts)


class OpenStreetMap:
    """Nominatim by name, then Overpass around the place for entries with a telephone number."""

    def __init__(self, nominatim: Service, overpass: Service, pause_s: float = NOMINATIM_PAUSE_S) -> None:
        self._nominatim = nominatim
        self._overpass = overpass
        self._pause_s = pause_s
        self._turn = asyncio.Lock()
        self._next_s = 0.0

    async def find(self, name: str, near: str, language: str) -> Answer:
        named = await self._search(f"{name}, {near}" if near else name, language)
        found = [_tagged(_name_of(one), one, one.get("extratags")) for one in named]
        if near and not any("telephone" in one.text for one in found):
            found += await self._around(name, near, language)
        return Answer(items=cleaned(found))

    async def _search(self, query: str, language: str) -> list[dict[str, Any]]:
        loop = asyncio.get_running_loop()
        async with self._turn:
            await asyncio.sleep(max(0.0, self._next_s - loop.time()))
            self._next_s = loop.time() + self._pause_s
            asked = {"q": query, "format": "jsonv2", "addressdetails": "1", "extratags": "1", "limit": "5"}
            return objects(
                {"all": await self._nominatim.get("/search", asked, {"Accept-Language": language or "en"})}, "all"
            )

    async def _around(self, name: str, near: str, language: str) -> list[Found]:
        place = next(iter(await self._search(near, language)), None)
        try:
            where = f"{AROUND_M},{float(text_of(place, 'lat')):.6f},{float(text_of(place, 'lon')):.6f}"
        except ValueError:
            return []
        words = re.sub(r"[^\w\s-]", ".", name)[:80]  # nothing that ends the quoted expression
        tags = ("phone", "contact:phone")
        ways = "".join(f'nwr["name"~"{words}",i]["{tag}"](around:{where});' for tag in tags)
        answer = await self._overpass.post("/api/interpreter", f"[out:json][timeout:10];({ways});out center 8;")
        return [
            _tagged(text_of(one, "tags", "name") or NAMELESS, one, one.get("tags"))
            for one in objects(answer, "elements")
        ]


def _name_of(place: dict[str, Any]) -> str:
    """As OpenStreetMap calls it, never as it was asked for: what was asked for proves nothing."""
    return text_of(place, "name") or text_of(place, "display_name").partition(",")[0] or NAMELESS


def _tagged(name: str, place: dict[str, Any], tags: Any) -> Found:
    parts = {
        "address": text_of(place, "display_name") or " ".join(_address(tags)),
        "telephone": text_of(tags, "phone") or text_of(tags, "contact:phone"),
        "hours": text_of(tags, "opening_hours"),
        "source": ATTRIBUTION,
    }
    kind = text_of(place, "osm_type") or text_of(place, "type")
    return _entry(name, f"OpenStreetMap {kind} {place.get('osm_id', place.get('id'))}", parts)


def _address(tags: Any) -> Iterator[str]:
    for key in ("addr:street", "addr:housenumber", "addr:postcode", "addr:city"):
        if part := text_of(tags, key):
            yield part


def _entry(name: str, ref: str, parts: dict[str, str]) -> Found:
    told = "; ".join(f"{label}: {value}" for label, value in parts.items() if value)
    return Found(title=name, ref=ref, text=f"{name}; {told}" if told else "", business=True)
