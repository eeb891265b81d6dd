"""A rehearsal of an agent's version against personas, as it is stored and shown. Pure."""

from enum import StrEnum

import msgspec

AN_HOUR_MS = 3_600_000
MOST_PER_HOUR = 20
"""Of one tenant: a rehearsal takes a share of the machine for about a minute."""
MOST_WAITING = 3
"""Of one tenant."""
LIMIT_S = 240
"""A rehearsal that lasts longer is ended."""
MODEL = "simulated"
"""Who speaks for the agent in a rehearsal: the simulated speech model, whatever the settings say."""


class RehearsalState(StrEnum):
    """Where a rehearsal is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """It came to no verdict."""


class PersonaResult(msgspec.Struct, frozen=True, kw_only=True):
    """One persona: what did not come of it as expected, and what happened. `said`: who and what, in order."""

    persona: str
    wrong: tuple[str, ...]
    outcome: str
    answered_by: str
    task: str
    tools: tuple[str, ...]
    seconds: float
    said: tuple[tuple[str, str], ...] = ()

    @property
    def passed(self) -> bool:
        """Everything came as expected."""
        return not self.wrong


class RehearsalSaid(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of whoever rehearses: how many of how many are over, and in the last one the results."""

    over: int
    total: int
    left_out: tuple[str, ...] = ()
    results: tuple[PersonaResult, ...] | None = None


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `rehearsals`, without the agent it is about. Times are UTC epoch milliseconds.

    `result` is a `RehearsalSaid` as JSON text, `problem` why there is none.
    """

    id: str
    tenant_id: str
    agent_id: str
    agent_version: int
    asked_by: str
    state: RehearsalState
    model: str
    over: int
    total: int
    passed: int
    failed: int
    result: str
    problem: str
    created_ms: int
    started_ms: int | None
    done_ms: int | None
