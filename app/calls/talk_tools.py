"""What follows from a function the model calls, and from what comes of it. Pure.

Authority is here: what was not offered, does not fit or comes at the wrong time is answered with a sentence, and
nothing happens. Part of `app.calls.conversation`, which owns the state of the talk.
"""

from typing import Protocol, assert_never

import msgspec

from app.calls.field_desk import FieldDesk, Outcome
from app.calls.hand_over import HandOver
from app.calls.keys import KeysToPress
from app.calls.question import OpenQuestion
from app.calls.talk_model import (
    GO_ON_WITHOUT,
    SAY_AGAIN_LATER,
    Errand,
    ErrandDone,
    GiveUpAsking,
    NobodyAnswered,
    Note,
    PeopleAnswered,
    PressKeys,
    TalkEffect,
    TalkLimits,
    TalkState,
    Told,
    ToMedia,
    TransferMoved,
    WantHangUp,
)
from app.calls.tools import (
    EndCall,
    Offer,
    OutsideCall,
    RecordOptOut,
    RefusedTool,
    ReportVoicemail,
    RequestUserFeedback,
    Reschedule,
    SaveField,
    SendDtmf,
    ToolBook,
    ToolRequest,
    TransferCall,
)
from app.domain.analysis.opt_out import heard
from app.domain.fields import FieldBook
from media import protocol as media
from stasis.outcome import EndedBy

WAITING_FOR_PEOPLE = (
    "The question is with your own side. Tell the callee that you are asking, keep them company in short "
    "sentences, and wait: the answer comes as a note. Do not guess it."
)


NOT_NOW = {
    TalkState.WAITING: "The callee has not answered yet.",
    TalkState.ASIDE: "A transfer is under way.",
    TalkState.TAKEN: "A person of your own side has the call now.",
}


class Talk(Protocol):
    """The talk these functions belong to."""

    call_id: str
    state: TalkState

    @property
    def unheard(self) -> bool:
        """Words of the agent are on their way to the callee."""
        ...

    def turn_to(self, state: TalkState, now: float) -> None:
        """The callee was put aside, came back, or talks with somebody else now."""
        ...

    def close_with(self, end: WantHangUp, farewell: str, now: float) -> list[TalkEffect]:
        """Say the farewell, hang up when it has been heard."""
        ...

    def close_after_words(self, end: WantHangUp, now: float) -> list[TalkEffect]:
        """Hang up when the words under way have been heard; when the agent has not said anything, a farewell."""
        ...


