"""What the rules of admission share: the question, an objection, and the calling window worked out once.

Called by `admission` and its rules in `admission_who`, `admission_time` and `admission_room`.
"""

from functools import cached_property

import msgspec

from app.domain.admission_facts import Facts
from app.domain.policy.pack import Rules
from app.domain.policy.selection import Policy
from app.domain.policy.windows import CallingWindow, calling_window
from app.domain.policy.zones import Zones

LOOK_AGAIN_MS = 60_000
"""Pause for what may change at any moment: a paused campaign, a suspended tenant, money that calls hold."""
ASK_AGAIN_MS = 15 * 60_000
"""Pause for what is not known."""
SOON_MS = 2_000
"""Pause when there is no room and nobody knows when there will be."""
HOUR_MS = 3_600_000


class Objection(msgspec.Struct, frozen=True, kw_only=True):
    """A rule says no: until an instant, or (None) for good. `sentence` is complete in itself."""

    sentence: str
    until_ms: int | None


class Question:
    """Facts, what binds them, and the rules in force (those of blocking packs, or of those that warn)."""

    def __init__(self, facts: Facts, policy: Policy | None, rules: Rules) -> None:
        self.facts = facts
        self.policy = policy
        self.rules = rules

    @cached_property
    def window(self) -> CallingWindow | None:
        """The calling window; None while the zone is not known or no pack binds the callee."""
        if self.policy is None or not isinstance(self.facts.zones, Zones) or not self.facts.zones.keys:
            return None
        return calling_window(self.rules, self.facts.zones)

    @property
    def pack_names(self) -> str:
        """ "eu and fr"."""
        return " and ".join(ref.id for ref in self.policy.packs) if self.policy is not None else "no pack"

    def next_legal_ms(self, at_ms: int) -> int:
        """The first instant from `at_ms` on inside the window; `at_ms` itself when the window is not known."""
        window = self.window
        opening = None if window is None else window.next_open(at_ms, self.facts.ring_timeout_s)
        return at_ms if opening is None else opening

    def wait(self, ms: int, sentence: str) -> Objection:
        """An objection for some time from now."""
        return Objection(sentence=sentence, until_ms=self.facts.now_ms + ms)


def never(sentence: str) -> Objection:
    """An objection for good."""
    return Objection(sentence=sentence, until_ms=None)
