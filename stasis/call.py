"""The state machine of one phone call: facts in, effects out, no clock and no I/O.

It keeps facts (who exists, who is in Stasis, who is in the bridge) and after each input does whatever has become
possible; hence any order and any repetition of events is harmless. Four rules it never breaks:
- originate is sent once, and only when an answered call would be heard (bridge, media channel, model session);
- a lost originate answer is looked up by its channel id, never sent again: a second one could ring a person twice;
- the callee channel ends by its ChannelDestroyed, or by proof that it is not there;
- whatever was made is removed, from any state.
"""

from stasis import call_model as m
from stasis import deadlines, events
from stasis.call_model import CallInput, CallState, Effect
from stasis.callee_line import CalleeLine
from stasis.errors import AriError, Conflict, NotFound, Unprocessable
from stasis.model import Channel
from stasis.outcome import EndedBy, Outcome
from stasis.prepare import Preparation
from stasis.record import Milestone, milestone
from stasis.repair import Repairs
from stasis.requests import CreateExternalMedia, Originate
from stasis.teardown import Belongings, Presence


class CallMachine:
    """`start` or `resume` once, then `handle` every input; `Tick` when `next_deadline` has come."""

    def __init__(self, plan: m.CallPlan) -> None:
        self.plan = plan
        self.state = CallState.PREPARE
        self._prepared = Preparation(plan)
        self._line = CalleeLine(plan)
        self._callee, self._record = self._line.leg, self._line.record
        self._owned = Belongings(self._callee.resource, self._prepared.media.resource, self._prepared.bridge)
        self._repairs = Repairs(self._prepared, self._owned)
        self._effects: list[Effect] = []
        self._conversing = False  # already, when resumed
        self._inquiry, self._outage = self._line.inquiry, self._line.outage
        self._hangup_by: float | None = None
        self._limit = deadlines.StateLimit(plan)

    @property
    def next_deadline(self) -> float | None:
        """When to send `Tick`; None once ended."""
        times = [self._limit.at, self._inquiry.at, self._hangup_by, *self._owned.retry_at]
        return min((time for time in times if time is not None), default=None)

    def start(self, now: float) -> list[Effect]:
        """Begin to prepare. Inputs that came before are kept."""
        self._limit.enter(self.state, now)
        return [self._prepared.start(), *self._advance(now)]

    def resume(self, now: float, *, conversing: bool) -> list[Effect]:
        """Take over a call that an earlier process dialed: its channel is looked up, never dialed again.

        `conversing`: that process had started the conversation, and the media side goes on with it.
        """
        self._conversing = conversing
        self._repairs.adopt(1)
        self._dialing(now)
        self._callee.resource.doubt(self._limit.ring_until)
        if conversing:
            self._callee.resource.prove()
            self._record.answered_at = now  # at the latest
        self._outage.inherit(talking=conversing)
        return [*self._advance(now), *self._inquiry.ask()]

    def handle(self, given: CallInput, now: float) -> list[Effect]:
        """Take in one fact; returns what to do now, in this order."""
        match given:
            case m.Completed(effect=effect, channel=channel):
                self._completed(effect, channel, now)
            case m.Failed(effect=effect, error=error):
                self._failed(effect, error, now)
            case m.MediaOpened() | m.MediaReady() | m.MediaLost() | m.WorkerGone():
                self._media(given, now)
            case m.HangUp(by=by, reason=reason):
                self._finish(by, reason, now)
            case m.HandOver() | m.BeginTransfer():
                if self.state is CallState.BRIDGED:
                    self._enter(CallState.HANDED_OVER, now)
            case m.StreamLost():
                self._outage.begin(now)
                # Nobody rings yet, and the media channel's StasisStart may be among what is lost: begin afresh.
                if self.state is CallState.PREPARE:
                    self._finish(EndedBy.SYSTEM_FAILURE, "the ARI event stream broke before dialing", now)
            case m.Reconciled():
                self._reconciled(given, now)
            case m.Tick():
                self._expire(now)
            case _:
                self._event(given, now)
        return self._advance(now)

    # --- whatever has become possible ---------------------------------------------------------------------------
    def _advance(self, now: float) -> list[Effect]:
        if self.state is CallState.PREPARE:
            self._prepare(now)
        elif self.state is CallState.ANSWERED:
            self._talk(now)
        elif self.state is CallState.REPAIRING:
            self._repair(now)
        elif self.state is CallState.BRIDGED:  # an old media channel that would not go during the repair
            self._effects.extend(self._owned.remove(now, everything=False))
        elif self.state is CallState.HANDED_OVER:
            self._effects.extend(self._repairs.release(now))
        if self.state is CallState.ENDING:
            self._tear_down(now)
        effects, self._effects = self._effects, []
        return effects

    def _prepare(self, now: float) -> None:
        self._effects.extend(self._prepared.advance())
        if self._prepared.fault is not None:
            self._finish(EndedBy.SYSTEM_FAILURE, self._prepared.fault, now)
        elif self._prepared.ready:
            self._dialing(now)
            self._effects.append(self.plan.originate())

    def _dialing(self, now: float) -> None:
        self._line.dialed(now)
        self._limit.dialed(now)
        self._enter(CallState.DIALING, now)

    def _talk(self, now: float) -> None:
        self._effects.extend([] if self._conversing else self._callee.join())
        if self._conversing or self._callee.in_bridge:
            self._enter(CallState.BRIDGED, now)
            self._effects.extend([] if self._conversing else [m.StartConversation()])

    def _media(self, given: m.MediaInput, now: float) -> None:
        match given:
            case m.MediaLost(reason=reason, listed=listed, bridge=bridge):
                if bridge or not (self.state is CallState.HANDED_OVER or (listed and self._repairs.explains(now))):
                    self._finish(EndedBy.SYSTEM_FAILURE, f"media: {reason}", now)
            case m.WorkerGone(reason=reason) if self.state is not CallState.HANDED_OVER:
                self._worker_gone(reason, now)
            case _:
                self._prepared.take(given)

    def _worker_gone(self, reason: str, now: float) -> None:
        """Only a talk is worth a new media channel; an unanswered call is taken back and made again."""
        if self.state not in m.HEARD or not self._repairs.possible:
            self._finish(EndedBy.SYSTEM_FAILURE, f"media: {reason}", now)
            return
        self._repairs.begin()
        if self.state is CallState.BRIDGED:
            self._enter(CallState.REPAIRING, now)
        self._effects.append(m.ReopenMedia())

    def _repair(self, now: float) -> None:
        self._effects.extend([*self._owned.remove(now, everything=False), *self._prepared.advance()])
        if self._prepared.fault is not None:
            self._finish(EndedBy.SYSTEM_FAILURE, self._prepared.fault, now)
        elif self._prepared.restored:
            self._repairs.done(now)
            self._enter(CallState.BRIDGED, now)
            self._effects.append(m.MediaRestored())

    def _tear_down(self, now: float) -> None:
        self._effects.extend(self._owned.remove(now, everything=True))
        if self._owned.settled:
            self._enter(CallState.ENDED, now)

    def _enter(self, state: CallState, now: float) -> None:
        assert state in m.TRANSITIONS[self.state], f"{self.state} -> {state}"
        self.state = state
        self._limit.enter(state, now)
        if state in m.OVER:
            self._inquiry.at = self._hangup_by = None
        over = state is CallState.ENDED
        self._effects.append(m.Ended(result=self._line.result()) if over else m.Progress(state=state))

    def _finish(self, by: EndedBy, detail: str, now: float) -> None:
        if self.state not in m.OVER:
            self._record.hang_up(by, detail)
            self._enter(CallState.ENDING, now)

    # --- events -------------------------------------------------------------------------------------------------
    def _event(self, event: events.Event, now: float) -> None:
        concerned, media, bridge = event.channel_ids(), self._prepared.media, self._prepared.bridge
        if self._callee.channel_id in concerned:
            self._callee_event(event, now)
        elif media.channel_id in concerned and not media.resource.untouched:
            media.observe(event)
            if isinstance(event, events.ChannelDestroyed) and self.state is not CallState.HANDED_OVER:
                self._finish(EndedBy.SYSTEM_FAILURE, "Asterisk ended the media channel", now)
        elif self.plan.ids.bridge in concerned and not bridge.untouched:
            bridge.vanish()
            self._finish(EndedBy.SYSTEM_FAILURE, "Asterisk destroyed the bridge", now)

    def _callee_event(self, event: events.Event, now: float) -> None:
        if self._callee.resource.untouched:
            return
        self._effects.extend(self._line.observe(event, now))
        if isinstance(event, events.ChannelDtmfReceived) and self.state in m.TALKING:
            self._effects.append(m.DtmfReceived(digit=event.digit))
        self._reach(milestone(event), now)

    def _reach(self, reached: Milestone | None, now: float) -> None:
        match reached:
            case Milestone.RINGING if self.state is CallState.DIALING:
                self._record.ringing_at = now
                self._enter(CallState.RINGING, now)
            case Milestone.ANSWERED if self.state in m.UNANSWERED:
                self._record.answered_at = now
                self._enter(CallState.ANSWERED, now)
            case Milestone.MISSED if self.state in m.UNHEARD and not self._conversing:
                self._record.miss(now)
                self._enter(CallState.ENDING, now)
            case Milestone.CLOSING if self._hangup_by is None and self.state not in m.OVER:
                self._hangup_by = now + deadlines.HANGUP_S
            case Milestone.GONE:
                self._record.end(now)
                if self.state not in m.OVER:
                    self._enter(CallState.ENDING, now)
            case _:
                pass

    def _seen(self, channel: Channel, reached: Milestone | None, now: float) -> None:
        """The callee channel as a look-up or a listing shows it, and what that means."""
        if self._callee.resource.settled:
            return
        self._line.seen(channel, told=reached is not None)
        self._reach(reached, now)

    def _reconciled(self, given: m.Reconciled, now: float) -> None:
        channel = given.channel
        self._repairs.listed(given.generation)
        reached = self._outage.over(channel, now)
        if given.asterisk_restarted:
            self._restarted(now)
        elif channel is not None:
            self._seen(channel, reached, now)
        elif self._line.uncertain and self.state not in m.OVER:
            self._effects.extend(self._inquiry.ask())  # the listing may be older than the originate's answer

    def _restarted(self, now: float) -> None:
        if self._line.uncertain:
            self._record.conclude(Outcome.LOST, EndedBy.NETWORK, "Asterisk restarted")
        self._owned.restarted()
        self._finish(EndedBy.SYSTEM_FAILURE, "Asterisk restarted", now)

    # --- answers of REST effects --------------------------------------------------------------------------------
    def _completed(self, effect: m.RestEffect, channel: Channel | None, now: float) -> None:
        match effect:
            case m.AddToBridge(channel_id=self._callee.channel_id):
                self._callee.in_bridge = True
            case m.CreateBridge() | CreateExternalMedia() | m.AddToBridge():
                self._repairs.completed(effect, channel)
            case Originate():
                self._callee.resource.prove()
                self._record.seen(channel)
            case m.LookUp():
                self._inquiry.answered()
                if channel is not None:
                    self._seen(channel, self._outage.during(channel), now)
            case m.HangUpChannel() | m.DestroyBridge():
                self._owned.owner(effect).removed(now)
            case _:
                pass  # of `inbound`

    def _failed(self, effect: m.RestEffect, error: AriError, now: float) -> None:
        match effect:
            case m.AddToBridge(channel_id=self._callee.channel_id) | m.AnswerCaller():
                if isinstance(error, NotFound | Conflict | Unprocessable):
                    self._reach(Milestone.CLOSING, now)  # it has left already, ChannelDestroyed follows
                else:
                    self._finish(EndedBy.SYSTEM_FAILURE, f"could not be connected: {error}", now)
            case m.CreateBridge() | CreateExternalMedia() | m.AddToBridge():
                self._repairs.failed(effect, error, now)
            case Originate():
                over = self.state in m.OVER
                self._effects.extend(self._line.originate_failed(error, now, self._limit.ring_until, over=over))
                if self._record.refused:
                    self._finish(EndedBy.SYSTEM_FAILURE, "originate refused", now)
            case m.LookUp():
                if self._line.look_failed(error, now, over=self.state in m.OVER):
                    self._reach(Milestone.GONE, now)
            case m.HangUpChannel() | m.DestroyBridge():
                self._owned.owner(effect).removal_failed(error, now)
            case _:
                pass

    def _expire(self, now: float) -> None:
        self._effects.extend(self._inquiry.due(now))
        if self._hangup_by is not None and now >= self._hangup_by:
            self._finish(EndedBy.CALLEE, "gone without ChannelDestroyed", now)
        if not self._limit.over(now):
            return
        if self.state in m.OVER:
            self._owned.give_up()
            return
        if self._callee.resource.presence is Presence.DOUBTFUL:
            if self._limit.last_look(now):
                self._effects.extend(self._inquiry.ask())
                return
            self._record.conclude(Outcome.LOST, EndedBy.NETWORK, "no word of what became of the originate")
        by, detail = deadlines.OVERDUE[self.state]
        self._finish(by, f"{detail}{self._prepared.missing}" if self.state is CallState.PREPARE else detail, now)
