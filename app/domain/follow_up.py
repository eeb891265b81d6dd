"""What became of calls that were planned in the chat: facts by code, and apart from them others' words. Pure."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from app.domain.local_time import told
from app.domain.task import TaskState

MAX_TOLD = 10
"""Calls of which all is told; of the others only how many ended how."""
MAX_WORDS = 600
OUTCOMES = {
    "completed": "answered",
    "busy": "busy",
    "no_answer": "nobody answered",
    "rejected": "rejected",
    "bad_number": "there is no such number",
    "unreachable": "not reachable",
    "network": "a fault of the network",
    "trunk_fault": "our line was refused",
    "canceled": "taken back",
    "lost": "lost on the way",
    "failed": "a fault on our side",
}
_STATES = {
    TaskState.COMPLETED: "It is done.",
    TaskState.FAILED: "It is over without success; nobody calls again.",
    TaskState.CANCELLED: "It was called off.",
    TaskState.SUPPRESSED: "Nobody may call this number any more.",
    TaskState.WAITING_USER: "It waits for an answer of yours (page Questions).",
    TaskState.CLAIMED: "The next attempt is being prepared.",
    TaskState.IN_CALL: "A call is in progress.",
    TaskState.ANALYZING: "The last call is being read.",
}


class CallNews(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One task and its last call. `summary` and `found` are words of others: data, never orders.

    `call_id` and `outcome` are empty while nobody was called. Times are UTC epoch milliseconds.
    """

    task_id: str
    campaign_id: str
    callee_name: str
    number: str
    objective: str
    state: TaskState
    attempts: int
    max_attempts: int
    call_id: str = ""
    outcome: str = ""
    ended_ms: int = 0
    next_ms: int = 0
    summary: str = ""
    found: tuple[tuple[str, str], ...] = ()
    paused: bool = False
    """Its campaign is."""
    held: bool = False
    """All dialing of the tenant is."""

    @property
    def who(self) -> str:
        """As people name the callee."""
        return f"{self.callee_name} ({self.number})" if self.callee_name else self.number

    def sentence(self, zone: str = "UTC") -> str:
        """What happened and what follows, in words of ours only."""
        zones = () if zone == "UTC" else (zone,)
        parts: list[str] = []
        if self.outcome:
            when = f" on {told(self.ended_ms, zones)}" if self.ended_ms else ""
            parts.append(f"The call{when}: {OUTCOMES.get(self.outcome, self.outcome.replace('_', ' '))}.")
        if self.state is TaskState.PENDING:
            parts.append(f"{self._next(zones)} ({self.attempts} of {self.max_attempts} used).")
        else:
            parts.append(_STATES[self.state])
        return " ".join(parts)

    def _next(self, zones: tuple[str, ...]) -> str:
        if self.paused:
            return "Its campaign is paused; nobody is called until it goes on"
        if self.held:
            return "All calls are on hold; nobody is called until that is lifted"
        return f"{'Next attempt' if self.attempts else 'It will be called'} from {told(self.next_ms, zones)}"


class News(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Calls that ended since the user was told last: some in full, of all how many ended how."""

    calls: tuple[CallNews, ...] = ()
    counts: dict[str, int] = {}

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())


def news_of(ended: Sequence[CallNews]) -> News:
    """The news of some calls: those that wait for the user come first, then the newest."""
    order = sorted(ended, key=lambda one: (one.state is not TaskState.WAITING_USER, -one.ended_ms))
    counts = Counter(OUTCOMES.get(one.outcome, one.outcome.replace("_", " ")) for one in ended)
    return News(calls=tuple(order[:MAX_TOLD]), counts=dict(counts))


def for_model(one: CallNews, zone: str) -> dict[str, object]:
    """A call for a text model; the words of others stand apart."""
    facts: dict[str, object] = {
        "who": one.callee_name,
        "number": one.number,
        "about": one.objective[:MAX_WORDS],
        "what_happened": one.sentence(zone),
    }
    words = {"summary": one.summary[:MAX_WORDS], "found_out": dict(one.found)}
    return facts | {"words_of_others": {name: value for name, value in words.items() if value}}
