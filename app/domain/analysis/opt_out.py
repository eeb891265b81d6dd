"""Hears "do not call me again" by rule, beside the model: whoever says it is not called again. Pure.

A rule that is too eager costs one call that could have been; one that is deaf costs somebody's trust and, in many
places, a fine. So the rules lean towards hearing it, except where the same words clearly mean something else ("do
not call me before nine", "I am not saying you should stop"). The rules of all languages are asked whatever the
language of the call, because people fall back into their own.
"""

import re
import unicodedata
from collections.abc import Sequence

from app.domain.analysis.judgement import Proof
from app.domain.analysis.opt_out_rules import EXCEPT, RULES, UNSPACED
from app.domain.call import Turn

_RULE = re.compile("|".join(rule for rules in RULES.values() for rule in rules))
_EXCEPT = re.compile(EXCEPT)
_NOT_MEANT = re.compile(r"\b(?:not saying|didn t say|did not say|never said|why would (?:i|you)|if you)\b")


def heard(text: str) -> str:
    """The words in one turn of the callee that ask for no more calls; empty when there are none."""
    for sentence in re.split(r"[.!?;\n]+", text):
        words = _EXCEPT.sub(" ", _plain(sentence))
        found = _RULE.search(words)
        if found is not None and _NOT_MEANT.search(words[: found.start()]) is None:
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


def _plain(text: str) -> str:
    """Lower case, without accents and signs, one blank between words: as recognisers differ in all of these."""
    spelt = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss").replace("ı", "i"))
    bare = "".join(sign for sign in spelt if not unicodedata.combining(sign))
    return re.sub(r"[^a-z0-9]+", " ", bare).strip()
