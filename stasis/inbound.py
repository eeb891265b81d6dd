"""The state machine of a call that somebody makes to us: `call.CallMachine`, begun at the other end.

The caller's channel is there from the start and hears ringing (the dialplan said so before Stasis). It is answered
once, and only when the answer would be heard: bridge, media channel and model session are ready. Whoever hangs up
meanwhile, and whatever fails, everything of ours is removed as in any other call. Nobody is ever dialed.

A channel that came to us through the dialplan is ours only while it is in Stasis: its StasisEnd is the last word,
and no ChannelDestroyed follows (measured on 22.10.1).
"""

import msgspec

from stasis import call_model as m
from stasis.call import CallMachine
from stasis.call_model import PREPARE_S, CallInput, CallState, Effect
from stasis.events import ChannelDestroyed, Event, StasisEnd, StasisStart
from stasis.outcome import CallResult, EndedBy, Outcome
from stasis.record import CallRecord, Milestone
from stasis.replay import Outage

INBOUND = "inbound"
"""First argument of the StasisStart of a caller; `callee` and `media` are those of our own channels."""


NORMAL_CLEARING = 16


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who calls: Asterisk's id of the channel, and the digits of both numbers as the carrier stated them.

    `number` is a claim: whoever controls a trunk somewhere can state any. `answered`: the channel is up already.
    """

    channel_id: str
    number: str
    called: str
    answered: bool = False


class InboundRecord(CallRecord):
    """Before the answer there is no callee who could be busy: either we gave up or the caller did."""

    @property
    def end_cause(self) -> int:
        """Q.850 cause of an end that only StasisEnd tells: what the far side gave, or normal clearing."""
        return NORMAL_CLEARING if self._cause is None else self._cause

    def result(self, *, callee_proven: bool) -> CallResult:
        told = super().result(callee_proven=callee_proven)
        if self.answered_at is not None or self._our_hangup is not None:
            return told
        return msgspec.structs.replace(
            told, outcome=Outcome.CANCELED, ended_by=EndedBy.CALLEE, detail="the caller hung up while it rang"
        )


class InboundMachine(CallMachine):
    """`plan.ids.caller_channel` names the caller. RINGING is the first state: it rings at the caller's ear."""

    def __init__(self, plan: m.CallPlan) -> None:
        super().__init__(plan)
        self.state = CallState.RINGING
        self._record = self._line.record = self._inbound = InboundRecord()
        self._callee.in_stasis = True
        self._callee.resource.prove()
        self._answering = False
        # Until it is up its end is a refusal, and "congestion" lets the caller's network say that it is our fault.
        refusal = m.HangUpChannel(channel_id=plan.ids.callee, reason="congestion")
        self._after_answer, self._callee.resource.removal = self._callee.resource.removal, refusal

    def start(self, now: float) -> list[Effect]:
        """Begin to prepare while the caller hears ringing."""
        self._record.ringing_at = now
        self._limit.ring_until = now + PREPARE_S
        # Whoever hung up before our mailbox was open is told of by nobody.
        return [m.Progress(state=CallState.RINGING), *super().start(now), *self._inquiry.ask()]

    def resume(self, now: float, *, conversing: bool) -> list[Effect]:
        """Take over a talk that an earlier process answered."""
        self.state = CallState.PREPARE
        self._answering = True
        self._callee.resource.removal = self._after_answer
        effects = super().resume(now, conversing=conversing)
        self._record.dialed_at = None
        return effects

    def handle(self, given: CallInput, now: float) -> list[Effect]:
        """As `CallMachine.handle`."""
        if self.state is CallState.RINGING:
            if isinstance(given, m.MediaLost) and (given.listed or given.bridge) and not self._prepared.ready:
                return []  # a dialplan answered the channel: what is not listed is not made yet
            if isinstance(given, m.StreamLost):
                # The media channel's StasisStart may be among what is lost, and the caller can simply call again.
                self._finish(EndedBy.SYSTEM_FAILURE, "the ARI event stream broke before the answer", now)
            elif isinstance(given, m.Completed) and isinstance(given.effect, m.AnswerCaller):
                self._reach(Milestone.ANSWERED, now)  # a channel that was up already says nothing more
            elif isinstance(given, m.Tick) and now >= self._limit.ring_until:
                self._finish(EndedBy.SYSTEM_FAILURE, f"not prepared in time, missing: {self._missing}", now)
        return super().handle(given, now)

    @property
    def _missing(self) -> str:
        return self._prepared.missing or "the answered channel"

    def _advance(self, now: float) -> list[Effect]:
        if self.state is CallState.RINGING:
            self._effects.extend(self._prepared.advance())
            if self._prepared.fault is not None:
                self._finish(EndedBy.SYSTEM_FAILURE, self._prepared.fault, now)
            elif self._prepared.ready and not self._answering:
                self._answering = True
                limit_s = self.plan.max_duration_s + 30
                self._effects.append(m.AnswerCaller(channel_id=self._callee.channel_id, limit_s=limit_s))
        return super()._advance(now)

    def _callee_event(self, event: Event, now: float) -> None:
        # A StasisStart says that somebody called, not that anybody was answered; it may come after we know.
        if isinstance(event, StasisEnd):
            super()._callee_event(ChannelDestroyed(channel=event.channel, cause=self._inbound.end_cause), now)
        elif not isinstance(event, StasisStart):
            super()._callee_event(event, now)

    def _reach(self, reached: Milestone | None, now: float) -> None:
        if reached is not Milestone.ANSWERED or self._answering:  # a site's dialplan may have answered for itself
            super()._reach(reached, now)

    def _enter(self, state: CallState, now: float) -> None:
        if state is CallState.ANSWERED:
            self._callee.resource.removal = self._after_answer
            self._outage = self._line.outage = Outage()
        super()._enter(state, now)


def caller_of(event: Event) -> Caller | None:
    """Who calls, when `event` is the StasisStart of the bundled `opendeep-callback`; None for any other."""
    if not isinstance(event, StasisStart) or event.args[:1] != (INBOUND,):
        return None
    number, called = (*event.args[1:3], "", "")[:2]
    answered = event.channel.state == "Up"
    return Caller(channel_id=event.channel.id, number=number, called=called, answered=answered)
