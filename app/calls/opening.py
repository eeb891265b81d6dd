"""Whether the words that the calling rules demand at the start were said and heard, and what is done if not. Pure.

What counts is what the playout had played when the callee broke in. Words that were cut off are said again at the
next chance; whoever else comes to the phone hears them too. Part of `app.calls.conversation`.
"""

import re

import msgspec

from app.calls.passing_on import passes_on
from app.calls.talk_model import Note, TalkEffect, ToMedia
from app.domain.fields import plain
from app.domain.policy.disclosure import Disclosure
from app.domain.policy.said import FREE_SHARE, SHARE, missing, sentences
from app.domain.recording_consent import QUESTIONS, names_recording
from media import protocol as media
from media.answer.model import Verdict
from media.realtime.priming import heard_text

SAID, CUT, MISSING = "disclosure_said", "disclosure_cut", "disclosure_missing"
"""Kinds of events. The first is the evidence: JSON with turns, position and how it was compared."""
TRIES = 4
"""An agent that will not say it is told so often; then it is only written down."""
FINISH = (
    "The callee has not heard all of what the calling rules demand at the start. Begin your next words with it, "
    "{how}: {words}"
)
SAY_IT = "Say this now, before anything else, {how}: {words}"
SOMEBODY_ELSE = (
    "You are being passed on: whoever speaks next may be somebody else, who knows nothing of this call. When they "
    "speak, say anew who you are and why you call{opening}."
)
SOMEBODY_OPENING = ". Begin with this, {how}: {words}"
SAME_PERSON_MS = 2_000
"""After having passed the agent on, whoever speaks so soon is still the same."""
OTHERS_TOLD = 2
"""So many times a talk somebody else is told anew as often as `TRIES` allows."""
CJK_SHARE = 0.2
"""Of the length in Latin script; Chinese, Japanese and Korean need so few signs for the same."""
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_WAIT = frozenset({
    "one moment", "one moment please", "just a moment", "just a moment please", "hold on", "hold on please",
    "one second", "just a second", "a moment please", "moment", "moment bitte", "einen moment",
    "einen moment bitte", "un moment", "un instant", "un instant s il vous plait", "un momento",
    "un momento por favor", "un attimo", "een moment", "momentje", "please hold",
})  # fmt: skip
NOTHING = Disclosure()
_NOBODY = frozenset({Verdict.MACHINE, Verdict.BEEP, Verdict.IVR, Verdict.CALL_SCREENING, Verdict.HOLD_MUSIC})


