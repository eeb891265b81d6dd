"""What text models cost, in integer millionths of a US dollar (micro-USD), by list prices of the table's version.

USD per 1M tokens is micro-USD per token; prices are kept in thousandths, rounded up once. A model that is not here
costs None ("unknown"), never 0.
"""

from collections.abc import Mapping
from typing import NamedTuple

from app.llm.model import TextUsage

PRICE_TABLE = "text-2026-11-01"


class TextPrice(NamedTuple):
    """Thousandths of a micro-USD per token."""

    fresh: int
    cached: int
    output: int


TEXT_PRICES: Mapping[str, TextPrice] = {
    "gpt-6.1-terra": TextPrice(1_000, 50, 5_000),
    "gpt-6-luna": TextPrice(100, 10, 500),
}


def text_cost(model: str, usage: TextUsage | None) -> int | None:
    """Cost of one answer; None for unknown models and for answers without usage."""
    price = TEXT_PRICES.get(model)
    if price is None or usage is None:
        return None
    cached = min(max(usage.cached_tokens, 0), max(usage.input_tokens, 0))
    fresh = max(usage.input_tokens, 0) - cached
    nano = fresh * price.fresh + cached * price.cached + max(usage.output_tokens, 0) * price.output
    return -(-nano // 1_000)
