"""Pure: what figures of a campaign look like. Bars are numbers for SVG attributes; colours are classes."""

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from app.domain.campaign_figures import STAGES, Figures, Stage, percent
from app.domain.number import mask_number
from app.domain.task import TaskState
from app.store.campaign_figures import Hour
from app.store.campaign_pages import Account, CampaignTask
from app.store.campaigns import Campaign, CampaignState
from web.masks import masking
from web.view import OUTCOME_WORDS, moment

STATES: dict[CampaignState, str] = {
    "active": "● running",
    "paused": "‖ paused",
    "completed": "✓ completed",
    "cancelled": "■ stopped",
}
TASK_STATES: dict[TaskState, str] = {
    TaskState.PENDING: "○ waiting",
    TaskState.CLAIMED: "◔ being prepared",
    TaskState.IN_CALL: "● in a call",
    TaskState.ANALYZING: "◑ being judged",
    TaskState.WAITING_USER: "? waits for you",
    TaskState.COMPLETED: "✓ goal reached",
    TaskState.FAILED: "✗ not reached",
    TaskState.CANCELLED: "■ cancelled",
    TaskState.SUPPRESSED: "⊘ may not be called",
}
STAGE_WORDS: dict[Stage, str] = {
    Stage.DIALED: "dialed",
    Stage.ANSWERED: "answered",
    Stage.HUMAN: "a person",
    Stage.CONVERSATION: "conversation",
}
HOURS_SHOWN = 48
CHART_WIDTH, CHART_HEIGHT, GAP = 480, 120, 2


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a bar chart. `width` is 0 to 100; `href` empty: nothing to look at."""

    label: str
    count: int
    width: float
    share: str = ""
    href: str = ""
    kind: str = ""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One hour of the chart: two stacked rectangles, in the chart's own units."""

    x: float
    width: float
    y: float
    height: float
    answered_y: float
    answered_height: float
    title: str
    calls: int
    answered: int


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """The chart "calls per hour"."""

    columns: tuple[Column, ...]
    most: int
    first: str
    last: str


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """What is spent, and how much of the budget that is (0 to 100; None: no budget)."""

    spent: str
    reserved: str
    budget: str
    used: float | None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign in the list."""

    id: str
    name: str
    state: str
    state_label: str
    done: int
    tasks: int
    goals: int
    goal_share: str
    spent: str
    next_due: str
    created: str


class TaskRow(msgspec.Struct, frozen=True, kw_only=True):
    """A task behind a number."""

    id: str
    number: str
    callee: str
    state: str
    reached: str
    attempts: str
    next_at: str
    conclusion: str
    call_id: str


def row(campaign: Campaign, figures: Figures, account: Account, next_due_ms: int | None) -> Row:
    """The entry of the list."""
    return Row(
        id=campaign.id,
        name=campaign.name,
        state=campaign.state,
        state_label=STATES[campaign.state],
        done=figures.done,
        tasks=figures.tasks,
        goals=figures.goals,
        goal_share=percent(figures.goals, figures.tasks),
        spent=dollars(account.spent_micro_usd),
        next_due=moment(next_due_ms) if next_due_ms is not None and campaign.state == "active" else "",
        created=moment(campaign.created_ms),
    )


def funnel(campaign_id: str, figures: Figures) -> tuple[Bar, ...]:
    """From all tasks to those that reached their goal, each against all."""
    whole = figures.tasks
    link = f"/campaigns/{campaign_id}/tasks?"
    steps = [("tasks", whole, link.rstrip("?"))]
    steps += [
        (STAGE_WORDS[stage], n, f"{link}reached={stage.name.lower()}")
        for stage, n in zip(STAGES, figures.reached, strict=True)
    ]
    steps.append(("goal reached", figures.goals, f"{link}show=completed"))
    return tuple(_bar(label, n, whole, href) for label, n, href in steps)


def outcomes(campaign_id: str, figures: Figures) -> tuple[Bar, ...]:
    """How calls ended, the most frequent first."""
    return tuple(
        _bar(
            OUTCOME_WORDS.get(name, name),
            n,
            figures.calls,
            f"/campaigns/{campaign_id}/calls?{urlencode({'outcome': name})}",
        )
        for name, n in figures.outcomes.items()
    )


def standing(campaign_id: str, figures: Figures, waiting: dict[TaskState, int], most: int) -> tuple[Bar, ...]:
    """Where the tasks are now; `waiting` are those that are not settled, counted up to `most`."""
    link = f"/campaigns/{campaign_id}/tasks?show="
    counted = [(state, n) for state, n in figures.settled.items()] + sorted(waiting.items())
    return tuple(
        msgspec.structs.replace(
            _bar(TASK_STATES[state], n, figures.tasks, f"{link}{state}", str(state)),
            share=f"more than {most:,}" if n > most else percent(n, figures.tasks),
        )
        for state, n in counted
        if n
    )


def attempts(figures: Figures) -> tuple[Bar, ...]:
    """How often tasks were dialed."""
    exactly = figures.attempts_exactly
    never = figures.tasks - sum(exactly)
    rows = [("not yet", never)] if never > 0 else []
    rows += [("once" if n == 1 else f"{n} times", count) for n, count in enumerate(exactly, 1) if count]
    return tuple(_bar(label, count, figures.tasks) for label, count in rows)


def columns(found: Sequence[Hour]) -> Columns | None:
    """The last hours with a call and those between them; None: no call yet."""
    if not found:
        return None
    last = found[-1].hour
    first = max(found[0].hour, last - HOURS_SHOWN + 1)
    by_hour = {one.hour: one for one in found}
    shown = [by_hour.get(hour, Hour(hour, 0, 0)) for hour in range(first, last + 1)]
    most = max(one.calls for one in shown)
    step = min(CHART_WIDTH / len(shown), 40.0)
    return Columns(
        columns=tuple(_column(one, at * step, step, most) for at, one in enumerate(shown)),
        most=most,
        first=moment(first * 3_600_000)[:16],
        last=moment(last * 3_600_000)[:16],
    )


def money(campaign: Campaign, account: Account) -> Money:
    """Cost beside its budget."""
    budget = campaign.budget_micro_usd
    used = None if budget is None else min(100.0, 100.0 * account.spent_micro_usd / budget) if budget else 100.0
    return Money(
        spent=dollars(account.spent_micro_usd),
        reserved=dollars(account.reserved_micro_usd) if account.reserved_micro_usd else "",
        budget="" if budget is None else dollars(budget),
        used=used,
    )


def task_row(task: CampaignTask, *, numbers: bool) -> TaskRow:
    """A task of the list; `numbers`: whether whoever looks may see telephone numbers in full."""
    mask = masking(full=numbers)
    return TaskRow(
        id=task.id,
        number=task.number if numbers else mask_number(task.number),
        callee=mask(task.callee_name),
        state=TASK_STATES[task.state],
        reached=STAGE_WORDS[Stage(task.reached)] if task.reached else "not dialed",
        attempts=f"{task.current_attempt_count} of {task.max_attempts}",
        next_at=moment(task.next_action_time) if task.state is TaskState.PENDING else "",
        conclusion=mask(task.overall_conclusion),
        call_id=task.last_call_id or "",
    )


def dollars(micro_usd: int) -> str:
    """US dollars; small amounts with four digits, since a call costs cents."""
    digits = 4 if 0 < abs(micro_usd) < 1_000_000 else 2
    return f"${micro_usd / 1_000_000:,.{digits}f}"


def _bar(label: str, count: int, whole: int, href: str = "", kind: str = "") -> Bar:
    return Bar(
        label=label,
        count=count,
        width=round(100 * count / whole, 2) if whole else 0,
        share=percent(count, whole),
        href=href if count else "",
        kind=kind,
    )


def _column(one: Hour, x: float, step: float, most: int) -> Column:
    height = CHART_HEIGHT * one.calls / most if most else 0.0
    answered = CHART_HEIGHT * one.answered / most if most else 0.0
    return Column(
        x=round(x + GAP / 2, 2),
        width=round(max(step - GAP, 1.0), 2),
        y=round(CHART_HEIGHT - height, 2),
        height=round(height, 2),
        answered_y=round(CHART_HEIGHT - answered, 2),
        answered_height=round(answered, 2),
        title=f"{moment(one.hour * 3_600_000)[:16]} UTC: {one.calls} calls, {one.answered} answered",
        calls=one.calls,
        answered=one.answered,
    )
