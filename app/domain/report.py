"""The numbers of a campaign's report: each is computed here and has a name that words may refer to. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from app.domain.campaign_figures import Figures, percent
from app.domain.task import TaskState

MINUTE_MS = 60_000
FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
MAX_FIELDS = 30
MAX_VALUES = 6
OUTCOMES: Mapping[str, str] = {
    "completed": "calls that were answered",
    "busy": "calls to a busy line",
    "no_answer": "calls nobody answered",
    "rejected": "calls that were rejected",
    "bad_number": "calls to numbers that do not exist",
    "unreachable": "calls to phones that could not be reached",
    "network": "calls that broke in the network",
    "trunk_fault": "calls the trunk refused",
    "canceled": "calls that were taken back",
    "lost": "calls lost with their process",
    "failed": "calls that failed by a fault of ours",
}


Unit = Literal["count", "percent", "minutes", "seconds", "micro_usd"]


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """One number: `text` as people read it, `value` for programs in `unit`."""

    name: str
    label: str
    text: str
    value: int
    unit: Unit = "count"


class FieldTotal(msgspec.Struct, frozen=True, kw_only=True):
    """How often a value was collected, and the most frequent ones (as people read them)."""

    name: str
    count: int
    values: tuple[tuple[str, int], ...] = ()


class ReportFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is counted of a campaign at one moment. Times are UTC epoch milliseconds, money micro-USD."""

    figures: Figures
    waiting_user: int
    opt_outs: int
    cost_micro_usd: int
    fields: tuple[FieldTotal, ...] = ()


def numbers_of(facts: ReportFacts) -> tuple[Number, ...]:
    """Every number of the report, in the order of the page."""
    figures = facts.figures
    dialed, answered, people, conversations = figures.reached
    settled = figures.settled
    found = [
        _count("tasks", "tasks", figures.tasks),
        _count("settled", "tasks that are settled", figures.done),
        _count("open", "tasks that are still open", figures.open),
        _count("dialed", "tasks that were dialed", dialed),
        _count("answered", "tasks whose phone was answered", answered),
        _count("people", "tasks with a person on the line", people),
        _count("conversations", "tasks with a conversation", conversations),
        _count("goal_reached", "tasks that reached their goal", figures.goals),
        _share("goal_share", "share of all tasks that reached their goal", figures.goals, figures.tasks),
        _share("answer_share", "share of the dialed tasks whose phone was answered", answered, dialed),
        _count("not_reached", "tasks that did not reach their goal", settled.get(TaskState.FAILED, 0)),
        _count("cancelled", "tasks that were cancelled", settled.get(TaskState.CANCELLED, 0)),
        _count("suppressed", "tasks that may not be called", settled.get(TaskState.SUPPRESSED, 0)),
        _count("waiting_for_you", "tasks that wait for an answer from you", facts.waiting_user),
        _count("opt_outs", "people who asked not to be called again", facts.opt_outs),
        _count("calls", "calls", figures.calls),
        *(_count(f"calls_{name}", OUTCOMES.get(name, name), n) for name, n in figures.outcomes.items()),
        _count("dialed_again", "tasks that were dialed more than once", (*figures.attempts, 0, 0)[1]),
        _minutes("talk_minutes", "talk on all calls", figures.talk_ms),
        _seconds("mean_talk", "mean length of an answered call", figures),
        _money("cost", "cost so far", facts.cost_micro_usd),
    ]
    if figures.goals:
        found.append(_money("cost_per_goal", "cost for each goal reached", facts.cost_micro_usd // figures.goals))
    return (*found, *_fields(facts.fields))


def named(numbers: Iterable[Number]) -> dict[str, Number]:
    """By name."""
    return {one.name: one for one in numbers}


def _fields(totals: Iterable[FieldTotal]) -> list[Number]:
    found: list[Number] = []
    for total in [one for one in totals if FIELD_NAME.fullmatch(one.name)][:MAX_FIELDS]:
        found.append(_count(f"with_{total.name}", f"recipients with {total.name.replace('_', ' ')}", total.count))
        shared = [(value, n) for value, n in total.values if n > 1]  # one person's answer is no total
        for at, (value, n) in enumerate(shared[:MAX_VALUES], 1):
            label = f"{total.name.replace('_', ' ')}: {value[:60]}"
            found.append(_count(f"with_{total.name}_{at}", label, n))
    return found


def _count(name: str, label: str, value: int) -> Number:
    return Number(name=name, label=label, text=f"{value:,}", value=value)


def _share(name: str, label: str, part: int, whole: int) -> Number:
    value = (part * 200 + whole) // (2 * whole) if whole else 0
    return Number(name=name, label=label, text=percent(part, whole) or "0 %", value=value, unit="percent")


def _minutes(name: str, label: str, ms: int) -> Number:
    value = (ms + MINUTE_MS // 2) // MINUTE_MS
    return Number(name=name, label=label, text=f"{value:,} min", value=value, unit="minutes")


def _seconds(name: str, label: str, figures: Figures) -> Number:
    calls = figures.outcomes.get("completed", 0)
    value = figures.talk_ms // calls // 1_000 if calls else 0
    return Number(name=name, label=label, text=f"{value // 60}:{value % 60:02}", value=value, unit="seconds")


def _money(name: str, label: str, micro_usd: int) -> Number:
    digits = 4 if 0 < micro_usd < 1_000_000 else 2
    return Number(
        name=name, label=label, text=f"${micro_usd / 1e6:,.{digits}f}", value=micro_usd, unit="micro_usd"
    )
