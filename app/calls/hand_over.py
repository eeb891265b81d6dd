"""What a transfer means in a talk: words before it are heard out, the agent is put aside, comes back or leaves.

Pure. Used by `app.calls.talk_tools`; the phones are moved by `stasis.transfer`, the intent is committed by
`app.calls.transfer`.
"""

from typing import Protocol

import msgspec

from app.calls.talk_model import (
    Errand,
    Note,
    TakeTransferBack,
    TalkEffect,
    TalkState,
    ToMedia,
    TransferDropped,
    TransferMoved,
    WantHangUp,
)
from app.calls.tools import TransferCall
from media import protocol as media
from stasis.transfer_model import TransferOutcome, TransferState

ORDERED = "ordered"
"""Stands for the id of a function call when an operator wants the transfer."""
ENDING = "The call is ending; nobody was called."
TAKEN = "A person has the call now; nobody was called."
WORDS_LIMIT_S = 8.0
"""Words before a transfer that have not been heard by then are cut off."""
BEGINS_S = 30.0
"""A callee is taken to wait for its first ringing so long at most."""
WHY: dict[TransferOutcome, str] = {
    TransferOutcome.CONNECTED: "was on the line and is gone",
    TransferOutcome.BUSY: "is busy",
    TransferOutcome.NO_ANSWER: "did not answer",
    TransferOutcome.REJECTED: "refused the call",
    TransferOutcome.DECLINED: "answered and did not take the call",
    TransferOutcome.BAD_NUMBER: "has a number that does not exist",
    TransferOutcome.UNREACHABLE: "cannot be reached",
    TransferOutcome.NETWORK: "could not be reached, the network was at fault",
    TransferOutcome.TRUNK_FAULT: "could not be called, our line was at fault",
    TransferOutcome.CANCELED: "was not connected, it had to be taken back",
    TransferOutcome.FAILED: "could not be connected, something failed",
}
"""Why nobody was connected, after the name."""
BACK = (
    "{name} {why}. Nobody was connected: the person you called is back with you and has heard a ringing tone "
    "meanwhile. Tell them so in one short sentence and go on with the call."
)
BACK_FOR_GOODBYE = (
    "{name} {why}. Nobody was connected: the person you called is back with you and has heard a ringing tone "
    "meanwhile. The call ends now."
)
ANNOUNCE = (
    "You are speaking with somebody else now: {name}, whom you called to hand the conversation over. The person "
    "you called first waits and hears nothing of this. In two short sentences say whose automated assistant you "
    "are, who is waiting and why{reason}, in general words. Then ask them to press 1 to take the call, or to hang "
    "up. Do not ask anything else."
)


class Talk(Protocol):
    """The talk a transfer belongs to."""

    call_id: str
    state: TalkState

    @property
    def unheard(self) -> bool:
        """Words of the agent are on their way to the callee."""
        ...

    def close_with(self, end: WantHangUp, farewell: str, now: float) -> list[TalkEffect]:
        """Say the farewell, hang up when it has been heard."""
        ...

    def turn_to(self, state: TalkState, now: float) -> None:
        """The callee was put aside, came back, or talks with somebody else now."""
        ...


