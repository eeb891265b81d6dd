"""Pure rules of the talk itself: tools, silence, keys pressed, and an end in which the farewell is heard.

Fed with the media worker's reports and with time; answers with commands for the media worker and with the wish to
hang up. The channel side of the call is `stasis.call`; `app.calls.run` connects the two.
"""

import msgspec

from app.calls.keys import KeysToPress
from app.calls.talk_model import (
    ASK_IF_PRESENT,
    SAY_GOODBYE,
    SAY_GOODBYE_SILENT,
    SAY_GOODBYE_TIME,
    TRANSITIONS,
    Note,
    PressKeys,
    TalkEffect,
    TalkLimits,
    TalkState,
    ToMedia,
    WantHangUp,
)
from app.calls.tools import EndCall, RefusedTool, SendDtmf, read_tool_call
from media import protocol as media
from stasis.outcome import EndedBy

FAREWELL_LIMIT_S = 12.0
"""A farewell that has not been heard by then is given up: the line must not stay open for it."""
APOLOGY_S = 2.5
"""A model that is gone for good leaves a last sound, which is heard before the line goes dead."""
KEY_PAUSE_S = 1.5


class Conversation:
    """The talk of one call. `handle` takes worker reports, `tick` the time; both return effects in order."""

    def __init__(self, call_id: str, limits: TalkLimits) -> None:
        self.call_id = call_id
        self.limits = limits
        self.state = TalkState.WAITING
        self._talk_until = float("inf")
        self._quiet_since: float | None = None
        self._prompts = 0
        self._callee_speaking = False
        self._agent_spoke_last = False
        self._agent_speaking = False
        self._unheard = False  # words of the agent came, and the playout has not drained since
        self._keys = ""
        self._keys_until: float | None = None
        self._to_press = KeysToPress()
        self.muted = False  # by an operator: the agent is not heard
        self._cost_micro_usd = 0
        self._close_until = float("inf")
        self._end = WantHangUp(EndedBy.AGENT, "")

    @property
    def next_deadline(self) -> float | None:
        """Monotonic seconds at which `tick` has something to do; None when nothing is pending."""
        match self.state:
            case TalkState.TALKING:
                due = [self._talk_until]
                if self._quiet_since is not None and not self.muted:
                    due.append(self._quiet_since + self.limits.no_input_s)
                due += [at for at in (self._keys_until, self._to_press.due) if at is not None]
                return min(due)
            case TalkState.CLOSING:
                return self._close_until
            case TalkState.WAITING | TalkState.DONE:
                return None

    def answered(self, now: float) -> list[TalkEffect]:
        """The callee is in the bridge: speaking and listening begin."""
        if self.state is not TalkState.WAITING:
            return []
        self._enter(TalkState.TALKING)
        self._talk_until = now + self.limits.max_talk_s
        self._quiet_since = now
        return [ToMedia(media.Answered(call_id=self.call_id))]

    def resumed(self, now: float, *, agent_speaking: bool) -> list[TalkEffect]:
        """Go on with a talk that a former process began; how long it has lasted is not known here."""
        self._enter(TalkState.TALKING)
        self._talk_until = now + self.limits.max_talk_s
        self._agent_spoke_last = self._agent_speaking = self._unheard = agent_speaking
        self._quiet_since = None if agent_speaking else now
        # Whether the former process had closed the line is not known either: it is opened.
        return [self._line(), Note("adopted", "the talk goes on under a new control process")]

    def media_gone(self) -> list[TalkEffect]:
        """The media worker died: nobody hears anybody until `media_back`. A farewell under way counts as said."""
        self._agent_speaking = self._unheard = self._callee_speaking = False
        self._quiet_since = None
        self._to_press = KeysToPress()
        if self.state is TalkState.CLOSING:
            return self._finish(self._end)
        return [Note("media_gone", "the media worker died in the middle of the talk")]

    def media_back(self, now: float) -> list[TalkEffect]:
        """Another worker has taken over; its model speaks first."""
        self._quiet_since = now
        line = [self._line(agent=True)] if self.muted else []
        return [Note("media_back", "the talk goes on with another media worker"), *line]

    def key_pressed(self, digit: str, now: float) -> list[TalkEffect]:
        """A key of the callee (ARI `ChannelDtmfReceived`); the agent is told after a pause in the typing."""
        if self.state is TalkState.TALKING:
            self._keys += digit
            self._keys_until = now + KEY_PAUSE_S
            self._quiet_since = None
            self._prompts = 0
        return [Note("dtmf_in", digit)]

    def handle(self, report: media.NumberedReport, now: float) -> list[TalkEffect]:
        """React to one report of the media worker."""
        match report:
            case media.SpeechStarted():
                self._callee_speaking = True
                self._agent_spoke_last = False
                self._quiet_since = None
                self._prompts = 0
            case media.SpeechStopped():
                self._callee_speaking = False
                self._quiet_since = now
            case media.AgentSpeaking():
                self._agent_spoke_last = self._agent_speaking = self._unheard = True
                self._quiet_since = None
            case media.TurnPartial(speaker="agent"):
                self._agent_spoke_last = self._unheard = True
            case media.BargeIn():
                self._agent_speaking = self._unheard = False
                return self._press(now)
            case media.PlayoutDrained():
                return self._drained(now)
            case media.ToolCalled():
                return self._tool_called(report, now)
            case media.LegFailed():
                return self._model_gone(
                    WantHangUp(EndedBy.SYSTEM_FAILURE, f"{report.code}: {report.message}"), now
                )
            case media.ResponseUsed() | media.TranscriptionUsed():
                return self._spent(report.cost_micro_usd or 0, now)
            case _:
                pass
        return []

    def tick(self, now: float) -> list[TalkEffect]:
        """Let time pass."""
        if self.state is TalkState.CLOSING and now >= self._close_until:
            return self._finish(self._end)
        if self.state is not TalkState.TALKING:
            return []
        if now >= self._talk_until:
            end = WantHangUp(EndedBy.SYSTEM_TIMEOUT, "maximum length reached")
            return self._close(end, SAY_GOODBYE_TIME, now)
        if self._keys_until is not None and now >= self._keys_until:
            keys, self._keys, self._keys_until = self._keys, "", None
            self._quiet_since = now
            return [self._say(f"The callee pressed {keys} on the keypad. React to it.")]
        if self._to_press.due is not None and now >= self._to_press.due:
            return self._press(now)
        if self.muted or self._quiet_since is None:
            return []
        if now >= self._quiet_since + self.limits.no_input_s:
            return self._no_input(now)
        return []

    def close(
        self, ended_by: EndedBy, reason: str, now: float, *, farewell: str = SAY_GOODBYE
    ) -> list[TalkEffect]:
        """Somebody outside the talk wants a polite end (operator, drain)."""
        if self.state is TalkState.WAITING:
            return self._finish(WantHangUp(ended_by, reason))
        return self._close(WantHangUp(ended_by, reason), farewell, now)

    def mute(self, now: float, *, agent: bool, callee: bool = False) -> list[TalkEffect]:
        """Who is not heard from now on (mute: the agent; hold: both). Nobody is asked meanwhile whether they are
        still there. With False twice the line is open again.
        """
        self.muted, self._quiet_since = agent, now
        return [self._line(agent=agent, callee=callee)]

    def hold_for_keys(self, digits: str, now: float) -> ToMedia:
        """Say nothing while these keys, pressed by an operator, sound."""
        return self._hold(self._to_press.sound(digits, now))

    def _drained(self, now: float) -> list[TalkEffect]:
        self._agent_speaking = self._unheard = False
        if self.state is TalkState.CLOSING:
            return self._finish(self._end)
        if not self._callee_speaking:
            self._quiet_since = now
        return self._press(now)

    def _press(self, now: float) -> list[TalkEffect]:
        """Press the keys that were waiting for the words before them."""
        effects: list[TalkEffect] = []
        for digits, report, hold_ms in self._to_press.take(now):
            effects += [self._hold(hold_ms), PressKeys(digits), self._output(report, {"sent": digits})]
        return effects

    def _tool_called(self, report: media.ToolCalled, now: float) -> list[TalkEffect]:
        request = read_tool_call(report.name, report.arguments)
        if self.state is not TalkState.TALKING and not isinstance(request, RefusedTool):
            waiting = self.state is TalkState.WAITING
            why = "The callee has not answered yet." if waiting else "The call is not in progress any more."
            request = RefusedTool(report.name, f"{why} Nothing was done.")
        note = Note("tool_call", f"{report.name} {report.arguments[:500]}")
        match request:
            case RefusedTool(_, sentence):
                return [note, Note("tool_refused", sentence), self._output(report, {"error": sentence})]
            case SendDtmf(digits):
                self._to_press.add(digits, report, now)
                return [note] if self._unheard else [note, *self._press(now)]
            case EndCall(reason):
                done = self._output(report, {"ok": True}, respond=False)
                end = WantHangUp(EndedBy.AGENT, reason)
                if not self._agent_spoke_last or self.muted:
                    return [note, done, *self._close(end, SAY_GOODBYE, now)]
                return [note, done, *self._close_after_speech(end, now)]

    def _spent(self, cost_micro_usd: int, now: float) -> list[TalkEffect]:
        """Say goodbye once the talk has cost what it may."""
        self._cost_micro_usd += cost_micro_usd
        limit = self.limits.max_cost_micro_usd
        if limit is None or self._cost_micro_usd < limit or self.state is not TalkState.TALKING:
            return []
        end = WantHangUp(EndedBy.SYSTEM_TIMEOUT, "cost limit reached")
        return [Note("cost_limit", f"{self._cost_micro_usd} micro-USD"), *self._close(end, SAY_GOODBYE_TIME, now)]

    def _model_gone(self, end: WantHangUp, now: float) -> list[TalkEffect]:
        if self.state in {TalkState.WAITING, TalkState.DONE}:
            return self._finish(end)
        if self.state is TalkState.TALKING:
            self._enter(TalkState.CLOSING)
        self._end, self._close_until = end, now + APOLOGY_S
        return []

    def _no_input(self, now: float) -> list[TalkEffect]:
        self._quiet_since = now
        if self._prompts < self.limits.no_input_prompts:
            self._prompts += 1
            return [Note("no_input", str(self._prompts)), self._say(ASK_IF_PRESENT)]
        end = WantHangUp(EndedBy.SYSTEM_TIMEOUT, "the callee stayed silent")
        return [Note("no_input", "given up"), *self._close(end, SAY_GOODBYE_SILENT, now)]

    def _close(self, end: WantHangUp, farewell: str, now: float) -> list[TalkEffect]:
        """Say the farewell, hang up when it has been heard."""
        if self.state is not TalkState.TALKING:
            return []
        self._enter(TalkState.CLOSING)
        self._end, self._close_until = end, now + FAREWELL_LIMIT_S
        return [self._line(), self._say(farewell)] if self.muted else [self._say(farewell)]

    def _close_after_speech(self, end: WantHangUp, now: float) -> list[TalkEffect]:
        """The farewell was part of the turn that called `end_call`: wait until it is out."""
        self._enter(TalkState.CLOSING)
        self._end = end
        self._close_until = now + FAREWELL_LIMIT_S
        return [] if self._unheard else self._finish(end)

    def _finish(self, end: WantHangUp) -> list[TalkEffect]:
        if self.state is TalkState.DONE:
            return []
        self._enter(TalkState.DONE)
        return [end]

    def _enter(self, state: TalkState) -> None:
        assert state in TRANSITIONS[self.state], f"{self.state} -> {state}"
        self.state = state

    def _line(self, *, agent: bool = False, callee: bool = False) -> ToMedia:
        return ToMedia(media.Mute(call_id=self.call_id, agent=agent, callee=callee))

    def _hold(self, duration_ms: int) -> ToMedia:
        return ToMedia(media.HoldPlayout(call_id=self.call_id, duration_ms=duration_ms))

    def _say(self, instructions: str) -> ToMedia:
        return ToMedia(media.Say(call_id=self.call_id, instructions=instructions))

    def _output(self, report: media.ToolCalled, result: dict[str, object], *, respond: bool = True) -> ToMedia:
        return ToMedia(
            media.ToolOutput(
                call_id=self.call_id,
                tool_call_id=report.tool_call_id,
                output=msgspec.json.encode(result).decode(),
                respond=respond,
            )
        )
