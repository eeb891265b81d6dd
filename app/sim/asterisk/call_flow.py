"""A callee's script carried out over time: a pure machine, driven by the simulated phone.

Inputs tell what the callee hears and when; effects are SIP messages, speech and keys. The machine's own clock is
the `now` of each input; `next_deadline` says when it wants a Tick.
"""

from enum import StrEnum
from typing import assert_never

from app.sim.asterisk.call_signals import (
    AgentPressed,
    AgentSaid,
    AgentSpeaks,
    Effect,
    Gone,
    Input,
    Invited,
    Joined,
    Note,
    PressKeys,
    SendAnswer,
    SendBye,
    SendProgress,
    SendRefusal,
    SendRinging,
    Speak,
    Spoken,
    Tick,
)
from app.sim.asterisk.script import (
    Answer,
    BeforeAnswer,
    Busy,
    CalleeScript,
    Congestion,
    Converse,
    DeadPeer,
    EarlyMedia,
    HangUp,
    Interrupt,
    Menu,
    NoAnswer,
    NotFound,
    Press,
    Reject,
    Ring,
    Samples,
    Say,
    StaySilent,
    Step,
    Wait,
    WaitForAgent,
    WaitForAgentAudio,
    WaitForDigits,
    WaitForLine,
    WaitForSilence,
    sip_status_of,
)

KEY_S = 0.1
KEY_GAP_S = 0.1


class FlowState(StrEnum):
    """Where the callee's side of the call is."""

    OFFERED = "offered"
    RINGING = "ringing"
    TALKING = "talking"
    OVER = "over"


TRANSITIONS: dict[FlowState, frozenset[FlowState]] = {
    FlowState.OFFERED: frozenset({FlowState.RINGING, FlowState.TALKING, FlowState.OVER}),
    FlowState.RINGING: frozenset({FlowState.RINGING, FlowState.TALKING, FlowState.OVER}),
    FlowState.TALKING: frozenset({FlowState.OVER}),
    FlowState.OVER: frozenset(),
}


