"""Settings of planning and its look-ups; a part of `Settings`."""

from typing import Literal

from pydantic import Field, SecretStr

from app.config.entrance import EntranceSettings


class PlanningSettings(EntranceSettings):
    """Fields only; see `app.config.settings`."""

    search_provider: Literal["auto", "openai", "searxng", "none"] = "auto"
    """Who searches the web for the planner; auto: OpenAI's web_search if TEXT_BASE_URL is there, else none."""
    searxng_url: str = ""
    """Your own SearXNG, like http://127.0.0.1:8888; json must be among its search.formats."""
    places_provider: Literal["auto", "google", "osm", "none"] = "auto"
    """Who knows businesses: Google Places, or OpenStreetMap; auto: Google when it has a key, else none."""
    google_places_api_key: SecretStr = SecretStr("")
    """Key of the Places API (New)."""
    google_places_url: str = "https://places.googleapis.com"
    """Address of the Places API (New)."""
    nominatim_url: str = "https://nominatim.openstreetmap.org"
    """Address of Nominatim; the public one allows a request a second and asks for attribution."""
    overpass_url: str = "https://overpass-api.de"
    """Address of Overpass."""
    lookup_timeout_s: float = Field(default=10.0, ge=0.5, le=60)
    """Seconds one look-up may take."""
    plan_max_calls: int = Field(default=200, ge=1, le=5000)
    """Calls one plan may have."""
    plan_tries: int = Field(default=3, ge=1, le=6)
    """How often a plan that does not hold goes back to the model before the user is told what is missing."""
    lifecycle: Literal["on", "off"] = "on"
    """on: an agent looks over open tasks (priorities, holds, check-ins), undoable; needs ANALYSIS=model."""
    lifecycle_every_s: int = Field(default=900, ge=60, le=86_400)
    """Seconds between two looks at the open tasks of a tenant; events bring one forward."""
    lifecycle_usd_per_day: float = Field(default=1.0, ge=0, le=1000)
    """US dollars a tenant's looks may cost in 24 hours; 0: none."""
    talk_usd_per_min: float = Field(default=0.10, ge=0, le=100)
    """US dollars a minute of talk usually costs, model and line; for forecasts only."""
