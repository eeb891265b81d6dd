"""The interface of look-ups, and what is left of an answer before a model sees it: short, plain, with its origin.

Whoever writes a web page writes for our model too. So texts lose addresses and control characters and are cut;
each keeps the one address it came from.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Protocol

import msgspec

from app.errors import AppError

MAX_ITEMS = 6
MAX_TITLE = 160
MAX_TEXT = 900
MAX_QUERY = 300
_ADDRESS = re.compile(r"\b(?:[a-z][a-z0-9+.-]*://|www\.)\S+", re.IGNORECASE)


class LookupFailed(AppError):
    """No usable answer; the sentence is told to the model and names no address but the host's."""

    code = "lookup_failed"
    retryable = True


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. `ref` is a web address, or names the directory; `business`: a directory of businesses has it."""

    title: str
    ref: str
    text: str
    business: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider gave. Cost None: not known; 0: free."""

    items: tuple[Found, ...]
    cost_micro_usd: int | None = 0


class SearchProvider(Protocol):
    """Searches the web. Raises LookupFailed and the errors of `app.guarded_http` only."""

    async def search(self, query: str, language: str) -> Answer: ...


class PlacesProvider(Protocol):
    """Knows businesses with address, telephone number and hours. Raises as `SearchProvider` does."""

    async def find(self, name: str, near: str, language: str) -> Answer: ...


def cleaned(items: Iterable[Found]) -> tuple[Found, ...]:
    """The first entries, cut to size and without what could pass for more than text."""
    kept: list[Found] = []
    for item in items:
        if len(kept) == MAX_ITEMS:
            break
        ref = item.ref.strip()[:300]
        text = plain(item.text, MAX_TEXT)
        if ref and text:
            found = Found(title=plain(item.title, MAX_TITLE), ref=ref, text=text, business=item.business)
            kept.append(found)
    return tuple(kept)


def plain(text: str, most: int) -> str:
    """One line of text without addresses and control characters."""
    visible = "".join(
        " " if unicodedata.category(sign) in {"Cc", "Cf", "Co", "Cs"} else sign for sign in text[:20_000]
    )
    return " ".join(_ADDRESS.sub("[address]", visible).split())[:most]
