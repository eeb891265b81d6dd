"""Pure rules of the talk itself: who answered, silence, keys pressed, and an end in which the farewell is heard.

Fed with the media worker's reports, with what the shell found out and with time; answers with commands for the
media worker, errands for the shell and the wish to hang up. Its functions are `app.calls.talk_tools`; the channel
side of the call is `stasis.call`; `app.calls.run` connects them.
"""

from app.calls.closing import Closing, Inherited, apology_limit_s
from app.calls.field_desk import FieldDesk
from app.calls.floor import Floor
from app.calls.keys import KeysTyped
from app.calls.line import Line
from app.calls.no_input import NoInput
from app.calls.opening import Opening
from app.calls.operator_turn import OperatorTurn
from app.calls.recording import Recording
from app.calls.silence import Silence
from app.calls.spending import Spending
from app.calls.talk_model import (
    FAREWELL_LIMIT_S,
    HEARD_OUT_S,
    SAY_GOODBYE,
    SAY_GOODBYE_TIME,
    TRANSITIONS,
    ErrandDone,
    NobodyAnswered,
    Note,
    PeopleAnswered,
    TalkEffect,
    TalkLimits,
    TalkState,
    Told,
    ToMedia,
    TransferMoved,
    WantHangUp,
)
from app.calls.talk_tools import TalkTools
from app.calls.tools import Offer
from app.calls.voicemail import Message
from app.calls.who_answered import WhoAnswered
from media import protocol as media
from stasis.outcome import EndedBy


