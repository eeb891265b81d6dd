"""A judge of calls that reads times and languages too, the mind of `opendeep sim run`. Pure.

Otherwise as `app.sim.text.analyst`. "Tomorrow at four" is four in the afternoon of the day after the call, on the
callee's clock, which stands in the question.
"""

import re
from datetime import date, timedelta
from typing import Any

import msgspec

from app.sim.text.analyst import PlausibleAnalyst
from app.sim.text.mind import TextAnswer, TextQuestion, encoded

_HOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TOMORROW = re.compile(rf"\bcall me tomorrow at (?P<hour>{'|'.join(_HOURS)})\b")
_FOREIGN = re.compile(r"\b(?:buenos dias|quien habla|no hablo|ich verstehe|parlez)\b")
_AFTERNOON = 8
"""A smaller hour without am or pm is one of the afternoon."""


class _Call(msgspec.Struct):
    callee_local_time: dict[str, str] = {}


class _Case(msgspec.Struct):
    transcript: list[dict[str, Any]]
    call: _Call


class AttentiveAnalyst:
    """Judges what it is shown; the same transcript gets the same judgement."""

    def answer(self, question: TextQuestion) -> TextAnswer:
        first = next((text for role, text in question.history if role == "user"), "{}")
        try:
            case = msgspec.json.decode(first, type=_Case)
        except msgspec.DecodeError:
            return PlausibleAnalyst().answer(question)
        for turn in case.transcript:
            if turn["speaker"] != "callee":
                continue
            if (found := _TOMORROW.search(turn["text"])) and case.call.callee_local_time:
                return _answer("SCHEDULE_JOB_RETRY", "callback_requested", turn, retry=_wish(found, turn, case))
            if _FOREIGN.search(turn["text"]):
                ask = "Who can call them in their language?"
                return _answer("ASK_USER", "language_barrier", turn, question=ask)
        return PlausibleAnalyst().answer(question)


def _wish(found: "re.Match[str]", turn: dict[str, Any], case: _Case) -> dict[str, Any]:
    zone, clock = next(iter(case.call.callee_local_time.items()))
    day = date.fromisoformat(clock.split()[-1].partition("T")[0]) + timedelta(days=1)
    hour = _HOURS.index(found["hour"]) + 1
    hour += 12 if hour < _AFTERNOON else 0
    return {"local_time": f"{day}T{hour:02d}:00", "zone": zone, "turn": turn["turn"], "quote": found[0]}


def _answer(
    action: str, outcome: str, turn: dict[str, Any], *, retry: dict[str, Any] | None = None, question: str = ""
) -> TextAnswer:
    judgement = {
        "action": action,
        "outcome": outcome,
        "summary": f"The callee said: {turn['text']}",
        "confidence": "high",
        "evidence": [{"turn": turn["turn"], "quote": turn["text"].removesuffix(" [interrupted]")}],
        "collected": [],
        "retry": retry,
        "revised_instructions": "",
        "question": question,
    }
    return TextAnswer(text=encoded(judgement))
