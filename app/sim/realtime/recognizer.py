"""The part of a recognizer that knows words: a word heard badly becomes the nearest one of the vocabulary. Pure.

A tone voice loses letters on a line that loses frames; a recognizer of speech would still write whole words.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

from app.sim.tonevoice import normalize

CLOSE = 0.6
SHORTEST = 2
"""Letters of a word that can be mended."""


class Recognizer:
    """Without a vocabulary it writes down what it hears."""

    def __init__(self, vocabulary: Iterable[str] = (), close: float = CLOSE) -> None:
        self._close = close
        self._known = tuple(dict.fromkeys(word for text in vocabulary for word in normalize(text).split()))
        self._nearest = lru_cache(maxsize=1_000)(self._find)

    def read(self, heard: str) -> str:
        """The words of a turn."""
        return " ".join(self._nearest(word) for word in heard.split()) if self._known else heard

    def _find(self, word: str) -> str:
        if word in self._known or len(word) < SHORTEST:
            return word
        return next(iter(get_close_matches(word, self._known, n=1, cutoff=self._close)), word)