class Conversation:
    """The talk of one call. `handle` takes what happened, `tick` the time; both return effects in order."""

    def __init__(
        self,
        call_id: str,
        limits: TalkLimits,
        offer: Offer | None = None,
        fields: FieldDesk | None = None,
        *,
        opening: Opening | None = None,
        recording: Recording | None = None,
    ) -> None:
        self.call_id, self.limits = call_id, limits
        self.state = TalkState.WAITING
        self._opening = opening or Opening(call_id)
        self.tools = TalkTools(self, offer or Offer(), limits, fields, recording)
        self._line = Line(call_id)
        message = Message(limits.voicemail_message)
        self.talk_until = float("inf")
        silence = Silence(limits.no_input_s, limits.no_input_prompts)
        self._floor = Floor(silence, message, self.tools.fields.speech_started)
        self._no_input = NoInput(self, silence, self.tools.waited_for)
        self._typed = KeysTyped()
        self._spending = Spending(self, limits.max_cost_micro_usd)
        self.operator = OperatorTurn(self)
        self._closing = Closing(self, message)
        self._who_answered = WhoAnswered(self, silence, message, self._closing)

    @property
    def muted(self) -> bool:
        """The agent is not heard."""
        return self._line.muted

    @property
    def unheard(self) -> bool:
        """Words of the agent are on their way to the callee."""
        return self._floor.unheard

    @property
    def next_deadline(self) -> float | None:
        """Monotonic seconds at which `tick` has something to do; None when nothing is pending."""
        match self.state:
            case TalkState.TALKING:
                quiet = None if self.muted else self._floor.silence.due
                due = (self.talk_until, quiet, self._typed.due, self.tools.due)
                return min(at for at in due if at is not None)
            case TalkState.CLOSING:
                return self._closing.until
            case _:
                return None

    def answered(self, now: float) -> list[TalkEffect]:
        """The callee is in the bridge: speaking and listening begin."""
        if self.state is not TalkState.WAITING:
            return []
        self._enter(TalkState.TALKING)
        self.talk_until = now + self.limits.max_talk_s
        self._floor.silence.begin(now)
        return [ToMedia(media.Answered(call_id=self.call_id))]

    def resumed(self, now: float, left: Inherited) -> list[TalkEffect]:
        """Go on with a talk that a former process began; how long it has lasted is not known here."""
        self.tools.resumed(left, now)
        self._enter(TalkState.TALKING)
        self.talk_until = now + self.limits.max_talk_s
        self._floor.resumed(now, agent_speaking=left.agent_speaking)
        self._floor.silence.asleep = left.asleep
        self._closing.second_thought.taken_back = left.taken_back
        if left.closed is not None:
            self._enter(TalkState.CLOSING)
            self._closing.resume(left.closed, now, agent_speaking=left.agent_speaking)
        line = self._line.inherit("open" if left.closed is not None else left.line)
        adopted = Note("adopted", "a new control process goes on with the talk")
        return [self.operator.release(), line, *self.tools.recording.follow(), adopted]

    def media_gone(self) -> list[TalkEffect]:
        """The media worker died: nobody hears anybody until `media_back`. A farewell under way counts as said."""
        self._floor.lost()
        self.tools.session_lost()
        if self.state is TalkState.CLOSING:
            return self.finish(self._closing.over())
        return [Note("media_gone", "the media worker died in the middle of the talk")]

    def media_back(self, now: float) -> list[TalkEffect]:
        """Another worker has taken over; its model speaks first."""
        self._floor.silence.sleep(now, on=False)
        self._floor.silence.owe(now)
        back = Note("media_back", "the talk goes on with another media worker")
        return [back, *self._line.again(), *self.operator.again(), *self.tools.session_back()]

    def key_pressed(self, digit: str, now: float) -> list[TalkEffect]:
        """A key of the callee (ARI `ChannelDtmfReceived`); the agent is told after a pause in the typing."""
        if self.state is TalkState.TALKING:
            self._typed.add(digit, now)
            self._floor.silence.end(forgive=True)
        return [Note("dtmf_in", digit)]

    def handle(self, report: media.NumberedReport | Told, now: float) -> list[TalkEffect]:
        """React to one report of the media worker, or to what the shell did for a function of the agent."""
        if isinstance(report, media.Report):
            self._floor.noticed(report, now)
            self._closing.second_thought.noticed(report, now)
        return self._floor.asked_for(self._react(report, now), now)

    def _react(self, report: media.NumberedReport | Told, now: float) -> list[TalkEffect]:
        match report:
            case media.TurnSpoken(speaker="callee"):
                told = [*self.tools.heard(report), *self.tools.passed_on(self._opening.callee(report))]
                return [*told, *self._closing.second_thought.heard(report, now)]
            case media.TurnSpoken(speaker="agent") if self.state is TalkState.TALKING and not self.muted:
                return self._opening.agent(report)
            case media.AnswerVerdict():
                return self._opening.verdict(report)
            case media.OperatorLeft():
                return self.operator.left(now)
            case media.BargeIn():
                self._floor.unheard = False
                return self.tools.press(now)
            case media.PlayoutDrained():
                return self._drained(now)
            case media.ToolCalled() | ErrandDone() | PeopleAnswered() | NobodyAnswered() | TransferMoved():
                held = self._closing.second_thought.holds(report, now)
                return [] if held else self.tools.handle(report, now)
            case media.AnswerTreatment():
                return self._who_answered.treated(report, now)
            case media.LegFailed():
                return self._model_gone(report, now)
            case media.ResponseUsed() | media.TranscriptionUsed():
                return self._spending.add(report.cost_micro_usd or 0, now)
            case _:
                if isinstance(report, media.AgentSpeaking):
                    self._closing.speaking(now)
                return []

    def tick(self, now: float) -> list[TalkEffect]:
        """Let time pass."""
        return self._floor.asked_for(self._tick(now), now)

    def _tick(self, now: float) -> list[TalkEffect]:
        if self.state is TalkState.CLOSING and now >= self._closing.until:
            return self.finish(self._closing.over())
        if self.state is not TalkState.TALKING:
            return []
        if now >= self.talk_until:
            end = WantHangUp(EndedBy.SYSTEM_TIMEOUT, "maximum length reached")
            return self.close_with(end, SAY_GOODBYE_TIME, now)
        if keys := self._typed.take(now):
            self._floor.silence.begin(now)
            self._floor.silence.owe(now)
            return [self._say(f"The callee pressed {keys} on the keypad. React to it.")]
        if self.tools.due is not None and now >= self.tools.due:
            return self.tools.tick(now)
        return [] if self.muted else self._no_input.tick(now)

    def close(
        self, ended_by: EndedBy, reason: str, now: float, *, farewell: str = SAY_GOODBYE
    ) -> list[TalkEffect]:
        """Somebody outside the talk wants a polite end (operator, drain)."""
        end = WantHangUp(ended_by, reason)
        match self.state:
            case TalkState.WAITING:
                return self.finish(end)
            case TalkState.ASIDE:
                return self.tools.transfer.end_after(end, farewell)
            case TalkState.TAKEN:
                return self.operator.end_after(end, farewell)
            case _:
                self._closing.revocable = False  # whatever the agent is ending now ends
                return self.close_with(end, farewell, now)

    def close_with(
        self,
        end: WantHangUp,
        farewell: str,
        now: float,
        *,
        limit_s: float = FAREWELL_LIMIT_S,
        revocable: bool = False,
    ) -> list[TalkEffect]:
        """Say the farewell, hang up when it has been heard, after `limit_s` in any case. `revocable`: unless the
        callee asks for something more.
        """
        if self.state is not TalkState.TALKING:
            return []
        line = self._line.open()
        ending = self._begin_end(end, now, limit_s, words_to_come=True, revocable=revocable)
        return [*ending, *line, self._say(farewell)]

    def close_after_words(self, end: WantHangUp, now: float) -> list[TalkEffect]:
        """The farewell was part of the agent's turn: wait until it is out; without one, it is said now."""
        if not self._floor.agent_spoke_last or self.muted:
            return self.close_with(end, SAY_GOODBYE, now, revocable=True)
        limit_s = FAREWELL_LIMIT_S if self._floor.unheard else HEARD_OUT_S
        return self._begin_end(end, now, limit_s, revocable=True)

    def go_on(self) -> None:
        """The end that was decided is taken back (`app.calls.second_thought`)."""
        self._enter(TalkState.TALKING)

    def finish(self, end: WantHangUp) -> list[TalkEffect]:
        """Hang up now, from every state."""
        was, self.state = self.state, TalkState.DONE
        return [] if was is TalkState.DONE else [*self._opening.over(), *self.tools.transfer.drop(), end]

    def passed_on(self) -> list[TalkEffect]:
        """Whoever speaks next may be another person."""
        return self.tools.passed_on(self._opening.passed_on())

    def mute(self, now: float, *, agent: bool, callee: bool = False) -> list[TalkEffect]:
        """Who is not heard from now on (mute: the agent; hold: both). Nobody is asked meanwhile whether they are
        still there. With False twice the line is open again.
        """
        self._floor.silence.begin(now)
        return [self._line.close(agent=agent, callee=callee), *self.tools.asking.follow(now)]

    def turn_to(self, state: TalkState, now: float) -> None:
        """The callee was put aside, came back, or talks with somebody else now (`app.calls.hand_over`)."""
        self._enter(state)
        self._line.aside(on=state is TalkState.ASIDE)
        self._floor.silence.begin(now)

    def _drained(self, now: float) -> list[TalkEffect]:
        self._floor.drained(now)
        if self.state is TalkState.CLOSING:
            self._closing.drained(now)
            return self.tick(now)
        return self.tools.press(now)

    def _model_gone(self, failed: media.LegFailed, now: float) -> list[TalkEffect]:
        end = WantHangUp(EndedBy.SYSTEM_FAILURE, f"{failed.code}: {failed.message}")
        limit_s = apology_limit_s(failed.queued_ms)
        if self.state in {TalkState.WAITING, TalkState.ASIDE, TalkState.DONE}:
            return self.finish(end)
        if self.state is TalkState.TAKEN:
            return self.operator.model_gone(end)
        if self.state is TalkState.TALKING:
            return self._begin_end(end, now, limit_s)
        return [self._closing.model_gone(end, now, limit_s)]

    def _begin_end(
        self, end: WantHangUp, now: float, limit_s: float, *, words_to_come: bool = False, revocable: bool = False
    ) -> list[TalkEffect]:
        self._enter(TalkState.CLOSING)
        noted = self._closing.begin(end, now, limit_s, words_to_come=words_to_come, revocable=revocable)
        return [noted, *self._opening.over(), *self.tools.transfer.drop()]

    def _enter(self, state: TalkState) -> None:
        assert state in TRANSITIONS[self.state], f"{self.state} -> {state}"
        self.state = state

    def _say(self, instructions: str) -> ToMedia:
        return ToMedia(media.Say(call_id=self.call_id, instructions=instructions))
