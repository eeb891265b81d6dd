"""What rows of the fault matrix share: their form, what they may use, and the account of what happened.

Every row ends in the same judgement: each call that ended has been concluded, nothing of it is left 30 s later,
no task is in progress, nobody was rung twice. What a row adds is the fault and which endings the matrix allows.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from app.domain.call import Call
from app.domain.task import CallTask, TaskState
from app.figures import Figure, Result
from tests.real.conftest import RealAsterisk
from tests.real.mortal import Mortal

LOOK_S = 0.1
CLEAN_S = 30.0
"""How long after the end something of a call may still be there (promise P10)."""
IN_PROGRESS = frozenset({TaskState.CLAIMED, TaskState.IN_CALL, TaskState.ANALYZING})

Story = tuple[str, str, str]
"""Task state, outcome, who ended the call."""
GOES_ON: Story = ("completed", "completed", "agent")
CUT_OFF: Story = ("failed", "completed", "system_failure")
NOT_PLACED: Story = ("pending", "failed", "system_failure")
LOST_RINGING: Story = ("pending", "lost", "network")
LOST_TALKING: Story = ("failed", "lost", "network")


@dataclass
class Account:
    """What was tried in a row and what went wrong. `settle_ms` is from the end of a call to its conclusion."""

    calls: int = 0
    wrong: list[str] = field(default_factory=list[str])
    settle_ms: list[int] = field(default_factory=list[int])
    clean_s: list[float] = field(default_factory=list[float])
    figures: dict[str, Figure] = field(default_factory=dict[str, Figure])
    not_run: str | None = None

    def story(self, what: str, task: CallTask, calls: list[Call], allowed: frozenset[Story] | None) -> None:
        """One task whose attempt is over: concluded (P9), and ended as the matrix says."""
        self.calls += 1
        if not calls:
            self.wrong.append(f"{what}: there is no call")
            return
        last = calls[-1]
        self.wrong += [f"{what}: call {one.attempt_number} has no end" for one in calls if one.ended_ms is None]
        if task.state in IN_PROGRESS or not task.overall_conclusion:
            self.wrong.append(f"{what}: task left {task.state}, {task.overall_conclusion or 'not concluded'}")
        elif last.ended_ms is not None:
            self.settle_ms.append(max(0, task.updated_ms - last.ended_ms))
        found = (str(task.state), str(last.outcome), str(last.ended_by))
        if allowed is not None and found not in allowed:
            self.wrong.append(f"{what}: {found} ({last.detail}), not one of {sorted(allowed)}")

    def rung(self, what: str, invites: int, calls: list[Call], wanted: int | None = None) -> None:
        """What the witness saw of a number: never more than attempts that were meant to dial."""
        dialed = sum(one.dialed for one in calls)
        if invites > min(dialed, 1):
            self.wrong.append(f"{what}: rung {invites} times by {dialed} attempts")
        elif wanted is not None and invites != wanted:
            self.wrong.append(f"{what}: rung {invites} times, not {wanted}")

    def expect(self, what: str, true: object) -> None:
        """A further promise of a row."""
        if not true:
            self.wrong.append(what)

    async def until_clean(self, what: str, left: Callable[[], Awaitable[list[str]]]) -> None:
        """Poll until nothing is left; what is there after 30 s is an orphan (P10)."""
        began = time.monotonic()
        while found := await left():
            if time.monotonic() - began > CLEAN_S:
                self.wrong.append(f"{what}: left after {CLEAN_S:.0f} s: {', '.join(found[:4])}")
                return
            await asyncio.sleep(LOOK_S)
        self.clean_s.append(time.monotonic() - began)


@dataclass
class Ground:
    """Where a row works: a folder of its own, the seed, its account, and an Asterisk when it asked for one."""

    folder: Path
    seed: int
    account: Account
    places: asyncio.Semaphore
    """Houses at the same time, over all rows: they share one event loop, and audio does not wait."""
    few: asyncio.Semaphore
    """Houses with processes of their own at the same time."""
    place: RealAsterisk | None = None
    mortal: Mortal | None = None
    """Set where the row has an Asterisk of its own, to be killed and frozen."""

    @property
    def asterisk(self) -> RealAsterisk:
        assert self.place is not None, "this row did not ask for a real Asterisk"
        return self.place

    @property
    def asterisk_pid(self) -> int:
        """Of the process that runs now."""
        return int((Path(self.asterisk.folder) / "pid").read_text())


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the matrix. `during`: D while dialing, L in a live call, as the matrix marks it."""

    name: str
    fault: str
    during: Literal["D", "L", "D L"]
    on: Literal["SimAsterisk", "Asterisk", "Asterisk of its own"] = "SimAsterisk"
    run: Callable[[Ground], Awaitable[None]]

    def result(self, account: Account, seed: int, seconds: float) -> Result:
        """The line of the answer."""
        settled, clean = sorted(account.settle_ms), account.clean_s
        figures: dict[str, Figure] = {
            "during": self.during,
            "on": "SimAsterisk" if self.on == "SimAsterisk" else "Asterisk",
            **account.figures,
            "settle_ms_p50": settled[len(settled) // 2] if settled else None,
            "settle_ms_max": settled[-1] if settled else None,
            "clean_s_max": round(max(clean), 1) if clean else None,
            "first": "; ".join(account.wrong[:3]),
        }
        return Result(
            name=f"faults {self.name}",
            n=account.calls,
            violations=len(account.wrong),
            seed=seed,
            seconds=round(seconds, 1),
            figures=figures,
            not_run=account.not_run,
        )
