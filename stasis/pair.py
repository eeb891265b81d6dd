"""A call with whatever it is transferred to: the machine of the call, and one machine per transfer. Pure.

What comes in is given to the machine it concerns. A call that ends takes its transfers with it, and has ended only
when their channels are removed too. `app.calls.run` drives it as it would drive the call's machine alone.
"""

from stasis import call_model as m
from stasis import events
from stasis.call import CallMachine
from stasis.call_model import CallInput, CallState, Effect, Input
from stasis.ids import CallIds, parse
from stasis.transfer import TransferMachine
from stasis.transfer_model import (
    BeginTransfer,
    EarlierTransfer,
    EndTransfer,
    HandOver,
    TransferChanged,
    TransferOutcome,
    TransferPlan,
    TransferState,
)


class CallPair:
    """`start` or `resume` once, then `handle`; `Tick` when `next_deadline` has come."""

    def __init__(self, call: CallMachine) -> None:
        self.plan: m.CallPlan = call.plan
        self._call = call
        self._transfers: list[TransferMachine] = []
        self._ended: m.Ended | None = None
        """Held back while a transfer's channel is still there."""
        self._inherited: HandOver | None = None
        """A former process had handed the callee over; said as soon as the call is known to live."""

    @property
    def state(self) -> CallState:
        """Of the call; ending while anything of it is left."""
        over = self._call.state is CallState.ENDED
        return CallState.ENDING if over and self._ended is not None else self._call.state

    @property
    def next_deadline(self) -> float | None:
        times = (self._call.next_deadline, *(one.next_deadline for one in self._transfers))
        return min((at for at in times if at is not None), default=None)

    def start(self, now: float) -> list[Effect]:
        """Begin to prepare."""
        return self._settle(self._call.start(now), now)

    def resume(self, now: float, *, conversing: bool, transfer: EarlierTransfer | None = None) -> list[Effect]:
        """Take over a call that a former process dialed, and the newest transfer it had not finished."""
        effects = self._call.resume(now, conversing=conversing)
        if transfer is not None:
            machine = TransferMachine(_inherited(self.plan, transfer), self.plan.ids)
            self._transfers.append(machine)
            effects += machine.resume(now, joined=transfer.joined)
        return self._settle(effects, now)

    def handle(self, given: Input, now: float) -> list[Effect]:
        """Take in one fact; returns what to do now, in this order."""
        match given:
            case BeginTransfer(plan=plan):
                effects = self._begin(plan, now)
            case EndTransfer(reason=reason):
                effects = [effect for one in self._transfers for effect in one.abort(reason, now)]
            case m.Completed(effect=effect) | m.Failed(effect=effect):
                owner = self._owner(effect)
                effects = self._call.handle(given, now) if owner is None else owner.handle(given, now)
            case m.StreamLost() | m.WorkerGone():
                why = "the line to Asterisk broke" if isinstance(given, m.StreamLost) else "the media worker died"
                taken_back = [effect for one in self._transfers for effect in one.abort(why, now)]
                effects = [*taken_back, *self._call.handle(given, now)]
            case m.Tick() | m.Reconciled():
                effects = self._call.handle(given, now)
                effects += [effect for one in self._transfers for effect in one.handle(given, now)]
            case _:
                effects = self._event(given, now)
        return self._settle(effects, now)

    def _begin(self, plan: TransferPlan, now: float) -> list[Effect]:
        """One at a time, out of a talk: everything else is over before it began."""
        busy = any(one.state is not TransferState.OVER for one in self._transfers)
        if busy or self._call.state is not CallState.BRIDGED:
            detail = "another transfer is under way" if busy else "the talk was over"
            canceled = TransferOutcome.CANCELED
            return [TransferChanged(seq=plan.seq, state=TransferState.OVER, outcome=canceled, detail=detail)]
        machine = TransferMachine(plan, self.plan.ids)
        self._transfers = [*(one for one in self._transfers if not one.settled), machine]
        return machine.start(now)

    def _event(self, given: CallInput, now: float) -> list[Effect]:
        if isinstance(given, events.AriEvent):
            concerned = given.channel_ids()
            machine = next((one for one in self._transfers if one.channel_id in concerned), None)
            if machine is not None:
                return machine.handle(given, now)
            if any(_is_target(channel_id, self.plan.ids) for channel_id in concerned):
                return []  # the tail of a transfer that is settled
        return self._call.handle(given, now)

    def _owner(self, effect: m.RestEffect) -> TransferMachine | None:
        """Whose answer it is; the callee is moved by the newest transfer only."""
        return next((one for one in reversed(self._transfers) if one.owns(effect)), None)

    def _settle(self, effects: list[Effect], now: float) -> list[Effect]:
        """Tell the machines of each other until there is nothing left to tell."""
        effects = list(effects)
        told = True
        while told:
            told = False
            for one in self._transfers:
                for tell in one.take_tells():
                    told = True
                    effects += self._tell(tell, now)
            if self._inherited is not None and self._call.state is CallState.BRIDGED:
                tell, self._inherited, told = self._inherited, None, True
                effects += self._call.handle(tell, now)
            if self._call.state in m.OVER:
                effects += [effect for one in self._transfers for effect in one.end(now)]
        return self._withhold(effects)

    def _tell(self, tell: HandOver | m.HangUp, now: float) -> list[Effect]:
        if isinstance(tell, HandOver) and self._call.state in m.UNHEARD:
            self._inherited = tell
            return []
        return self._call.handle(tell, now)

    def _withhold(self, effects: list[Effect]) -> list[Effect]:
        """`Ended` is the last word: not before everything of ours is removed."""
        ended = next((effect for effect in effects if isinstance(effect, m.Ended)), None)
        self._ended = ended or self._ended
        passed: list[Effect] = [effect for effect in effects if not isinstance(effect, m.Ended)]
        if self._ended is None or not all(one.settled for one in self._transfers):
            return passed
        last, self._ended = self._ended, None
        return [*passed, last]


def _is_target(channel_id: str, ids: CallIds) -> bool:
    ours = parse(channel_id)
    return ours is not None and (ours.kind, ours.call_id) == ("t", ids.call_id)


def _inherited(plan: m.CallPlan, transfer: EarlierTransfer) -> TransferPlan:
    """Enough of a transfer's plan to end it: nothing is ever dialed by it again."""
    return TransferPlan(
        seq=transfer.seq,
        endpoint="",
        app=plan.app,
        ring_timeout_s=plan.ring_timeout_s,
        max_duration_s=plan.max_duration_s,
    )
