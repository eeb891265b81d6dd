"""What responses and transcriptions cost, in integer millionths of a US dollar (micro-USD).

List prices of the vendor as of the table's version. USD per 1M tokens is the same number as micro-USD per token,
so prices are kept in thousandths of a micro-USD and cost = sum(tokens * price) / 1000, rounded up once. A model
that is not in the table costs None ("unknown"), never 0. Called by `media.realtime.conversation`.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from media.realtime.events import TranscriptionUsage, Usage

PRICE_TABLE = "2026-11-01"
_NANO_PER_MICRO = 1_000


class TokenPrice(NamedTuple):
    """Thousandths of a micro-USD per token."""

    text_input: int
    text_cached: int
    text_output: int
    audio_input: int
    audio_cached: int
    audio_output: int


RESPONSE_PRICES: Mapping[str, TokenPrice] = {
    "gpt-realtime-2.1": TokenPrice(4_000, 400, 24_000, 32_000, 400, 64_000),
    "gpt-realtime-2.1-mini": TokenPrice(600, 60, 2_400, 10_000, 300, 20_000),
    "gpt-realtime-1.5": TokenPrice(4_000, 400, 16_000, 32_000, 400, 64_000),
}

TRANSCRIPTION_MICRO_USD_PER_MINUTE: Mapping[str, int] = {
    "gpt-transcribe": 4_500,
    "gpt-live-transcribe": 17_000,
    "gpt-realtime-whisper": 17_000,
}


class TokenCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one response by class; the cached ones are a part of the input ones."""

    input_text: int = 0
    input_audio: int = 0
    cached_text: int = 0
    cached_audio: int = 0
    output_text: int = 0
    output_audio: int = 0


def count_tokens(usage: Usage) -> TokenCounts:
    """Usage by class. Totals without details count as text; images, which we never send, too."""
    given, made = usage.input_token_details, usage.output_token_details
    input_audio = _count(given and given.audio_tokens)
    total_in = _count(usage.input_tokens)
    parts_in = _count(given and given.text_tokens) + _count(given and given.image_tokens)
    input_text = parts_in if given is not None and (parts_in or input_audio) else total_in
    cached = given and given.cached_tokens_details
    cached_audio = min(_count(cached and cached.audio_tokens), input_audio)
    cached_text = _count(cached and cached.text_tokens) + _count(cached and cached.image_tokens)
    if cached is None:
        cached_text = _count(given and given.cached_tokens)
    output_audio = _count(made and made.audio_tokens)
    output_text = _count(made and made.text_tokens)
    if not output_audio and not output_text:
        output_text = _count(usage.output_tokens)
    return TokenCounts(
        input_text=input_text,
        input_audio=input_audio,
        cached_text=min(cached_text, input_text),
        cached_audio=cached_audio,
        output_text=output_text,
        output_audio=output_audio,
    )


def response_cost(model: str, tokens: TokenCounts) -> int | None:
    """Cost of one response, None if the model has no known price."""
    price = RESPONSE_PRICES.get(model)
    if price is None:
        return None
    nano = (
        (tokens.input_text - tokens.cached_text) * price.text_input
        + tokens.cached_text * price.text_cached
        + (tokens.input_audio - tokens.cached_audio) * price.audio_input
        + tokens.cached_audio * price.audio_cached
        + tokens.output_text * price.text_output
        + tokens.output_audio * price.audio_output
    )
    return -(-nano // _NANO_PER_MICRO)


def transcription_cost(model: str, usage: TranscriptionUsage | None) -> int | None:
    """Cost of one transcription billed by time; None for token-billed or unknown models, or without usage."""
    per_minute = TRANSCRIPTION_MICRO_USD_PER_MINUTE.get(model)
    if per_minute is None or usage is None or usage.seconds is None:
        return None
    millis = max(0, round(usage.seconds * 1_000))
    return -(-millis * per_minute // 60_000)


def _count(value: int | None) -> int:
    return max(0, value or 0)