class CalleeFlow:
    """`handle(input, now)` -> effects. Steps run in order; each ends by what happened or by time."""

    def __init__(self, script: CalleeScript) -> None:
        self.state = FlowState.OFFERED
        self.next_deadline: float | None = None
        self._steps = script.steps
        self._index = 0
        self._invited = False
        self._since = 0.0
        self._entered = False
        self._spoken = False
        self._rounds = 0
        self._pause_since: float | None = None
        self._effects: list[Effect] = []
        self._unread: list[str] = []
        self._digits = ""
        self._joined_since: float | None = None
        self._audible_since: float | None = None
        self._silent_since: float | None = None

    def handle(self, event: Input, now: float) -> list[Effect]:
        """What the callee does next."""
        self._note_input(event, now)
        self._effects = []
        self.next_deadline = None
        while self._invited and self.state is not FlowState.OVER and self._index < len(self._steps):
            if not self._done(self._steps[self._index], now):
                break
            self._index, self._since = self._index + 1, now
            self._entered = self._spoken = False
            self._rounds = 0
            self.next_deadline = None
        return self._effects

    def _note_input(self, event: Input, now: float) -> None:
        match event:
            case Invited():
                self._invited, self._since = True, now
            case Joined():
                self._joined_since = now if event.there else None
            case AgentSaid():
                self._unread.append(event.text)
            case AgentSpeaks():
                self._audible_since = now if event.audible else None
                self._silent_since = None if event.audible else now
            case AgentPressed():
                self._digits += event.digit
            case Spoken():
                self._spoken = True
            case Gone():
                self._go(FlowState.OVER)
            case Tick():
                pass
            case _:
                assert_never(event)

    def _go(self, state: FlowState) -> None:
        if state is FlowState.OVER and self.state is FlowState.OVER:
            return
        if state not in TRANSITIONS[self.state]:
            raise ValueError(f"a callee cannot go from {self.state} to {state}")
        self.state = state

    def _done(self, step: Step, now: float) -> bool:
        if isinstance(step, BeforeAnswer):
            return self._done_before_answer(step, now)
        if isinstance(step, Wait):
            return self._ready(step, now) or self._waited(step, now)
        match step:
            case Say():
                return self._speak(step.text, step.samples)
            case Menu():
                return self._menu(step, now)
            case Converse():
                return self._converse(step)
            case Interrupt():
                return self._interrupt(step, now)
            case Press():
                return self._press(step.digits, now)
            case HangUp():
                return self._passed(step.after_s, now) and self._leave(SendBye(step.cause))
            case _:
                assert_never(step)

    def _done_before_answer(self, step: BeforeAnswer, now: float) -> bool:
        match step:
            case Ring():
                return self._passed(step.after_s, now) and self._show(FlowState.RINGING, SendRinging())
            case Answer():
                return self._passed(step.after_s, now) and self._show(FlowState.TALKING, SendAnswer())
            case Busy() | Reject() | NotFound() | Congestion():
                return self._passed(step.after_s, now) and self._leave(SendRefusal(sip_status_of(step)))
            case NoAnswer() | DeadPeer():
                return False
            case EarlyMedia():
                if not self._entered:
                    self._effects.append(SendProgress())
                return self._speak(step.text, None)
            case StaySilent():
                return self._passed(step.s, now)
            case _:
                assert_never(step)

    def _show(self, state: FlowState, effect: Effect) -> bool:
        self._go(state)
        self._effects.append(effect)
        if state is FlowState.TALKING:
            self._silent_since = self._since
        return True

    def _leave(self, effect: Effect) -> bool:
        self._effects.append(effect)
        self._go(FlowState.OVER)
        return True

    def _passed(self, delay_s: float, now: float) -> bool:
        deadline = self._since + delay_s
        if now >= deadline:
            return True
        self._want(deadline)
        return False

    def _want(self, deadline: float) -> None:
        self.next_deadline = deadline if self.next_deadline is None else min(deadline, self.next_deadline)

    def _speak(self, text: str, samples: Samples | None) -> bool:
        if not self._entered:
            self._entered = True
            self._effects.append(Speak(text, samples))
        return self._spoken

    def _ready(self, step: Wait, now: float) -> bool:
        match step:
            case WaitForAgent():
                return self._has_heard(step)
            case WaitForLine():
                return self._lasted(self._joined_since, step.for_s, now)
            case WaitForAgentAudio():
                return self._lasted(self._audible_since, step.ms / 1_000, now)
            case WaitForSilence():
                return self._lasted(self._silent_since, step.silence_s, now)
            case WaitForDigits():
                return self._take_digits(step.digits)
            case _:
                assert_never(step)

    def _waited(self, step: Wait, now: float) -> bool:
        if not self._passed(step.timeout_s, now):
            return False
        self._effects.append(Note(f"{type(step).__name__} timed out after {step.timeout_s} s"))
        return True

    def _has_heard(self, step: WaitForAgent) -> bool:
        if step.anew and not self._entered:
            self._unread.clear()
        self._entered = True
        for position, said in enumerate(self._unread):
            if step.text is None or step.text in said:
                del self._unread[: position + 1]
                return True
        return False

    def _take_digits(self, digits: str) -> bool:
        found = self._digits.find(digits)
        if found < 0:
            return False
        self._digits = self._digits[found + len(digits) :]
        return True

    def _lasted(self, since: float | None, duration_s: float, now: float) -> bool:
        if since is None:
            return False
        if now >= since + duration_s:
            return True
        self._want(since + duration_s)
        return False

    def _interrupt(self, step: Interrupt, now: float) -> bool:
        if self._entered:
            return self._spoken
        wait = WaitForAgentAudio(step.after_agent_ms, step.timeout_s)
        return (self._ready(wait, now) or self._waited(wait, now)) and self._speak(step.text, None)

    def _menu(self, step: Menu, now: float) -> bool:
        if self._take_digits(step.digits):
            return True
        if not self._entered:
            self._rounds += 1
            self._pause_since = None
            return self._speak(step.text, None)
        if not self._spoken:
            return False
        if self._pause_since is None:
            self._pause_since = now
        if not self._lasted(self._pause_since, step.pause_s, now):
            return False
        self._entered = self._spoken = False
        return self._rounds >= step.times or self._menu(step, now)

    def _converse(self, step: Converse) -> bool:
        if self._entered and not self._spoken:
            return False
        self._entered = self._spoken = False
        while self._unread and not self._entered:
            said = self._unread.pop(0)
            reply = next((reply for key, reply in step.replies if key in said), step.otherwise)
            if reply:
                self._speak(reply, None)
        return False

    def _press(self, digits: str, now: float) -> bool:
        if not self._entered:
            self._entered = True
            self._effects.append(PressKeys(digits))
        return self._passed(len(digits) * (KEY_S + KEY_GAP_S), now)
