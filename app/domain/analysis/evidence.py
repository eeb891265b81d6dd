"""Whether quoted words really occur in a transcript, by a comparison that forgives spelling but not invention.

Compared are letters and digits only (Unicode NFKC, case folded), at word boundaries, within one turn. Scripts
written without spaces (Han, kana, Thai, Lao) have no boundaries to keep.
"""

import unicodedata
from collections.abc import Sequence

from app.domain.analysis.judgement import Proof
from app.domain.call import Turn

MIN_CHARACTERS = 2
"""Shorter quotes prove nothing."""
_UNSPACED = ((0x0E00, 0x0EFF), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF))


def normalized(text: str) -> str:
    """Words of `text` as they are compared: lower case, one blank between, nothing but letters and digits."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(_kept(character) for character in folded)
    return " ".join(kept.split())


def occurs(quote: str, text: str) -> bool:
    """Whether the words of `quote` occur in `text`, in order and whole."""
    wanted, there = normalized(quote), normalized(text)
    if len(wanted.replace(" ", "")) < MIN_CHARACTERS:
        return False
    at = there.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        if _boundary(there, at) and _boundary(there, end):
            return True
        at = there.find(wanted, at + 1)
    return False


def prove(quote: str, turn: int, turns: Sequence[Turn], speaker: str | None = None) -> Proof | None:
    """Where the quote occurs: in the turn named (from 1), else in the first one; None: nowhere."""
    order = [turn - 1, *(n for n in range(len(turns)) if n != turn - 1)]
    for n in order:
        if not 0 <= n < len(turns):
            continue
        said = turns[n]
        if (speaker is None or said.speaker == speaker) and occurs(quote, said.text):
            return Proof(
                turn=n + 1, item_id=said.item_id, speaker=said.speaker, audio_ms=said.start_audio_ms, quote=quote
            )
    return None


def _kept(character: str) -> str:
    if character in "'\u2019":  # don't and dont are one word
        return ""
    return character if unicodedata.category(character)[0] in "LMN" else " "


def _boundary(text: str, at: int) -> bool:
    """Whether a word may begin or end at this place."""
    if at in (0, len(text)) or " " in (text[at - 1], text[at]):
        return True
    return _unspaced(text[at - 1]) or _unspaced(text[at])


def _unspaced(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in _UNSPACED)
