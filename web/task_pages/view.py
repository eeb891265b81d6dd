"""Pure: what tasks look like on their pages, and what an address says about a filter."""

import re
from typing import get_args

import msgspec

from app.domain.local_time import told
from app.domain.number import mask_number
from app.domain.policy.zones import Zones, zones_of
from app.domain.task import SETTLED, CallTask, TaskState
from app.domain.task_change import TaskHold
from app.domain.timeline import Entry, Kind
from app.domain.wall_time import written
from app.domain.why import Why
from app.ids import is_id
from app.store.task_lists import Due, TaskFilter, TaskRow
from web.masks import masking

MASKED_DIGITS = 4
"""As many digits of a masked number can be read, so as many can be looked for."""
MIN_DIGITS, MIN_NAME = 4, 2
_NUMBER = re.compile(r"[+\d\s().•/-]+")
STATES: dict[str, str] = {
    TaskState.PENDING: "○ waiting",
    TaskState.CLAIMED: "◔ being prepared",
    TaskState.IN_CALL: "● in a call",
    TaskState.ANALYZING: "◌ being judged",
    TaskState.WAITING_USER: "? waits for you",
    TaskState.COMPLETED: "✓ done",
    TaskState.FAILED: "✕ failed",
    TaskState.CANCELLED: "– cancelled",
    TaskState.SUPPRESSED: "⊘ not to be called",
}
GROUPS: dict[str, tuple[TaskState, ...]] = {
    "open": tuple(state for state in TaskState if state not in SETTLED),
    "settled": tuple(state for state in TaskState if state in SETTLED),
}
DUE_WORDS: dict[str, str] = {
    "overdue": "overdue",
    "day": "within 24 hours",
    "week": "within 7 days",
    "later": "later",
}
MARKS: dict[Kind, str] = {
    "created": "+",
    "blocked": "⏸",
    "attempt": "☎",
    "judged": "⚖",
    "asked": "?",
    "answered": "!",
    "changed": "✎",
    "lifecycle": "◆",
    "settled": "■",
    "next": "➜",
}


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """The filter as the address has it, what the store is asked, and what is wrong with it."""

    state: str = ""
    campaign: str = ""
    due: str = ""
    q: str = ""
    asked: TaskFilter = TaskFilter()
    hint: str = ""

    @property
    def given(self) -> dict[str, str]:
        """What stands in the address."""
        pairs = (("state", self.state), ("campaign", self.campaign), ("due", self.due), ("q", self.q))
        return {name: value for name, value in pairs if value}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the list."""

    id: str
    number: str
    callee: str
    state: str
    state_label: str
    when: str
    attempts: str
    priority: int
    campaign: str
    campaign_id: str
    objective: str
    conclusion: str


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the lane."""

    mark: str
    kind: str
    at_ms: int
    at: str
    title: str
    detail: str
    call_id: str
    actor: str
    times: int


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a task's page. `zone` is the clock its forms are filled in by."""

    id: str
    number: str
    callee: str
    objective: str
    state: str
    state_label: str
    why: str
    when: str
    priority: int
    attempts: str
    until: str
    zone: str
    hold: str
    waits: bool
    """May be put off, moved, reprioritized."""
    may_end: bool
    suggested: str
    """A time for the forms."""


def read_filter(state: str, campaign: str, due: str, q: str, *, full_numbers: bool) -> Filter:
    """What somebody filters by; what cannot be understood is left out and told in `hint`."""
    hints: list[str] = []
    states = GROUPS.get(state, (TaskState(state),) if state in set(TaskState) else ())
    if state and not states:
        state = ""
    if campaign and not is_id(campaign):
        campaign = ""
    wanted = due if due in get_args(Due) else None
    digits = name = ""
    if q := " ".join(q.split())[:60]:
        if _NUMBER.fullmatch(q):
            digits = re.sub(r"\D", "", q)[-15:]
            digits = digits if full_numbers else digits[-MASKED_DIGITS:]
            if len(digits) < MIN_DIGITS:
                digits = ""
                hints.append(f"Type at least the last {MIN_DIGITS} digits of a number.")
        elif len(q) >= MIN_NAME:
            name = q
        else:
            hints.append(f"Type at least {MIN_NAME} letters of a name.")
    asked = TaskFilter(
        states=states,
        campaign_id=campaign,
        due=msgspec.convert(wanted, Due) if wanted else None,
        digits=digits,
        name=name,
    )
    return Filter(state=state, campaign=campaign, due=wanted or "", q=q, asked=asked, hint=" ".join(hints))


def line(row: TaskRow, *, full_numbers: bool, callee_zone: str = "") -> Line:
    """A row of the list."""
    waits, mask = row.state is TaskState.PENDING, masking(full=full_numbers)
    return Line(
        id=row.id,
        number=shown_number(row.number, full=full_numbers),
        callee=mask(row.callee_name),
        state=row.state,
        state_label=STATES[row.state],
        when=told(row.next_action_time, _zones(row.number, callee_zone)) if waits else "",
        attempts=f"{row.current_attempt_count} of {row.max_attempts}",
        priority=row.priority,
        campaign=row.campaign_name or "",
        campaign_id=row.campaign_id or "",
        objective=mask(row.objective),
        conclusion=mask(row.overall_conclusion),
    )


def facts(task: CallTask, why: Why, hold: TaskHold | None, *, full_numbers: bool, now_ms: int) -> Facts:
    """The head of a task's page."""
    zones = _zones(task.number, task.callee_zone)
    zone, mask = zones[0] if zones else "UTC", masking(full=full_numbers)
    held = hold is not None and hold.holds(task, now_ms)
    return Facts(
        id=task.id,
        number=shown_number(task.number, full=full_numbers),
        callee=mask(task.callee_name),
        objective=mask(task.objective),
        state=task.state,
        state_label=STATES[task.state],
        why=mask(why.sentence),
        when=told(task.next_action_time, zones),
        priority=task.priority,
        attempts=f"{task.current_attempt_count} of {task.max_attempts} used",
        until="" if task.until_ms is None else told(task.until_ms, zones),
        zone=zone,
        hold=mask(hold.reason) if hold is not None and held else "",
        waits=task.state is TaskState.PENDING,
        may_end=task.state in {TaskState.PENDING, TaskState.WAITING_USER},
        suggested=written(max(task.next_action_time, now_ms + 3_600_000), zone),
    )


def point(entry: Entry, zones: tuple[str, ...], names: dict[str, str], *, full_numbers: bool) -> Point:
    """An entry of the lane."""
    mask = masking(full=full_numbers)
    return Point(
        mark=MARKS[entry.kind],
        kind=entry.kind,
        at_ms=entry.at_ms,
        at=told(entry.at_ms, zones[:1]),
        title=mask(entry.title),
        detail=mask(entry.detail),
        call_id=entry.call_id or "",
        actor=names.get(entry.actor, entry.actor),
        times=entry.times,
    )


def shown_number(number: str, *, full: bool) -> str:
    """In full for people who may see it."""
    return number if full else mask_number(number)


def _zones(number: str, callee_zone: str) -> tuple[str, ...]:
    zones = zones_of(number, callee_zone)
    return zones.keys if isinstance(zones, Zones) else ()
