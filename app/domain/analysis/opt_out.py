"""Hears "do not call me again" by rule, beside the model: whoever says it is not called again. Pure.

A rule that is too eager costs one call that could have been; one that is deaf costs somebody's trust and, in many
places, a fine. So the rules lean towards hearing it, except where the same words clearly mean something else ("do
not call me before nine", "I am not saying you should stop", "to opt out, press star"). The rules of all languages
are asked whatever the language of the call, because people fall back into their own.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import accumulate

from app.domain.analysis.judgement import Proof
from app.domain.analysis.opt_out_rules import AFTER_ALL, EXCEPT, MENU, RULES, UNSPACED
from app.domain.call import Turn

_RULE = re.compile("|".join(rule for rules in RULES.values() for rule in rules))
_EXCEPT = re.compile(EXCEPT)
_MENU = re.compile(MENU)
_SAID = r"not saying|didn t say|did not say|never said"
_POLITE = r"(?:don t|do not|wouldn t|would not) mind|would|could|can|please"
_THREAT = r"(?:don t|do not) (?:stop|quit)|(?:re|are) not"
_NOT_MEANT = re.compile(rf"\b(?:{_SAID}|why would (?:i|you)|if you(?! (?:{_POLITE}|{_THREAT})\b))\b")
_QUOTED = re.compile(rf"\b(?:{_SAID})(?: that)?,? $")


def heard(text: str) -> str:
    """The words in one turn of the callee that ask for no more calls; empty when there are none."""
    for sentence in re.split(r"[.!?;\n]+", text):
        clauses = [words for part in re.split("[,:]", sentence) if (words := _plain(part))]
        if _MENU.search(" ".join(clauses)):
            continue
        for found in _RULE.finditer(_without_exceptions(clauses)):
            if _meant(clauses, found.start()):
                return found[0].strip()
    return next((phrase for phrase in UNSPACED if phrase in text), "")


def opt_out(turns: Sequence[Turn]) -> Proof | None:
    """The first turn of the callee that asks for no more calls."""
    for n, turn in enumerate(turns, 1):
        if turn.speaker == "callee" and heard(turn.text):
            return Proof(
                turn=n, item_id=turn.item_id, speaker="callee", audio_ms=turn.start_audio_ms, quote=turn.text
            )
    return None


def _without_exceptions(clauses: Sequence[str]) -> str:
    """The words, with blanks for what only sounds like the wish; as long as the words themselves."""
    words, parted = " ".join(clauses), ", ".join(clauses)
    kept = words
    for hit in _EXCEPT.finditer(words):
        rest = parted[hit.end() + sum(end < hit.end() for end in _ends(clauses)) :]
        after_all = AFTER_ALL.get(hit.lastgroup or "")
        if after_all is None or after_all.match(rest) is None:
            kept = kept[: hit.start()] + " " * len(hit[0]) + kept[hit.end() :]
    return kept


def _meant(clauses: Sequence[str], start: int) -> bool:
    """Whether what begins there is asked for: not denied in its own clause, nor quoted as what was not said."""
    words = " ".join(clauses)
    clause = max((end + 1 for end in _ends(clauses) if end < start), default=0)
    denied = any(hit.end() <= start for hit in _NOT_MEANT.finditer(words, clause))
    return not denied and _QUOTED.search(words[:start]) is None


def _ends(clauses: Sequence[str]) -> list[int]:
    """Where the clauses end in the words of all of them."""
    return [n - 1 for n in accumulate(len(clause) + 1 for clause in clauses)]


def _plain(text: str) -> str:
    """Lower case, without accents and signs, one blank between words: as recognisers differ in all of these."""
    spelt = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss").replace("ı", "i"))
    bare = "".join(sign for sign in spelt if not unicodedata.combining(sign))
    return re.sub(r"[^a-z0-9]+", " ", bare).strip()
