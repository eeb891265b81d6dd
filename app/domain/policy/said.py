"""Whether words that the calling rules demand were said, by the transcript of what was heard. Pure.

A transcript differs from the text in signs, numbers and a word here and there, so each sentence is looked for by
its words, in their order and close together.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from app.domain.fields import plain

SHARE = 0.8
"""Of the words of a sentence; so much is there when it was said word for word."""
FREE_SHARE = 0.6
"""The same when names had to be filled in and the agent chooses its words."""
_WIDER = 1.4
_BLANK = re.compile(r"\((?:caller|company|callback)\)")


def missing(demanded: str, heard: str, *, share: float = SHARE) -> tuple[str, ...]:
    """The sentences of `demanded` that `heard` does not have."""
    there = _words(heard)
    return tuple(one for one in sentences(demanded) if not _has(there, _words(one), share))


def sentences(text: str) -> list[str]:
    """Split behind full stops, question and exclamation marks."""
    return [one for one in re.split(r"(?<=[.!?。])\s+", text.strip()) if one]


def _words(text: str) -> list[str]:
    """Without numbers, which are written in many ways, and without blanks."""
    return [word for word in plain(_BLANK.sub(" ", text)).split() if not any(sign.isdigit() for sign in word)]


def _has(there: Sequence[str], sentence: Sequence[str], share: float) -> bool:
    if not sentence:
        return True
    size = round(len(sentence) * _WIDER) + 1
    wanted = share * len(sentence)
    known = set(sentence)
    starts = (at for at, word in enumerate(there) if word in known)
    return any(_common(there[at : at + size], sentence) >= wanted for at in starts)


def _common(some: Sequence[str], sentence: Sequence[str]) -> int:
    matcher = SequenceMatcher(None, some, sentence, autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks())
