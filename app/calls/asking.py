"""Questions of the agent to its own people: asked, answered late or in time, given up. Pure.

Part of `app.calls.talk_tools`; the question itself is `app.calls.question`.
"""

from typing import Protocol

from app.calls.frames import quoted
from app.calls.outstanding import Outstanding
from app.calls.question import OpenQuestion
from app.calls.talk_model import (
    GO_ON_WITHOUT,
    GiveUpAsking,
    NobodyAnswered,
    Note,
    PeopleAnswered,
    TalkEffect,
    TalkState,
    WaitLonger,
    WantHangUp,
    WithdrawQuestion,
)
from app.domain.feedback import TOLD
from stasis.outcome import EndedBy

STILL_ASKED = (
    "A question of yours to your own side is still open; the callee waits for its answer, which comes as a note. "
    "Do not guess it and do not ask it again: {question}"
)
IN_HAND = (
    "A person of your own side has the call now. Your question to your own side is withdrawn: no answer to it "
    "comes. Go by what they settle with the callee; ask again if it is still open when you have the call back: "
    "{question}"
)
QUESTION_CHARACTERS = 500


class Talk(Protocol):
    """The talk it is asked in."""

    state: TalkState

    @property
    def muted(self) -> bool:
        """The agent is not heard."""
        ...

    def close_with(self, end: WantHangUp, farewell: str, now: float) -> list[TalkEffect]:
        """Say the farewell, hang up when it has been heard."""
        ...


class Asking:
    """News of the questions of one talk."""

    def __init__(self, talk: Talk, question: OpenQuestion, outstanding: Outstanding) -> None:
        self._talk = talk
        self._question = question
        self._outstanding = outstanding
        self._late: PeopleAnswered | None = None  # came into a farewell: told if the talk goes on all the same

    @property
    def due(self) -> float | None:
        """When `tick` has something to do in a talk that goes on."""
        owed = self._late is not None or (self._question.is_put_off and not self._talk.muted)
        return float("-inf") if owed else self._question.due

    def handle(self, news: PeopleAnswered | NobodyAnswered, now: float) -> list[TalkEffect]:
        """Somebody answered, or nobody."""
        if isinstance(news, PeopleAnswered):
            return self._answered(news)
        return self._unanswered(news.number, now)

    def tick(self, now: float) -> list[TalkEffect]:
        """Let time pass, in a talk that goes on."""
        if self._late is not None:
            news, self._late = self._late, None
            return self._answered(news)
        if self._question.is_put_off:
            return self.follow(now)
        match self._question.tick(now):
            case GiveUpAsking() as wish:
                return [wish]
            case NobodyAnswered(number):
                return self._unanswered(number, now)
            case None:
                return []

    def adopt(self, until: float, text: str, now: float) -> None:
        """A former process asked it, and patience ends at `until`."""
        self._question.adopt(until, text)
        self.follow(now)

    def follow(self, now: float, handed_over: bool = False) -> list[TalkEffect]:
        """Who has the call, or who is heard, has changed. A person who takes it has the question in hand; while
        the agent is not heard, patience does not run.
        """
        if self._talk.state is TalkState.TAKEN or handed_over:
            return self._withdraw()
        if self._talk.muted:
            self._question.put_off(now)
        elif self._talk.state is TalkState.TALKING and (left_s := self._question.go_on(now)) is not None:
            return [WaitLonger(left_s)]
        return []

    def session_back(self) -> list[TalkEffect]:
        """Another model session goes on with the talk: it is told what is still asked."""
        if not self._question.is_open:
            return []
        open_ = STILL_ASKED.format(question=quoted(self._question.text, QUESTION_CHARACTERS))
        return self._outstanding.tell(open_, respond=False)

    def _answered(self, news: PeopleAnswered) -> list[TalkEffect]:
        """A late answer to an earlier question is worth something too; the question that is open stays open."""
        late = news.number != self._question.number
        if not late:
            self._question.close()
        if self._talk.state is TalkState.CLOSING:
            self._late = news
        if self._talk.state not in {TalkState.TALKING, TalkState.ASIDE, TalkState.TAKEN}:
            return []
        which = "an earlier question of yours" if late else "your question"
        told = (
            f"Your own side answered {which}. This is the answer, to be used within your rules; go on with "
            f"the call: {news.answer}"
        )
        note = [Note(TOLD, news.request_id)] if news.request_id else []
        return self._outstanding.tell(told, *note, respond=self._talk.state is TalkState.TALKING)

    def _withdraw(self) -> list[TalkEffect]:
        """Nobody needs to answer any more. An agent that listens on is told; one that has left is not."""
        if not self._question.is_open:
            return []
        self._question.close()
        effects: list[TalkEffect] = [WithdrawQuestion(), Note("feedback_withdrawn", "a person has the call")]
        if self._talk.state is not TalkState.TAKEN:
            return effects
        told = IN_HAND.format(question=quoted(self._question.text, QUESTION_CHARACTERS))
        return [*effects, *self._outstanding.tell(told, respond=False)]

    def _unanswered(self, number: int, now: float) -> list[TalkEffect]:
        if not self._question.concerns(number):
            return []
        if self._talk.state is TalkState.CLOSING:
            self._question.put_off(now)
        if self._question.is_put_off:
            self._question.nobody_yet()
            return []
        self._question.close()
        note = Note("feedback_unanswered", self._question.farewell or "the talk goes on")
        if self._talk.state is not TalkState.TALKING:
            return [note]
        if self._question.farewell is None:
            return [note, *self._outstanding.tell(GO_ON_WITHOUT, respond=True)]
        end = WantHangUp(EndedBy.AGENT, "nobody on our side answered the agent's question")
        return [note, *self._talk.close_with(end, self._question.farewell, now)]
