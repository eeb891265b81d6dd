"""Plays clips to answer supervision as a leg would, with and without words, and to the AMD() rule."""

from typing import Final

import msgspec
import numpy as np

from media.answer.features import FRAME_MS, FrameFeatures
from media.answer.model import AnswerSettings, Deafen, Decided, Effect, Heard, LeaveMessage, Verdict, Words
from media.answer.supervision import Supervision
from scripts.benchmarks.answer.clips import Clip

TURN_END_MS: Final = 500
"""Silence after which a server's turn detection ends a turn."""
TRANSCRIPT_MS: Final = (300, 800)
"""How much later its transcript comes."""
CONFUSED: Final = ("the", "a", "uh", "and", "four", "there", "to", "is")

RIGHT: Final[dict[str, frozenset[str]]] = {
    "human": frozenset({"human", "uncertain"}),
    "machine": frozenset({"machine", "beep"}),
    "ivr": frozenset({"ivr"}),
    "call_screening": frozenset({"call_screening"}),
    "hold_music": frozenset({"hold_music"}),
    "silence": frozenset({"silence"}),
    "fax": frozenset({"fax"}),
    "network_tone": frozenset({"network_tone"}),
}
ROBOTS: Final = frozenset({"machine", "beep"})


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One clip's course. `decided_ms` is when the right verdict first stood; `ever` all verdicts there were.

    `messages_ms`, `humans_ms` and `wakes_ms`: when a message was begun, a person seen, a hold ended.
    """

    clip: Clip
    verdict: str
    ever: frozenset[str]
    first: str
    decided_ms: int | None
    messages_ms: tuple[int, ...] = ()
    humans_ms: tuple[int, ...] = ()
    wakes_ms: tuple[int, ...] = ()


def transcripts(clip: Clip, error_rate: float, seed: int) -> list[tuple[int, str]]:
    """When which words of the callee are known: whole turns, late, some of them wrong or missing."""
    rng = np.random.default_rng((seed, len(clip.name), clip.samples))
    turns: list[tuple[int, str]] = []
    for turn in clip.turns:
        if turns and turn.start_ms - turns[-1][0] < TURN_END_MS:
            turns[-1] = (turn.end_ms, f"{turns[-1][1]} {turn.text}")
        else:
            turns.append((turn.end_ms, turn.text))
    return [
        (end_ms + TURN_END_MS + int(rng.uniform(*TRANSCRIPT_MS)), _misheard(text, error_rate, rng))
        for end_ms, text in turns
    ]


def _misheard(text: str, error_rate: float, rng: np.random.Generator) -> str:
    words: list[str] = []
    for word in text.split():
        chance = rng.random()
        if chance < error_rate * 0.4:
            continue
        words.append(str(rng.choice(CONFUSED)) if chance < error_rate else word)
    return " ".join(words)


def supervised(clip: Clip, frames: list[FrameFeatures], words: list[tuple[int, str]]) -> Judged:
    """What supervision makes of a clip; `words` empty: sound alone."""
    supervision = Supervision(AnswerSettings())
    course: list[tuple[int, Effect]] = []
    waiting = list(words)
    for index, frame in enumerate(frames):
        now_ms = (index + 1) * FRAME_MS
        while waiting and waiting[0][0] <= now_ms:
            course += [(now_ms, effect) for effect in supervision.handle(Words(waiting.pop(0)[1]), now_ms)]
        course += [(now_ms, effect) for effect in supervision.handle(Heard(frame), now_ms)]
    decided = [(at, effect.verdict) for at, effect in course if isinstance(effect, Decided)]
    right = [at for at, verdict in decided if verdict in RIGHT[clip.truth]]
    return Judged(
        clip=clip,
        verdict=_outcome(clip, [str(verdict) for _, verdict in decided]),
        ever=frozenset(str(verdict) for _, verdict in decided),
        first=str(decided[0][1]) if decided else str(Verdict.LISTENING),
        decided_ms=right[0] if right else None,
        messages_ms=tuple(at for at, effect in course if isinstance(effect, LeaveMessage)),
        humans_ms=tuple(at for at, verdict in decided if verdict is Verdict.HUMAN),
        wakes_ms=tuple(at for at, effect in course if isinstance(effect, Deafen) and not effect.on),
    )


def _outcome(clip: Clip, verdicts: list[str]) -> str:
    """The verdict at the end; a hold counts where it was noticed, since a person ends many of them."""
    if not verdicts:
        return str(Verdict.LISTENING)
    noticed = clip.truth == "hold_music" and "hold_music" in verdicts and verdicts[-1] == "human"
    return "hold_music" if noticed and clip.person_at_ms is not None else verdicts[-1]


def baseline(clip: Clip, status: str, took_ms: int) -> Judged:
    """What the AMD() rule makes of it."""
    verdict = {"HUMAN": "human", "MACHINE": "machine"}.get(status, "not_sure")
    right = verdict in RIGHT[clip.truth]
    names = frozenset({verdict})
    return Judged(clip=clip, verdict=verdict, ever=names, first=verdict, decided_ms=took_ms if right else None)
