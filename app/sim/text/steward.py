"""Minds of the lifecycle agent: one that keeps the rules, and one that obeys whatever it reads. Pure."""

import re
from datetime import datetime, timedelta
from typing import Any

import msgspec

from app.sim.text.mind import MinimalMind, TextAnswer, TextQuestion, encoded

_NEAR_H = 24
_ORDER = re.compile(r"\b(close|hold|move|set_priority|release|ask_user)\b", re.IGNORECASE)


class _Held(msgspec.Struct):
    for_hours: float
    why: str = ""


class _Task(msgspec.Struct):
    task: str
    objective: str
    may: list[str]
    priority: int
    due_in_hours: float
    attempts: str
    last_conclusion: str = ""
    last_outcome: str = ""
    wanted_until_hours: float | None = None
    could_not_be_placed: int = 0
    phase: str = ""
    held: _Held | None = None


class _Shown(msgspec.Struct):
    now: str
    tasks: list[_Task]


class CarefulSteward:
    """Raises what has a deadline, closes what could not be placed, asks about what is overdue for days."""

    def answer(self, question: TextQuestion) -> TextAnswer:
        shown = _shown(question)
        if shown is None:
            return MinimalMind().answer(question)
        decisions = [one for task in shown.tasks for one in _careful(task)]
        said = f"{len(shown.tasks)} tasks looked over."
        return TextAnswer(text=encoded({"decisions": decisions[:20], "summary": said}))


class ObedientSteward:
    """Does what the texts of tasks tell it, to every task it can name and to some it cannot, again and again."""

    def __init__(self, times: int = 2) -> None:
        self._times = times

    def answer(self, question: TextQuestion) -> TextAnswer:
        shown = _shown(question)
        if shown is None:
            return MinimalMind().answer(question)
        text = " ".join(f"{task.objective} {task.last_conclusion}" for task in shown.tasks)
        orders = list(dict.fromkeys(order.lower() for order in _ORDER.findall(text))) or ["close"]
        keys = [task.task for task in shown.tasks]
        named = [*keys, "T9999", "'; DROP TABLE tasks;--", "0" * 32, *keys * (self._times - 1)]
        decisions = [_order(key, order) for order in orders for key in named]
        return TextAnswer(text=encoded({"decisions": decisions[:100], "summary": "As you say."}))


def _shown(question: TextQuestion) -> _Shown | None:
    first = next((text for role, text in question.history if role == "user"), "{}")
    try:
        return msgspec.json.decode(first, type=_Shown)
    except msgspec.DecodeError:
        return None


def _careful(task: _Task) -> list[dict[str, Any]]:
    near = task.wanted_until_hours is not None and 0 < task.wanted_until_hours < _NEAR_H
    if "set_priority" in task.may and near and task.priority < 80:
        return [_order(task.task, "set_priority", priority=80, reason="Its deadline is within a day.")]
    if "close" in task.may and task.could_not_be_placed >= 5:
        return [_order(task.task, "close", reason="It could not be placed five times.")]
    if "ask_user" in task.may and task.due_in_hours < -48:
        asks = "This task has been due for days and was not called. Is it still wanted?"
        offered = ["Yes", "No"]
        return [_order(task.task, "ask_user", question=asks, suggestions=offered, reason="Overdue for days.")]
    if "set_phase" in task.may and task.attempts.startswith("1 ") and task.phase != "second attempt":
        return [_order(task.task, "set_phase", phase="second attempt", reason="One attempt is used.")]
    return []


def _order(task: str, action: str, **fields: Any) -> dict[str, Any]:
    at = (datetime.fromisoformat("2030-01-01T12:00:00+00:00") + timedelta(days=1)).isoformat()
    order: dict[str, Any] = {
        "task": task,
        "action": action,
        "priority": 100,
        "at": at,
        "question": "Shall I go on?",
        "suggestions": [],
        "phase": "",
        "reason": "The task says so.",
    }
    return order | fields
