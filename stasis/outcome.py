"""What an ended call achieved and who ended it, from the facts ARI gave (Q.850 causes, SIP status as detail).

Pure and table-tested. `cause` decides; `tech_cause` only separates a trunk that refuses *us* from a callee who
refuses. Called by `record.CallRecord` once the callee channel is gone.
"""

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    COMPLETED = "completed"
    """The callee answered."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    BAD_NUMBER = "bad_number"
    """No such number: never dial it again."""
    UNREACHABLE = "unreachable"
    """It never rang: switched off, out of coverage, not registered."""
    NETWORK = "network"
    """Congestion or a fault on the way: worth another try soon."""
    TRUNK_FAULT = "trunk_fault"
    """Our own trunk refused or is down: nobody was called, every further call would fare the same."""
    CANCELED = "canceled"
    """We took the call back before it was answered, or nobody of ours was there when it was (outage)."""
    LOST = "lost"
    """It vanished and nobody saw why. Dialed, possibly answered (see `answered_at`): never redial blindly."""
    FAILED = "failed"
    """A fault on our side; `detail` says which."""


class EndedBy(StrEnum):
    CALLEE = "callee"
    AGENT = "agent"
    OPERATOR = "operator"
    SYSTEM_TIMEOUT = "system_timeout"
    """A limit of ours: rang out, maximum duration, the dead-man switch."""
    SYSTEM_COMPLETE = "system_complete"
    SYSTEM_FAILURE = "system_failure"
    NETWORK = "network"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about a callee channel that is gone.

    `our_hangup` is who asked us to hang up, if that came before the far side's own hangup; `remote_hangup`: a
    ChannelHangupRequest without `soft` was seen; `unseen`: it is gone and no event said so.
    """

    dialed: bool = True
    cause: int | None = None
    tech_cause: int | None = None
    ever_ringing: bool = False
    ever_up: bool = False
    last_dial: str = ""
    our_hangup: EndedBy | None = None
    remote_hangup: bool = False
    unseen: bool = False


class CallResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended. Times are monotonic seconds of the caller's clock, None when it never happened.

    `dialed` is False when it is certain that nobody was called: no originate was sent, or Asterisk refused it.
    Such an attempt is not used up.
    """

    outcome: Outcome
    ended_by: EndedBy
    dialed: bool
    hangup_cause: int | None = None
    tech_cause: int | None = None
    sip_call_id: str | None = None
    ringing_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    detail: str = ""


BARRED = 52
"""Outgoing call barred: the last gate of the bundled dialplan (deadline passed, too many calls), or the carrier
for our account. Nobody was called either way, and the number is not to blame. `FAILED`, tried again.
"""
FORBIDDEN = 403
"""SIP. Before any ringing the carrier will not take calls from us (no credit, address, caller id); a callee who
does not want this one says 486 or 603, or lets it ring first.
"""
_BY_CAUSE: dict[int, Outcome] = {
    **dict.fromkeys((17,), Outcome.BUSY),
    **dict.fromkeys((18, 19, 20, 27), Outcome.UNREACHABLE),
    **dict.fromkeys((21,), Outcome.REJECTED),
    **dict.fromkeys((1, 2, 3, 22, 28), Outcome.BAD_NUMBER),
    **dict.fromkeys((34, 38, 41, 42, 44, 58, 88, 102, 127), Outcome.NETWORK),
}
_BY_DIAL_STATUS: dict[str, Outcome] = {
    "BUSY": Outcome.BUSY,
    "CONGESTION": Outcome.NETWORK,
    "CHANUNAVAIL": Outcome.UNREACHABLE,
    "NOANSWER": Outcome.NO_ANSWER,
}


def outcome(evidence: Evidence) -> Outcome:
    """First match wins: gone unseen, answered, taken back by us, then the Q.850 cause."""
    if evidence.unseen:
        return Outcome.LOST
    if evidence.ever_up:
        return Outcome.COMPLETED
    if evidence.our_hangup is not None:
        return _taken_back(evidence.our_hangup, evidence)
    match evidence.cause:
        case 19 if evidence.ever_ringing:
            return Outcome.NO_ANSWER
        case 21 if evidence.tech_cause in {401, 407}:
            return Outcome.TRUNK_FAULT  # the challenge was for us: our credentials, not the callee's will
        case 21 if evidence.tech_cause == FORBIDDEN and not evidence.ever_ringing:
            return Outcome.TRUNK_FAULT
        case None | 0:
            # Local channels and some drivers give no cause; only here the last Dial is worth something.
            return _BY_DIAL_STATUS.get(evidence.last_dial, Outcome.FAILED)
        case cause:
            return _BY_CAUSE.get(cause, Outcome.FAILED)


def barred(evidence: Evidence) -> bool:
    """It never left us: certain only while nothing rang."""
    return evidence.cause == BARRED and not evidence.ever_up and not evidence.ever_ringing


def _taken_back(by: EndedBy, evidence: Evidence) -> Outcome:
    match by:
        case EndedBy.SYSTEM_TIMEOUT if (
            evidence.dialed
        ):  # our watchdog did what Asterisk's own dial timeout should have done
            return Outcome.NO_ANSWER if evidence.ever_ringing else Outcome.UNREACHABLE
        case EndedBy.SYSTEM_FAILURE:
            return Outcome.FAILED
        case _:
            return Outcome.CANCELED


def ended_by(evidence: Evidence) -> EndedBy:
    """Who ended it: whoever asked first; without anybody's request, a timer of Asterisk or the network."""
    if evidence.our_hangup is not None:
        return evidence.our_hangup
    if evidence.unseen:
        return EndedBy.NETWORK
    if evidence.ever_up:
        if evidence.remote_hangup:
            return EndedBy.CALLEE
        # TIMEOUT(absolute) ends a call without any ChannelHangupRequest, with an ordinary cause.
        return EndedBy.SYSTEM_TIMEOUT if evidence.cause in {None, 0, 16} else EndedBy.NETWORK
    match outcome(evidence):
        case Outcome.BUSY | Outcome.REJECTED:
            return EndedBy.CALLEE
        case Outcome.NO_ANSWER if not evidence.remote_hangup:
            return EndedBy.SYSTEM_TIMEOUT  # rang out: the originate's own timeout
        case _ if barred(evidence):
            return EndedBy.SYSTEM_FAILURE
        case _:
            return EndedBy.NETWORK
