"""Pure: the figures above the wallboard."""

from collections.abc import Iterable

import msgspec

from app.store.wallboard import Ended
from web.view import Card

ANSWERED = frozenset({"completed"})
NOT_REACHED = frozenset({"busy", "no_answer", "rejected", "unreachable", "bad_number"})
FAILED = frozenset({"network", "trunk_fault", "lost", "failed"})
"""Faults of ours or of the network, worth a look; the rest was taken back before anybody could answer."""
BEFORE_RINGING = frozenset({"prepare", "dialing"})
TALKING = frozenset({"answered", "bridged", "ending"})


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """What the store knows: the room, the last 24 hours, and when the next call is due (None: never)."""

    cap: int
    answered: int = 0
    machines: int = 0
    not_reached: int = 0
    failed: int = 0
    next_due_ms: int | None = None


class Figures(Day, frozen=True, kw_only=True):
    """The header: with what goes on at this moment."""

    live: int
    dialing: int
    ringing: int
    talking: int
    waiting: int
    """Callees who wait while the agent asks its own people."""


def day(ended: Ended, cap: int, next_due_ms: int | None) -> Day:
    """Sums by kind of outcome. Who a machine answered counts as a machine, and as answered as well."""

    def total(outcomes: frozenset[str]) -> int:
        return sum(count for outcome, count in ended.by_outcome.items() if outcome in outcomes)

    return Day(
        cap=cap,
        answered=total(ANSWERED),
        machines=ended.machines,
        not_reached=total(NOT_REACHED),
        failed=total(FAILED),
        next_due_ms=next_due_ms,
    )


def figures(known: Day, cards: Iterable[Card]) -> Figures:
    """The header over these calls."""
    alive = [card for card in cards if card.alive]
    return Figures(
        **msgspec.structs.asdict(known),
        live=len(alive),
        dialing=sum(card.state in BEFORE_RINGING for card in alive),
        ringing=sum(card.state == "ringing" for card in alive),
        talking=sum(card.state in TALKING for card in alive),
        waiting=sum(card.need >= 3 for card in alive),
    )
