"""A whole simulated world for one control process: exchange, callees, speech and text models, on loopback.

Used by `opendeep demo`, `SIMULATE=True` and the flow tests: the product talks to it exactly as to the real ones.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from app.config import Settings
from app.sim.asterisk import OutboundWebsocket, SimAsterisk
from app.sim.asterisk.personas import Directory
from app.sim.asterisk.settings import ExchangeSettings
from app.sim.realtime.brain import Brain
from app.sim.realtime.options import SimOptions
from app.sim.realtime.planner import HouseBrain
from app.sim.realtime.server import SimRealtime
from app.sim.text import Mind, SimText
from app.sim.text.analyst import PlausibleAnalyst
from app.sim.text.lookups import SimLookups
from app.sim.text.plausible import plausible_routes
from app.sim.text.server import MODELS
from app.sim.text.town import PAGES, TOWN


@dataclass(frozen=True)
class SimWorld:
    """The simulators, and settings that point at them."""

    asterisk: SimAsterisk
    realtime: SimRealtime
    text: SimText
    found: SimLookups
    """What the planner's look-ups know."""
    settings: Settings


@asynccontextmanager
async def sim_world(
    settings: Settings,
    *,
    callees: Directory | None = None,
    brain: Callable[[], Brain] = HouseBrain,
    options: SimOptions | None = None,
    analyst: Mind | None = None,
) -> AsyncGenerator[SimWorld]:
    """Start the simulators; `world.settings` is `settings` with their addresses."""
    async with (
        SimAsterisk(
            callees=callees, dials=_dials(settings), settings=ExchangeSettings(callback_app=settings.ari_app)
        ) as asterisk,
        SimRealtime(brain=brain, options=options) as realtime,
        SimText(routes=plausible_routes(analyst or PlausibleAnalyst())) as text,
        SimLookups() as found,
    ):
        found.places, found.pages = list(TOWN), list(PAGES)
        pointed = settings.model_copy(
            update={
                "simulate": True,
                "ari_url": asterisk.base_url,
                "ari_username": asterisk.username,
                "ari_password": SecretStr(asterisk.password),
                "trunk_endpoint": "PJSIP/{number}@opendeep-trunk",
                "realtime_url": realtime.url,
                "openai_api_key": SecretStr("simulated"),
                "text_base_url": text.base_url,
                "text_api_key": SecretStr("simulated"),
                "text_api": "responses",
                "text_quirks": "",
                "text_model": MODELS[0],
                "analysis_model": MODELS[1],
                "search_provider": "searxng",
                "searxng_url": found.url,
                "places_provider": "google",
                "google_places_url": found.url,
                "google_places_api_key": SecretStr("simulated"),
            }
        )
        yield SimWorld(asterisk, realtime, text, found, pointed)


def _dials(settings: Settings) -> OutboundWebsocket | None:
    """The events' way, as the settings want it."""
    if settings.ari_events == "dial_in":
        return None
    return OutboundWebsocket(
        uri=f"ws://{settings.ari_listen_host}:{settings.ari_listen_port}/ari",
        app=settings.ari_app,
        username=settings.ari_listen_username,
        password=settings.ari_listen_password.get_secret_value(),
    )
