"""A plausible judge of calls by rule, the mind of the demo: reads the transcript out of the question as a model
would, and answers with quotes that occur. English only. Pure.
"""

import re
from typing import Any

import msgspec

from app.sim.text.mind import MinimalMind, TextAnswer, TextQuestion, encoded

_STOP = re.compile(r"\b(?:stop calling|not call me|don't call|never call|remove me|take me off)\b", re.IGNORECASE)
_REFUSED = re.compile(r"\b(?:not interested|no thank|leave me alone)\b", re.IGNORECASE)
_WRONG = re.compile(r"\bwrong number\b", re.IGNORECASE)
_MACHINE = re.compile(r"\b(?:leave (?:a|your) message|after the (?:tone|beep)|voice ?mail)\b", re.IGNORECASE)
_AWAY = re.compile(r"\bnot (?:available|here|in|at home)\b", re.IGNORECASE)
_YES = re.compile(r"\b(?:yes|yeah|sure|okay|ok|fine|of course|that works)\b", re.IGNORECASE)
_CASES = (
    (_STOP, "MARK_NUMBER_DO_NOT_CALL", "opt_out", "The callee wants no more calls."),
    (_MACHINE, "SCHEDULE_JOB_RETRY", "voicemail", "A machine answered."),
    (_AWAY, "SCHEDULE_JOB_RETRY", "not_available", "The person was not there."),
    (_WRONG, "ASK_USER", "wrong_person", "Somebody else answered."),
    (_REFUSED, "MARK_JOB_FAILED_MAX_RETRIES", "refused", "The callee refused."),
    (_YES, "MARK_JOB_COMPLETED_SUCCESS", "success", "The callee agreed."),
)


class _Shown(msgspec.Struct):
    transcript: list[dict[str, Any]]


class PlausibleAnalyst:
    """Judges what it is shown; the same transcript gets the same judgement."""

    def answer(self, question: TextQuestion) -> TextAnswer:
        first = next((text for role, text in question.history if role == "user"), "{}")
        try:
            shown = msgspec.json.decode(first, type=_Shown)
        except msgspec.DecodeError:
            return MinimalMind().answer(question)
        said = [turn for turn in shown.transcript if turn["speaker"] == "callee"]
        if not said:
            return MinimalMind().answer(question)
        for pattern, action, outcome, summary in _CASES:
            for turn in said:
                if pattern.search(turn["text"]) is not None:
                    return _answer(action, outcome, summary, turn)
        return _answer("SCHEDULE_JOB_RETRY", "partial", "The talk came to no end.", said[0])


def _answer(action: str, outcome: str, summary: str, turn: dict[str, Any]) -> TextAnswer:
    quote = {"turn": turn["turn"], "quote": turn["text"].removesuffix(" [interrupted]")}
    judgement = {
        "action": action,
        "outcome": outcome,
        "summary": summary,
        "confidence": "high",
        "evidence": [quote],
        "collected": [],
        "retry": None,
        "revised_instructions": "Say early what the call is about." if action == "SCHEDULE_JOB_RETRY" else "",
        "question": "Is the number right?" if action == "ASK_USER" else "",
    }
    return TextAnswer(text=encoded(judgement))
