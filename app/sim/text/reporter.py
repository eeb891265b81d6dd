"""Writers of reports for the simulated text model: one keeps to the numbers it is given, one does not.

Pure. The plausible one is the mind of the demo; it refers to numbers by name and quotes what it was shown.
"""

from typing import Any

import msgspec

from app.sim.text.mind import MinimalMind, TextAnswer, TextQuestion, encoded

QUOTES = 3


class _Case(msgspec.Struct):
    campaign: str
    numbers: list[dict[str, str]]
    talks: list[dict[str, Any]]


class PlausibleReporter:
    """The same case gets the same report."""

    def answer(self, question: TextQuestion) -> TextAnswer:
        case = _case(question)
        if case is None:
            return MinimalMind().answer(question)
        named = {one["name"] for one in case.numbers}
        findings = [
            text
            for name, text in (
                ("calls_busy", "[calls_busy] calls met a busy line; another hour may suit better."),
                ("calls_no_answer", "Nobody picked up on [calls_no_answer] calls."),
                ("conversations", "Conversations came about with [conversations] recipients."),
            )
            if name in named
        ]
        report = {
            "headline": "[goal_reached] of [tasks] recipients agreed",
            "summary": (
                "The campaign dialed [dialed] recipients and reached [people] people. "
                "The goal was reached [goal_reached] times ([goal_share]). "
                "It took [talk_minutes] of talk and cost [cost]."
            ),
            "findings": findings,
            "next_steps": ["Look at the recipients who did not reach their goal before calling them again."],
            "quotes": _quotes(case),
        }
        return TextAnswer(text=encoded(report))


class LyingReporter:
    """Invents: `turns` says how often, then it gives in. With `turns` None it never does."""

    def __init__(self, turns: int | None = None) -> None:
        self._left = turns
        self.asked: list[TextQuestion] = []

    def answer(self, question: TextQuestion) -> TextAnswer:
        self.asked.append(question)
        if self._left is not None:
            if self._left == 0:
                return PlausibleReporter().answer(question)
            self._left -= 1
        lie = {
            "headline": "97 % of all recipients were delighted",
            "summary": "Nearly all of the 4,012 people said yes, twice as many as last year.",
            "findings": ["Three out of four asked for more calls.", "[invented_number] people ordered."],
            "next_steps": ["Call everybody again at www.example.org."],
            "quotes": [{"call": "c1", "turn": 1, "quote": "This is the best call I ever had."}],
        }
        return TextAnswer(text=encoded(lie))


def _case(question: TextQuestion) -> _Case | None:
    first = next((text for role, text in question.history if role == "user"), "{}")
    try:
        return msgspec.json.decode(first, type=_Case)
    except msgspec.DecodeError:
        return None


def _quotes(case: _Case) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for talk in case.talks:
        said = max(talk["said"], key=lambda turn: len(turn["text"]), default=None)
        if said is not None and sum(letter.isalnum() for letter in said["text"]) > 1:
            found.append({"call": talk["call"], "turn": said["turn"], "quote": said["text"]})
    return found[:QUOTES]
