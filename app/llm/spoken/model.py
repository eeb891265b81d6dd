"""Vocabulary of a spoken conversation: what `SpokenTalk.handle` takes and wants, what the page is told. Pure."""

from enum import StrEnum

import msgspec

from app.domain.follow_up import News
from app.domain.planning import PlannerTurn
from media.protocol import NumberedReport, ResponseUsed, TranscriptionUsed


class Phase(StrEnum):
    """What goes on, as the page shows it."""

    CONNECTING = "connecting"
    LISTENING = "listening"
    HEARING = "hearing"
    THINKING = "thinking"
    WORKING = "working"
    SPEAKING = "speaking"


class Ending(StrEnum):
    """Why it ended, as far as the page does something about it."""

    IDLE = "idle"
    BUDGET = "budget"
    REFUSED = "refused"
    """The model's account or configuration: trying again is no use."""
    BUSY = "busy"
    """As many speak as may at once."""
    LONGEST = "longest"
    ELSEWHERE = "elsewhere"
    """The same conversation is spoken in from another page."""
    LOST = "lost"
    """The model is away for longer than the session tries; the page begins anew."""


class PendingNews(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that ended and were not told; `call_ids` are all of them, also those that are only counted."""

    news: News
    call_ids: frozenset[str]


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What responses and transcriptions took: what of it has a known price, and how many have none."""

    asked: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    known_micro_usd: int = 0
    """Always charged, whatever else has no price."""
    unpriced: int = 0
    price_table: str = ""

    @property
    def cost_micro_usd(self) -> int | None:
        """As it is shown; None: a price is not known."""
        return None if self.unpriced else self.known_micro_usd

    def plus(self, other: "Used") -> "Used":
        """Both together."""
        return Used(
            asked=self.asked + other.asked,
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            known_micro_usd=self.known_micro_usd + other.known_micro_usd,
            unpriced=self.unpriced + other.unpriced,
            price_table=other.price_table or self.price_table,
        )


def priced(*costs: int | None) -> Used:
    """These costs together; None: one that has no known price."""
    known = [one for one in costs if one is not None]
    return Used(known_micro_usd=sum(known), unpriced=len(costs) - len(known))


def used_by(report: ResponseUsed | TranscriptionUsed) -> Used:
    if isinstance(report, TranscriptionUsed):
        return msgspec.structs.replace(priced(report.cost_micro_usd), price_table=report.price_table)
    return msgspec.structs.replace(
        priced(report.cost_micro_usd),
        asked=1,
        input_tokens=report.input_text_tokens + report.input_audio_tokens,
        cached_tokens=report.input_cached_text_tokens + report.input_cached_audio_tokens,
        output_tokens=report.output_text_tokens + report.output_audio_tokens,
        price_table=report.price_table,
    )


# --- inputs -----------------------------------------------------------------------------------------------------
class Reported(msgspec.Struct, frozen=True):
    """The Realtime session says so."""

    report: NumberedReport


class ModelLine(msgspec.Struct, frozen=True):
    """The connection to the model works (`up`), or is being made again."""

    up: bool


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A look at the store: turns that others wrote, calls that ended, plans that were confirmed since."""

    turns: tuple[PlannerTurn, ...] = ()
    news: PendingNews | None = None
    confirmed: tuple[str, ...] = ()
    """Their titles."""


class Acted(msgspec.Struct, frozen=True, kw_only=True):
    """A function was carried out; `output` is JSON text for the model."""

    tool_call_id: str
    output: str


class Quiet(msgspec.Struct, frozen=True):
    """Nobody speaks, and nothing is being generated, played or asked for."""


class BudgetUsed(msgspec.Struct, frozen=True):
    """The tenant's month has no money left."""


class Tick(msgspec.Struct, frozen=True):
    """`next_deadline` has passed."""


class HungUp(msgspec.Struct, frozen=True):
    """The model's session is closed; what was open has been reported."""


Input = Reported | ModelLine | Seen | Acted | Quiet | BudgetUsed | Tick | HungUp


# --- effects ----------------------------------------------------------------------------------------------------
class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Write a turn down, in order. `news`: this turn told of these calls."""

    role: str
    text: str
    interrupted: bool = False
    used: Used = Used()
    news: PendingNews | None = None


class Charge(msgspec.Struct, frozen=True):
    """Money that no turn carries."""

    used: Used


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Carry a function out, after everything noted before; answer `Acted`."""

    tool_call_id: str
    name: str
    arguments: str


class GiveResult(msgspec.Struct, frozen=True, kw_only=True):
    """Hand a function's result to the model."""

    tool_call_id: str
    output: str


class Inform(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the model something the user does not hear; `respond` asks it to speak on it."""

    text: str
    respond: bool


class End(msgspec.Struct, frozen=True, kw_only=True):
    """It is over; what is open is still to be reported, then `HungUp`."""

    why: Ending
    words: str


# --- what the page is told --------------------------------------------------------------------------------------
class PhaseEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="phase"):
    """`name` and `arguments` are those of a function, while it works."""

    phase: Phase
    name: str = ""
    arguments: str = ""


class WordsEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="words"):
    """Words so far of somebody who is speaking."""

    role: str
    item_id: str
    text: str


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="stored"):
    """A turn was written down."""

    seq: int


class LineEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="line"):
    """The model is away, or back."""

    up: bool


class FlushEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="flush"):
    """Fall silent: what waits to be played is not wanted any more."""


class OverEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="over"):
    """It ended, and why in words."""

    why: Ending
    words: str


PageEvent = PhaseEvent | WordsEvent | StoredEvent | LineEvent | FlushEvent | OverEvent


class Tell(msgspec.Struct, frozen=True):
    """Tell the page."""

    event: PageEvent


Effect = Note | Charge | Act | GiveResult | Inform | End | Tell
