"""What an utterance over the agent's speech was: nothing, "mm-hm", our own echo, or words that count (pure).

Transcripts are rough, so judging is by words and not by spelling; whatever is not known as a sign of listening is
taken seriously. Called by `media.realtime.turn_taking`.
"""

import re
import unicodedata
from difflib import SequenceMatcher
from typing import Literal

Verdict = Literal["nothing", "backchannel", "echo", "speech"]

ECHO_LIKENESS = 0.75
_MAX_WORDS = 4

_SIGNS = """
    mm mmm mhm mmhm mmhmm hm hmm hmhm uh uhhuh huh ah aha oh ooh eh er um
    yes yeah yep yup ya ok okay k right sure great alright exactly indeed understood
    ja jaja jo joa genau gut klar stimmt richtig achso ach so soso
    oui ouais d'accord dac bien voila exact entendu
    si claro vale bueno aja exacto certo va bene esatto giusto capito
    sim isso ta pois jawohl jaa joo niin okei tak jasne dobrze klart precis visst da horosho ladno tamam evet hai
"""
BACKCHANNELS = frozenset(_SIGNS.split())
"""Signs of listening in the languages agents speak most; accents and case are folded away."""

_PHRASES = ("i see", "got it", "of course", "all right", "i understand", "that is right", "that's right", "uh huh")
_LISTENING_WORDS = frozenset(
    {"i", "got", "it", "of", "course", "all", "understand", "that", "is", "that's", "see"}
)


def judge(text: str, agent_text: str) -> Verdict:
    """`text` was said while the agent said something whose words are `agent_text`."""
    spoken = folded(text)
    if not spoken:
        return "nothing"
    if _is_listening(spoken):
        return "backchannel"
    return "echo" if is_echo(spoken, folded(agent_text)) else "speech"


def folded(text: str) -> str:
    """Lower case words without accents and punctuation, one space between."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("\u2019", "'").replace("-", ""))
    letters = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(re.findall(r"[\w']+", letters))


def is_echo(spoken: str, agent_spoken: str) -> bool:
    """Most words of `spoken` (two or more, folded) are found in a row in what the agent said."""
    heard, said = spoken.split(), agent_spoken.split()
    match = SequenceMatcher(None, heard, said, autojunk=False).find_longest_match(0, len(heard), 0, len(said))
    return match.size >= max(2, ECHO_LIKENESS * len(heard))


def _is_listening(spoken: str) -> bool:
    words = spoken.split()
    if len(words) > _MAX_WORDS:
        return False
    if spoken in _PHRASES or all(word in BACKCHANNELS for word in words):
        return True
    known = BACKCHANNELS | _LISTENING_WORDS
    return any(phrase in spoken for phrase in _PHRASES) and all(word in known for word in words)
