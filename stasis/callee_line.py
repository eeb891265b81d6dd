"""Pure: what is known about the callee's channel, from events, look-ups, listings and the originate's answer.

Keeps the leg, the record that becomes the result, what an outage may have hidden, and when to look. `call` turns
what comes out of it into states.
"""

from stasis import call_model as m
from stasis import events
from stasis.errors import AriError, Conflict, NeverMade, NotFound, Passed
from stasis.legs import Leg
from stasis.lookup import LOOK_UP_AGAIN_S, LOOK_UP_S, Inquiry
from stasis.model import Channel
from stasis.outcome import CallResult
from stasis.record import CallRecord
from stasis.replay import Outage
from stasis.teardown import Presence, Resource


class CalleeLine:
    """One per call; `leg`, `record`, `inquiry` and `outage` are its parts."""

    def __init__(self, plan: m.CallPlan) -> None:
        self.leg = Leg(plan.ids.callee, plan.ids.bridge, ends_by_event=True)
        self.record = CallRecord()
        self.inquiry = Inquiry(plan.ids.callee)
        self.outage = Outage()

    @property
    def resource(self) -> Resource:
        return self.leg.resource

    @property
    def uncertain(self) -> bool:
        """It may be there: a listing without it deserves a look."""
        return self.resource.presence in {Presence.PRESENT, Presence.DOUBTFUL}

    def dialed(self, now: float) -> None:
        """The originate is sent."""
        self.resource.request()
        self.record.dialed_at = now

    def observe(self, event: events.Event, now: float) -> list[m.Effect]:
        """Take in an event of this channel; it must be known that it was dialed."""
        late = self.resource.presence is Presence.GONE and isinstance(event, events.StasisStart)
        # It turned up after a 404 or after we gave up: nobody may be left on the line.
        abandoned = late and not self.record.destroyed
        self.leg.observe(event)
        self.outage.observe(event)
        self.record.observe(event, now)
        self.inquiry.at = None
        return [m.HangUpChannel(channel_id=self.leg.channel_id)] if abandoned else []

    def seen(self, channel: Channel, *, told: bool) -> None:
        """As a look-up or a listing shows it; `told`: that says where it stands."""
        self.resource.prove()
        self.record.seen(channel)
        self.inquiry.at = None
        self.leg.in_stasis = self.leg.in_stasis or (channel.in_stasis and told)

    def look_failed(self, error: AriError, now: float, *, over: bool) -> bool:
        """A look-up without answer; True when that proves that the channel is gone."""
        self.inquiry.answered()
        if isinstance(error, Passed) and not self.resource.settled:
            self.resource.prove()
            self.resource.vanish()
            return True
        if isinstance(error, NotFound) and self.resource.missing(now):
            if isinstance(error, NeverMade) and not self.resource.proven:
                self.record.never_made()
            return True
        if not over:
            self.inquiry.at = now + LOOK_UP_AGAIN_S
        return False

    def originate_failed(self, error: AriError, now: float, doubt_until: float, *, over: bool) -> list[m.LookUp]:
        """What an error says about the channel; `record.refused` is set when it was never made."""
        if self.resource.presence is not Presence.REQUESTED:
            return []  # an event was faster and says that it exists
        if isinstance(error, Conflict):
            self.resource.prove()  # the id is ours alone, so this is our channel
            return self.inquiry.ask()
        self.resource.creation_failed(error, doubt_until)
        if error.maybe_executed:
            # Look for it, then wait for its events. A 404 means little while Asterisk is frozen with our request
            # in its socket; the wait ends with the ring watchdog, as `lost`, and still without a second originate.
            self.inquiry.at = None if over else now + LOOK_UP_S
        else:
            self.record.refuse(error)
        return []

    def result(self) -> CallResult:
        return self.record.result(callee_proven=self.resource.proven)
