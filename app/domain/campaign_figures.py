"""Figures of a campaign: how far its tasks came, how its calls ended, what it cost. Pure.

The funnel counts tasks, each at the furthest stage that any of its calls reached, so no stage holds more than the
one before it.
"""

from collections.abc import Mapping
from enum import IntEnum

import msgspec

from app.domain.task import SETTLED, TaskState


class Stage(IntEnum):
    """How far a task came. The values are stored in `tasks.reached`."""

    NONE = 0
    DIALED = 1
    ANSWERED = 2
    HUMAN = 3
    """A person answered, by answer supervision or because they talked."""
    CONVERSATION = 4
    """Both sides said something, or the analysis found the objective reached."""


STAGES = (Stage.DIALED, Stage.ANSWERED, Stage.HUMAN, Stage.CONVERSATION)
UNDECIDED = frozenset({"", "uncertain", "silence"})
"""Verdicts of answer supervision that leave open who answered; then the words decide."""


class CallFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the stage of a call is made of. `answered_by` as in `calls`."""

    dialed: bool
    answered: bool
    answered_by: str
    both_spoke: bool


def stage_of(call: CallFacts) -> Stage:
    """How far one call came. A call-back is answered without having been dialed."""
    if not call.answered:
        return Stage.DIALED if call.dialed else Stage.NONE
    if call.answered_by == "human":
        return Stage.CONVERSATION if call.both_spoke else Stage.HUMAN
    if call.answered_by in UNDECIDED and call.both_spoke:
        return Stage.CONVERSATION
    return Stage.ANSWERED


def stage_after(reached: Stage, call: CallFacts, state: TaskState) -> Stage:
    """How far a task has come with this call. One that is completed by an answered call had its conversation,
    whoever answered first.
    """
    stage = max(reached, stage_of(call))
    if state is TaskState.COMPLETED and stage >= Stage.ANSWERED:
        return Stage.CONVERSATION
    return stage


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one campaign. `reached[n]` tasks came at least to `STAGES[n]`; `attempts[n]` tasks were dialed at
    least n + 1 times; `outcomes` counts ended calls, `talk_ms` from answer to end.
    """

    tasks: int = 0
    settled: Mapping[TaskState, int] = {}
    reached: tuple[int, int, int, int] = (0, 0, 0, 0)
    attempts: tuple[int, ...] = ()
    outcomes: Mapping[str, int] = {}
    talk_ms: int = 0

    @property
    def done(self) -> int:
        """Tasks nothing more happens to."""
        return sum(self.settled.values())

    @property
    def open(self) -> int:
        """Tasks that are not settled."""
        return max(self.tasks - self.done, 0)

    @property
    def goals(self) -> int:
        """Tasks that reached their objective."""
        return self.settled.get(TaskState.COMPLETED, 0)

    @property
    def calls(self) -> int:
        """Calls that ended."""
        return sum(self.outcomes.values())

    @property
    def attempts_exactly(self) -> tuple[int, ...]:
        """Index n: tasks that were dialed n + 1 times."""
        following = (*self.attempts[1:], 0)
        return tuple(one - more for one, more in zip(self.attempts, following, strict=False))


def read_counts(counts: Mapping[str, int], outcomes: Mapping[str, int]) -> Figures:
    """Figures out of named counts (`campaign_counts`); names that are not known are left out."""
    attempts: list[int] = []
    while (n := counts.get(f"attempt:{len(attempts) + 1}", 0)) > 0:
        attempts.append(n)
    one, two, three, four = (counts.get(f"reached:{stage.value}", 0) for stage in STAGES)
    return Figures(
        tasks=counts.get("tasks", 0),
        settled={state: counts[state] for state in sorted(SETTLED) if counts.get(state)},
        reached=(one, two, three, four),
        attempts=tuple(attempts),
        talk_ms=counts.get("talk_ms", 0),
        outcomes=dict(sorted(outcomes.items(), key=lambda item: (-item[1], item[0]))),
    )


def percent(part: int, whole: int) -> str:
    """A share for people, rounded half up to whole percent; small shares are not called none."""
    if whole <= 0:
        return ""
    if 0 < part * 200 < whole:
        return "<1 %"
    return f"{(part * 200 + whole) // (2 * whole)} %"
