"""How long a call may stay in each state, and how long answers that should come may take. Used by `call`."""

from typing import assert_never

from stasis.call_model import PREPARE_S, CallPlan, CallState
from stasis.outcome import EndedBy

RING_GRACE_S = 5.0
"""Our watchdog behind Asterisk's own dial timeout."""
BRIDGE_S = 5.0
"""From answer to bridged; milliseconds in practice. Longer, and somebody listens to nothing."""
HANGUP_S = 5.0
"""From the far side's hangup request to ChannelDestroyed."""
ENDING_S = 30.0
"""After that a call ends with whatever is known; the sweep and Asterisk's own timers clean up."""
OVERDUE: dict[CallState, tuple[EndedBy, str]] = {
    CallState.PREPARE: (EndedBy.SYSTEM_FAILURE, "not prepared in time, missing"),
    CallState.DIALING: (EndedBy.SYSTEM_TIMEOUT, "neither answer nor end in time"),
    CallState.RINGING: (EndedBy.SYSTEM_TIMEOUT, "neither answer nor end in time"),
    CallState.ANSWERED: (EndedBy.SYSTEM_FAILURE, "answered, but not in the bridge in time"),
    CallState.BRIDGED: (EndedBy.SYSTEM_TIMEOUT, "maximum duration"),
}
"""Who ends a call whose state lasted too long, and what the record says."""


def ring_deadline(plan: CallPlan, dialed_at: float) -> float:
    """When a call that was not answered is over, whatever Asterisk says or does not say."""
    return dialed_at + plan.ring_timeout_s + RING_GRACE_S


def state_deadline(plan: CallPlan, state: CallState, now: float, ring_deadline_at: float) -> float | None:
    """The limit of a state entered at `now`; `ring_deadline_at` is one for two states, counted from the dial."""
    match state:
        case CallState.PREPARE:
            return now + PREPARE_S
        case CallState.DIALING | CallState.RINGING:
            return ring_deadline_at
        case CallState.ANSWERED:
            return now + BRIDGE_S
        case CallState.BRIDGED:
            return now + plan.max_duration_s
        case CallState.ENDING:
            return now + ENDING_S
        case CallState.ENDED:
            return None
        case _:
            assert_never(state)
