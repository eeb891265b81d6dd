"""Pure: which kinds of tokens the cost of an entry was made of, by the price table it was reckoned with."""

from collections.abc import Mapping

from app.llm.prices import PRICE_TABLE as TEXT_TABLE
from app.llm.prices import TEXT_PRICES
from app.store.usage import Usage
from media.realtime.pricing import PRICE_TABLE as REALTIME_TABLE
from media.realtime.pricing import RESPONSE_PRICES

KINDS = (
    "input_text_tokens",
    "input_cached_text_tokens",
    "input_audio_tokens",
    "input_cached_audio_tokens",
    "output_text_tokens",
    "output_audio_tokens",
)
"""Fields of a usage entry. Those of input count everything; the cached ones are a part of them."""


def fresh_tokens(used: Usage) -> dict[str, int]:
    """Tokens by kind, input without its cached part, so that nothing is counted twice."""
    counts = {name: max(0, getattr(used, name)) for name in KINDS}
    for whole, part in (
        ("input_text_tokens", "input_cached_text_tokens"),
        ("input_audio_tokens", "input_cached_audio_tokens"),
    ):
        counts[part] = min(counts[part], counts[whole])
        counts[whole] -= counts[part]
    return counts


def cost_by_kind(used: Usage) -> Mapping[str, float] | None:
    """Micro-USD of each kind of tokens. None: the entry has no cost, is billed by time, or its prices are those of
    another table than today's.
    """
    prices = _prices(used)
    if prices is None or used.cost_micro_usd is None:
        return None
    counts = fresh_tokens(used)
    return {name: counts[name] * prices[name] / 1_000 for name in KINDS if counts[name]}


def _prices(used: Usage) -> dict[str, int] | None:
    if used.kind != "response":
        return None
    if used.price_table == REALTIME_TABLE and (audio := RESPONSE_PRICES.get(used.model)) is not None:
        both = (audio.text_input, audio.text_cached, audio.audio_input, audio.audio_cached)
        return dict(zip(KINDS, (*both, audio.text_output, audio.audio_output), strict=True))
    if used.price_table == TEXT_TABLE and (text := TEXT_PRICES.get(used.model)) is not None:
        return dict(zip(KINDS, (text.fresh, text.cached, 0, 0, text.output, 0), strict=True))
    return None
