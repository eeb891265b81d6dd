"""A callee who asks for something more while the agent ends the talk: the end is taken back, and it goes on. Pure.

Only an end that the agent itself decided is taken back, or one for a silence, at most `MOST` times. Whatever the
callee says from then on is waited for until its words are written down: they tell a wish from a goodbye. Part of
`app.calls.closing`.
"""

from typing import Protocol

from app.calls.farewells import asks_for_more, is_there
from app.calls.frames import quoted
from app.calls.talk_model import Note, TalkEffect, TalkState, Told, ToMedia, WantHangUp
from app.calls.tools import WILL_OF_CALLEE
from media import protocol as media
from stasis.outcome import EndedBy

TAKEN_BACK = "closing_taken_back"
"""Kind of the event that says so."""
MOST = 2
SPEECH_S = 12.0
"""So long at most one speech into the farewell keeps the line open."""
WORDS_S = 3.0
"""How long the words of a turn may take."""
LATEST_S = 25.0
"""And so long after the end was decided all of them together."""
WORDS_KEPT = 300
GO_ON = (
    "The call goes on: the callee has asked for something more: {words}. The end you had decided does not count, "
    "nor does a wish for another time that came with it. Settle what the callee wants. When nothing is left, say "
    "goodbye and end the call again; if they still want another time, use that function again."
)
ANSWER = (
    "You were about to say goodbye, but the callee has just asked for something more: {words}. Do not say "
    "goodbye. Answer in one or two short sentences; the call goes on."
)

IS_THERE = (
    "The call goes on: the callee, who had been silent, is there and has said: {words}. The goodbye does not "
    "count. Go on where the call had stopped."
)
ANSWER_IS_THERE = (
    "You were about to say goodbye to a silent callee, but they are there and have just said: {words}. Do not say "
    "goodbye. Go on with the call in one or two short sentences."
)


class Functions(Protocol):
    """The agent's."""

    opted_out: bool

    def handle(self, given: media.ToolCalled, now: float) -> list[TalkEffect]:
        """The model called one."""
        ...


class Talk(Protocol):
    """The talk that is ending."""

    call_id: str
    state: TalkState

    @property
    def tools(self) -> Functions:
        """What the agent may do."""
        ...

    def go_on(self) -> None:
        """It is not ending any more."""
        ...


class End(Protocol):
    """How it ends."""

    end: WantHangUp
    revocable: bool
    """The agent has decided it, or nobody had spoken."""
    words_to_come: bool
    """Its farewell was asked for and is not heard yet."""


class SecondThought:
    """`taken_back`: how often an end was. `until`: before that the line stays open for words of the callee."""

    def __init__(self, talk: Talk, closing: End) -> None:
        self.taken_back = 0
        self.until = float("-inf")
        self._talk = talk
        self._closing = closing
        self._agent_text = ""
        self._speech_ms: int | None = None  # where the speech began that is going on
        self._from_ms: int | None = None  # turns from here on were said into the farewell
        self._unwritten = 0
        self._latest = float("-inf")
        self._held: list[media.ToolCalled] = []

    @property
    def is_possible(self) -> bool:
        """This end may still be taken back."""
        if self._talk.state is not TalkState.CLOSING or not self._closing.revocable:
            return False
        return self.taken_back < MOST and not self._talk.tools.opted_out

    def begin(self, now: float) -> None:
        """The talk begins to end. A turn that began before is what the agent has answered with the end, unless it
        is being spoken now.
        """
        self._latest, self.until, self._held = now + LATEST_S, float("-inf"), []
        self._from_ms, self._unwritten = self._speech_ms, 0
        if self._speech_ms is not None and self.is_possible:
            self._unwritten, self.until = 1, self._by(now + SPEECH_S)

    def noticed(self, report: media.Report, now: float) -> None:
        """Whatever report says who speaks."""
        match report:
            case media.SpeechStarted(audio_ms=audio_ms):
                self._speech_ms = audio_ms
                if self.is_possible:
                    self._from_ms = audio_ms if self._from_ms is None else self._from_ms
                    self._unwritten += 1
                    self.until = self._by(now + SPEECH_S)
            case media.SpeechStopped():
                self._speech_ms = None
                if self._unwritten:
                    self.until = self._by(now + WORDS_S)
            case media.TurnPartial(speaker="agent", text=text) | media.TurnSpoken(speaker="agent", text=text):
                self._agent_text = text
            case _:
                pass

    def holds(self, report: media.Report | Told, now: float) -> bool:
        """A function the agent calls on words that are not written down yet waits for them: it may be meant for a
        talk that goes on. That somebody wants no recording, or no more calls, never waits.
        """
        if not isinstance(report, media.ToolCalled) or report.name in WILL_OF_CALLEE:
            return False
        waits = now < self.until and self.is_possible
        if waits:
            self._held.append(report)
        return waits

    def heard(self, turn: media.TurnSpoken, now: float) -> list[TalkEffect]:
        """A turn of the callee was written down."""
        if self._from_ms is None or turn.start_audio_ms < self._from_ms or not self._unwritten:
            return []
        self._unwritten -= 1
        taken_back: list[TalkEffect] = []
        goes_on = is_there if self._for_silence else asks_for_more
        if self.is_possible and goes_on(turn.text, self._agent_text):
            taken_back = self._take_back(turn)
        elif self._unwritten:
            return []
        self.until = float("-inf")
        held, self._held = self._held, []
        return [*taken_back, *(one for report in held for one in self._talk.tools.handle(report, now))]

    def _take_back(self, turn: media.TurnSpoken) -> list[TalkEffect]:
        self.taken_back += 1
        self._unwritten, self._from_ms = 0, None
        words, call_id = quoted(turn.text, WORDS_KEPT), self._talk.call_id
        self._talk.go_on()
        noted = Note(TAKEN_BACK, turn.text[:WORDS_KEPT])
        go_on, instead = (IS_THERE, ANSWER_IS_THERE) if self._for_silence else (GO_ON, ANSWER)
        told = media.InjectText(call_id=call_id, text=go_on.format(words=words), respond=False)
        if not self._closing.words_to_come:
            return [noted, ToMedia(told)]
        answer = media.Say(call_id=call_id, instructions=instead.format(words=words), instead=True)
        return [noted, ToMedia(told), ToMedia(answer)]

    @property
    def _for_silence(self) -> bool:
        """The callee was taken to be gone: of the ends that can be taken back, the only one by a timeout."""
        return self._closing.end.ended_by is EndedBy.SYSTEM_TIMEOUT

    def _by(self, at: float) -> float:
        return min(at, self._latest)
