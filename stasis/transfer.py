"""The state machine of a transfer: the second phone leg of a call. Pure, like `call`.

The callee waits outside the bridge and hears ringing or music. A cold transfer joins callee and target as soon as
the target answers; a warm one first puts the target into the bridge with the agent, who says who calls, and joins
when the target presses a key. Until then everything can be taken back: the target is hung up and the callee put
back to the agent. After that the call lives as long as both phones do. Three rules it never breaks:
- the target is originated once; a lost answer is never sent again;
- the target's channel is removed with the call, whatever state this is in;
- the callee's channel is moved, never hung up: it belongs to `call`.
"""

from stasis import call_model as m
from stasis import events
from stasis.call_model import Effect, HangUp, Input
from stasis.callee_moves import CalleeMoves, left
from stasis.deadlines import BRIDGE_S, ENDING_S
from stasis.errors import AriError
from stasis.ids import CallIds
from stasis.outcome import EndedBy, Outcome
from stasis.record import Milestone, milestone
from stasis.target_line import TargetLine
from stasis.transfer_model import (
    CONNECTING,
    TRANSITIONS,
    UNANSWERED,
    UNFINISHED,
    HandOver,
    HoldCallee,
    RetrieveCallee,
    TransferChanged,
    TransferOutcome,
    TransferPlan,
    TransferState,
)

CONSULT_S = 25.0
"""How long the target of a warm transfer may think, counted from the moment it hears the agent."""
TAKE_KEY = "1"
"""What the target of a warm transfer presses to take the call."""
TARGET_GONE = "the person the call was handed to hung up"
_OUTCOMES = {
    Outcome.BUSY: TransferOutcome.BUSY,
    Outcome.NO_ANSWER: TransferOutcome.NO_ANSWER,
    Outcome.REJECTED: TransferOutcome.REJECTED,
    Outcome.BAD_NUMBER: TransferOutcome.BAD_NUMBER,
    Outcome.UNREACHABLE: TransferOutcome.UNREACHABLE,
    Outcome.NETWORK: TransferOutcome.NETWORK,
    Outcome.TRUNK_FAULT: TransferOutcome.TRUNK_FAULT,
}


