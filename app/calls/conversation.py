"""Pure rules of the talk itself: who answered, silence, keys pressed, and an end in which the farewell is heard.

Fed with the media worker's reports, with what the shell found out and with time; answers with commands for the
media worker, errands for the shell and the wish to hang up. Its functions are `app.calls.talk_tools`; the channel
side of the call is `stasis.call`; `app.calls.run` connects them.
"""

from app.calls.field_desk import FieldDesk
from app.calls.keys import KeysTyped
from app.calls.operator_turn import OperatorTurn
from app.calls.silence import Silence
from app.calls.spending import Spending
from app.calls.talk_model import (
    APOLOGY_S,
    ASK_IF_PRESENT,
    FAREWELL_LIMIT_S,
    KEEP_COMPANY,
    SAY_GOODBYE,
    SAY_GOODBYE_SILENT,
    SAY_GOODBYE_TIME,
    SAY_IDENTITY,
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
from app.calls.voicemail import LEFT, LIMIT_S, Message
from media import protocol as media
from stasis.outcome import EndedBy


class Conversation:
    """The talk of one call. `handle` takes what happened, `tick` the time; both return effects in order."""

    def __init__(
        self, call_id: str, limits: TalkLimits, offer: Offer | None = None, fields: FieldDesk | None = None
    ) -> None:
        self.call_id = call_id
        self.limits = limits
        self.state = TalkState.WAITING
        self.tools = TalkTools(self, offer or Offer(), limits, fields)
        self.muted = False  # by an operator: the agent is not heard
        self._message = Message(limits.voicemail_message)
        self._talk_until = float("inf")
        self._silence = Silence(limits.no_input_s, limits.no_input_prompts)
        self._callee_speaking = False
        self._agent_spoke_last = False
        self._unheard = False  # words of the agent came, and the playout has not drained since
        self._typed = KeysTyped()
        self._spending = Spending(limits.max_cost_micro_usd)
        self.operator = OperatorTurn(self)
        self._close_until = float("inf")
        self._end = WantHangUp(EndedBy.AGENT, "")

    @property
    def unheard(self) -> bool:
        """Words of the agent are on their way to the callee."""
        return self._unheard

    @property
    def next_deadline(self) -> float | None:
        """Monotonic seconds at which `tick` has something to do; None when nothing is pending."""
        match self.state:
            case TalkState.TALKING:
                quiet = None if self.muted else self._silence.due
                due = (self._talk_until, quiet, self._typed.due, self.tools.due)
                return min(at for at in due if at is not None)
            case TalkState.CLOSING:
                return self._close_until
            case _:
                return None

    def answered(self, now: float) -> list[TalkEffect]:
        """The callee is in the bridge: speaking and listening begin."""
        if self.state is not TalkState.WAITING:
            return []
        self._enter(TalkState.TALKING)
        self._talk_until = now + self.limits.max_talk_s
        self._silence.begin(now)
        return [ToMedia(media.Answered(call_id=self.call_id))]

    def resumed(self, now: float, *, agent_speaking: bool) -> list[TalkEffect]:
        """Go on with a talk that a former process began; how long it has lasted is not known here."""
        self._enter(TalkState.TALKING)
        self._talk_until = now + self.limits.max_talk_s
        self._agent_spoke_last = self._unheard = agent_speaking
        if not agent_speaking:
            self._silence.begin(now)
        # Whether the former process had closed the line, or given it to an operator, is not known: it is opened.
        return [
            self.operator.release(),
            self._line(),
            Note("adopted", "the talk goes on under a new control process"),
        ]

    def media_gone(self) -> list[TalkEffect]:
        """The media worker died: nobody hears anybody until `media_back`. A farewell under way counts as said."""
        self._unheard = self._callee_speaking = False
        self._silence.end()
        self.tools.forget_keys()
        if self.state is TalkState.CLOSING:
            return self._finish(self._message.end(self._end))
        return [Note("media_gone", "the media worker died in the middle of the talk")]

    def media_back(self, now: float) -> list[TalkEffect]:
        """Another worker has taken over; its model speaks first."""
        self._silence.sleep(now, on=False)
        line = [self._line(agent=True)] if self.muted else []
        return [Note("media_back", "the talk goes on with another media worker"), *line, *self.operator.again()]

    def key_pressed(self, digit: str, now: float) -> list[TalkEffect]:
        """A key of the callee (ARI `ChannelDtmfReceived`); the agent is told after a pause in the typing."""
        if self.state is TalkState.TALKING:
            self._typed.add(digit, now)
            self._silence.end(forgive=True)
        return [Note("dtmf_in", digit)]

    def handle(self, report: media.NumberedReport | Told, now: float) -> list[TalkEffect]:
        """React to one report of the media worker, or to what the shell did for a function of the agent."""
        match report:
            case media.TurnSpoken(speaker="callee"):
                return self.tools.heard(report)
            case media.OperatorLeft():
                return self.operator.left(now)
            case media.BargeIn():
                self._unheard = False
                return self.tools.press(now)
            case media.PlayoutDrained():
                return self._drained(now)
            case media.ToolCalled() | ErrandDone() | PeopleAnswered() | NobodyAnswered() | TransferMoved():
                return self.tools.handle(report, now)
            case media.AnswerTreatment():
                return self._treated(report, now)
            case media.LegFailed():
                return self._model_gone(
                    WantHangUp(EndedBy.SYSTEM_FAILURE, f"{report.code}: {report.message}"), now
                )
            case media.ResponseUsed() | media.TranscriptionUsed():
                return self._spent(report.cost_micro_usd or 0, now)
            case _:
                self._noticed(report, now)
                return []

    def _noticed(self, report: media.NumberedReport, now: float) -> None:
        """Who speaks."""
        match report:
            case media.SpeechStarted():
                self._callee_speaking = True
                self._agent_spoke_last = False
                self._message.disturbed()
                self._silence.end(forgive=True)
                self.tools.fields.speech_started()
            case media.SpeechStopped():
                self._callee_speaking = False
                self._silence.begin(now)
            case media.AgentSpeaking():
                self._agent_spoke_last = self._unheard = True
                self._message.speaking()
                self._silence.end()
            case media.TurnPartial(speaker="agent"):
                self._agent_spoke_last = self._unheard = True
            case _:
                pass

    def tick(self, now: float) -> list[TalkEffect]:
        """Let time pass."""
        if self.state is TalkState.CLOSING and now >= self._close_until:
            return self._finish(self._message.end(self._end))
        if self.state is not TalkState.TALKING:
            return []
        if now >= self._talk_until:
            end = WantHangUp(EndedBy.SYSTEM_TIMEOUT, "maximum length reached")
            return self.close_with(end, SAY_GOODBYE_TIME, now)
        if keys := self._typed.take(now):
            self._silence.begin(now)
            return [self._say(f"The callee pressed {keys} on the keypad. React to it.")]
        if self.tools.due is not None and now >= self.tools.due:
            return self.tools.tick(now)
        return [] if self.muted else self._no_input(now)

    def close(
        self, ended_by: EndedBy, reason: str, now: float, *, farewell: str = SAY_GOODBYE
    ) -> list[TalkEffect]:
        """Somebody outside the talk wants a polite end (operator, drain)."""
        if self.state in {TalkState.WAITING, TalkState.ASIDE}:
            return self._finish(WantHangUp(ended_by, reason))
        return self.close_with(WantHangUp(ended_by, reason), farewell, now)

    def close_with(
        self, end: WantHangUp, farewell: str, now: float, *, limit_s: float = FAREWELL_LIMIT_S
    ) -> list[TalkEffect]:
        """Say the farewell, hang up when it has been heard, after `limit_s` in any case."""
        if self.state is not TalkState.TALKING:
            return []
        self._enter(TalkState.CLOSING)
        self._end, self._close_until = end, now + limit_s
        return [self._line(), self._say(farewell)] if self.muted else [self._say(farewell)]

    def close_after_words(self, end: WantHangUp, now: float) -> list[TalkEffect]:
        """The farewell was part of the agent's turn: wait until it is out; without one, it is said now."""
        if not self._agent_spoke_last or self.muted:
            return self.close_with(end, SAY_GOODBYE, now)
        self._enter(TalkState.CLOSING)
        self._end, self._close_until = end, now + FAREWELL_LIMIT_S
        return [] if self._unheard else self._finish(end)

    def mute(self, now: float, *, agent: bool, callee: bool = False) -> list[TalkEffect]:
        """Who is not heard from now on (mute: the agent; hold: both). Nobody is asked meanwhile whether they are
        still there. With False twice the line is open again.
        """
        self.muted = agent
        self._silence.begin(now)
        return [self._line(agent=agent, callee=callee)]

    def turn_to(self, state: TalkState, now: float) -> None:
        """The callee was put aside, came back, or talks with somebody else now (`app.calls.hand_over`)."""
        self._enter(state)
        self.muted = state is TalkState.ASIDE
        self._silence.begin(now)

    def _drained(self, now: float) -> list[TalkEffect]:
        self._unheard = False
        if self.state is TalkState.CLOSING:
            self._close_until = self._message.drained(now, self._close_until)
            return self.tick(now)
        if not self._callee_speaking:
            self._silence.begin(now)
        return self.tools.press(now)

    def _treated(self, report: media.AnswerTreatment, now: float) -> list[TalkEffect]:
        """What the policy wants for whoever answered; the worker has done its part of it."""
        if report.action == "leave_message" and self._message.begin(again=self.state is TalkState.CLOSING):
            self._close_until = now + LIMIT_S
            return [self._say(self._message.instructions, instead=True)]
        match report.action:
            case "listen_only" | "wait" | "respond" | "wake":
                self._silence.sleep(now, on=report.action in {"listen_only", "wait"})
                return []
            case _ if self.state is not TalkState.TALKING:
                return []
            case "say_identity":
                return [self._say(SAY_IDENTITY, instead=True)]
            case "leave_message":
                return self.close_with(LEFT, self._message.instructions, now, limit_s=LIMIT_S)
            case "hang_up":
                return self._finish(WantHangUp(EndedBy.SYSTEM_COMPLETE, report.reason))

    def _spent(self, cost_micro_usd: int, now: float) -> list[TalkEffect]:
        """Say goodbye once the talk has cost what it may."""
        if not self._spending.add(cost_micro_usd) or self.state is not TalkState.TALKING:
            return []
        end = WantHangUp(EndedBy.SYSTEM_TIMEOUT, "cost limit reached")
        note = Note("cost_limit", f"{self._spending.micro_usd} micro-USD")
        return [note, *self.close_with(end, SAY_GOODBYE_TIME, now)]

    def _model_gone(self, end: WantHangUp, now: float) -> list[TalkEffect]:
        if self.state in {TalkState.WAITING, TalkState.ASIDE, TalkState.DONE}:
            return self._finish(end)
        if self.state is TalkState.TAKEN:
            return self.operator.model_gone(end)
        if self.state is TalkState.TALKING:
            self._enter(TalkState.CLOSING)
        self._end, self._close_until = end, now + APOLOGY_S
        return []

    def _no_input(self, now: float) -> list[TalkEffect]:
        if self.tools.question.is_open:  # the callee waits for us
            return [self._say(KEEP_COMPANY)] if self._silence.company(now) else []
        match self._silence.passed(now):
            case "ask":
                return [Note("no_input", str(self._silence.asked)), self._say(ASK_IF_PRESENT)]
            case "give_up":
                end = WantHangUp(EndedBy.SYSTEM_TIMEOUT, "the callee stayed silent")
                return [Note("no_input", "given up"), *self.close_with(end, SAY_GOODBYE_SILENT, now)]
            case None:
                return []

    def _finish(self, end: WantHangUp) -> list[TalkEffect]:
        was, self.state = self.state, TalkState.DONE  # from every state
        return [] if was is TalkState.DONE else [end]

    def _enter(self, state: TalkState) -> None:
        assert state in TRANSITIONS[self.state], f"{self.state} -> {state}"
        self.state = state

    def _line(self, *, agent: bool = False, callee: bool = False) -> ToMedia:
        return ToMedia(media.Mute(call_id=self.call_id, agent=agent, callee=callee))

    def _say(self, instructions: str, *, instead: bool = False) -> ToMedia:
        return ToMedia(media.Say(call_id=self.call_id, instructions=instructions, instead=instead))