class HandOver:
    """One transfer at a time: asked for, under way, back or handed over for good."""

    def __init__(self, talk: Talk) -> None:
        self.handed_over = False
        """The callee talks with somebody else; the agent is out of the call."""
        self.due: float | None = None
        """When words that are still to be heard are waited for no longer."""
        self._talk = talk
        self._begins_by = float("-inf")
        self._waiting: Errand | None = None
        self._under_way: Errand | None = None
        self._goodbye: tuple[WantHangUp, str] | None = None
        self._by_note = False  # the session that asked is gone: its successor is told by a note

    def waited_for(self, now: float) -> bool:
        """The callee has been told that somebody else will be called, and waits for it."""
        return self.is_wanted and now < self._begins_by

    @property
    def is_wanted(self) -> bool:
        """Asked for, and neither refused nor over."""
        return self._waiting is not None or self._under_way is not None

    def ask(self, tool_call_id: str, request: TransferCall, now: float) -> list[TalkEffect]:
        """The agent, or an operator (`ORDERED`), wants it. What the agent is saying is heard out first."""
        if self.is_wanted:
            return [self._output(tool_call_id, {"error": "A transfer is under way already. Nothing was done."})]
        self._waiting, self.due = Errand(tool_call_id, request), now + WORDS_LIMIT_S
        self._begins_by, self._by_note = now + BEGINS_S, tool_call_id == ORDERED
        return self.words_out(now)

    def words_out(self, now: float) -> list[TalkEffect]:
        """Begin, once nothing is left to be heard."""
        if self._waiting is None or self.due is None or (self._talk.unheard and now < self.due):
            return []
        if self._talk.state is not TalkState.TALKING:
            return self.drop()
        errand, self._waiting, self.due = self._waiting, None, None
        self._under_way = errand
        return [errand]

    def drop(self) -> list[TalkEffect]:
        """The talk is closing, or a person has it: what waits for words will not begin, and that is told now."""
        errand, self._waiting, self.due = self._waiting, None, None
        if errand is None:
            return []
        why = TAKEN if self._talk.state is TalkState.TAKEN else ENDING
        if errand.tool_call_id == ORDERED:
            return [TransferDropped(why)]
        return [self._output(errand.tool_call_id, {"error": why}, respond=False)]

    def end_after(self, end: WantHangUp, farewell: str) -> list[TalkEffect]:
        """The call is to end while the callee waits for somebody: they come back and hear the agent's farewell."""
        self._goodbye = (end, farewell)
        return [Note("goodbye_waits", end.reason), TakeTransferBack(end.reason)]

    def session_lost(self) -> None:
        """The media worker died, and with it the session that asked."""
        self._by_note = True

    def refused(self, tool_call_id: str) -> None:
        """Nobody was called for this function call; one of another function changes nothing."""
        if self._under_way is not None and self._under_way.tool_call_id == tool_call_id:
            self._under_way = None

    def moved(self, news: TransferMoved, now: float) -> list[TalkEffect]:
        """What becomes of the agent with each step of the phones."""
        match news.state:
            case TransferState.DIALING if self._talk.state is TalkState.TALKING:
                self._talk.turn_to(TalkState.ASIDE, now)
                return [self._mute(agent=True, callee=True)]
            case TransferState.CONSULTING if self._talk.state is TalkState.ASIDE:
                return self._announce()
            case TransferState.JOINING | TransferState.JOINED:
                return self._leave(now)
            case TransferState.OVER:
                return self._back(news.outcome or TransferOutcome.FAILED, now)
            case _:
                return []

    def _announce(self) -> list[TalkEffect]:
        """The target hears the agent; what the target says is nobody's answer and goes nowhere."""
        request = self._under_way.request if self._under_way is not None else None
        reason = request.reason if isinstance(request, TransferCall) else ""
        told = ANNOUNCE.format(name=_name(request), reason=f" (reason: {reason})" if reason else "")
        say = media.Say(call_id=self._talk.call_id, instructions=told)
        return [self._mute(agent=False, callee=True), ToMedia(say)]

    def _leave(self, now: float) -> list[TalkEffect]:
        """The agent's part is over. Its leg is closed by whoever carries this out: nothing is billed any more."""
        if self.handed_over or self._talk.state is TalkState.DONE:
            return []
        self.handed_over, self._under_way = True, None
        self._talk.turn_to(TalkState.DONE, now)
        return [Note("handed_over", "the callee talks with somebody else; the agent has left")]

    def _back(self, outcome: TransferOutcome, now: float) -> list[TalkEffect]:
        if self.handed_over or self._talk.state not in {TalkState.TALKING, TalkState.ASIDE}:
            return []
        errand, self._under_way = self._under_way, None
        line: list[TalkEffect] = []
        if self._talk.state is TalkState.ASIDE:
            self._talk.turn_to(TalkState.TALKING, now)
            # Closed once more before it is opened: what was meant for somebody else is thrown away.
            line = [self._mute(agent=True, callee=True), self._mute(agent=False)]
        goodbye, self._goodbye = self._goodbye, None
        last = [] if goodbye is None else self._talk.close_with(*goodbye, now)
        words = BACK if goodbye is None else BACK_FOR_GOODBYE
        told = words.format(name=_name(errand.request if errand is not None else None), why=WHY[outcome])
        if errand is None or self._by_note:
            note = media.InjectText(call_id=self._talk.call_id, text=told, respond=goodbye is None)
            return [*line, ToMedia(note), *last]
        return [*line, self._output(errand.tool_call_id, {"error": told}, respond=goodbye is None), *last]

    def _mute(self, *, agent: bool, callee: bool = False) -> ToMedia:
        return ToMedia(media.Mute(call_id=self._talk.call_id, agent=agent, callee=callee))

    def _output(self, tool_call_id: str, result: dict[str, object], *, respond: bool = True) -> ToMedia:
        text, call_id = msgspec.json.encode(result).decode(), self._talk.call_id
        command = media.ToolOutput(call_id=call_id, tool_call_id=tool_call_id, output=text, respond=respond)
        return ToMedia(command)


def _name(request: object) -> str:
    """Whom it is about, for the model: a name of the list, never a number (an operator may have typed one)."""
    if isinstance(request, TransferCall) and not request.target.startswith("+"):
        return request.target
    return "The other side"