class TransferMachine:
    """`start`, or `resume` after a restart; then `handle`. `take_tells`: what the call machine must be told."""

    def __init__(self, plan: TransferPlan, ids: CallIds) -> None:
        self.plan = plan
        self.state = TransferState.DIALING
        self._ids = ids
        self._line = TargetLine(plan, ids)
        self._leg = self._line.leg
        self._callee = CalleeMoves(ids, plan.music)
        self._effects: list[Effect] = []
        self._tells: list[HandOver | HangUp] = []
        self._limit: float | None = None
        self._outcome: TransferOutcome | None = None
        self._detail = ""

    @property
    def channel_id(self) -> str:
        """The target's."""
        return self._leg.channel_id

    @property
    def settled(self) -> bool:
        """Nothing is left to be done or removed."""
        return self.state is TransferState.OVER and self._leg.resource.settled

    @property
    def next_deadline(self) -> float | None:
        """When to send `Tick`; None when nothing is waited for."""
        if self.settled:
            return None
        times = (self._limit, self._leg.resource.retry_at, self._line.inquiry.at, self._callee.again_at)
        return min((at for at in times if at is not None), default=None)

    def owns(self, effect: m.RestEffect) -> bool:
        """Whether the answer to this REST effect is ours."""
        return isinstance(effect, HoldCallee | RetrieveCallee) or self._line.owns(effect)

    def take_tells(self) -> list[HandOver | HangUp]:
        """What the call machine has to be told since the last time."""
        tells, self._tells = self._tells, []
        return tells

    def start(self, now: float) -> list[Effect]:
        """Dial; the callee hears it ring."""
        self._line.dialed(now)
        self._limit = self._line.ring_until
        self._effects += [self._callee.hold(), self.plan.originate(self._ids), self._told()]
        return self._advance(now)

    def resume(self, now: float, *, joined: bool) -> list[Effect]:
        """Of a call that is taken over. Who talk go on; whatever else a dead process had begun is taken back."""
        self._line.inherit(now, joined=joined)
        if joined:
            self._callee.back = True
            self.state, self._limit = TransferState.JOINED, None
            self._tells.append(HandOver())
            self._effects += [self._told(), *self._line.inquiry.ask()]
        else:
            self._callee.held = True
            self._take_back(TransferOutcome.CANCELED, "the process that transferred the call died", now)
        return self._advance(now)

    def handle(self, given: Input, now: float) -> list[Effect]:
        """An event of the target's channel, the answer to an effect of ours, a listing, or time."""
        match given:
            case m.Completed(effect=effect, channel=channel):
                match effect:
                    case HoldCallee():
                        self._callee.held = True
                    case RetrieveCallee():
                        self._callee.retrieved()
                    case _:
                        self._reach(self._line.completed(effect, channel, now), now)
            case m.Failed(effect=effect, error=error):
                self._failed(effect, error, now)
            case m.Reconciled(targets=targets, asterisk_restarted=restarted):
                self._effects += self._line.listed(self.channel_id in targets, restarted=restarted)
            case m.Tick():
                self._expire(now)
            case events.AriEvent():
                self._effects += self._line.observe(given, now)
                if isinstance(given, events.ChannelDtmfReceived):
                    self._key(given.digit, now)
                self._reach(milestone(given), now)
            case _:
                pass
        return self._advance(now)

    def abort(self, detail: str, now: float) -> list[Effect]:
        """Take it back, as far as that is possible."""
        if self.state in UNFINISHED:
            self._take_back(TransferOutcome.CANCELED, detail, now)
        return self._advance(now)

    def end(self, now: float) -> list[Effect]:
        """The call is ending: the target's channel goes with it."""
        if self.state is not TransferState.OVER:
            joined = self.state is TransferState.JOINED
            self._conclude(TransferOutcome.CONNECTED if joined else TransferOutcome.CANCELED, "the call ended")
            self._enter(TransferState.OVER, now)
        if self._limit is None and not self.settled:
            self._limit = now + ENDING_S
        return self._advance(now)

    # --- what has become possible -------------------------------------------------------------------------------
    def _advance(self, now: float) -> list[Effect]:
        if self.state is TransferState.ANSWERED:
            self._answered(now)
        if self.state is TransferState.JOINING:
            self._effects += [*self._leg.join(), *self._callee.retrieve(now)]
            if self._leg.in_bridge and self._callee.back:
                self._enter(TransferState.JOINED, now)
        elif self.state is TransferState.RETURNING:
            self._effects += self._callee.retrieve(now)
            if self._callee.back:
                self._enter(TransferState.OVER, now)
        if self.state in {TransferState.RETURNING, TransferState.OVER}:
            removal = self._leg.resource.remove(now)
            self._effects += [] if removal is None else [removal]
        effects, self._effects = self._effects, []
        return effects

    def _answered(self, now: float) -> None:
        """A cold transfer is joined as soon as the target can be moved; a warm one meets the agent first."""
        if not self.plan.warm:
            if self._leg.in_stasis:
                self._join(now)
            return
        self._effects += self._leg.join()
        if self._leg.in_bridge:
            self._enter(TransferState.CONSULTING, now)

    def _join(self, now: float) -> None:
        self._tells.append(HandOver())
        self._enter(TransferState.JOINING, now)

    def _take_back(self, outcome: TransferOutcome, detail: str, now: float) -> None:
        self._conclude(outcome, detail)
        self._enter(TransferState.RETURNING, now)

    def _conclude(self, outcome: TransferOutcome, detail: str) -> None:
        if self._outcome is None:
            self._outcome, self._detail = outcome, detail

    def _enter(self, state: TransferState, now: float) -> None:
        assert state in TRANSITIONS[self.state], f"{self.state} -> {state}"
        self.state = state
        match state:
            case TransferState.RINGING:
                pass  # one limit for both
            case TransferState.ANSWERED:
                self._limit = now + BRIDGE_S
            case TransferState.CONSULTING:
                self._limit = now + CONSULT_S
            case TransferState.JOINING | TransferState.RETURNING:
                self._limit = now + 2 * BRIDGE_S
            case _:
                self._limit = None
        self._effects.append(self._told())

    def _told(self) -> TransferChanged:
        over = self.state is TransferState.OVER
        outcome, detail = (self._outcome, self._detail) if over else (None, "")
        return TransferChanged(seq=self.plan.seq, state=self.state, outcome=outcome, detail=detail)

    # --- facts --------------------------------------------------------------------------------------------------
    def _reach(self, reached: Milestone | None, now: float) -> None:
        match reached:
            case Milestone.RINGING if self.state is TransferState.DIALING:
                self._line.record.ringing_at = now
                self._enter(TransferState.RINGING, now)
            case Milestone.ANSWERED if self.state in UNANSWERED:
                self._line.record.answered_at = now
                self._enter(TransferState.ANSWERED, now)
            case Milestone.MISSED if self.state in UNFINISHED:
                self._take_back(TransferOutcome.FAILED, "answered during outage", now)
            case Milestone.GONE:
                self._gone(now)
            case _:
                pass

    def _key(self, digit: str, now: float) -> None:
        if self.state is not TransferState.CONSULTING:
            return
        if digit == TAKE_KEY:
            self._join(now)
        else:
            self._take_back(TransferOutcome.DECLINED, f"pressed {digit}", now)

    def _gone(self, now: float) -> None:
        """The target's channel is not there (any more)."""
        self._line.record.end(now)
        if self.state in UNANSWERED:
            result = self._line.record.result(callee_proven=self._leg.resource.proven)
            outcome = _OUTCOMES.get(result.outcome, TransferOutcome.FAILED)
            self._take_back(outcome, result.detail or str(result.outcome), now)
        elif self.state in UNFINISHED:
            self._take_back(TransferOutcome.DECLINED, "hung up", now)
        elif self.state in CONNECTING:
            joined = self.state is TransferState.JOINED
            self._conclude(TransferOutcome.CONNECTED if joined else TransferOutcome.DECLINED, TARGET_GONE)
            self._tells.append(HangUp(by=EndedBy.SYSTEM_COMPLETE, reason=TARGET_GONE))
            self._enter(TransferState.OVER, now)

    def _failed(self, effect: m.RestEffect, error: AriError, now: float) -> None:
        match effect:
            case HoldCallee():
                self._callee.held = True  # out of the bridge or not: putting it back is right in both cases
                if self.state in UNFINISHED and not left(error):
                    self._take_back(TransferOutcome.FAILED, f"the callee could not be put on hold: {error}", now)
            case RetrieveCallee():
                if not self._callee.retrieval_failed(error, now):
                    self._fail(f"the callee could not be put back into the bridge: {error}")
            case m.AddToBridge():
                self._join_failed(error, now)
            case _:
                self._reach(self._line.failed(effect, error, now), now)

    def _join_failed(self, error: AriError, now: float) -> None:
        if left(error):
            return  # ChannelDestroyed follows; the limit of the state is short
        if self.state in UNFINISHED:
            self._take_back(TransferOutcome.FAILED, f"could not be connected: {error}", now)
        elif self.state is TransferState.JOINING:
            self._fail(f"the transfer could not be connected: {error}")

    def _fail(self, why: str) -> None:
        """Neither back nor forth: the call ends."""
        self._tells.append(HangUp(by=EndedBy.SYSTEM_FAILURE, reason=why))

    def _expire(self, now: float) -> None:
        self._effects += self._line.inquiry.due(now)
        if self._limit is None or now < self._limit:
            return
        self._limit = None
        match self.state:
            case TransferState.DIALING | TransferState.RINGING:
                rang = self.state is TransferState.RINGING
                outcome = TransferOutcome.NO_ANSWER if rang else TransferOutcome.UNREACHABLE
                self._take_back(outcome, "neither answer nor end in time", now)
            case TransferState.ANSWERED:
                self._take_back(TransferOutcome.FAILED, "answered, but not in the bridge in time", now)
            case TransferState.CONSULTING:
                self._take_back(TransferOutcome.DECLINED, "no key in time", now)
            case TransferState.JOINING | TransferState.RETURNING:
                self._fail("the callee could not be moved in time")
            case _:
                self._leg.resource.vanish()
