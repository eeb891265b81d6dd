"""Pure: what is known about the target's channel of a transfer, from events, look-ups, listings and answers.

As `callee_line` for the callee, without its ledger: a transfer is never tried again by itself, so nobody has to
know afterwards whether it rang. Used by `transfer`.
"""

from stasis import call_model as m
from stasis import events
from stasis.deadlines import RING_GRACE_S
from stasis.errors import AriError, NotFound
from stasis.ids import CallIds
from stasis.legs import Leg
from stasis.lookup import LOOK_UP_AGAIN_S, Inquiry
from stasis.model import Channel
from stasis.record import CallRecord, Milestone, shown
from stasis.requests import Originate
from stasis.teardown import Presence, Resource
from stasis.transfer_model import TransferPlan


class TargetLine:
    """One per transfer. What a fact means is answered as a `Milestone`."""

    def __init__(self, plan: TransferPlan, ids: CallIds) -> None:
        self.leg = Leg(ids.target_of(plan.seq), ids.bridge, ends_by_event=True)
        self.record = CallRecord()
        self.inquiry = Inquiry(self.leg.channel_id)
        self.ring_until = 0.0
        """When a target that was not heard of is given up."""
        self._ring_s = plan.ring_timeout_s + RING_GRACE_S

    @property
    def resource(self) -> Resource:
        return self.leg.resource

    def owns(self, effect: m.RestEffect) -> bool:
        """Whether this REST effect acts on the target's channel."""
        match effect:
            case m.AddToBridge() | m.HangUpChannel() | m.LookUp() | Originate():
                return effect.channel_id == self.leg.channel_id
            case _:
                return False

    def dialed(self, now: float) -> None:
        """The originate is sent."""
        self.resource.request()
        self.record.dialed_at = now
        self.ring_until = now + self._ring_s

    def inherit(self, now: float, *, joined: bool) -> None:
        """A dead process dialed it: whether it is there, only Asterisk can say."""
        self.record.dialed_at = now
        if joined:
            self.resource.prove()
            self.leg.in_stasis = self.leg.in_bridge = True
            self.record.answered_at = now
        else:
            self.resource.doubt(now + self._ring_s)

    def observe(self, event: m.Event, now: float) -> list[m.Effect]:
        """Take in an event of this channel; `milestone(event)` says what it means."""
        late = isinstance(event, events.StasisStart) and self.resource.presence is Presence.GONE
        abandoned = late and not self.record.destroyed  # it turned up after a 404: nobody may be left on the line
        self.leg.observe(event)
        self.record.observe(event, now)
        return [m.HangUpChannel(channel_id=self.leg.channel_id)] if abandoned else []

    def listed(self, here: bool, *, restarted: bool) -> list[m.Effect]:
        """Whether a listing of Asterisk's channels shows it. One without it may be older than the originate."""
        if restarted and self.resource.presence is not Presence.REQUESTED:
            self.resource.vanish()
        elif not here and self.resource.presence in {Presence.PRESENT, Presence.DOUBTFUL}:
            return [*self.inquiry.ask()]
        return []

    def completed(self, effect: m.RestEffect, channel: Channel | None, now: float) -> Milestone | None:
        match effect:
            case m.AddToBridge():
                self.leg.in_bridge = True
            case Originate():
                self.resource.prove()
                self.record.seen(channel)
            case m.HangUpChannel():
                self.resource.removed(now)
            case m.LookUp() if channel is not None:
                self.inquiry.answered()
                self.resource.prove()
                self.leg.in_stasis = self.leg.in_stasis or channel.in_stasis
                return shown(channel)
            case _:
                pass
        return None

    def failed(self, effect: m.RestEffect, error: AriError, now: float) -> Milestone | None:
        """GONE when the error proves that it is not there. A lost answer of the originate is never sent again:
        its events tell, or the ring deadline.
        """
        match effect:
            case Originate() if self.resource.presence is Presence.REQUESTED:  # else an event was faster
                self.resource.creation_failed(error, self.ring_until)
                if not error.maybe_executed:
                    self.record.refuse(error)
                    return Milestone.GONE
            case m.HangUpChannel():
                self.resource.removal_failed(error, now)
            case m.LookUp():
                self.inquiry.answered()
                if isinstance(error, NotFound):
                    return Milestone.GONE if self.resource.missing(now) else None
                self.inquiry.at = now + LOOK_UP_AGAIN_S
            case _:
                pass
        return None
