"""What the model is shown of the open tasks: bounded, with short keys instead of ids, without any number. Pure."""

from collections.abc import Sequence
from typing import Any

from app.domain.lifecycle.judge import may
from app.domain.lifecycle.model import OpenTask
from app.domain.local_time import told
from app.domain.policy.zones import Zones

HOUR_MS = 3_600_000
TEXT = 240
"""Characters of any text that people, callees or models wrote."""


def keyed(tasks: Sequence[OpenTask]) -> dict[str, OpenTask]:
    """The tasks by the keys they are shown under: no other one can be named."""
    return {f"T{at}": task for at, task in enumerate(tasks, 1)}


def digest(shown: dict[str, OpenTask], now_ms: int) -> dict[str, Any]:
    """JSON-able. Times are hours from now, so that nothing has to be computed."""
    return {
        "now": f"{told(now_ms)}",
        "tasks": [_task(key, known, now_ms) for key, known in shown.items()],
    }


def fingerprint(tasks: Sequence[OpenTask]) -> tuple[tuple[object, ...], ...]:
    """Equal while nothing has happened to any of these tasks."""
    return tuple(
        sorted(
            (one.task.id, one.task.state, one.task.lease_token, one.task.priority, one.task.next_action_time)
            for one in tasks
        )
    )


def _task(key: str, known: OpenTask, now_ms: int) -> dict[str, Any]:
    task, hold = known.task, known.hold
    zones = known.reach.zones.keys if isinstance(known.reach.zones, Zones) else ()
    shown: dict[str, Any] = {
        "task": key,
        "objective": task.objective[:TEXT],
        "priority": task.priority,
        "due_in_hours": _hours(task.next_action_time - now_ms),
        "age_hours": _hours(now_ms - task.created_ms),
        "attempts": f"{task.current_attempt_count} of {task.max_attempts}",
        "callee_clock": told(now_ms, zones) if zones else "unknown",
        "may": sorted(may(known, now_ms)),
    }
    if known.campaign:
        shown["campaign"] = known.campaign[:TEXT]
    if task.overall_conclusion:
        shown["last_conclusion"] = task.overall_conclusion[:TEXT]
    if known.last_outcome:
        shown["last_outcome"] = known.last_outcome
    if task.not_dialed_count:
        shown["could_not_be_placed"] = task.not_dialed_count
    if known.blocks:
        shown["put_off_by"] = [{"rule": one.rule, "times": one.times} for one in known.blocks]
    if known.promised:
        shown["promised_time"] = True
    if task.until_ms is not None:
        shown["wanted_until_hours"] = _hours(task.until_ms - now_ms)
    if hold is not None and hold.holds(task, now_ms):
        shown["held"] = {"for_hours": _hours(hold.until_ms - now_ms), "why": hold.reason[:TEXT]}
    if known.phase:
        shown["phase"] = known.phase
    return shown


def _hours(span_ms: int) -> float:
    return round(span_ms / HOUR_MS, 1)
