"""Costs in whole micro-USD: classes of tokens, cached ones, unknown models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.realtime.events import (
    CachedDetails,
    InputDetails,
    OutputDetails,
    TranscriptionUsage,
    Usage,
)
from media.realtime.pricing import (
    RESPONSE_PRICES,
    TokenCounts,
    count_tokens,
    response_cost,
    transcription_cost,
)

counts = st.integers(min_value=0, max_value=10**7)


@pytest.mark.parametrize(
    ("tokens", "micro_usd"),
    [
        (TokenCounts(input_text=1_000_000), 4_000_000),
        (TokenCounts(input_text=1_000_000, cached_text=1_000_000), 400_000),
        (TokenCounts(input_audio=1_000_000), 32_000_000),
        (TokenCounts(input_audio=1_000_000, cached_audio=500_000), 16_200_000),
        (TokenCounts(output_text=1_000_000), 24_000_000),
        (TokenCounts(output_audio=1_000_000), 64_000_000),
        (TokenCounts(input_text=1, cached_text=1), 1),
        (TokenCounts(), 0),
    ],
)
def test_list_prices(tokens: TokenCounts, micro_usd: int) -> None:
    assert response_cost("gpt-realtime-2.1", tokens) == micro_usd


def test_an_unknown_model_has_no_cost_not_zero() -> None:
    assert response_cost("gpt-realtime-9", TokenCounts(input_text=5)) is None
    assert transcription_cost("whisper-9", TranscriptionUsage(type="duration", seconds=60)) is None
    assert transcription_cost("gpt-transcribe", None) is None
    assert transcription_cost("gpt-transcribe", TranscriptionUsage(type="tokens", input_tokens=9)) is None


def test_transcription_by_the_second() -> None:
    assert transcription_cost("gpt-transcribe", TranscriptionUsage(type="duration", seconds=60.0)) == 4500
    assert transcription_cost("gpt-transcribe", TranscriptionUsage(type="duration", seconds=0.001)) == 1


def test_totals_without_details_count_as_text() -> None:
    assert count_tokens(Usage(input_tokens=7, output_tokens=3)) == TokenCounts(input_text=7, output_text=3)
    given_zero = Usage(input_tokens=7, input_token_details=InputDetails(text_tokens=0, audio_tokens=7))
    assert count_tokens(given_zero) == TokenCounts(input_audio=7)
    no_split = Usage(input_tokens=7, input_token_details=InputDetails(text_tokens=7, cached_tokens=5))
    assert count_tokens(no_split) == TokenCounts(input_text=7, cached_text=5)


@given(st.sampled_from(sorted(RESPONSE_PRICES)), counts, counts, counts, counts, counts, counts)
def test_cost_is_a_whole_number_and_caching_never_costs_more(
    model: str, text: int, audio: int, cached_text: int, cached_audio: int, out_text: int, out_audio: int
) -> None:
    usage = Usage(
        input_token_details=InputDetails(
            text_tokens=text,
            audio_tokens=audio,
            cached_tokens_details=CachedDetails(text_tokens=cached_text, audio_tokens=cached_audio),
        ),
        output_token_details=OutputDetails(text_tokens=out_text, audio_tokens=out_audio),
    )
    tokens = count_tokens(usage)
    assert tokens.cached_text <= tokens.input_text
    assert tokens.cached_audio <= tokens.input_audio
    cost = response_cost(model, tokens)
    full = response_cost(model, TokenCounts(input_text=text, input_audio=audio))
    assert isinstance(cost, int)
    assert full is not None
    assert cost >= 0
    assert response_cost(model, TokenCounts(input_text=text, cached_text=tokens.cached_text)) is not None
    with_cache = TokenCounts(
        input_text=tokens.input_text,
        input_audio=tokens.input_audio,
        cached_text=tokens.cached_text,
        cached_audio=tokens.cached_audio,
    )
    assert (response_cost(model, with_cache) or 0) <= full
