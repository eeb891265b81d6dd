"""The interface of a text model: what is asked, what comes back. Adapters: `responses_api`, `chat_completions`.

Nothing is kept at the vendor (`store=False`), so every question carries the whole conversation.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal, Protocol

import msgspec

from app.llm.errors import TextModelError


class Message(msgspec.Struct, frozen=True):
    """Words of one side."""

    role: Literal["user", "assistant"]
    text: str


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A function the model wants called; `arguments` is what it wrote, unchecked JSON."""

    tool_call_id: str
    name: str
    arguments: str


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a function answered."""

    tool_call_id: str
    output: str


Item = Message | ToolCall | ToolResult


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A function the model may call; `parameters` is a closed JSON schema (strict mode)."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class OutputSchema(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON schema an answer must have."""

    name: str
    schema: Mapping[str, Any]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One question. What others said or wrote belongs into `items` as data, never into `instructions`."""

    model: str
    instructions: str
    items: tuple[Item, ...]
    output: OutputSchema | None = None
    tools: tuple[ToolSpec, ...] = ()
    max_output_tokens: int = 4_000
    timeout_s: float = 30.0


class Stop(StrEnum):
    """Why the model stopped."""

    DONE = "done"
    TOOL_CALLS = "tool_calls"
    LENGTH = "length"
    DECLINED = "declined"


class TextUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens; cached ones are a part of the input ones."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer. `cost_micro_usd` None: the model has no known price, or usage was not told."""

    reply_id: str
    model: str
    text: str
    stop: Stop
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str = ""
    usage: TextUsage | None = None
    cost_micro_usd: int | None = None
    price_table: str = ""


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """What answers cost together. `cost_micro_usd` None: the cost of one of them is not known."""

    asked: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_micro_usd: int | None
    price_table: str


def paid(replies: Sequence[Reply], others: Sequence[int | None] = ()) -> Paid:
    """The sum of some answers, and of `others`: what other services cost for the same case, micro USD."""
    costs = [*(one.cost_micro_usd for one in replies), *others]
    used = [one.usage for one in replies if one.usage is not None]
    return Paid(
        asked=len(replies),
        input_tokens=sum(one.input_tokens for one in used),
        cached_tokens=sum(one.cached_tokens for one in used),
        output_tokens=sum(one.output_tokens for one in used),
        cost_micro_usd=None if None in costs else sum(one for one in costs if one is not None),
        price_table=replies[0].price_table if replies else "",
    )


def known_cost(costs: Iterable[int | None]) -> int:
    """What is charged of costs in micro USD: all that have a known price, whatever has none."""
    return sum(cost for cost in costs if cost is not None)


class TextDelta(msgspec.Struct, frozen=True):
    """A piece of the answer's text, in order."""

    text: str


class TextModel(Protocol):
    """An adapter. Raises TextModelError and its children only."""

    async def ask(self, ask: Ask) -> Reply:
        """One answer; retryable failures have been retried when this raises."""
        ...

    def stream(self, ask: Ask) -> AsyncGenerator[TextDelta | Reply]:
        """Pieces of text, then the whole answer last. Not retried once a piece came. To be closed by who leaves it
        early: the connection is let go then."""
        ...


async def ask_noting(model: TextModel, ask: Ask, replies: list[Reply]) -> Reply:
    """One more answer of a case, put to those before it; an error takes them along, since they were paid for."""
    try:
        reply = await model.ask(ask)
    except TextModelError as error:
        error.replies = tuple(replies)
        raise
    replies.append(reply)
    return reply