class TalkTools:
    """The functions of one talk: keys, fields, questions, errands, its end."""

    def __init__(self, talk: Talk, offer: Offer, limits: TalkLimits, fields: FieldDesk | None = None) -> None:
        self.fields = fields or FieldDesk(FieldBook(offer.fields))
        self.question = OpenQuestion(limits)
        self.transfer = HandOver(talk)
        self._talk = talk
        self._book = ToolBook(offer)
        self._keys = KeysToPress()
        self._errands: set[str] = set()
        self._opted_out = False

    @property
    def due(self) -> float | None:
        """When `tick` has something to do."""
        due = (self._keys.due, self.fields.due, self.question.due, self.transfer.due)
        return min((at for at in due if at is not None), default=None)

    def _called(self, report: media.ToolCalled, now: float) -> list[TalkEffect]:
        request = self._book.read(report.name, report.arguments)
        if self._talk.state is not TalkState.TALKING and not isinstance(request, RefusedTool):
            why = NOT_NOW.get(self._talk.state, "The call is ending already.")
            request = RefusedTool(report.name, f"{why} Nothing was done.")
        return [Note("tool_call", f"{report.name} {report.arguments[:500]}"), *self._do(report, request, now)]

    def _do(self, report: media.ToolCalled, request: ToolRequest, now: float) -> list[TalkEffect]:
        match request:
            case RefusedTool(_, sentence):
                return self._refuse(report, sentence)
            case SendDtmf(digits):
                self._keys.add(digits, report, now)
                return [] if self._talk.unheard else self.press(now)
            case EndCall():
                return self._end(report, request, now)
            case SaveField():
                return self._told(self.fields.called(report, request, now))
            case RequestUserFeedback():
                return self._ask(report, request, now)
            case Reschedule():
                return self._reschedule(report, request, now)
            case ReportVoicemail(heard):  # the media worker has heard of it too, and decides
                noted = Note("voicemail_reported", heard)
                return [noted, self._output(report.tool_call_id, {"ok": True}, respond=False)]
            case TransferCall():
                self._errands.add(report.tool_call_id)
                return self.transfer.ask(report.tool_call_id, request, now)
            case RecordOptOut() | OutsideCall():
                self._errands.add(report.tool_call_id)
                return [Errand(report.tool_call_id, request)]
            case _:
                assert_never(request)

    def handle(self, given: media.ToolCalled | Told, now: float) -> list[TalkEffect]:
        """The model called a function, or the shell has done what one asked for."""
        match given:
            case media.ToolCalled():
                return self._called(given, now)
            case ErrandDone(tool_call_id, output, respond):
                self.transfer.refused(tool_call_id)
                if tool_call_id not in self._errands:
                    return []
                self._errands.discard(tool_call_id)
                command = media.ToolOutput(
                    call_id=self._talk.call_id,
                    tool_call_id=tool_call_id,
                    output=output,
                    respond=respond and self._talk.state is TalkState.TALKING,
                )
                return [ToMedia(command)]
            case PeopleAnswered(text):
                return self._answered(text)
            case NobodyAnswered():
                return self._unanswered(now)
            case TransferMoved():
                return self.transfer.moved(given, now)

    def tick(self, now: float) -> list[TalkEffect]:
        """Let time pass."""
        effects = self._told(self.fields.tick(now))
        if self._keys.due is not None and now >= self._keys.due:
            effects += self.press(now)
        effects += self.transfer.words_out(now)
        match self.question.tick(now):
            case GiveUpAsking() as wish:
                effects.append(wish)
            case NobodyAnswered():
                effects += self._unanswered(now)
            case None:
                pass
        return effects

    def heard(self, turn: media.TurnSpoken) -> list[TalkEffect]:
        """A turn of the callee was written down: it may prove what was waiting.

        Whoever plainly asks for no more calls is listed now, whether or not the model has understood it.
        """
        words = "" if self._opted_out else heard(turn.text)
        self._opted_out = self._opted_out or bool(words)
        errands: list[TalkEffect] = [Errand("", RecordOptOut(words))] if words else []
        return [*errands, *self._told(self.fields.heard(turn))]

    def press(self, now: float) -> list[TalkEffect]:
        """Press the keys that were waiting for the words before them."""
        effects: list[TalkEffect] = []
        for digits, report, hold_ms in self._keys.take(now):
            hold = ToMedia(media.HoldPlayout(call_id=self._talk.call_id, duration_ms=hold_ms))
            effects += [hold, PressKeys(digits), self._output(report.tool_call_id, {"sent": digits})]
        return [*effects, *self.transfer.words_out(now)]

    def hold_for_keys(self, digits: str, now: float) -> ToMedia:
        """Say nothing while these keys, pressed by an operator, sound."""
        hold_ms = self._keys.sound(digits, now)
        return ToMedia(media.HoldPlayout(call_id=self._talk.call_id, duration_ms=hold_ms))

    def forget_keys(self) -> None:
        """The media worker died, and the words that keys were waiting for with it."""
        self._keys = KeysToPress()

    # --- the functions ------------------------------------------------------------------------------------------
    def _end(self, report: media.ToolCalled, request: EndCall, now: float) -> list[TalkEffect]:
        missing = self.fields.book.missing
        if request.done and missing:
            open_ = ", ".join(missing)
            return self._refuse(
                report,
                f"Not done: {open_} not written down with the callee's own words. Ask for it and save it, or end "
                "the call with done false.",
            )
        done = self._output(report.tool_call_id, {"ok": True}, respond=False)
        return [done, *self._talk.close_after_words(WantHangUp(EndedBy.AGENT, request.reason), now)]

    def _reschedule(self, report: media.ToolCalled, request: Reschedule, now: float) -> list[TalkEffect]:
        wish = Note("callback_wished", msgspec.json.encode(request).decode())
        done = self._output(report.tool_call_id, {"ok": True}, respond=False)
        end = WantHangUp(EndedBy.AGENT, f"the callee wants another time: {request.wished_words[:200]}")
        if self._talk.unheard:
            return [wish, done, *self._talk.close_after_words(end, now)]
        return [wish, done, *self._talk.close_with(end, SAY_AGAIN_LATER, now)]

    def _ask(self, report: media.ToolCalled, request: RequestUserFeedback, now: float) -> list[TalkEffect]:
        if self.question.is_open:
            return self._refuse(report, "Your last question is still open; wait for its answer.")
        asked = self.question.ask(request, now)
        told: dict[str, object] = {"status": "asked", "instructions": WAITING_FOR_PEOPLE}
        return [asked, self._output(report.tool_call_id, told)]

    def _answered(self, text: str) -> list[TalkEffect]:
        self.question.close()
        if self._talk.state not in {TalkState.TALKING, TalkState.ASIDE, TalkState.TAKEN}:
            return []
        told = (
            "Your own side answered your question. This is the answer, to be used within your rules; go on with "
            f"the call: {text}"
        )
        return [self._tell(told, respond=self._talk.state is TalkState.TALKING)]

    def _unanswered(self, now: float) -> list[TalkEffect]:
        if not self.question.is_open:
            return []
        self.question.close()
        note = Note("feedback_unanswered", self.question.farewell or "the talk goes on")
        if self._talk.state is TalkState.TAKEN:  # for later, when the agent goes on
            return [note, self._tell(GO_ON_WITHOUT, respond=False)]
        if self._talk.state is not TalkState.TALKING:
            return [note]
        if self.question.farewell is None:
            return [note, self._tell(GO_ON_WITHOUT)]
        end = WantHangUp(EndedBy.AGENT, "nobody on our side answered the agent's question")
        return [note, *self._talk.close_with(end, self.question.farewell, now)]

    def _told(self, outcomes: list[Outcome]) -> list[TalkEffect]:
        effects: list[TalkEffect] = []
        for one in outcomes:
            if one.error:
                effects += self._refuse(one.report, one.error)
                continue
            missing = list(self.fields.book.missing)
            effects += [*one.effects, self._output(one.report.tool_call_id, {"saved": True, "missing": missing})]
        return effects

    def _refuse(self, report: media.ToolCalled, sentence: str) -> list[TalkEffect]:
        output = self._output(report.tool_call_id, {"error": sentence})
        return [Note("tool_refused", sentence), output]

    def _tell(self, text: str, *, respond: bool = True) -> ToMedia:
        return ToMedia(media.InjectText(call_id=self._talk.call_id, text=text, respond=respond))

    def _output(self, tool_call_id: str, result: dict[str, object], *, respond: bool = True) -> ToMedia:
        return ToMedia(
            media.ToolOutput(
                call_id=self._talk.call_id,
                tool_call_id=tool_call_id,
                output=msgspec.json.encode(result).decode(),
                respond=respond and self._talk.state is TalkState.TALKING,  # nothing is said after the farewell
            )
        )
