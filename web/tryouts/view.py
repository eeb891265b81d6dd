"""Pure: a test call as its page shows it."""

import json
from collections.abc import Sequence
from typing import cast

import msgspec

from app.domain.tryout import DRAFT, Tryout, TryoutState, TryoutStep, read_steps
from web.view import clock_face, money

WHO = {"callee": "You", "agent": "Agent", "operator": "Operator"}
ENDED_BY = {
    "agent": "the agent ended it",
    "callee": "ended at the microphone",
    "system_timeout": "a limit was reached",
    "system_complete": "OpenDeep was stopped",
    "system_failure": "it failed",
}


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the transcript. `note` is what stands behind the words."""

    who: str
    text: str
    at: str
    note: str


class Did(msgspec.Struct, frozen=True, kw_only=True):
    """A function, with what it was given and what the agent was told."""

    name: str
    arguments: str
    answer: str


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """An ended or living test call. `delays` are milliseconds, in order."""

    version: str
    end: str
    cost: str
    length: str
    lines: list[Said]
    functions: list[Did]
    fields: list[tuple[str, str]]
    notes: list[str]
    delay: str


def version_words(one: Tryout) -> str:
    """Which words spoke."""
    return "a draft that was not saved" if one.agent_version == DRAFT else f"version {one.agent_version}"


def cost_words(one: Tryout) -> str:
    """What the models cost, and whether something had no price."""
    said = money(one.cost_micro_usd) or "$0.0000"
    return f"{said} and {one.unpriced} answers without a known price" if one.unpriced else said


def end_words(one: Tryout) -> str:
    """How it ended, for people."""
    if one.state is not TryoutState.ENDED:
        return ""
    who = ENDED_BY.get(one.ended_by, one.ended_by)
    return f"{who}: {one.reason}" if one.reason and one.reason not in who else who


def shown(one: Tryout) -> Shown:
    """What is kept of it."""
    steps = read_steps(one.steps)
    delays = [step.delay_ms for step in steps if step.kind == "words" and step.delay_ms is not None]
    length_ms = (one.ended_ms or 0) - (one.live_ms or 0)
    return Shown(
        version=version_words(one),
        end=end_words(one),
        cost=cost_words(one),
        length=clock_face(length_ms) if one.live_ms and one.ended_ms else "",
        lines=[_line(step) for step in steps if step.kind == "words"],
        functions=_functions(steps),
        fields=[(step.who, value_words(step.text)) for step in steps if step.kind == "field"],
        notes=[step.text for step in steps if step.kind in {"note", "fault"}],
        delay=delay_words(delays),
    )


def delay_words(delays: Sequence[int]) -> str:
    """The time from the end of the caller's words to the first sound of the answer."""
    if not delays:
        return "no answer was measured"
    ordered = sorted(delays)
    middle = ordered[len(ordered) // 2]
    return f"{middle} ms in the middle, {ordered[-1]} ms at worst, of {len(ordered)} answers"


def value_words(text: str) -> str:
    """A value as it was written down, without the quotes of JSON."""
    try:
        value = cast("object", json.loads(text))
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def _line(step: TryoutStep) -> Said:
    notes = ["interrupted"] if step.interrupted else []
    if step.delay_ms is not None:
        notes.append(f"after {step.delay_ms} ms")
    return Said(who=WHO.get(step.who, "Agent"), text=step.text, at=clock_face(step.at_ms), note=", ".join(notes))


def _functions(steps: Sequence[TryoutStep]) -> list[Did]:
    answers = {step.ref: step.text for step in steps if step.kind == "answer"}
    return [
        Did(name=step.who, arguments=step.text, answer=answers.get(step.ref, ""))
        for step in steps
        if step.kind == "function"
    ]
