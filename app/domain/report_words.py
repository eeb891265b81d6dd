"""The words of a report, checked: a number stands only where a name refers to one that code computed, a quote only
where the transcript has it word for word. Pure.

A text says `[goal_reached]` where the number belongs. Digits, number words and web addresses are refused in any
text: whoever wrote them, a model or a callee through it, did not count.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from app.domain.call import Turn
from app.domain.report import Number

REFERENCE = re.compile(r"\[([a-z][a-z0-9_]{0,60})\]")
MAX_HEADLINE, MAX_SUMMARY, MAX_LINE = 160, 1_600, 500
MAX_LINES, MAX_QUOTES = 6, 8
MAX_QUOTE = 300
_WORDS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred hundreds thousand "
    "thousands million millions billion dozen dozens score half halves third thirds quarter quarters twice thrice "
    "double doubled triple tripled percent percentage majority most "
    "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig dreissig dreißig hundert tausend million "
    "millionen dutzend hälfte halb drittel viertel doppelt dreifach prozent mehrheit meiste meisten "
    "deux trois quatre cinq sept huit neuf dix onze douze vingt trente cent mille moitié tiers quart douzaine "
    "dos tres cuatro cinco seis siete ocho nueve diez once doce veinte cien mil mitad tercio cuarto docena "
    "due tre quattro cinque sei sette otto nove dieci dodici venti cento metà terzo dozzina"
)
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(sorted(set(_WORDS.split())))})\b", re.IGNORECASE)
_ONE = re.compile(
    r"(?<!no )\bone (?:\w+ )?(?:person|people|callee|call|task|recipient|customer|patient|goal|time)s?\b",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"\b(?:https?://|www\.)\S*|\S+@\S+\.\S+", re.IGNORECASE)


class QuoteClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A quote as a model claims it: the call by the name it was shown under, the turn counted from 1."""

    call: str
    turn: int
    quote: str


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A model's words, unchecked."""

    headline: str
    summary: str
    findings: tuple[str, ...]
    next_steps: tuple[str, ...]
    quotes: tuple[QuoteClaim, ...]


class QuoteFound(msgspec.Struct, frozen=True, kw_only=True):
    """Words that were really said, and where: turn from 1 (`seq` in the store), milliseconds from the answer."""

    call_id: str
    item_id: str
    turn: int
    seq: int
    speaker: str
    audio_ms: int
    quote: str


class ReportWords(msgspec.Struct, frozen=True, kw_only=True):
    """The text of a report, numbers put in."""

    headline: str
    summary: str
    findings: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    quotes: tuple[QuoteFound, ...] = ()


class ShownCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call a model may quote from; all its turns, in order."""

    call_id: str
    turns: tuple[Turn, ...]


def problems(draft: Draft, numbers: Mapping[str, Number], calls: Mapping[str, ShownCall]) -> list[str]:
    """Why a draft cannot be taken, in sentences for the model; empty: it can."""
    found: list[str] = []
    for where, text, most in _texts(draft):
        found += _text_problems(where, text, most, numbers)
    if len(draft.findings) > MAX_LINES or len(draft.next_steps) > MAX_LINES or len(draft.quotes) > MAX_QUOTES:
        found.append(f"At most {MAX_LINES} findings, {MAX_LINES} next steps and {MAX_QUOTES} quotes.")
    for n, claim in enumerate(draft.quotes):
        if found_quote(claim, calls) is None:
            found.append(f"quotes[{n}] is not said word for word in {claim.call[:20]!r}: {claim.quote[:80]!r}.")
    return found


def written(draft: Draft, numbers: Mapping[str, Number], calls: Mapping[str, ShownCall]) -> ReportWords:
    """The report of a draft that `problems` found nothing in."""
    quotes = [found_quote(claim, calls) for claim in draft.quotes]
    return ReportWords(
        headline=put_in(draft.headline, numbers),
        summary=put_in(draft.summary, numbers),
        findings=tuple(put_in(line, numbers) for line in draft.findings),
        next_steps=tuple(put_in(line, numbers) for line in draft.next_steps),
        quotes=tuple(quote for quote in quotes if quote is not None),
    )


def put_in(text: str, numbers: Mapping[str, Number]) -> str:
    """The text with every reference replaced by its number."""
    return REFERENCE.sub(lambda match: numbers[match[1]].text if match[1] in numbers else match[0], text).strip()


def found_quote(claim: QuoteClaim, calls: Mapping[str, ShownCall]) -> QuoteFound | None:
    """Where the words stand: in the turn that is named, else in the first one of that call that has them."""
    shown, wanted = calls.get(claim.call), _spaced(claim.quote)
    if shown is None or len(wanted) > MAX_QUOTE or sum(character.isalnum() for character in wanted) < 2:
        return None
    order = [claim.turn - 1, *range(len(shown.turns))]
    for n in order:
        if 0 <= n < len(shown.turns) and _whole(wanted, _spaced(shown.turns[n].text)):
            return _quote(shown.call_id, n, shown.turns, wanted)
    return None


def _quote(call_id: str, n: int, turns: Sequence[Turn], words: str) -> QuoteFound:
    turn = turns[n]
    return QuoteFound(
        call_id=call_id,
        item_id=turn.item_id,
        turn=n + 1,
        seq=turn.seq,
        speaker=turn.speaker,
        audio_ms=turn.start_audio_ms,
        quote=words,
    )


def _texts(draft: Draft) -> list[tuple[str, str, int]]:
    found = [("headline", draft.headline, MAX_HEADLINE), ("summary", draft.summary, MAX_SUMMARY)]
    found += [(f"findings[{n}]", line, MAX_LINE) for n, line in enumerate(draft.findings)]
    return found + [(f"next_steps[{n}]", line, MAX_LINE) for n, line in enumerate(draft.next_steps)]


def _text_problems(where: str, text: str, most: int, numbers: Mapping[str, Number]) -> list[str]:
    found: list[str] = []
    if not text.strip():
        found.append(f"{where} is empty.")
    if len(text) > most:
        found.append(f"{where} is longer than {most} characters.")
    unknown = sorted({name for name in REFERENCE.findall(text) if name not in numbers})
    if unknown:
        found.append(f"{where} refers to {unknown[0]!r}, which is no number of this report.")
    bare = REFERENCE.sub(" ", text)
    if any(character.isnumeric() for character in bare):
        found.append(f"{where} contains digits; refer to a number by its name, like [goal_reached].")
    elif word := _NUMBER_WORD.search(bare) or _ONE.search(bare):
        found.append(f"{where} says {word[0]!r}, which is a number; refer to one by its name or leave it out.")
    if _ADDRESS.search(bare):
        found.append(f"{where} contains an address; leave it out.")
    return found


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _whole(wanted: str, text: str) -> bool:
    """Whether the words stand in the text as they are, not beginning or ending inside a word or number."""
    at = text.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        if not (_joined(text, at) or _joined(text, end)):
            return True
        at = text.find(wanted, at + 1)
    return False


def _joined(text: str, at: int) -> bool:
    if at in (0, len(text)):
        return False
    one, other = text[at - 1], text[at]
    return one.isascii() and other.isascii() and one.isalnum() and other.isalnum()
