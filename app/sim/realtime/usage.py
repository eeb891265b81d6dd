"""Token usage of simulated responses and transcriptions: plausible, and consistent with itself.

User audio is 1 token per 100 ms, assistant audio 1 per 50 ms, text about 4 characters per token; what an earlier
response already had as input is reported as cached, in steps of 64. Pure; figures follow OpenAI's cost guide.
"""

import math
from collections.abc import Iterable

import msgspec

from app.sim.realtime.conversation import Item
from app.sim.realtime.protocol_check import Json

_CACHE_STEP = 64


def text_tokens(text: str) -> int:
    """About 4 characters each."""
    return math.ceil(len(text) / 4)


def audio_tokens(item: Item) -> int:
    """Tokens of an item's audio, as input or as output."""
    return math.ceil(item.audio_ms / (50 if item.role == "assistant" else 100))


class InputLedger:
    """Counts the input of each response and remembers what the one before had, for the cached share."""

    def __init__(self) -> None:
        self._prefix = ""
        self._cached_text = 0
        self._cached_audio = 0

    def usage(self, prefix: str, items: Iterable[Item], output: Iterable[Item]) -> Json:
        """`response.usage`; `prefix` is everything before the items: instructions and tools."""
        context = list(items)
        text = text_tokens(prefix) + sum(text_tokens(item.text) for item in context if not item.audio_ms)
        audio = sum(audio_tokens(item) for item in context)
        cached_text, cached_audio = self._cached(prefix, text, audio)
        self._prefix, self._cached_text, self._cached_audio = prefix, text, audio
        return _as_json(_Tokens(text=text, audio=audio), _Tokens(text=cached_text, audio=cached_audio), output)

    def _cached(self, prefix: str, text: int, audio: int) -> tuple[int, int]:
        if prefix != self._prefix:
            return 0, 0
        known_text, known_audio = min(text, self._cached_text), min(audio, self._cached_audio)
        total = (known_text + known_audio) // _CACHE_STEP * _CACHE_STEP
        cached_text = min(total, known_text)
        return cached_text, total - cached_text


class _Tokens(msgspec.Struct, frozen=True, kw_only=True):
    text: int
    audio: int

    @property
    def total(self) -> int:
        return self.text + self.audio


def _as_json(given: _Tokens, cached: _Tokens, output: Iterable[Item]) -> Json:
    items = list(output)
    made = _Tokens(
        text=sum(text_tokens(item.text) for item in items), audio=sum(audio_tokens(item) for item in items)
    )
    cached_details = {"text_tokens": cached.text, "audio_tokens": cached.audio, "image_tokens": 0}
    return {
        "total_tokens": given.total + made.total,
        "input_tokens": given.total,
        "output_tokens": made.total,
        "input_token_details": {
            "text_tokens": given.text,
            "audio_tokens": given.audio,
            "image_tokens": 0,
            "cached_tokens": cached.total,
            "cached_tokens_details": cached_details,
        },
        "output_token_details": {"text_tokens": made.text, "audio_tokens": made.audio},
    }


def transcription_usage(model: str, audio_ms: int, transcript: str) -> Json:
    """Usage of one input transcription: tokens for the gpt-4o family, seconds for the others."""
    if not model.startswith("gpt-4o"):
        return {"type": "duration", "seconds": round(audio_ms / 1_000, 1)}
    audio, text = math.ceil(audio_ms / 100), text_tokens(transcript)
    details = {"text_tokens": 0, "audio_tokens": audio}
    usage: Json = {"type": "tokens", "input_tokens": audio, "input_token_details": details}
    return usage | {"output_tokens": text, "total_tokens": audio + text}
