"""The labelled talks of `opendeep sim analyze`: transcript, what a model answers, what code must make of it.

Data is in `talks/*.toml`. `answers` are given in order, the last one again when asked more often.
"""

import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from app.domain.call import Turn
from app.sim.text.mind import ScriptedMind, TextAnswer, encoded

TALKS_DIR = Path(__file__).parent / "talks"
_SPEAKERS = {"a": "agent", "c": "callee"}


class Scripted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer of the model; `raw` is sent instead of JSON."""

    action: str = ""
    outcome: str = ""
    summary: str = "As the transcript shows."
    confidence: str = "high"
    evidence: tuple[tuple[int, str], ...] = ()
    collected: tuple[tuple[str, str, int, str], ...] = ()
    retry: tuple[str, str, int, str] | None = None
    notes: str = ""
    question: str = ""
    raw: str = ""
    refusal: str = ""

    def spoken(self) -> TextAnswer:
        """The answer as SimText gives it."""
        if self.refusal or self.raw:
            return TextAnswer(text=self.raw, refusal=self.refusal)
        retry = dict(zip(("local_time", "zone", "turn", "quote"), self.retry, strict=True)) if self.retry else None
        judgement = {
            "action": self.action,
            "outcome": self.outcome,
            "summary": self.summary,
            "confidence": self.confidence,
            "evidence": [{"turn": turn, "quote": quote} for turn, quote in self.evidence],
            "collected": [
                dict(zip(("field", "value", "turn", "quote"), one, strict=True)) for one in self.collected
            ],
            "retry": retry,
            "revised_instructions": self.notes,
            "question": self.question,
        }
        return TextAnswer(text=encoded(judgement))


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must come of it. `at` is UTC; `turns` those of the evidence; `truth` what a right model would say."""

    action: str
    at: str = ""
    fields: dict[str, str] = {}
    asked: int = 1
    proven: bool = True
    turns: tuple[int, ...] | None = None
    notes: str = ""
    truth: str = ""


class Talk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One labelled call; `now` is its end."""

    id: str
    kind: str
    turns: tuple[str, ...]
    answers: tuple[Scripted, ...]
    expect: Expected
    number: str = "+12025550123"
    objective: str = "Find out what the callee wants and settle it."
    now: str = "2027-01-15T15:00:00Z"
    attempts: int = 1
    max_attempts: int = 3
    outcome: Literal["completed", "network", "lost", "failed"] = "completed"
    ended_by: str = "callee"

    def transcript(self) -> list[Turn]:
        """The turns as they are stored."""
        return [_turn(n, line) for n, line in enumerate(self.turns, 1)]

    def mind(self) -> ScriptedMind:
        """A model that answers as written."""
        return ScriptedMind([answer.spoken() for answer in self.answers])


def load_talks(folder: Path = TALKS_DIR) -> list[Talk]:
    """All of them, by file and place. Raises msgspec.ValidationError for a damaged file."""
    talks: list[Talk] = []
    for file in sorted(folder.glob("*.toml")):
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        talks += msgspec.convert(content["talk"], list[Talk])
    if len({talk.id for talk in talks}) != len(talks):
        raise ValueError("two talks have the same id")
    return talks


def _turn(n: int, line: str) -> Turn:
    speaker, seconds, text = line.split(" ", 2)
    start_ms = round(float(seconds) * 1000)
    return Turn(
        speaker=_SPEAKERS[speaker],
        item_id=f"item{n}",
        text=text,
        start_audio_ms=start_ms,
        end_audio_ms=start_ms + 60 * len(text),
    )
