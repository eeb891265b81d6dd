"""What was learnt about the callee leg of one call; becomes its `CallResult`. Written by `call`, pure."""

from enum import StrEnum

from stasis import events
from stasis.errors import AriError, ServerError
from stasis.events import ChannelDestroyed, ChannelHangupRequest, Event
from stasis.model import Channel
from stasis.outcome import CallResult, EndedBy, Evidence, Outcome, barred, ended_by, outcome


class Milestone(StrEnum):
    """What an event of the callee channel means for the call."""

    RINGING = "ringing"
    ANSWERED = "answered"
    MISSED = "missed"
    """Answered while we were away: too late to begin to talk."""
    CLOSING = "closing"
    """The far side hangs up; ChannelDestroyed follows."""
    GONE = "gone"


def milestone(event: Event) -> Milestone | None:
    """ARI says the same thing in several events of varying order; early media (Dial PROGRESS) is none of them."""
    match event:
        case events.ChannelStateChange(channel=Channel(state="Ringing")) | events.Dial(dialstatus="RINGING"):
            return Milestone.RINGING
        case events.ChannelStateChange(channel=Channel(state="Up")) | events.Dial(dialstatus="ANSWER"):
            return Milestone.ANSWERED
        case events.LateStasisStart():
            return Milestone.MISSED
        case events.StasisStart() | events.ChannelEnteredBridge():
            return Milestone.ANSWERED
        case events.ChannelHangupRequest(soft=False):
            return Milestone.CLOSING
        case events.ChannelDestroyed():
            return Milestone.GONE
        case _:
            return None


def shown(channel: Channel) -> Milestone | None:
    """The same from a look-up or a listing."""
    return {"Ringing": Milestone.RINGING, "Up": Milestone.ANSWERED}.get(channel.state)


class CallRecord:
    """Facts arrive in any order and more than once: the first word on each stands."""

    def __init__(self) -> None:
        self.dialed_at: float | None = None
        self.refused = False
        """Asterisk refused the originate, or it never left us."""
        self.ringing_at: float | None = None
        self.answered_at: float | None = None
        self.destroyed = False
        self.remote_hangup = False
        self._last_dial = ""
        self._progress = False
        self._ended_at: float | None = None
        self._cause: int | None = None
        self._tech_cause: int | None = None
        self._sip_call_id: str | None = None
        self._our_hangup: EndedBy | None = None
        self._verdict: Outcome | None = None
        self._detail = ""

    def seen(self, channel: Channel | None) -> None:
        if channel is not None:
            self._sip_call_id = self._sip_call_id or channel.protocol_id or None

    def observe(self, event: Event, now: float) -> None:
        """Keep what an event of the callee channel says about it and its end."""
        if isinstance(event, events.ChannelEvent):
            self.seen(event.channel)
        match event:
            case events.Dial(dialstatus=status) if status:
                self._last_dial = status
                # Many carriers send 183 and never 180: it rang, Asterisk just was not told in that word.
                self._progress = self._progress or status == "PROGRESS"
            case events.ChannelHangupRequest():
                self._hangup_requested(event)
            case events.ChannelDestroyed():
                self._destroyed(event, now)
            case _:
                pass

    def _hangup_requested(self, event: ChannelHangupRequest) -> None:
        """Without `soft` it is the far side. With it: ours, or the PBX: `core restart now` asks every channel so
        before it goes. Whoever it was, it is no operator's word about the task.
        """
        if event.soft:
            self.hang_up(EndedBy.NETWORK, "hung up at the PBX")
            return
        self.remote_hangup = True
        if self._cause is None:
            self._cause, self._tech_cause = event.cause, event.tech_cause

    def hang_up(self, by: EndedBy, detail: str) -> None:
        """Our side wants the end; it counts only before the far side's own hangup."""
        if self._our_hangup is None and not self.remote_hangup and not self.destroyed:
            self._our_hangup = by
            self._detail = detail

    def refuse(self, error: AriError) -> None:
        """The originate was not executed: nobody was called."""
        self.refused = True
        verdict = Outcome.TRUNK_FAULT if isinstance(error, ServerError) else Outcome.FAILED
        self.conclude(verdict, EndedBy.SYSTEM_FAILURE, f"originate refused: {error}")

    def never_made(self) -> None:
        """Asterisk never got the originate: nobody was called, the attempt is not used up."""
        self.refused = True
        self.conclude(Outcome.FAILED, EndedBy.SYSTEM_FAILURE, "the originate never reached Asterisk")

    def miss(self, now: float) -> None:
        """Somebody answered and heard nothing. There was no talk, so a later call is not a second one."""
        self.answered_at = now if self.answered_at is None else self.answered_at
        self.conclude(Outcome.CANCELED, EndedBy.SYSTEM_FAILURE, "answered during outage")

    def conclude(self, verdict: Outcome, by: EndedBy, detail: str) -> None:
        """An outcome no cause will tell."""
        if self._verdict is None and self._our_hangup is None and not self.remote_hangup:
            self._verdict, self._our_hangup, self._detail = verdict, by, detail

    def _destroyed(self, event: ChannelDestroyed, now: float) -> None:
        if self.destroyed:
            return
        self.destroyed = True
        self.end(now)
        self._cause = event.cause
        self._tech_cause = self._tech_cause if event.tech_cause is None else event.tech_cause
        self._detail = self._detail or event.cause_txt

    def end(self, now: float) -> None:
        if self._ended_at is None:
            self._ended_at = now

    def result(self, *, callee_proven: bool) -> CallResult:
        dialed = self.dialed_at is not None
        evidence = Evidence(
            dialed=dialed,
            cause=self._cause,
            tech_cause=self._tech_cause,
            ever_ringing=self.ringing_at is not None or self._progress,
            ever_up=self.answered_at is not None,
            last_dial=self._last_dial,
            our_hangup=self._our_hangup,
            remote_hangup=self.remote_hangup,
            unseen=not self.destroyed and not self.remote_hangup and self._our_hangup is None,
        )
        return CallResult(
            outcome=self._verdict or outcome(evidence),
            ended_by=ended_by(evidence),
            dialed=dialed and (callee_proven or not self.refused) and not barred(evidence),
            hangup_cause=self._cause,
            tech_cause=self._tech_cause,
            sip_call_id=self._sip_call_id,
            ringing_at=self.ringing_at,
            answered_at=self.answered_at,
            ended_at=self._ended_at,
            detail=self._detail or ("the channel vanished, no event said why" if evidence.unseen else ""),
        )
