"""What the packs want said at the start of a call, with names filled in. Pure.

The sentences are those of the merged rules that bind the callee's number, so the strictest pack decides. Called by
`app.calls.context`.
"""

from collections.abc import Mapping, Sequence

import msgspec

from app.domain.policy.pack import Rules
from app.domain.recording_consent import QUESTIONS

LAST_LANGUAGE = "en"
"""Taken when no pack has the words in the language of the call."""


class CallingParty(msgspec.Struct, frozen=True, kw_only=True):
    """For whom we call. Empty: not known."""

    caller: str = ""
    """The agent's name."""
    company: str = ""
    callback: str = ""
    """The number at which they reach us."""


class Disclosure(msgspec.Struct, frozen=True, kw_only=True):
    """To be said before anything else. `words` is empty when no pack asks for any.

    `translate`: the words are in another language than the call. `blanks`: what nobody told us; it stands in the
    words as (company) or (callback). Only words with neither can be spoken as they are (`ready`).
    """

    words: str = ""
    translate: bool = False
    blanks: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """May be spoken word for word."""
        return bool(self.words) and not self.translate and not self.blanks


def disclosure(rules: Rules, language: str, party: CallingParty, *, recorded: bool, inbound: bool) -> Disclosure:
    """What is said first in a call in `language` (ISO 639-1, a region after it is ignored).

    `recorded`: the call is recorded, so packs that want it announced have a sentence of their own, or it shall be,
    and packs that want consent have it asked for. Who calls us is not told that we call them; for them only that
    sentence is left.
    """
    spoken = language.lower().replace("_", "-").partition("-")[0]
    found: list[tuple[str, Sequence[str]]] = []
    if not inbound:
        found.append(_in_language(rules.disclosure, spoken))
    if recorded and rules.recording == "announce":
        found.append(_in_language(rules.recording_notice, spoken))
    if recorded and rules.recording == "consent":
        found.append(_in_language({name: (asked,) for name, asked in QUESTIONS.items()}, spoken))
    found = [(name, sentences) for name, sentences in found if sentences]
    words = " ".join(sentence for _, sentences in found for sentence in sentences)
    blanks: list[str] = []
    for name in ("caller", "company", "callback"):
        if f"{{{name}}}" not in words:
            continue
        known = " ".join(str(getattr(party, name)).split())
        if not known:
            blanks.append(name)
        words = words.replace(f"{{{name}}}", known or f"({name})")
    return Disclosure(words=words, translate=any(name != spoken for name, _ in found), blanks=tuple(blanks))


def may_record(rules: Rules | None) -> bool:
    """Whether a call may be recorded from its start. A consent that was not given yet is none; neither are rules
    that are not known.
    """
    return rules is not None and rules.recording in (None, "allowed", "announce")


def may_ask(rules: Rules | None) -> bool:
    """Whether a call may be recorded once the callee has agreed."""
    return rules is not None and rules.recording == "consent"


def _in_language(texts: Mapping[str, Sequence[str]], language: str) -> tuple[str, Sequence[str]]:
    for name in (language, LAST_LANGUAGE, *sorted(texts)):
        if name in texts:
            return name, texts[name]
    return language, ()
