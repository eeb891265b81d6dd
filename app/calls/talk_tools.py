"""What follows from a function the model calls, and from what comes of it. Pure.

Authority is here: what was not offered, does not fit or comes at the wrong time is answered with a sentence, and
nothing happens. Part of `app.calls.conversation`, which owns the state of the talk.
"""

from typing import Protocol, assert_never

import msgspec

from app.calls import asking
from app.calls.closing import Inherited
from app.calls.field_desk import FieldDesk, Outcome
from app.calls.hand_over import HandOver
from app.calls.keys import KeysToPress
from app.calls.opening import Opening
from app.calls.outstanding import WAITED_S, Outstanding
from app.calls.question import OpenQuestion
from app.calls.recording import Outcome as Consent
from app.calls.recording import Recording
from app.calls.talk_model import (
    SAY_AGAIN_LATER,
    Errand,
    ErrandDone,
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
    RecordingConsent,
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
    at_any_time,
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


class Talk(asking.Talk, Protocol):
    """The talk these functions belong to."""

    call_id: str

    @property
    def unheard(self) -> bool:
        """Words of the agent are on their way to the callee."""
        ...

    def turn_to(self, state: TalkState, now: float) -> None:
        """The callee was put aside, came back, or talks with somebody else now."""
        ...

    def close_with(
        self, end: WantHangUp, farewell: str, now: float, *, revocable: bool = False
    ) -> list[TalkEffect]:
        """Say the farewell, hang up when it has been heard. `revocable`: unless the callee asks for more."""
        ...

    def close_after_words(self, end: WantHangUp, now: float) -> list[TalkEffect]:
        """Hang up when the words under way have been heard; when the agent has not said anything, a farewell."""
        ...


class TalkTools:
    """The functions of one talk: keys, fields, questions, errands, its end."""

    def __init__(
        self, talk: Talk, offer: Offer, limits: TalkLimits, fields: FieldDesk | None, recording: Recording | None
    ) -> None:
        self.fields = fields or FieldDesk(FieldBook(offer.fields))
        self.recording = recording or Recording(talk.call_id, "off", Opening(talk.call_id))
        self.question = OpenQuestion(limits)
        self.transfer = HandOver(talk)
        self._talk = talk
        self._book = ToolBook(offer)
        self._keys = KeysToPress()
        self._outstanding = Outstanding(talk.call_id)
        self.asking = asking.Asking(talk, self.question, self._outstanding)
        self.opted_out = False
        """The callee wants no more calls, by the rules or as the agent understood it."""
        self._listed = False

    @property
    def due(self) -> float | None:
        """When `tick` has something to do."""
        desks = (self._keys, self.fields, self.asking, self.transfer, self._outstanding, self.recording)
        due = (desk.due for desk in desks)
        return min((at for at in due if at is not None), default=None)

    def waited_for(self, now: float) -> bool:
        """The callee waits for a person of our own side, or for a function that is being carried out."""
        return self.question.is_open or self.transfer.waited_for(now) or self._outstanding.waited_for(now)

    def _called(self, report: media.ToolCalled, now: float) -> list[TalkEffect]:
        request = self._book.read(report.name, report.arguments)
        if self._outstanding.was_answered(report, request):
            return []
        if not self._talking and not at_any_time(request, answered=self._talk.state is not TalkState.WAITING):
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
            case RecordingConsent():
                return self._consents(self.recording.called(report, request, now))
            case RequestUserFeedback():
                return self._ask(report, request, now)
            case Reschedule():
                return self._reschedule(report, request, now)
            case ReportVoicemail(heard):  # the media worker has heard of it too, and decides
                noted = Note("voicemail_reported", heard)
                return [noted, self._output(report.tool_call_id, {"ok": True}, respond=False)]
            case TransferCall():
                self._outstanding.began(report.tool_call_id, report.name)
                return self.transfer.ask(report.tool_call_id, request, now)
            case RecordOptOut() | OutsideCall():
                self.opted_out = self.opted_out or isinstance(request, RecordOptOut)
                self._outstanding.began(report.tool_call_id, report.name, waited_until=now + WAITED_S)
                return [Errand(report.tool_call_id, request)]
            case _:
                assert_never(request)

    def handle(self, given: media.ToolCalled | Told, now: float) -> list[TalkEffect]:
        """The model called a function, or the shell has done what one asked for."""
        match given:
            case media.ToolCalled():
                return self._called(given, now)
            case ErrandDone():
                self.transfer.refused(given.tool_call_id)
                return self._outstanding.done(given, talking=self._talking)
            case PeopleAnswered() | NobodyAnswered():
                return self.asking.handle(given, now)
            case TransferMoved():
                moved = [*self.transfer.moved(given, now), *self.recording.moved(given)]
                return [*moved, *self.asking.follow(now, self.transfer.handed_over)]

    def tick(self, now: float) -> list[TalkEffect]:
        """Let time pass."""
        effects = self._told(self.fields.tick(now))
        if self._keys.due is not None and now >= self._keys.due:
            effects += self.press(now)
        effects += self._consents(self.recording.tick(now))
        effects += [*self.transfer.words_out(now), *self._outstanding.tick(now, talking=self._talking)]
        return effects + self.asking.tick(now)

    def heard(self, turn: media.TurnSpoken) -> list[TalkEffect]:
        """A turn of the callee was written down: it may prove what was waiting.

        Whoever plainly asks for no more calls is listed now, whether or not the model has understood it.
        """
        words = "" if self._listed else heard(turn.text)
        self._listed = self._listed or bool(words)
        self.opted_out = self.opted_out or self._listed
        errands: list[TalkEffect] = [Errand("", RecordOptOut(words))] if words else []
        recording, consents = self.recording.heard(turn, talking=self._talking)
        return [*errands, *recording, *self._consents(consents), *self._told(self.fields.heard(turn))]

    def passed_on(self, told: list[TalkEffect]) -> list[TalkEffect]:
        """Whoever speaks next may be another person, if the agent is `told` so; what one agreed to ends."""
        if not told:
            return []
        effects, consents = self.recording.somebody_else()
        return [*told, *effects, *self._consents(consents)]

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

    def taken(self, now: float) -> list[TalkEffect]:
        """A person has the call: keys that waited for the agent's words would sound in theirs."""
        told: dict[str, object] = {"error": f"Not pressed: {NOT_NOW[TalkState.TAKEN]}"}
        dropped = [self._output(report.tool_call_id, told, respond=False) for report in self._keys.drop()]
        return [*dropped, *self.asking.follow(now)]

    def resumed(self, left: Inherited, now: float) -> None:
        """The model still awaits the answers of some calls, which a former process was at."""
        self._outstanding.inherit(left.awaited, left.last_seq, now)

    def session_lost(self) -> None:
        """The media worker died: with it the words that keys were waiting for, and whoever awaits answers."""
        self._keys = KeysToPress()
        self._outstanding.session_lost()
        self.transfer.session_lost()

    def session_back(self) -> list[TalkEffect]:
        """Another session goes on: it is told what came meanwhile, and what is still asked."""
        return [*self.recording.again(), *self._outstanding.session_back(), *self.asking.session_back()]

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
        return [wish, done, *self._talk.close_with(end, SAY_AGAIN_LATER, now, revocable=True)]

    def _ask(self, report: media.ToolCalled, request: RequestUserFeedback, now: float) -> list[TalkEffect]:
        if self.question.is_open:
            return self._refuse(report, "Your last question is still open; wait for its answer.")
        asked = self.question.ask(request, now)
        told: dict[str, object] = {"status": "asked", "instructions": WAITING_FOR_PEOPLE}
        return [asked, self._output(report.tool_call_id, told)]

    def _told(self, outcomes: list[Outcome]) -> list[TalkEffect]:
        effects: list[TalkEffect] = []
        for one in outcomes:
            if one.error:
                effects += self._refuse(one.report, one.error)
                continue
            missing = list(self.fields.book.missing)
            effects += [*one.effects, self._output(one.report.tool_call_id, {"saved": True, "missing": missing})]
        return effects

    def _consents(self, outcomes: list[Consent]) -> list[TalkEffect]:
        effects: list[TalkEffect] = []
        for one in outcomes:
            done = self._output(one.report.tool_call_id, {"recorded": one.recorded})
            effects += [*one.effects, *(self._refuse(one.report, one.error) if one.error else [done])]
        return effects

    def _refuse(self, report: media.ToolCalled, sentence: str) -> list[TalkEffect]:
        return [Note("tool_refused", sentence), self._output(report.tool_call_id, {"error": sentence})]

    @property
    def _talking(self) -> bool:
        return self._talk.state is TalkState.TALKING

    def _output(self, tool_call_id: str, result: dict[str, object], *, respond: bool = True) -> ToMedia:
        return ToMedia(
            media.ToolOutput(
                call_id=self._talk.call_id,
                tool_call_id=tool_call_id,
                output=msgspec.json.encode(result).decode(),
                respond=respond and self._talking,  # nothing is said after the farewell
            )
        )