class Opening:
    """Of one talk. `said_ms`: where on the call's time line the last of it had been heard; None: not yet.
    `said`: a former process had come so far.
    """

    def __init__(self, call_id: str, disclosure: Disclosure = NOTHING, *, said: bool = False) -> None:
        self.said_ms: int | None = 0 if said or not disclosure.words else None
        self._call_id = call_id
        self._disclosure = disclosure
        self._how = "word for word" if disclosure.ready else "in its meaning and leaving nothing out"
        self._heard: list[str] = []
        self._items: list[str] = []
        self._tries = self._others = 0
        self._passed_ms: int | None = None
        self._nobody = False
        self._passed_on = False
        self._listened = False
        self._is_over = False
        self._question = next((one for one in QUESTIONS.values() if one in disclosure.words), "")
        self._asked_ms: int | None = None

    @property
    def told_ms(self) -> int | None:
        """Where whoever speaks now had heard all of it; None: not yet."""
        return None if self._passed_on else self.said_ms

    @property
    def asked_ms(self) -> int | None:
        """Where whoever speaks now had heard the question whether they may be recorded; None: not, or not for
        certain.
        """
        return None if self._passed_on else self._asked_ms

    def verdict(self, report: media.AnswerVerdict) -> list[TalkEffect]:
        """Words to a machine are heard by nobody."""
        self._nobody = report.verdict in _NOBODY
        return []

    def callee(self, turn: media.TurnSpoken) -> list[TalkEffect]:
        """A person spoke. After having passed the agent on, it is another one."""
        self._listened = self._listened or not self._nobody
        passes = passes_on(turn.text)
        if self._passed_on:
            soon = self._passed_ms is not None and turn.start_audio_ms - self._passed_ms < SAME_PERSON_MS
            if passes or soon or plain(turn.text) in _WAIT:  # still the one who passes it on
                return []
            self._passed_on = False
            self._forget()
        return self.passed_on(turn.end_audio_ms) if passes and not self._nobody else []

    def passed_on(self, at_ms: int | None = None) -> list[TalkEffect]:
        """Whoever speaks next may be somebody else; worth nothing before anybody has heard the agent. `at_ms`:
        where the last of them had said so.
        """
        if self._passed_on or not self._items:
            return []
        self._passed_on, self._passed_ms = True, at_ms
        opening = SOMEBODY_OPENING.format(how=self._how, words=self._disclosure.words)
        told = SOMEBODY_ELSE.format(opening=opening if self._disclosure.words else "")
        return [Note("passed_on", "somebody else may speak"), self._tell(told)]

    def agent(self, turn: media.TurnSpoken) -> list[TalkEffect]:
        """The agent's turn is over: how much of what is demanded has been heard by now?"""
        if self._nobody or not (text := heard_text(turn)):
            return [] if self._nobody or not turn.interrupted else self._again([self._disclosure.words], turn)
        self._items.append(turn.item_id)
        if self.said_ms is not None or self._passed_on:
            if not self._passed_on and self._asks(text):
                self._asked_ms = turn.start_audio_ms + turn.heard_ms  # once more
            return []
        self._heard.append(text)
        rest = self._missing(self._disclosure.words, " ".join(self._heard))
        if rest:
            return self._again(rest, turn)
        self.said_ms = turn.start_audio_ms + turn.heard_ms
        if self._question and names_recording(" ".join(self._heard)):
            self._asked_ms = self.said_ms
        compared = "in another language" if self._disclosure.translate else self._how
        told = {"items": self._items, "heard_until_ms": self.said_ms, "compared": compared}
        return [Note(SAID, msgspec.json.encode(told).decode())]

    def over(self) -> list[TalkEffect]:
        """The talk ends. Somebody who spoke with the agent and did not hear the words is written down."""
        if self._is_over or self.said_ms is not None or not self._listened or not self._items:
            return []
        self._is_over = True
        rest = self._missing(self._disclosure.words, " ".join(self._heard))
        return [Note(MISSING, " ".join(rest)[:500])]

    def _again(self, rest: list[str], turn: media.TurnSpoken) -> list[TalkEffect]:
        tries = 1 if self._disclosure.translate else TRIES
        if self.said_ms is not None or self._tries >= tries or self._passed_on:
            return []
        self._tries += 1
        words = " ".join(rest)
        noted = Note(CUT, f"not heard yet: {words[:300]}")
        if turn.interrupted:  # the callee speaks: it is part of the answer to that
            return [noted, self._tell(FINISH.format(how=self._how, words=words))]
        say = media.Say(call_id=self._call_id, instructions=SAY_IT.format(how=self._how, words=words))
        return [noted, ToMedia(say)]

    def _asks(self, text: str) -> bool:
        """Whether this is the question; of a translated one that cannot be told."""
        if not self._question or self._disclosure.translate or not names_recording(text):
            return False
        return not missing(self._question, text)

    def _missing(self, words: str, heard: str) -> list[str]:
        """The sentences of `words` that `heard` does not have. A question about a recording that names none was
        another one.
        """
        demanded = self._disclosure
        if demanded.translate:  # nothing to compare but the length
            floor = CJK_SHARE if _mostly_cjk(heard) else FREE_SHARE
            return [] if len(heard) >= floor * len(words) else [words]
        rest = missing(words, heard, share=SHARE if demanded.ready else FREE_SHARE)
        if self._question and not names_recording(heard):
            asked = sentences(self._question)
            return [one for one in sentences(words) if one in rest or one in asked]
        return list(rest)

    def _forget(self) -> None:
        if self._disclosure.words:
            self.said_ms, self._asked_ms, self._heard, self._items = None, None, [], []
            if self._others < OTHERS_TOLD:
                self._tries = 0
            self._others += 1

    def _tell(self, text: str) -> ToMedia:
        return ToMedia(media.InjectText(call_id=self._call_id, text=text, respond=False))


def _mostly_cjk(text: str) -> bool:
    return 2 * len(_CJK.findall(text)) >= sum(sign.isalpha() for sign in text) > 0
