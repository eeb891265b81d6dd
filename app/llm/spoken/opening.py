"""What a session with the speech model is opened with, and why none can be."""

from urllib.parse import urlsplit

from app.config import Settings
from app.config.settings import OPENAI_HOST
from app.llm.lookups.connect import Lookups
from app.llm.spoken.hands import PROMPT, tool_specs
from app.llm.spoken.line import PATH_MS
from app.llm.spoken.told import RESUMED, RETOLD_TURNS
from media.realtime.presets import PRESETS
from media.realtime.settings import RealtimeSettings

GREETING = "I am listening. Whom shall I call, and what is it about?"
NEVER_MS = 24 * 3_600_000
MAX_OUTPUT_TOKENS = 4_096
NO_KEY = (
    "Speaking needs the key of a speech model. Set OPENAI_API_KEY (or REALTIME_URL to a server of your own) and "
    "start OpenDeep again; until then, write."
)


def why_not(settings: Settings) -> str:
    """Why nobody can speak here; empty when they can."""
    at_openai = urlsplit(settings.realtime_url).hostname == OPENAI_HOST
    keyless = not settings.openai_api_key.get_secret_value() and at_openai
    return NO_KEY if keyless and not settings.simulate else ""


def realtime_settings(s: Settings, lookups: Lookups, priming: str, *, fresh: bool) -> RealtimeSettings:
    """`fresh`: nothing was said in this chat, so the model greets."""
    return RealtimeSettings(
        url=s.realtime_url,
        api_key=s.openai_api_key.get_secret_value(),
        model=s.realtime_model,
        instructions=PROMPT,
        voice=s.voice,
        greeting=GREETING,
        opening="greet_first" if fresh else "wait_for_hello",
        greet_after_silence_ms=NEVER_MS,
        language="",
        audio_format="audio/pcm",
        transcription_model=s.transcription_model,
        turn_detection=PRESETS["natural"].turn_detection,
        noise_reduction="far_field",
        tools=tool_specs(lookups),
        max_output_tokens=MAX_OUTPUT_TOKENS,
        path_ms=PATH_MS,
        priming=priming,
        resumed=RESUMED,
        retold_turns=RETOLD_TURNS,
    )
