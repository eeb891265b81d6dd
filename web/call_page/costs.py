"""Pure: what a call cost, by kind of token and by response."""

from collections.abc import Sequence

import msgspec

from app.llm.cost_split import cost_by_kind, fresh_tokens
from app.store.usage import Spent
from web.view import money

KINDS: tuple[tuple[str, str], ...] = (
    ("input_audio_tokens", "audio in"),
    ("input_cached_audio_tokens", "audio in, cached"),
    ("output_audio_tokens", "audio out"),
    ("input_text_tokens", "text in"),
    ("input_cached_text_tokens", "text in, cached"),
    ("output_text_tokens", "text out"),
)
"""Fields of a usage entry, in the order they are shown."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one kind over the whole call, input without its cached part; `cost` empty: not known."""

    name: str
    tokens: int
    cost: str = ""


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What several entries of one model cost. `cost` empty: no price is known."""

    model: str
    what: str
    times: int
    cost: str


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One entry."""

    at_ms: int
    what: str
    model: str
    amount: str
    cost: str
    price_table: str


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """`total` is the sum of what has a known price; `unpriced` entries have none."""

    total: str
    unpriced: int
    kinds: tuple[Kind, ...]
    seconds: str
    uses: tuple[Use, ...]
    responses: tuple[Response, ...]
    price_tables: tuple[str, ...]


def costs(spent: Sequence[Spent]) -> Costs:
    """The sums of a call."""
    sums = dict.fromkeys((name for name, _ in KINDS), 0)
    micro = dict.fromkeys(sums, 0.0)
    unsplit: set[str] = set()
    for one in spent:
        split = cost_by_kind(one)
        for name, count in fresh_tokens(one).items():
            sums[name] += count
            if split is not None:
                micro[name] += split.get(name, 0.0)
            elif count:
                unsplit.add(name)
    seconds = sum(one.seconds for one in spent)
    return Costs(
        total=money(sum(one.cost_micro_usd or 0 for one in spent)),
        unpriced=sum(one.cost_micro_usd is None for one in spent),
        kinds=tuple(
            Kind(name=word, tokens=sums[name], cost="" if name in unsplit else money(round(micro[name])) or "$0")
            for name, word in KINDS
            if sums[name] > 0
        ),
        seconds=f"{seconds:.1f} s" if seconds else "",
        uses=_uses(spent),
        responses=tuple(map(_response, spent)),
        price_tables=tuple(sorted({one.price_table for one in spent if one.price_table})),
    )


def what_of(one: Spent) -> str:
    """What the model was used for."""
    if one.kind == "transcription":
        return "transcription"
    return "analysis" if one.status == "analysis" else "talk"


def _uses(spent: Sequence[Spent]) -> tuple[Use, ...]:
    grouped: dict[tuple[str, str], list[Spent]] = {}
    for one in spent:
        grouped.setdefault((what_of(one), one.model), []).append(one)
    return tuple(
        Use(
            model=model,
            what=what,
            times=len(group),
            cost=money(sum(one.cost_micro_usd or 0 for one in group))
            or ("" if any(one.cost_micro_usd is None for one in group) else "$0"),
        )
        for (what, model), group in grouped.items()
    )


def _response(one: Spent) -> Response:
    if one.kind == "transcription":
        amount = f"{one.seconds:.1f} s of speech"
    else:
        words = [f"{getattr(one, name)} {word}" for name, word in KINDS if getattr(one, name)]
        amount = ", ".join(words)
    status = f", {one.status}" if one.status not in {"", "analysis", "completed"} else ""
    return Response(
        at_ms=one.at_ms,
        what=what_of(one) + status,
        model=one.model,
        amount=amount,
        cost="" if one.cost_micro_usd is None else money(one.cost_micro_usd) or "$0",
        price_table=one.price_table,
    )
