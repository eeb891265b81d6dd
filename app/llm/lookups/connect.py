"""The look-ups the settings ask for, as functions a text model may call."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import msgspec

from app.config import Settings
from app.config.settings import OPENAI_HOST
from app.errors import AppError
from app.guarded_http import GuardedClient
from app.llm.lookups.asking import Service
from app.llm.lookups.found import MAX_QUERY, Answer, PlacesProvider, SearchProvider
from app.llm.lookups.places import GooglePlaces, OpenStreetMap
from app.llm.lookups.web import OpenAiWeb, SearXng
from app.llm.model import ToolSpec

MAX_BYTES = 1_000_000
SEARCH, PLACES = "search_internet", "get_authoritative_business_info"


class _Search(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    query: str
    language: str


class _Business(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    near: str
    language: str


def _closed(**properties: str) -> dict[str, object]:
    """A closed object of texts, each described."""
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": about} for name, about in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }


_LANGUAGE = "two letters, like en"
SPECS = {
    SEARCH: ToolSpec(
        name=SEARCH,
        description="Search the web for facts; for telephone numbers of businesses rather ask the directory.",
        parameters=_closed(query="what to search for", language=_LANGUAGE),
    ),
    PLACES: ToolSpec(
        name=PLACES,
        description="Telephone number, address and opening hours of a business, from a directory.",
        parameters=_closed(
            name="name or kind of the business",
            near="street, town or region; empty if not known",
            language=_LANGUAGE,
        ),
    ),
}


class Lookups:
    """What may be looked up here."""

    def __init__(self, search: SearchProvider | None = None, places: PlacesProvider | None = None) -> None:
        self._search = search
        self._places = places

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The functions there are."""
        there = {SEARCH: self._search, PLACES: self._places}
        return tuple(SPECS[name] for name, provider in there.items() if provider is not None)

    async def run(self, name: str, arguments: str) -> tuple[Answer | None, str]:
        """(answer, "") or (None, the sentence for the model). Never raises for what others did wrong."""
        try:
            if name == SEARCH and self._search is not None:
                asked = msgspec.json.decode(arguments, type=_Search)
                if not asked.query.strip():
                    return None, "The query is empty."
                return await self._search.search(asked.query[:MAX_QUERY], asked.language[:2]), ""
            if name == PLACES and self._places is not None:
                wanted = msgspec.json.decode(arguments, type=_Business)
                if not wanted.name.strip():
                    return None, "The name is empty."
                return await self._places.find(
                    wanted.name[:MAX_QUERY], wanted.near[:MAX_QUERY], wanted.language[:2]
                ), ""
        except msgspec.MsgspecError as error:
            return None, f"The arguments do not fit: {error}."
        except AppError as failed:
            return None, f"The look-up failed: {failed.message}"
        return None, f"There is no function {name[:60]!r}."


@asynccontextmanager
async def lookups(settings: Settings) -> AsyncGenerator[Lookups]:
    """Open them; nothing is sent yet."""
    async with GuardedClient(max_bytes=MAX_BYTES, timeout_s=settings.lookup_timeout_s) as client:
        yield Lookups(_search(settings, client), _places(settings, client))


def _search(s: Settings, client: GuardedClient) -> SearchProvider | None:
    at_openai = urlsplit(s.text_base_url).hostname == OPENAI_HOST and not s.simulate
    match s.search_provider:
        case "searxng":
            return SearXng(Service(client, s.searxng_url))
        case "openai":
            return OpenAiWeb(Service(client, s.text_base_url), s.text_key, s.text_model)
        case "auto" if at_openai:
            return OpenAiWeb(Service(client, s.text_base_url), s.text_key, s.text_model)
        case _:
            return None


def _places(s: Settings, client: GuardedClient) -> PlacesProvider | None:
    key = s.google_places_api_key.get_secret_value()
    match s.places_provider:
        case "osm":
            return OpenStreetMap(Service(client, s.nominatim_url), Service(client, s.overpass_url))
        case "google" | "auto" if key:
            return GooglePlaces(Service(client, s.google_places_url), key)
        case _:
            return None
